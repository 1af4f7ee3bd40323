package main

import (
	"fmt"

	"github.com/neuralrg/neuralrg/examples/internal/checkpoint"
	"github.com/neuralrg/neuralrg/examples/internal/console"
	"github.com/neuralrg/neuralrg/flow"
)

// leg is a part of training, from one step on, and the number of steps that the
// run was to have then.
type leg struct {
	From  int `json:"from"`
	Steps int `json:"steps"`
}

// same checks that a file is of a run with the same flags and of no more steps than
// now.
func (o *options) same(was *record) error {
	differ := checkpoint.Differences(was.Options, o.values)
	if steps := was.Legs[len(was.Legs)-1].Steps; differ == "" && o.budget == 0 && o.steps < steps {
		differ = fmt.Sprintf("-steps was %d, now %d, but can only be raised", steps, o.steps)
	}
	if differ != "" {
		return fmt.Errorf("of a run with other flags: %s", differ)
	}
	return nil
}

// extend begins a new leg if -steps was raised.
func (k *keeper) extend() error {
	last, now := k.Legs[len(k.Legs)-1], len(k.history.Loss)
	if k.o.steps == last.Steps {
		return nil
	}
	k.Legs = append(k.Legs, leg{now, k.o.steps})
	text := fmt.Sprintf("-steps was %d, now %d: training goes on after step %d", last.Steps, k.o.steps, now)
	if k.o.cosine {
		text += fmt.Sprintf(", with the learning rate of a cosine over %d steps, %.2g", k.o.steps, k.o.lr*k.rate(now+1))
	}
	console.Printf("%s\n", text)
	return nil
}

// rate is the factor of the learning rate at a step: a cosine over the number of
// steps of the leg.
func (k *keeper) rate(step int) float64 {
	steps := k.legOf(step).Steps
	return flow.Cosine(steps, min(50, steps/10))(step)
}

// legOf is the leg of a step.
func (k *keeper) legOf(step int) leg {
	at := k.Legs[0]
	for _, l := range k.Legs {
		if step > l.From {
			at = l
		}
	}
	return at
}

// inverseTemperature rises in the first half of the first leg, with -budget in that of the
// leg of the step.
func (k *keeper) inverseTemperature(step int) float64 {
	l := k.Legs[0]
	if k.o.budget > 0 {
		l = k.legOf(step)
	}
	return flow.Ramp(k.o.anneal, l.Steps/2)(step)
}

// endTraining keeps the state from which training can go on, and takes the averaged
// parameters with -average.
func (k *keeper) endTraining() error {
	if k.o.checkpoint != "" {
		var err error
		if k.ended, err = k.state(); err != nil {
			return err
		}
	}
	k.Trained, k.Pending = true, false
	if k.o.average == 0 {
		return nil
	}
	return k.trainer.UseAverage()
}
