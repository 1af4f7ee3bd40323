package main

import "math"

// twoPoint is the two-point function at zero momentum, C(t), with its standard errors, and
// the second-moment correlation length.
type twoPoint struct {
	C, Err    []float64
	Xi, XiErr float64
}

// correlator returns C(t) of one configuration along the first axis.
func (t *theory) correlator(x []float64) []float64 {
	c := make([]float64, t.field.Shape()[0])
	t.field.Correlator(c, t.values(x), 0)
	if t.self != nil {
		c[0] += t.self(x)
	}
	return c
}

// blocks is the number of blocks of the jackknife.
const blocks = 32

// twoPointOf is the mean of independent samples of C(t) with weights. All errors are by the
// jackknife.
func twoPointOf(samples [][]float64, weights []float64) *twoPoint {
	n := len(samples[0])
	sums, total := make([][]float64, blocks), make([]float64, blocks) // without each block
	all, allWeights := make([]float64, n), 0.0
	for b := range sums {
		sums[b] = make([]float64, n)
	}
	for i, c := range samples {
		b := i * blocks / len(samples)
		total[b] += weights[i]
		allWeights += weights[i]
		for t, v := range c {
			sums[b][t] += weights[i] * v
			all[t] += weights[i] * v
		}
	}
	mean := func(sum []float64, w float64) []float64 {
		m := make([]float64, n+1)
		for t, v := range sum {
			m[t] = v / w
		}
		m[n] = correlationLength(m[:n])
		return m
	}
	whole := mean(all, allWeights)
	variance := make([]float64, n+1)
	for b, sum := range sums {
		rest := make([]float64, n)
		for t, v := range sum {
			rest[t] = all[t] - v
		}
		for t, v := range mean(rest, allWeights-total[b]) {
			variance[t] += (v - whole[t]) * (v - whole[t]) * (blocks - 1) / blocks
		}
	}
	for t, v := range variance {
		variance[t] = math.Sqrt(v)
	}
	return &twoPoint{whole[:n], variance[:n], whole[n], variance[n]}
}

// correlationLength is the second-moment correlation length, NaN where it is not defined.
func correlationLength(c []float64) float64 {
	chi, f := 0.0, 0.0
	k := 2 * math.Pi / float64(len(c))
	for t, v := range c {
		chi += v
		f += v * math.Cos(k*float64(t))
	}
	return math.Sqrt(chi/f-1) / (2 * math.Sin(k/2))
}
