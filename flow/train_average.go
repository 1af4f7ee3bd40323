package flow

import (
	"fmt"
	"math"
)

// average takes the parameters of a step, counted from 1, into their averages
//
//	θ̄_t = (1−a) Σ_s a^(t−s) θ_s / (1−a^t), s = 1 … t,
//
// the exponential moving average with the correction of Kingma and Ba for its
// start. It is computed as θ̄_t = θ̄_{t−1} + w (θ_t − θ̄_{t−1}), w = (1−a)/(1−a^t), so that
// what does not change is its own average, to the bit.
func average(averages, params [][]float64, a float64, step int) {
	w := (1 - a) / (1 - math.Pow(a, float64(step)))
	for k, p := range params {
		mean := averages[k]
		for i, v := range p {
			d := v - mean[i]
			if math.IsInf(d, 0) { // beyond the range, as their average is not
				mean[i] = (1-w)*mean[i] + w*v
			} else {
				mean[i] += w * d
			}
		}
	}
}

// UseAverage sets the parameters of the model to their average, with decay
// OptimizerSettings.Average, over all steps so far. It is for the end of training: the
// average has less of the noise that a learning rate which does not vanish
// leaves in the parameters.
//
// The optimiser and the average itself stay as they are. Training that goes on
// does so from the averaged parameters, and takes what follows into the same
// average, which includes the steps that led there. Save writes the parameters
// as they are, before and after.
//
// It fails with ErrSettings without OptimizerSettings.Average and before the first step.
func (tr *Trainer) UseAverage() error {
	if tr.s.Optimizer.Average == 0 || tr.step == 0 {
		return fmt.Errorf("flow: UseAverage: %w: Average %g after %d steps", ErrSettings, tr.s.Optimizer.Average,
			tr.step)
	}
	for k, p := range tr.params {
		copy(p, tr.averages[k])
	}
	tr.clampScales()
	return nil
}
