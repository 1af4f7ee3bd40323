package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/neuralrg/neuralrg/examples/internal/console"
	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/target"
)

// within is the context of training: with -budget it ends when the time is over. A run
// that is resumed has the time that is left.
func (r *training) within(ctx context.Context) (context.Context, context.CancelFunc) {
	if r.o.budget == 0 {
		return ctx, func() {}
	}
	r.deadline = r.last.Add(r.o.share - time.Duration(r.history.Seconds*float64(time.Second)))
	return context.WithDeadline(ctx, r.deadline)
}

// pacer knows since when, and from which step on, this program has made steps, and when
// the number of steps was last looked at.
type pacer struct {
	start time.Time
	from  int
	last  time.Time
}

// plan sets the number of training steps of a run with -budget: those that fit into
// the time that is left. The learning rate and the inverse temperature follow this number.
func (r *training) plan(ctx context.Context, s *flow.Settings, t target.Density) error {
	if r.o.steps > 0 {
		return nil
	}
	step, err := r.stepTime(ctx, s, t)
	if err != nil {
		return err
	}
	steps := int(0.97 * float64(time.Until(r.deadline)) / float64(step))
	if steps < 1 {
		return r.tooShort()
	}
	r.o.steps, r.Legs[0].Steps = steps, steps
	console.Printf("A training step takes %s s: %d steps\n", seconds(number(step.Seconds())), steps)
	return r.o.price()
}

// replan looks at the number of steps again whenever a twentieth of the time is over. If
// steps have become slower or faster, so that by a tenth fewer or more of them are left, a
// new leg of training begins.
func (r *training) replan() {
	made := len(r.history.Loss)
	if time.Since(r.pacer.last) < r.o.share/20 || made == r.o.steps {
		return
	}
	r.pacer.last = time.Now()
	step := float64(time.Since(r.pacer.start)) / float64(made-r.pacer.from)
	planned := r.o.steps - made
	left := max(1, int(0.98*float64(time.Until(r.deadline))/step))
	if math.Abs(float64(left-planned)) > 0.1*float64(planned) {
		r.o.steps = made + left
		r.Legs = append(r.Legs, leg{made, r.o.steps})
		r.bar.setTotal(r.o.steps)
	}
}

// stepTime is the mean time of a training step. It trains a copy of the model, which is
// thrown away, for a hundredth of the budget or 50 steps. The first step also builds
// the graph and does not count.
func (r *training) stepTime(ctx context.Context, s *flow.Settings, t target.Density) (time.Duration, error) {
	m, err := r.model.Copy()
	if err != nil {
		return 0, err
	}
	own := *s
	own.Src, own.Recorder, own.Anneal = rand.NewPCG(r.o.seed, 2020), nil, nil
	own.Optimizer.Schedule = func(int) float64 { return 0.01 }
	trainer, err := flow.NewTrainer(m, t, &own)
	if err != nil {
		return 0, err
	}
	if err := trainer.Run(ctx, 1); err != nil {
		return 0, err
	}
	start, steps := time.Now(), 0
	for steps < 3 || steps < 50 && time.Since(start) < r.o.share/100 {
		if err := trainer.Run(ctx, 1); err != nil {
			return 0, err
		}
		steps++
	}
	return time.Since(start) / time.Duration(steps), nil
}

// outOfTime ends training when the budget is used up.
func (r *training) outOfTime() error {
	steps := len(r.history.Loss)
	if steps == 0 {
		return r.tooShort()
	}
	console.Printf("the time is over: training ends after %d of %d steps\n", steps, r.o.steps)
	return nil
}

func (r *training) tooShort() error {
	return fmt.Errorf("-budget %v: too short for training on %d×%d sites", r.o.budget, r.o.L, r.o.L)
}
