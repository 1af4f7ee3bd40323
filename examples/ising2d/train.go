package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/target"
)

// history is the course of training.
type history struct {
	Loss, Err []float64     // running mean and its standard error, step by step
	Last      flow.Estimate // the running estimate at the end
	Seconds   float64
}

// train trains the model; every o.every steps the samplers, if any, take part.
func train(i *interrupts, k *keeper, m *flow.Model, t target.Density) error {
	o, h := k.o, &k.history
	ctx, done := i.phase()
	defer done()
	k.Legs = []leg{{0, o.steps}}
	s := &flow.Settings{
		Batch: o.batch, Images: o.images, Window: 20, Src: k.src,
		Objective: flow.ReverseKL{PathGradient: o.path},
		Optimizer: flow.Adam{LearnRate: o.lr, Average: o.average},
	}
	if o.anneal != 1 {
		s.Anneal = k.inverseTemperature
	}
	if o.cosine {
		s.Optimizer.Schedule = k.rate
	}
	if o.adapt > 0 {
		// To begin with, what the flow proposes: all in one place they would be a
		// poor example.
		if len(h.Loss) == 0 {
			if err := m.Sample(k.walkers[0].x, nil, k.src); err != nil {
				return err
			}
		}
		s.Data = &flow.DataSettings{Source: &chainData{k.walkers[0], m, k.src}, Weight: o.adapt}
	}
	var bar *progress
	last := time.Now()
	// The chains move at every o.every-th step; if that is interrupted they do so
	// first of all when the program goes on.
	move := func() error {
		err := alongside(ctx, k.walkers, k.src, o.between)
		k.Pending = errors.Is(err, context.Canceled)
		return err
	}
	s.Recorder = flow.RecorderFunc(func(r *flow.Report) error {
		h.Loss, h.Err = append(h.Loss, r.Running.Loss), append(h.Err, r.Running.StdErr)
		h.Last = r.Running
		h.Seconds += time.Since(last).Seconds()
		bar.step(fmt.Sprintf("loss %.4f ± %.4f", r.Running.Loss, r.Running.StdErr))
		if o.every > 0 && r.Step%o.every == 0 {
			if err := move(); err != nil {
				return err
			}
		}
		var err error
		if r.Step%o.save == 0 {
			err = k.save()
		}
		last = time.Now()
		return err
	})
	var err error
	if k.trainer, err = flow.NewTrainer(m, t, s); err != nil {
		return err
	}
	if err := k.load(); err != nil || k.Trained {
		return err
	}
	bar = newProgress("training", o.steps, len(h.Loss))
	if k.Pending {
		err = move()
	}
	last = time.Now()
	if err == nil {
		err = k.trainer.Run(ctx, o.steps-len(h.Loss))
	}
	bar.done()
	if errors.Is(err, context.Canceled) {
		if err = k.stopped(); err == nil && len(h.Loss) == 0 {
			err = errors.New("stopped before the first training step")
		}
		if err == nil {
			fmt.Printf("training stopped after %d steps\n", len(h.Loss))
		}
	}
	if err == nil {
		err = k.endTraining()
	}
	return err
}

// evaluate judges the model by fresh samples, or, if it is interrupted, by the
// last ones of training.
func evaluate(i *interrupts, k *keeper, m *flow.Model, t target.Density) error {
	ctx, done := i.phase()
	defer done()
	e, err := flow.Evaluate(ctx, m, t, &flow.EvaluateSettings{Samples: k.o.samples, Batch: batchOfSamples, Src: k.src})
	if errors.Is(err, context.Canceled) {
		if k.o.checkpoint != "" { // as of the last save
			return errStopped
		}
		e, err = &k.history.Last, nil
	}
	if err != nil {
		return err
	}
	k.evaluated = e
	return k.save()
}
