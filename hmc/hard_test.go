package hmc

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/hmc/diag"
)

// funnel is that of R. M. Neal (2003): v = x[0] has variance 9, the other coordinates
// have variance e^v given v.
func funnel(grad, x []float64) float64 {
	v, rest := x[0], float64(len(x)-1)
	var sum float64
	for _, e := range x[1:] {
		sum += e * e
	}
	w := math.Exp(-v)
	if grad != nil {
		grad[0] = -v/9 - rest/2 + w*sum/2
		for j, e := range x[1:] {
			grad[1+j] = -w * e
		}
	}
	return -v*v/18 - rest*v/2 - w*sum/2
}

// banana is x[1] = x[0]² with an error of 0.1, and x[0] standard normal.
func banana(grad, x []float64) float64 {
	a := x[1] - x[0]*x[0]
	if grad != nil {
		grad[0], grad[1] = -x[0]+200*a*x[0], -100*a
	}
	return -x[0]*x[0]/2 - 50*a*a
}

// twoWells has two normal densities of standard deviation 1/2 at x[0] = ±3. The second
// coordinate is standard normal.
func twoWells(grad, x []float64) float64 {
	a, b := -2*(x[0]-3)*(x[0]-3), -2*(x[0]+3)*(x[0]+3)
	l := math.Max(a, b) + math.Log1p(math.Exp(-math.Abs(a-b)))
	if grad != nil {
		grad[0] = -4 * ((x[0]-3)*math.Exp(a-l) + (x[0]+3)*math.Exp(b-l))
		grad[1] = -x[1]
	}
	return l - x[1]*x[1]/2
}

// phi4 is the φ⁴ model on a square of 8 × 8 sites with periodic boundaries, near its
// transition: ln π = 2 Σ_<ij> φ_i φ_j − λ Σ_i φ_i⁴ (m² = −4 cancels the φ² of the
// kinetic term).
func phi4(grad, x []float64) float64 {
	const l, lambda = 8, 4.335
	var sum float64
	for i := range l {
		for j := range l {
			k, e := i*l+j, x[i*l+j]
			right, down := x[i*l+(j+1)%l], x[(i+1)%l*l+j]
			sum += 2*e*(right+down) - lambda*e*e*e*e
			if grad != nil {
				grad[k] = 2*(right+down+x[i*l+(j+l-1)%l]+x[(i+l-1)%l*l+j]) - 4*lambda*e*e*e
			}
		}
	}
	return sum
}

// steep is a normal density of standard deviation 0.01: chains that start from N(0, 1)
// must fall by thousands of nats.
func steep(grad, x []float64) float64 {
	var sum float64
	for j, v := range x {
		if grad != nil {
			grad[j] = -1e4 * v
		}
		sum -= 5e3 * v * v
	}
	return sum
}

// wishart is a normal density of n coordinates whose precision matrix is A Aᵀ, with A of
// n × n standard normal numbers, as M. D. Hoffman and A. Gelman have it for 250. It returns
// the variances, too.
func wishart(n int) (func(grad, x []float64) float64, []float64) {
	a := randn(12, n, n, 1)
	var p, inverse mat.Dense
	p.Mul(a, a.T())
	if err := inverse.Inverse(&p); err != nil {
		panic(err)
	}
	variance := make([]float64, n)
	for j := range variance {
		variance[j] = inverse.At(j, j)
	}
	return func(grad, x []float64) float64 {
		var sum float64
		for i, v := range x {
			g := -floats.Dot(p.RawRowView(i), x)
			if grad != nil {
				grad[i] = g
			}
			sum += g * v / 2
		}
		return sum
	}, variance
}

