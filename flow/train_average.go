package flow

import (
	"fmt"
	"math"
)

// average adds the parameters of a step, counted from 1, to their averages
//
//	θ̄_t = (1−a) Σ_s a^(t−s) θ_s / (1−a^t), s = 1 … t,
//
// the exponential moving average with the correction of Kingma and Ba for its start. It
// is computed as θ̄_t = θ̄_{t−1} + w (θ_t − θ̄_{t−1}) with w = (1−a)/(1−a^t). The average of
// a parameter that does not change is then the parameter, to the bit.
func average(averages, params [][]float64, a float64, step int) {
	w := (1 - a) / (1 - math.Pow(a, float64(step)))
	for k, p := range params {
		mean := averages[k]
		for i, v := range p {
			d := v - mean[i]
			if math.IsInf(d, 0) { // the difference overflows, the average does not
				mean[i] = (1-w)*mean[i] + w*v
			} else {
				mean[i] += w * d
			}
		}
	}
}

// UseAverage sets the parameters of the model to their average over all steps so far,
// with decay OptimizerSettings.Average. Call it at the end of training: a learning rate
// that does not vanish leaves noise in the parameters, and their average has less of it.
//
// The optimiser and the average itself do not change. Further training starts from the
// averaged parameters and continues the same average, which still includes the earlier
// steps. Save writes the current parameters, before UseAverage as well as after it.
//
// UseAverage fails with ErrSettings if Average is 0, and before the first step.
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
