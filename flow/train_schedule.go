package flow

import (
	"fmt"
	"math"
)

// Schedule returns a factor of the learning rate, or the inverse temperature β, for a
// step, counted from 1. It must depend on the step alone and have no state. A value that
// is negative, NaN or infinite ends training with ErrSettings.
type Schedule func(step int) float64

// at returns the factor at a step; it is 1 if there is no schedule.
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

// Cosine returns the schedule that rises linearly to 1 over the first warmup steps and
// then falls as half a period of a cosine, to 0 at step steps+1 (Loshchilov and Hutter,
// arXiv:1608.03983). Later steps have factor 0. For warmup below 1 there is no rise.
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

// Ramp returns the schedule that rises linearly, from the given value at step 0 to 1 at
// step steps, and stays 1 afterwards.
func Ramp(from float64, steps int) Schedule {
	return func(step int) float64 {
		if step >= steps {
			return 1
		}
		return from + (1-from)*float64(step)/float64(steps)
	}
}