// With default settings no density fails silently: the mean of every coordinate and of its
// square is within four standard errors, or there is a warning. Easy densities have right
// moments and no warning of the sampler. 32 chains from N(0, 1), 200 sweeps of warm-up and
// 200 of sampling, seed 1. Of 250 coordinates there are 4 chains with 40 sweeps of each.
func TestHardDensities(t *testing.T) {
	correlated, variance := wishart(12)
	many, manyVariances := wishart(250)
	for _, c := range []struct {
		name         string
		dim          int
		f            func(grad, x []float64) float64
		mean, square []float64 // a single number: of all coordinates
		easy         bool
	}{
		{"funnel", 10, funnel, []float64{0}, append([]float64{9}, same(9, math.Exp(4.5))...), false},
		{"banana", 2, banana, []float64{0, 1}, []float64{1, 3.01}, false},
		{"two wells", 2, twoWells, []float64{0}, []float64{9.25, 1}, false},
		{"φ⁴", 64, phi4, []float64{0}, []float64{phi4Square}, true},
		{"walls", 2, laplace, []float64{-1}, []float64{2}, false},
		{"correlated", 12, correlated, []float64{0}, variance, true},
		{"correlated, 250", 250, many, []float64{0}, manyVariances, false},
		{"steep", 20, steep, []float64{0}, []float64{1e-4}, true},
	} {
		for _, k := range []Kernel{HMC{}, Microcanonical{}} {
			t.Run(c.name+"/"+kernelName(k), func(t *testing.T) {
				summary, own := defaultRun(t, c.dim, c.f, k)
				worst, where := 0.0, ""
				for q, r := range summary.Rows {
					want := [][]float64{c.mean, c.square}[q%2]
					d := math.Abs(r.Mean-want[min(q/2, len(want)-1)]) / r.MCSE
					if !(d <= worst) {
						worst, where = d, r.Name
					}
				}
				warnings := append(own, summary.Warnings...)
				t.Logf("%.1f standard errors in %s, %d warnings: %.200q", worst, where, len(warnings), warnings)
				if !(worst < 4) && len(warnings) == 0 {
					t.Errorf("no warning, but %s is wrong by %.1f standard errors", where, worst)
				}
				if c.easy && (!(worst < 4) || len(own) > 0) {
					t.Errorf("%s is wrong by %.1f standard errors, warnings %q", where, worst, own)
				}
			})
		}
	}
}

// defaultRun makes a run with default settings. It returns what the chains tell of every
// coordinate and its square, in turn, and the warnings of the sampler.
func defaultRun(t *testing.T, dim int, f func(grad, x []float64) float64, k Kernel) (*diag.Summary, []string) {
	t.Helper()
	chains, sweeps := 32, 200
	if dim > 100 {
		chains, sweeps = 4, 40
	}
	x0 := randn(1, chains, dim, 1)
	if math.IsInf(f(nil, x0.RawRowView(0)), -1) {
		x0.Apply(func(_, _ int, v float64) float64 { return -math.Abs(v) }, x0)
	}
	s := mustNew(t, Func(dim, f), x0, &Settings{Kernel: k, Src: rand.NewPCG(1, 2)})
	if err := s.WarmUp(t.Context(), sweeps, nil); err != nil {
		t.Fatal(err)
	}
	series := make([]diag.Named, 2*min(dim, 12)) // all sites of φ⁴ are alike
	for q := range series {
		series[q] = diag.Named{Name: fmt.Sprint("x", q/2, []string{"", "²"}[q%2]), X: mat.NewDense(sweeps, chains, nil)}
	}
	mustRun(t, s, sweeps, func(n int) error {
		x := s.X()
		for q := range series {
			for i := range chains {
				v := x.At(i, q/2)
				if q%2 == 1 {
					v *= v
				}
				series[q].X.Set(n, i, v)
			}
		}
		return nil
	})
	summary, err := diag.Summarize(series)
	if err != nil {
		t.Fatal(err)
	}
	return summary, s.Warnings()
}

// same returns n times v.
func same(n int, v float64) []float64 {
	s := make([]float64, n)
	for i := range s {
		s[i] = v
	}
	return s
}

// phi4Square is ⟨φ²⟩ of phi4: 0.3004 ± 0.0004 by HMC and 0.3007 ± 0.0002 by Microcanonical,
// 1500 sweeps of 64 chains.
const phi4Square = 0.3006
