package bijectortest

import "math"

// valueFunc returns the values of a vector function when one variable is moved by by. It
// returns nil if the function fails.
type valueFunc = func(by float64) []float64

// stencil approximates a derivative to second order in the step h: f′(0) ≈ Σ weight·f(at·h)/h.
type stencil []struct{ at, weight float64 }

var (
	central = stencil{{1, 0.5}, {-1, -0.5}}
	right   = stencil{{0, -1.5}, {1, 2}, {2, -0.5}}
	left    = stencil{{0, 1.5}, {-1, -2}, {-2, 0.5}}
)

// differences returns the derivative at 0 of every component of f by a stencil. It returns nil
// if f does.
func differences(f valueFunc, s stencil, step float64) []float64 {
	var sum []float64
	for _, p := range s {
		v := f(p.at * step)
		if v == nil {
			return nil
		}
		if sum == nil {
			sum = make([]float64, len(v))
		}
		for i := range v {
			sum[i] += p.weight * v[i] / step
		}
	}
	return sum
}

// derivative returns the derivative at 0 of every component of f, which may have kinks nearby.
// It returns nil if f does.
//
// A kink within the reach of a difference makes the difference depend on the step. So
// derivative takes differences on both sides and on one, at several steps, and returns for
// each component the one that changes least if the step is divided by four.
func derivative(f valueFunc) []float64 {
	var best, change []float64
	for _, h := range []float64{step, step / 10} {
		for _, s := range []stencil{central, right, left} {
			wide, d := differences(f, s, h), differences(f, s, h/4)
			if wide == nil || d == nil {
				return nil
			}
			if best == nil {
				best, change = make([]float64, len(d)), make([]float64, len(d))
				for i := range d {
					best[i], change[i] = math.NaN(), math.Inf(1)
				}
			}
			for i := range d {
				if c := math.Abs(wide[i] - d[i]); c < change[i] {
					best[i], change[i] = d[i], c
				}
			}
		}
	}
	return best
}
