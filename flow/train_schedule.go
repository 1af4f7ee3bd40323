package flow

import (
	"fmt"
	"math"
)

// Schedule is the factor of the learning rate, or the inverse temperature, at a
// step, counted from 1. It must not keep a state of its own: the factor depends
// on the step alone.
type Schedule func(step int) float64

// at is the factor at a step, 1 without a schedule.
func (s Schedule) at(step int) (float64, error) {
	if s == nil {
		return 1, nil
	}
	f := s(step)
	if !(f >= 0) || math.IsInf(f, 1) {
		return f, fmt.Errorf("%w: the schedule's factor is %g", ErrSettings, f)
	}
	return f, nil
}

// Cosine returns the schedule that rises linearly over the first warmup steps,
// to 1, and falls to 0 at step steps+1 as half a period of a cosine
// (Loshchilov and Hutter, arXiv:1608.03983). Steps beyond have factor 0. A warmup
// below one is none.
func Cosine(steps, warmup int) Schedule {
	warmup = max(0, warmup)
	return func(step int) float64 {
		switch {
		case step > steps:
			return 0
		case step <= warmup:
			return float64(step) / float64(warmup)
		}
		done := float64(step-1-warmup) / float64(steps-warmup)
		return 0.5 * (1 + math.Cos(math.Pi*done))
	}
}

// Ramp returns the schedule that rises linearly from the value from at step 0 to
// 1 at the given step, and stays there.
func Ramp(from float64, steps int) Schedule {
	return func(step int) float64 {
		if step >= steps {
			return 1
		}
		return from + (1-from)*float64(step)/float64(steps)
	}
}
