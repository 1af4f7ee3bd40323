package bijectortest

import "math"

// A stencil approximates the derivative at 0 of what it is given times the step, to
// second order in it: Σ weight·f(at·step).
type stencil []struct{ at, weight float64 }

var (
	central = stencil{{1, 0.5}, {-1, -0.5}}
	right   = stencil{{0, -1.5}, {1, 2}, {2, -0.5}}
	left    = stencil{{0, 1.5}, {-1, -2}, {-2, 0.5}}
)

// differences is the derivative at 0 of every component of f by a stencil, nil if f
// is.
func differences(f func(by float64) []float64, s stencil, step float64) []float64 {
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

// derivative is the derivative at 0 of every component of f, which may have kinks
// nearby: of differences on both sides and on either, at several steps, the one
// that changes least with a quarter of the step. A kink within the reach of a
// difference makes it depend on the step.
func derivative(f func(by float64) []float64) []float64 {
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
