package target

import (
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/graph"
	"github.com/neuralrg/neuralrg/internal/num"
)

// Mixture is a mixture of normal densities with a common standard deviation σ,
//
//	π(x) = Σ_k w_k (2πσ²)^(−Dim/2) exp(−|x−μ_k|²/2σ²).
//
// It is a test bed with known modes: the share of the draws near μ_k is w_k. It is
// normalised, ln Z = 0, and draws are exact, so that it can be the prior of a flow, too. It
// is safe for concurrent use.
type Mixture struct {
	logW, cumulated []float64  // ln w_k, and the sums of w_k
	means           *mat.Dense // μ_k, (components, Dim)
	std, norm       float64    // σ, and (Dim/2) ln 2πσ²
}

// NewMixture returns the mixture with the given weights, one per component. They are
// divided by their sum. means is (components, Dim), one mean per row, and std is σ.
//
// NewMixture fails with ErrShape if means is nil or has another number of rows, with
// ErrSettings unless every weight, their sum, σ and 1/σ² are positive and finite, and with
// ErrNotFinite if a mean is not finite.
func NewMixture(weights []float64, means *mat.Dense, std float64) (*Mixture, error) {
	if means == nil || means.IsEmpty() {
		return nil, fmt.Errorf("target: mixture: %w: no means", ErrShape)
	}
	k, dim := means.Dims()
	if len(weights) != k {
		return nil, fmt.Errorf("target: mixture: %w: %d weights of %d means", ErrShape, len(weights), k)
	}
	sum := floats.Sum(weights)
	m := &Mixture{means: mat.DenseCopyOf(means), std: std, norm: 0.5 * float64(dim) * math.Log(2*math.Pi*std*std)}
	for i, w := range weights {
		if !(w > 0) || !(w/sum > 0) || math.IsInf(sum, 1) {
			return nil, fmt.Errorf("target: mixture: %w: weight %d is %g and the sum of weights %g, "+
				"want positive finite numbers", ErrSettings, i, w, sum)
		}
		m.logW = append(m.logW, math.Log(w/sum))
		m.cumulated = append(m.cumulated, w/sum)
		if !num.Finite(m.means.RawRowView(i)...) {
			return nil, fmt.Errorf("target: mixture: %w: mean %d is %v", ErrNotFinite, i, m.means.RawRowView(i))
		}
	}
	floats.CumSum(m.cumulated, m.cumulated)
	if !(std > 0) || !num.Finite(1/(std*std), m.norm) {
		return nil, fmt.Errorf("target: mixture: %w: standard deviation %g, want a positive number", ErrSettings, std)
	}
	return m, nil
}

// Dim returns the number of values of one configuration.
func (m *Mixture) Dim() int { return m.means.RawMatrix().Cols }

// LogProb returns the node ln π(x) in nats, of shape (rows), for x of shape (rows, Dim). It
// fails with ErrShape for other shapes. A finite x so large that the terms overflow has
// ln π = −Inf.
func (m *Mixture) LogProb(x *gorgonia.Node) (*gorgonia.Node, error) {
	return eachRow("target: mixture", x, m.Dim(), m.row)
}

// row returns ln π of one configuration. It stores the gradient Σ_k p_k (μ_k−x)/σ², where
// p_k is the probability of component k given x, in grad unless grad is nil.
//
// The sums are relative to the largest term so far.
func (m *Mixture) row(grad, x []float64) float64 {
	clear(grad)
	top, sum := math.Inf(-1), 0.0
	for k, logW := range m.logW {
		mean := m.means.RawRowView(k)
		d := floats.Distance(x, mean, 2) / m.std
		l := logW - 0.5*d*d
		if math.IsInf(l, -1) {
			continue
		}
		if l > top {
			scale := math.Exp(top - l)
			floats.Scale(scale, grad)
			top, sum = l, sum*scale
		}
		p := math.Exp(l - top)
		sum += p
		for i := range grad {
			grad[i] += p * (mean[i] - x[i])
		}
	}
	floats.Scale(1/(sum*m.std*m.std), grad)
	return top + math.Log(sum) - m.norm
}

// Rand stores one draw in dst, of length Dim. It panics if rnd is nil.
func (m *Mixture) Rand(dst []float64, rnd *rand.Rand) {
	k, u := 0, rnd.Float64()
	for k < len(m.cumulated)-1 && u >= m.cumulated[k] {
		k++
	}
	for i, mean := range m.means.RawRowView(k)[:len(dst)] {
		dst[i] = mean + m.std*rnd.NormFloat64()
	}
}

// eachRow returns the node of a density whose ln π and gradient row computes for one
// configuration. A finite x where that is NaN or +Inf has ln π = −Inf: terms have
// overflowed.
func eachRow(
	name string, x *gorgonia.Node, dim int, row func(grad, x []float64) float64,
) (*gorgonia.Node, error) {
	return graph.PerRow(name, x, dim, func() graph.RowsFunc {
		return graph.InParallel(dim, func(val, grad, x []float64) {
			for r := range val {
				var g []float64
				if grad != nil {
					g = grad[r*dim : (r+1)*dim]
				}
				v := x[r*dim : (r+1)*dim]
				if val[r] = row(g, v); !(val[r] <= math.MaxFloat64) && num.Finite(v...) {
					val[r] = math.Inf(-1)
				}
			}
		})
	})
}
