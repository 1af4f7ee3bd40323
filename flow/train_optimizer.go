package flow

import (
	"fmt"
	"math"
)

// OptimizerSettings configures the optimiser, which changes the parameters by the
// gradient. A zero field means its default, so the zero value is a usable optimiser.
//
// Average keeps an exponential moving average of the parameters over about the last
// 1/(1−Average) steps. Training does not use this average. Trainer.UseAverage puts it
// into the model; Train does so at its end.
type OptimizerSettings struct {
	Method    Method   // Adam by default
	LearnRate float64  // 1e-3 by default
	Schedule  Schedule // factor of the learning rate, constant by default
	Plateau   *Plateau // lowers the learning rate when the loss no longer falls; nil: never
	ClipNorm  float64  // upper bound of the gradient's Euclidean norm: longer gradients are scaled to it; 0: none
	MaxScale  float64  // bound of |scale| in affine couplings, which then stretch by at most exp(MaxScale); 0: none
	Average   float64  // decay a in (0, 1) of the average of the parameters; 0: no average
}

// Method is how an optimiser makes a step of a gradient.
type Method int

const (
	// Adam is the method of Kingma and Ba, arXiv:1412.6980, with the other constants of that
	// paper: β₁ = 0.9, β₂ = 0.999 and ε = 1e-8.
	Adam Method = iota
	// Soap is Adam in a basis that is learned (Vyas et al., arXiv:2409.11321). For every
	// matrix G of the gradient of a network these are the eigenvectors of the means of GGᵀ
	// and GᵀG, with decay 0.95. They are found anew every 10 steps. A side of a matrix with
	// more than 128 rows or columns keeps its basis. Here β₂ = 0.99. For parameters that are
	// in no matrix, Soap is Adam.
	//
	// The step of a matrix has a root mean square of at most the learning rate.
	//
	// Soap needs fewer steps than Adam, and takes twice its learning rate. A step takes
	// some milliseconds longer. The matrices are those of bijector.Weighted.
	Soap
)

// defaults returns the settings with their defaults, checked. window is Settings.Window.
func (s OptimizerSettings) defaults(window int) (OptimizerSettings, error) {
	if s.LearnRate == 0 {
		s.LearnRate = 1e-3
	}
	switch {
	case s.Method < Adam || s.Method > Soap:
		return s, fmt.Errorf("%w: Method %d", ErrSettings, s.Method)
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

	step     int
	m, v     [][]float64 // moments, one slice per parameter, in the bases of matrices
	matrices []*matrix   // of Soap

	nextM, nextV, moves [][]float64 // room for a step
}

// newAdam returns the state before the first step.
func newAdam(rate float64, params [][]float64) *adam {
	a := &adam{rate: rate, beta1: 0.9, beta2: 0.999, eps: 1e-8}
	for _, room := range []*[][]float64{&a.m, &a.v, &a.nextM, &a.nextV, &a.moves} {
		for _, p := range params {
			*room = append(*room, make([]float64, len(p)))
		}
	}
	return a
}

// newSoap returns the state of Soap before the first step.
func newSoap(rate float64, params [][]float64, matrices []*matrix) *adam {
	a := newAdam(rate, params)
	a.beta2, a.matrices = 0.99, matrices
	return a
}

// update makes a step at factor times the learning rate. If a parameter or a moment would
// not be finite afterwards, it makes no step and fails with ErrNotFinite. It changes grads.
func (a *adam) update(params, grads [][]float64, factor float64) error {
	t := float64(a.step + 1)
	rate := factor * a.rate / (1 - math.Pow(a.beta1, t))
	norm := 1 / (1 - math.Pow(a.beta2, t))
	for k, m := range a.m {
		copy(a.nextM[k], m)
	}
	for k, r := range a.matrices { // not all in the same step
		r.learn(grads, a.nextM, a.step == 0 || (a.step+k)%soapEvery == 0)
	}
	for k, move := range a.moves {
		m, v, next := a.nextM[k], a.v[k], a.nextV[k]
		for i, d := range grads[k] {
			m[i] += (1 - a.beta1) * (d - m[i])
			next[i] = v[i] + (1-a.beta2)*(d*d-v[i])
			move[i] = rate * m[i] / (math.Sqrt(next[i]*norm) + a.eps)
		}
	}
	for _, r := range a.matrices {
		r.back(a.moves, factor*a.rate)
	}
	for k, p := range params {
		for i, move := range a.moves[k] {
			// Zero times what is not finite is NaN.
			if x := p[i] - move; 0*x+0*a.nextM[k][i]+0*a.nextV[k][i] != 0 {
				return fmt.Errorf("step of the optimiser: %w:"+
					" gradient %g at learning rate %g makes of %g the parameter %g",
					ErrNotFinite, grads[k][i], factor*a.rate, p[i], x)
			}
		}
	}
	for k, p := range params {
		for i, move := range a.moves[k] {
			p[i] -= move
		}
	}
	a.m, a.nextM, a.v, a.nextV = a.nextM, a.m, a.nextV, a.v
	for _, r := range a.matrices {
		r.commit()
	}
	a.step++
	return nil
}
