package flow

import "math"

// Schedule is the factor of the learning rate at a step, counted from 1. It
// must not keep a state of its own: the factor depends on the step alone.
type Schedule func(step int) float64

// Cosine returns the schedule that rises linearly over the first warmup steps,
// to 1, and falls to 0 at step steps+1 as half a period of a cosine
// (Loshchilov and Hutter, arXiv:1608.03983). Steps beyond have factor 0.
func Cosine(steps, warmup int) Schedule {
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
