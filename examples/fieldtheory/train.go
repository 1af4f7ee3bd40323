package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/neuralrg/neuralrg/flow"
)

// grownRate is the largest learning rate of a flow that begins as a trained one.
const grownRate = 5e-3

// train trains the flow for the time of -budget. The number of steps is set by the time that
// a few of them take, and the learning rate falls to zero at the last one.
func (r *report) train(ctx context.Context, o *options, t *theory, m *flow.Model) error {
	start := time.Now()
	ctx, cancel := context.WithDeadline(ctx, start.Add(o.budget))
	defer cancel()
	settings := func(steps int) *flow.Settings {
		recipe := *t.recipe
		if t.grown {
			recipe.Anneal, recipe.LearnRate = 1, grownRate
		}
		s := recipe.Settings(steps, rand.NewPCG(o.seed, 2))
		if s.Batch, s.Images = o.batch, min(o.images, len(m.Symmetries())); t.single {
			s.Images = 1
		}
		return s
	}
	step, err := t.stepTime(ctx, m, settings(100))
	if err != nil {
		return err
	}
	steps := max(1, int(0.95*float64(time.Until(start.Add(o.budget)))/float64(step)))
	fmt.Printf("%s\ntraining for %v: %d steps of %d samples\n", t.name, o.budget.Round(time.Second), steps, o.batch)
	s := settings(steps)
	last := start
	s.Recorder = flow.RecorderFunc(func(report *flow.Report) error {
		if r.Steps = report.Step; time.Since(last) > o.budget/10 {
			last = time.Now()
			fmt.Printf("step %d: loss %.4f ± %.4f nats\n", report.Step, report.Running.Loss, report.Running.StdErr)
		}
		return nil
	})
	_, err = flow.Train(ctx, m.Float32(), t.Density, s) // the parameters are those of m
	r.Seconds += time.Since(start).Seconds()
	switch {
	case r.Steps == 0 && err != nil:
		return fmt.Errorf("-budget %v: no training step was made: %w", o.budget, err)
	case errors.Is(err, context.DeadlineExceeded):
		return nil
	}
	return err
}

// stepTime is the time of a training step of a copy of the flow. The first step builds the
// graph and does not count.
func (t *theory) stepTime(ctx context.Context, m *flow.Model, s *flow.Settings) (time.Duration, error) {
	scratch, err := m.Copy()
	if err != nil {
		return 0, err
	}
	trainer, err := flow.NewTrainer(scratch.Float32(), t.Density, s)
	if err != nil {
		return 0, err
	}
	if err := trainer.Run(ctx, 1); err != nil {
		return 0, err
	}
	const steps = 4
	start := time.Now()
	err = trainer.Run(ctx, steps)
	return time.Since(start) / steps, err
}
