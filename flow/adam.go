package flow

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/floats"
)

// adam is the optimiser of Kingma and Ba, arXiv:1412.6980, over flat
// parameters.
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

// update makes a step at factor times the learning rate, or none, with
// ErrNotFinite, if that would leave a parameter or a moment that is not finite.
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
				return fmt.Errorf("step of the optimiser: %w: gradient %g at learning rate %g makes of %g the parameter %g", ErrNotFinite, d, factor*a.rate, p[i], x)
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

// update clips the gradient, moves the parameters along it at a factor of the
// learning rate, and clamps scales.
func (tr *Trainer) update(factor float64) error {
	if clip := tr.s.ClipNorm; clip > 0 {
		norm := floats.Norm(tr.gradient, 2)
		if math.IsInf(norm, 1) {
			return fmt.Errorf("norm of the gradient: %w: %g", ErrNotFinite, norm)
		}
		if norm > clip {
			floats.Scale(clip/norm, tr.gradient)
		}
	}
	if err := tr.adam.update(tr.params, tr.grads, factor); err != nil {
		return err
	}
	tr.clampScales()
	return nil
}

// clampScales bounds the scales of couplings, where they are.
func (tr *Trainer) clampScales() {
	for _, s := range tr.scales {
		for i := range s.Len() {
			s.SetVec(i, min(max(s.AtVec(i), -tr.s.MaxScale), tr.s.MaxScale))
		}
	}
}

// minShrink bounds from below the factor that faults make of the learning rate.
const minShrink = 1e-6
