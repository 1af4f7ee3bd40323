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

// training is the phase in which the model is trained.
type training struct {
	*keeper
	bar      *progress
	last     time.Time // up to which history.Seconds counts
	deadline time.Time // with -budget
	pacer    pacer
}

// train trains the model. After every o.every steps the chains move, too.
func train(i *interrupts, k *keeper, m *flow.Model, t target.Density) error {
	ctx, done := i.phase()
	defer done()
	k.Legs = []leg{{0, k.o.steps}}
	r := &training{keeper: k, last: time.Now()}
	s, err := r.settings(ctx, m)
	if err != nil {
		return err
	}
	if k.trainer, err = flow.NewTrainer(m, t, s); err != nil {
		return err
	}
	if err := k.load(); err != nil || k.passed {
		return err
	}
	printFlow(k.o, m)
	if k.Trained {
		return nil
	}
	ctx, cancel := r.within(ctx)
	defer cancel()
	if err = r.plan(ctx, s, t); err == nil {
		err = r.run(ctx)
	}
	switch {
	case errors.Is(err, context.Canceled):
		err = r.interrupted()
	case errors.Is(err, context.DeadlineExceeded):
		err = r.outOfTime()
	}
	if err == nil {
		err = k.endTraining()
	}
	return err
}

// settings are those of the trainer.
func (r *training) settings(ctx context.Context, m *flow.Model) (*flow.Settings, error) {
	o, k := r.o, r.keeper
	s := &flow.Settings{
		Batch: o.batch, Parts: o.parts, Comm: o.comm, Images: o.images, Window: 20, Src: k.src,
		Objective: flow.ReverseKL{PathGradient: o.path},
		Optimizer: flow.OptimizerSettings{LearnRate: o.lr, Average: o.average},
	}
	if o.soap {
		s.Optimizer.Method = flow.Soap
	}
	if o.anneal != 1 {
		s.Anneal = k.inverseTemperature
	}
	if o.cosine {
		s.Optimizer.Schedule = k.rate
	}
	if o.adapt > 0 {
		// The chains begin at samples of the flow. If all were at one
		// configuration, the flow would learn that one alone.
		if err := m.Sample(k.walkers[0].x, nil, k.src); err != nil {
			return nil, err
		}
		s.Data = &flow.DataSettings{Source: &chainData{k.walkers[0], m, k.src}, Weight: o.adapt}
	}
	s.Recorder = flow.RecorderFunc(func(report *flow.Report) error { return r.record(ctx, report) })
	return s, nil
}

// run makes the steps that are left.
func (r *training) run(ctx context.Context) error {
	made := len(r.history.Loss)
	name := "training"
	if r.o.budget > 0 {
		name = fmt.Sprintf("%d×%d sites", r.o.L, r.o.L)
	}
	r.bar = newProgress(name, r.o.steps, made)
	defer r.bar.done()
	if r.Pending {
		if err := r.move(ctx); err != nil {
			return err
		}
	}
	r.last = time.Now()
	if r.o.budget == 0 {
		return r.trainer.Run(ctx, r.o.steps-made)
	}
	for r.pacer = (pacer{r.last, made, r.last}); len(r.history.Loss) < r.o.steps; r.replan() {
		if err := r.trainer.Run(ctx, 1); err != nil {
			return err
		}
	}
	return nil
}

// record notes a step, and lets the chains move and the state be saved when it is
// time for that.
func (r *training) record(ctx context.Context, report *flow.Report) error {
	h, running := &r.history, report.Running
	h.Loss, h.Err, h.Last = append(h.Loss, running.Loss), append(h.Err, running.StdErr), running
	h.Seconds += time.Since(r.last).Seconds()
	r.bar.step(fmt.Sprintf("loss %.4f ± %.4f", running.Loss, running.StdErr))
	if r.o.every > 0 && report.Step%r.o.every == 0 {
		if err := r.move(ctx); err != nil {
			return err
		}
	}
	var err error
	if report.Step%r.o.save == 0 {
		err = r.save()
	}
	r.last = time.Now()
	return err
}

// move lets the chains move. If it is interrupted, the chains move first of all
// when the program goes on.
func (r *training) move(ctx context.Context) error {
	err := alongside(ctx, r.walkers, r.src, r.o.between)
	r.Pending = errors.Is(err, context.Canceled)
	return err
}

// interrupted decides what follows: a program that can be resumed ends, any other
// one goes on with the model as it is.
func (r *training) interrupted() error {
	if err := r.stopped(); err != nil {
		return err
	}
	steps := len(r.history.Loss)
	if steps == 0 {
		return errors.New("stopped before the first training step")
	}
	fmt.Printf("training stopped after %d steps\n", steps)
	return nil
}

// evaluate judges the model by fresh samples, or, if it is interrupted, by the
// last ones of training.
func evaluate(i *interrupts, k *keeper, m *flow.Model, t target.Density) error {
	ctx, done := i.phase()
	defer done()
	e, err := flow.Evaluate(ctx, m, t, &flow.EvaluateSettings{Samples: k.o.samples, Batch: batchOfSamples, Src: k.src})
	if errors.Is(err, context.Canceled) {
		if k.o.checkpoint != "" { // the file is of the last save
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
