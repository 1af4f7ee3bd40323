package flow

import "math"

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

// update makes a step at factor times the learning rate.
func (a *adam) update(params, grads [][]float64, factor float64) {
	a.step++
	t := float64(a.step)
	rate := factor * a.rate / (1 - math.Pow(a.beta1, t))
	norm := 1 / (1 - math.Pow(a.beta2, t))
	for k, p := range params {
		m, v, g := a.m[k], a.v[k], grads[k]
		for i, d := range g {
			m[i] += (1 - a.beta1) * (d - m[i])
			v[i] += (1 - a.beta2) * (d*d - v[i])
			p[i] -= rate * m[i] / (math.Sqrt(v[i]*norm) + a.eps)
		}
	}
}
