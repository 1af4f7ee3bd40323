package flow

import (
	"fmt"
	"math"
)

// OptimizerSettings configures the optimiser, which changes the parameters by the
// gradient. A zero field means its default, so the zero value is a usable optimiser.
//
// The method is Adam (Kingma and Ba, arXiv:1412.6980) with the other constants of
// that paper: β₁ = 0.9, β₂ = 0.999 and ε = 1e-8.
//
// Average keeps an exponential moving average of the parameters over about the last
// 1/(1−Average) steps. Training does not use this average. Trainer.UseAverage puts it
// into the model; Train does so at its end.
type OptimizerSettings struct {
	LearnRate float64  // 1e-3 by default
	Schedule  Schedule // factor of the learning rate, constant by default
	Plateau   *Plateau // lowers the learning rate when the loss no longer falls; nil: never
	ClipNorm  float64  // upper bound of the gradient's Euclidean norm: longer gradients are scaled to it; 0: none
	MaxScale  float64  // bound of |scale| in affine couplings, which then stretch by at most exp(MaxScale); 0: none
	Average   float64  // decay a in (0, 1) of the average of the parameters; 0: no average
}

// defaults returns the settings with their defaults, checked. window is Settings.Window.
func (s OptimizerSettings) defaults(window int) (OptimizerSettings, error) {
	if s.LearnRate == 0 {
		s.LearnRate = 1e-3
	}
	switch {
	case !(s.LearnRate > 0) || math.IsInf(s.LearnRate, 1):
		return s, fmt.Errorf("%w: learning rate %g", ErrSettings, s.LearnRate)
	case !(s.ClipNorm >= 0) || !(s.MaxScale >= 0) || math.IsInf(s.ClipNorm, 1) || math.IsInf(s.MaxScale, 1):
		return s, fmt.Errorf("%w: ClipNorm %g and MaxScale %g, want positive finite numbers, or 0 for none",
			ErrSettings, s.ClipNorm, s.MaxScale)
	case s.Average != 0 && !(s.Average > 0 && s.Average < 1):
		return s, fmt.Errorf("%w: Average %g, want a decay between 0 and 1, or 0 for none", ErrSettings, s.Average)
	}
	if s.Plateau != nil {
		var err error
		if s.Plateau, err = s.Plateau.defaults(window); err != nil {
			return s, err
		}
	}
	return s, nil
}

// adam is the state of the optimiser over flat parameters.
type adam struct {
	rate, beta1, beta2, eps float64

	step int
	m, v [][]float64 // moments, one slice per parameter
}

func newAdam(rate float64, params [][]float64) *adam {
	a := &adam{rate: rate, beta1: 0.9, beta2: 0.999, eps: 1e-8}
	for _, p := range params {
		a.m = append(a.m, make([]float64, len(p)))
		a.v = append(a.v, make([]float64, len(p)))
	}
	return a
}

// update makes a step at factor times the learning rate. If a parameter or a moment would
// not be finite afterwards, it makes no step and fails with ErrNotFinite.
func (a *adam) update(params, grads [][]float64, factor float64) error {
	t := float64(a.step + 1)
	rate := factor * a.rate / (1 - math.Pow(a.beta1, t))
	norm := 1 / (1 - math.Pow(a.beta2, t))
	move := func(p, m, v, d float64) (np, nm, nv float64) {
		nm = m + (1-a.beta1)*(d-m)
		nv = v + (1-a.beta2)*(d*d-v)
		return p - rate*nm/(math.Sqrt(nv*norm)+a.eps), nm, nv
	}
	for k, p := range params {
		m, v := a.m[k], a.v[k]
		for i, d := range grads[k] {
			// Zero times what is not finite is NaN.
			if x, y, z := move(p[i], m[i], v[i], d); 0*x+0*y+0*z != 0 {
				return fmt.Errorf("step of the optimiser: %w:"+
					" gradient %g at learning rate %g makes of %g the parameter %g",
					ErrNotFinite, d, factor*a.rate, p[i], x)
			}
		}
	}
	for k, p := range params {
		m, v := a.m[k], a.v[k]
		for i, d := range grads[k] {
			p[i], m[i], v[i] = move(p[i], m[i], v[i], d)
		}
	}
	a.step++
	return nil
}
