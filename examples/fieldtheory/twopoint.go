package main

import (
	"math"

	"gonum.org/v1/gonum/floats"
)

// twoPoint is the two-point function at zero momentum, C(t), with its standard errors, the
// second-moment correlation length, χ = Σ_t C(t) and the Binder cumulant.
type twoPoint struct {
	C, Err            []float64
	Xi, XiErr         float64
	Chi, ChiErr       float64
	Binder, BinderErr float64
}

// correlator returns C(t) of one configuration along the first axis, and behind it χ².
func (t *theory) correlator(x []float64) []float64 {
	n := t.field.Shape()[0]
	c := make([]float64, n, n+1)
	t.field.Correlator(c, t.values(x), 0)
	if t.self != nil {
		c[0] += t.self(x)
	}
	chi := floats.Sum(c)
	return append(c, chi*chi)
}

// binder is the cumulant 1 − ⟨|m|⁴⟩/3⟨|m|²⟩², for |m|² = χ/N. The means are those of χ and χ².
func binder(means []float64) float64 { return 1 - means[1]/(3*means[0]*means[0]) }

// blocks is the number of blocks of the jackknife.
const blocks = 32

// twoPointOf is the mean of independent samples of C(t) and χ² with weights. All errors are by
// the jackknife.
func twoPointOf(samples [][]float64, weights []float64) *twoPoint {
	n := len(samples[0])
	last := n - 1                                                     // the place of χ²
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
		m := make([]float64, n+2)
		for t, v := range sum {
			m[t] = v / w
		}
		chi := floats.Sum(m[:last])
		m[last], m[n], m[n+1] = binder([]float64{chi, m[last]}), correlationLength(m[:last]), chi
		return m
	}
	whole := mean(all, allWeights)
	variance := make([]float64, n+2)
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
	return &twoPoint{
		whole[:last], variance[:last], whole[n], variance[n], whole[n+1], variance[n+1], whole[last], variance[last],
	}
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
