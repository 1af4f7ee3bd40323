package hmc

import (
	"math"

	"gonum.org/v1/gonum/mat"
)

// pointwise is the LogDensity of a plain function that fills grad and returns the
// log-density. It counts its calls and those without a gradient, and notes
// whether a position was not finite. before, if set, runs first and may fail the
// call.
type pointwise struct {
	dim      int
	f        func(grad, x []float64) float64
	before   func(call int) error
	calls    int
	values   int
	infinite bool
}

func (p *pointwise) Dim() int { return p.dim }

func (p *pointwise) LogProbGrad(logp []float64, grad, x *mat.Dense) error {
	p.calls++
	if p.before != nil {
		if err := p.before(p.calls); err != nil {
			return err
		}
	}
	if grad == nil {
		p.values++
		grad = mat.NewDense(len(logp), p.dim, nil)
	}
	for i := range logp {
		row := x.RawRowView(i)
		if firstNotFinite(row) >= 0 {
			p.infinite = true
		}
		logp[i] = p.f(grad.RawRowView(i), row)
	}
	return nil
}

// normal is the standard normal density.
func normal(grad, x []float64) float64 {
	var sum float64
	for j, e := range x {
		grad[j] = -e
		sum -= e * e / 2
	}
	return sum
}

// anharmonic is two coupled quartic oscillators, −x⁴/4 − y⁴/4 − x²y²/2 − (x−y)²/2 + x/3.
func anharmonic(grad, x []float64) float64 {
	a, b := x[0], x[1]
	grad[0] = -a*a*a - a*b*b - (a - b) + 1./3
	grad[1] = -b*b*b - b*a*a + (a - b)
	return -(a*a*a*a+b*b*b*b)/4 - a*a*b*b/2 - (a-b)*(a-b)/2 + a/3
}

// skewed is −x⁴/4 + x²/2 + x/2, neither Gaussian nor even.
func skewed(grad, x []float64) float64 {
	a := x[0]
	grad[0] = -a*a*a + a + 0.5
	return -a*a*a*a/4 + a*a/2 + a/2
}

// crude is a force for skewed that has its form with other coefficients.
func crude(grad, x []float64) float64 {
	a := x[0]
	grad[0] = -1.3*a*a*a + 0.8*a + 0.2
	return -1.3*a*a*a*a/4 + 0.4*a*a + 0.2*a
}

// doubleWell is −2(x²−1)².
func doubleWell(grad, x []float64) float64 {
	a := x[0]
	grad[0] = -8 * a * (a*a - 1)
	return -2 * (a*a - 1) * (a*a - 1)
}

// table holds a one-dimensional density on a fine grid. The trapezium rule
// converges exponentially for an analytic function that vanishes at both ends.
type table struct{ x, weight, cumulative []float64 }

func tabulate(f func(grad, x []float64) float64) *table {
	const n, half = 20001, 8.0
	t := &table{}
	var sum float64
	for i := range n {
		x := -half + 2*half*float64(i)/(n-1)
		w := math.Exp(f(make([]float64, 1), []float64{x}))
		sum += w
		t.x = append(t.x, x)
		t.weight = append(t.weight, w)
		t.cumulative = append(t.cumulative, sum)
	}
	for i := range t.x {
		t.weight[i] /= sum
		t.cumulative[i] /= sum
	}
	return t
}

func (t *table) mean(f func(x float64) float64) float64 {
	var sum float64
	for i, x := range t.x {
		sum += t.weight[i] * f(x)
	}
	return sum
}

// quantiles returns n positions spread over the density in equal shares, a
// stratified start in equilibrium.
func (t *table) quantiles(n int) *mat.Dense {
	q := mat.NewDense(n, 1, nil)
	k := 0
	for i := range n {
		for t.cumulative[k] < (float64(i)+0.5)/float64(n) {
			k++
		}
		q.Set(i, 0, t.x[k])
	}
	return q
}
