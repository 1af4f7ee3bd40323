package target

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/neuralrg/neuralrg/internal/num"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

var isingShapes = [][]int{
	{2}, {3}, {16}, {2, 2}, {3, 3}, {2, 3}, {4, 4}, {5, 4}, {16, 16}, {2, 2, 2}, {3, 3, 3}, {4, 2, 3}, {2, 3, 2, 2},
}

// isingOf returns the model with the given α, or with α by the rule for byRule.
func isingOf(t testing.TB, shape []int, T, alpha float64) *Ising {
	t.Helper()
	var m *Ising
	var err error
	if math.IsNaN(alpha) {
		m, err = NewIsing(shape, T)
	} else {
		m, err = NewIsingOffset(shape, T, alpha)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// byRule is the α of isingOf that stands for the rule of NewIsing.
var byRule = math.NaN()

// isingRows returns six configurations: values of order one, tiny ones, huge ones, all of
// these, 200 at every site, and zero at every site.
func isingRows(seed uint64, n int) *mat.Dense {
	x := mat.NewDense(6, n, normalRows(seed, 6*n))
	floats.Scale(1e-9, x.RawRowView(1))
	floats.Scale(200, x.RawRowView(2))
	for i := range n {
		x.Set(3, i, x.At(3, i)*[]float64{200, 1, 1e-9, -1e-3}[i%4])
		x.Set(4, i, 200)
		x.Set(5, i, 0)
	}
	return x
}

// lnCosh returns ln cosh x by its definition, and by its series at small x.
func lnCosh(x float64) float64 {
	if math.Abs(x) < 1e-3 {
		return x * x / 2 * (1 - x*x/6)
	}
	return math.Log(math.Cosh(x))
}

// ln π and its gradient agree with the dense matrix.
func TestIsingAgainstDense(t *testing.T) {
	for _, shape := range isingShapes {
		for _, T := range []float64{1, criticalT, 5} {
			for _, alpha := range []float64{byRule, 1 - couplingMin(shape, T)} {
				m := isingOf(t, shape, T, alpha)
				var inverse mat.Dense
				if err := inverse.Inverse(denseCirculant(shape, T, m.Alpha())); err != nil {
					t.Fatal(err)
				}
				n := m.Dim()
				x := isingRows(1, n)
				rows, _ := x.Dims()
				logp, only, grad := make([]float64, rows), make([]float64, rows), mat.NewDense(rows, n, nil)
				e := NewEvaluator(m)
				if err := errors.Join(e.LogProbGrad(logp, grad, x), e.LogProbs(only, x)); err != nil {
					t.Fatal(err)
				}
				checkSameBits(t, "LogProb and LogProbGrad", only, logp)
				for r := range rows {
					var y mat.VecDense
					y.MulVec(&inverse, x.RowView(r))
					want, terms := -0.5*mat.Dot(x.RowView(r), &y), 0.0
					for i, v := range x.RawRowView(r) {
						want += lnCosh(v)
						terms += math.Abs(v) * (1 + math.Abs(y.AtVec(i)))
					}
					// The last term is the rounding error of logarithms near ln 1.
					if !(math.Abs(logp[r]-want) <= 1e-13*terms+1e-16*float64(n)) {
						t.Errorf("%v T=%g alpha=%g row %d: ln π = %v, want %v", shape, T, m.Alpha(), r, logp[r], want)
					}
					// The condition number of K+αI multiplies the rounding of y.
					tol := 1e-13 * (mat.Norm(x.RowView(r), math.Inf(1)) + mat.Norm(&y, math.Inf(1)))
					for i, v := range x.RawRowView(r) {
						if want := math.Tanh(v) - y.AtVec(i); !(math.Abs(grad.At(r, i)-want) <= tol) {
							t.Errorf("%v T=%g alpha=%g row %d site %d: gradient %v, want %v",
								shape, T, m.Alpha(), r, i, grad.At(r, i), want)
						}
					}
				}
			}
		}
	}
}

// A uniform configuration is an eigenvector: ln π = N (ln cosh c − c²/2λ_0). The lattices
// are so large that a product of N numbers cosh x or exp(−2|x|) overflows or underflows.
func TestIsingUniform(t *testing.T) {
	for _, shape := range [][]int{{3}, {31}, {33}, {5000}, {12, 12}, {41, 40}, {72, 72}} {
		m := isingOf(t, shape, criticalT, byRule)
		n := float64(m.Dim())
		for _, c := range []float64{0, 1e-9, 0.3, 1, 5, 25, 200, 1e6} {
			x, logp := mat.NewDense(1, m.Dim(), nil), make([]float64, 1)
			for i := range m.Dim() {
				x.Set(0, i, c)
			}
			if err := NewEvaluator(m).LogProbs(logp, x); err != nil {
				t.Fatal(err)
			}
			lnCosh := c + math.Log1p(math.Exp(-2*c)) - math.Ln2
			want := n * (lnCosh - c*c/2/m.Spectrum()[0])
			if !(math.Abs(logp[0]-want) <= 1e-13*n*(1e-3+c+c*c)) {
				t.Errorf("%v at %g: ln π is %.15g, want %.15g", shape, c, logp[0], want)
			}
		}
	}
}

// The gradient agrees with finite differences.
func TestIsingGradient(t *testing.T) {
	for _, shape := range isingShapes {
		for _, T := range []float64{1, criticalT, 5} {
			m := isingOf(t, shape, T, byRule)
			if err := CheckGrad(m, isingRows(2, m.Dim()), 1e-6); err != nil {
				t.Errorf("%v T=%g: %v", shape, T, err)
			}
		}
	}
}

// ln π does not change under a flip of all signs, translations, reflections and, on a
// square, exchange of the axes.
func TestIsingSymmetries(t *testing.T) {
	const rows, cols = 4, 4
	m := isingOf(t, []int{rows, cols}, criticalT, byRule)
	maps := map[string]func(i, j int) (int, int){
		"down":      func(i, j int) (int, int) { return (i + 1) % rows, j },
		"right":     func(i, j int) (int, int) { return i, (j + 1) % cols },
		"reflect":   func(i, j int) (int, int) { return rows - 1 - i, j },
		"transpose": func(i, j int) (int, int) { return j, i },
	}
	x := mat.NewDense(1, rows*cols, normalRows(3, rows*cols))
	logp := func(x *mat.Dense) float64 {
		p := make([]float64, 1)
		if err := NewEvaluator(m).LogProbs(p, x); err != nil {
			t.Fatal(err)
		}
		return p[0]
	}
	want := logp(x)
	var minus mat.Dense
	minus.Scale(-1, x)
	if got := logp(&minus); got != want {
		t.Errorf("flipped: %v, want %v", got, want)
	}
	for name, f := range maps {
		y := mat.NewDense(1, rows*cols, nil)
		for i := range rows {
			for j := range cols {
				k, l := f(i, j)
				y.Set(0, k*cols+l, x.At(0, i*cols+j))
			}
		}
		checkRelative(t, name, logp(y), want, 1e-13)
	}
}

// Given spins s, x is normal with mean (K+αI)s and covariance K+αI. So π(x)/Z is a mixture
// of normal densities with the weights π(s), for every α. This fixes ln π and ln Z.
func TestIsingIsMixtureOfNormals(t *testing.T) {
	for _, shape := range [][]int{{2}, {3}, {7}, {2, 2}, {2, 3}, {3, 3}} {
		for _, T := range []float64{1.3, criticalT, 6} {
			states := allIsingStates(shape, T)
			for _, offset := range []float64{0.1, 1.7} {
				m := isingOf(t, shape, T, offset-couplingMin(shape, T))
				a := denseCirculant(shape, T, m.Alpha())
				const rows = 5
				x := mat.NewDense(rows, m.Dim(), normalRows(4, rows*m.Dim()))
				logp := make([]float64, rows)
				if err := NewEvaluator(m).LogProbs(logp, x); err != nil {
					t.Fatal(err)
				}
				var chol mat.Cholesky
				if !chol.Factorize(a) {
					t.Fatal("K+αI is not positive definite")
				}
				norm := 0.5 * (float64(m.Dim())*math.Log(2*math.Pi) + chol.LogDet())
				for r := range rows {
					var terms []float64
					for i, s := range states.spins {
						var d, y mat.VecDense
						d.MulVec(a, s)
						d.SubVec(x.RowView(r), &d)
						if err := chol.SolveVecTo(&y, &d); err != nil {
							t.Fatal(err)
						}
						terms = append(terms, math.Log(states.prob[i])-0.5*mat.Dot(&d, &y)-norm)
					}
					if want := floats.LogSumExp(terms); !(math.Abs(logp[r]-m.LogZ()-want) <= 1e-11) {
						t.Errorf("%v T=%g alpha=%g: ln π − ln Z = %v, want %v",
							shape, T, m.Alpha(), logp[r]-m.LogZ(), want)
					}
				}
			}
		}
	}
}

// The integral of π(x)/Z by the trapezoidal rule is 1. The integrand is a sum of normal
// densities. For one of least variance v the relative error of a step h is exp(−2π²v/h²).
func TestIsingLogZByQuadrature(t *testing.T) {
	for _, c := range []struct {
		n     int
		T     float64
		alpha float64
		step  float64
	}{
		{2, 1, byRule, 0.2},
		{2, 5, byRule, 0.2},
		{2, 2, 2.5, 0.3},
		{3, 2, byRule, 0.25},
		{3, 2, 1.5, 0.5},
		{3, 4, byRule, 0.25},
	} {
		m := isingOf(t, []int{c.n}, c.T, c.alpha)
		// The centres of the normal densities lie within the greatest eigenvalue of K+αI.
		reach := 4/c.T + m.Alpha() + 8*math.Sqrt(m.Alpha())
		points := int(2*reach/c.step) + 1
		at := func(i int) float64 { return c.step * (float64(i) - float64(points-1)/2) }

		// A batch holds all points with one value of x_0.
		rows := 1
		for range c.n - 1 {
			rows *= points
		}
		x, logp := mat.NewDense(rows, c.n, nil), make([]float64, rows)
		for r := range rows {
			for i, rest := 1, r; i < c.n; i, rest = i+1, rest/points {
				x.Set(r, i, at(rest%points))
			}
		}
		e := NewEvaluator(m)
		sum := 0.0
		for i := range points {
			for r := range rows {
				x.Set(r, 0, at(i))
			}
			if err := e.LogProbs(logp, x); err != nil {
				t.Fatal(err)
			}
			for _, p := range logp {
				sum += math.Exp(p - m.LogZ())
			}
		}
		checkRelative(t, fmt.Sprintf("%+v: ∫ π dx / Z", c), sum*math.Pow(c.step, float64(c.n)), 1, 1e-11)
	}
}

// The sum of π(x, s) = exp(−½ xᵀ(K+αI)⁻¹x + s·x)/2^N over the spins is eq. 7. Its integral
// over x gives Z = Z_Ising √det(K+αI) (2π)^(N/2) 2^(−N) e^(αN/2).
func TestIsingLogZIdentity(t *testing.T) {
	for _, shape := range [][]int{{2}, {5}, {2, 2}, {2, 3}, {3, 3}, {3, 4}, {4, 4}} {
		levels := enumerateIsing(shape)
		for _, T := range []float64{0.5, 1.7, criticalT, 2.6, 10} {
			for _, alpha := range []float64{byRule, 0.01 - couplingMin(shape, T), 3 - couplingMin(shape, T)} {
				m := isingOf(t, shape, T, alpha)
				what := fmt.Sprintf("%v T=%g alpha=%g", shape, T, m.Alpha())
				spinLogZ, _, _ := levels.at(T)
				checkRelative(t, what+": ln Z of the spins", m.SpinLogZ(), spinLogZ, 1e-14)
				var chol mat.Cholesky
				if !chol.Factorize(denseCirculant(shape, T, m.Alpha())) {
					t.Fatal("not positive definite")
				}
				n := float64(m.Dim())
				want := spinLogZ + 0.5*chol.LogDet() - n*math.Ln2 + 0.5*n*(math.Log(2*math.Pi)+m.Alpha())
				checkRelative(t, what+": ln Z", m.LogZ(), want, 1e-13)
			}
		}
	}
}

func TestIsingKnownValues(t *testing.T) {
	checkRelative(t, "T_c", CriticalTemperature(), criticalT, 1e-15)
	for _, c := range []struct {
		size           int
		spinLogZ, logZ float64
	}{
		{4, 15.521915458755, 37.376731689944},
		{8, 60.141780789069, 148.655016280991},
		{16, 238.642256635133, 592.875739857583},
		{32, 952.648079548542, 2369.587091125258},
		{64, 3808.672283419808, 9476.428333316678},
	} {
		m := isingOf(t, []int{c.size, c.size}, CriticalTemperature(), byRule)
		checkRelative(t, fmt.Sprintf("L=%d: ln Z of the spins", c.size), m.SpinLogZ(), c.spinLogZ, 1e-12)
		checkRelative(t, fmt.Sprintf("L=%d: ln Z", c.size), m.LogZ(), c.logZ, 1e-12)
	}
	checkRelative(t, "L=16, T=2.3", isingOf(t, []int{16, 16}, 2.3, byRule).SpinLogZ(), 236.481168314819, 1e-12)
	checkRelative(t, "L=8, T=3", isingOf(t, []int{8, 8}, 3, byRule).SpinLogZ(), 52.261409659555, 1e-12)
	checkRelative(t, "chain of 16, T=2", isingOf(t, []int{16}, 2, byRule).SpinLogZ(), 13.012191325754, 1e-12)
}

// ⟨m²⟩ is the known or the enumerated one. Lattices that take too long are refused.
func TestIsingExactStructureFactor(t *testing.T) {
	for _, c := range []struct {
		shape []int
		T     float64
		want  float64
	}{
		{[]int{4, 4}, CriticalTemperature(), 0.761358908569},
		{[]int{8, 8}, CriticalTemperature(), 0.646911574994},
		{[]int{8, 8}, 3, 0.170312209011},
	} {
		got, ok := isingOf(t, c.shape, c.T, byRule).ExactStructureFactor()
		if !ok {
			t.Errorf("%+v refused", c)
		}
		checkRelative(t, fmt.Sprint(c), got, c.want, 1e-11)
	}
	for _, shape := range [][]int{{2}, {3}, {9}, {2, 2}, {2, 3}, {4, 2}, {3, 3}} {
		for _, T := range []float64{1, criticalT, 4} {
			got, ok := isingOf(t, shape, T, byRule).ExactStructureFactor()
			if !ok {
				t.Errorf("%v refused", shape)
			}
			checkRelative(t, fmt.Sprint(shape, T), got, allIsingStates(shape, T).m2, 1e-13)
		}
	}
	for _, c := range []struct {
		shape []int
		ok    bool
	}{
		{[]int{5000}, true}, {[]int{40, 4}, true}, {[]int{4, 40}, true},
		{[]int{17, 17}, false}, {[]int{16, 400}, false}, {[]int{64, 64}, false},
	} {
		if got, ok := isingOf(t, c.shape, 2, byRule).ExactStructureFactor(); ok != c.ok || ok != (got > 0) {
			t.Errorf("%v: %v, %v, want %v", c.shape, got, ok, c.ok)
		}
	}
}

// α of NewIsing makes the least eigenvalue of K+αI 0.1.
func TestIsingAlpha(t *testing.T) {
	for _, T := range []float64{0.5, criticalT, 10} {
		for _, size := range []int{2, 4, 16} {
			checkRelative(t, fmt.Sprint("alpha of the square ", size),
				isingOf(t, []int{size, size}, T, byRule).Alpha(), 0.1+4/T, 1e-15)
		}
		checkRelative(t, "alpha of an even chain", isingOf(t, []int{6}, T, byRule).Alpha(), 0.1+2/T, 1e-15)
		for _, shape := range [][]int{{3}, {7}, {3, 3}, {5, 4}, {2, 3}, {5, 7}} {
			m := isingOf(t, shape, T, byRule)
			var eig mat.EigenSym
			if !eig.Factorize(denseCirculant(shape, T, m.Alpha()), false) {
				t.Fatal("no eigenvalues")
			}
			if least := eig.Values(nil)[0]; !(math.Abs(least-0.1) <= 1e-13*m.Alpha()) {
				t.Errorf("%v T=%g: least eigenvalue of K+αI is %v, want 0.1", shape, T, least)
			}
		}
	}
	if got := isingOf(t, []int{4, 4}, 2, 7.25).Alpha(); got != 7.25 {
		t.Errorf("alpha %v, want the given 7.25", got)
	}
}

// NewIsingOffset accepts α exactly where K+αI is positive definite, and names the bound.
func TestIsingOffsetBound(t *testing.T) {
	for _, shape := range [][]int{{6}, {4, 4}, {5}, {3, 3}, {5, 4}} {
		for _, T := range []float64{0.7, criticalT, 9} {
			bound := -couplingMin(shape, T) // the number next to the exact one
			if _, err := NewIsingOffset(shape, T, bound); (err == nil) != (leastEigenvalue(shape, T, bound) > 0) {
				t.Errorf("%v T=%v at the bound: error %v", shape, T, err)
			}
			for _, alpha := range []float64{
				math.Nextafter(bound, 0), 0.99 * bound, 0, -1, math.NaN(), math.Inf(1), math.Inf(-1),
			} {
				what := fmt.Sprintf("%v T=%g alpha=%v (bound %v)", shape, T, alpha, bound)
				m, err := NewIsingOffset(shape, T, alpha)
				if m != nil {
					t.Errorf("%s: a model in spite of the error", what)
				}
				checkError(t, what, err, ErrSettings, fmt.Sprintf("%g", bound))
			}
			for _, alpha := range []float64{math.Nextafter(bound, math.Inf(1)), 1.0001 * bound, 100 * bound} {
				m := isingOf(t, shape, T, alpha)
				logp, x := make([]float64, 1), mat.NewDense(1, m.Dim(), normalRows(5, m.Dim()))
				if err := NewEvaluator(m).LogProbs(logp, x); err != nil {
					t.Fatal(err)
				}
				if !num.Finite(m.LogZ(), logp[0]) {
					t.Errorf("%v T=%g alpha=%v (bound %v): ln Z %v, ln π %v",
						shape, T, alpha, bound, m.LogZ(), logp[0])
				}
			}
		}
	}
}

func TestIsingErrors(t *testing.T) {
	for _, shape := range [][]int{nil, {}, {0}, {1}, {-3}, {1, 4}, {4, 1}, {4, 0}, {2, 1, 2}, {1 << 13, 1 << 13, 2}} {
		_, err := NewIsing(shape, 2)
		_, err2 := NewIsingOffset(shape, 2, 10)
		text := fmt.Sprint(shape)
		if len(shape) == 0 {
			text = "without extents"
		}
		for _, err := range []error{err, err2} {
			checkError(t, fmt.Sprintf("shape %v", shape), err, ErrShape, text)
		}
	}
	for _, T := range []float64{0, -1, math.NaN(), math.Inf(1), math.Inf(-1)} {
		_, err := NewIsing([]int{4, 4}, T)
		_, err2 := NewIsingOffset([]int{4, 4}, T, 10)
		for _, err := range []error{err, err2} {
			checkError(t, fmt.Sprintf("T=%v", T), err, ErrSettings, fmt.Sprint("temperature ", T))
		}
	}
}

func TestIsingKeepsItsOwnShape(t *testing.T) {
	shape := []int{4, 4}
	m := isingOf(t, shape, 2, byRule)
	want := m.LogZ()
	shape[0], shape[1] = 2, 2
	if got := m.LogZ(); got != want || m.Dim() != 16 {
		t.Errorf("after the caller changed the shape: ln Z %v, was %v; Dim %d", got, want, m.Dim())
	}
}

// BenchmarkIsingEnergy measures ln π of 512 configurations with its gradient, without the
// graph.
func BenchmarkIsingEnergy(b *testing.B) {
	for _, L := range []int{4, 8, 16, 32, 64} {
		b.Run(fmt.Sprintf("L=%d", L), func(b *testing.B) {
			const rows = 512
			m := isingOf(b, []int{L, L}, CriticalTemperature(), byRule)
			x := normalRows(10, rows*m.Dim())
			logp, grad := make([]float64, rows), make([]float64, len(x))
			b.ReportAllocs()
			for b.Loop() {
				m.logProb(logp, grad, x)
			}
		})
	}
}

func BenchmarkIsing(b *testing.B) {
	const rows = 512
	m := isingOf(b, []int{16, 16}, CriticalTemperature(), byRule)
	e := NewEvaluator(m)
	x := mat.NewDense(rows, m.Dim(), normalRows(10, rows*m.Dim()))
	logp, grad := make([]float64, rows), mat.NewDense(rows, m.Dim(), nil)
	b.ReportAllocs()
	for b.Loop() {
		if err := e.LogProbGrad(logp, grad, x); err != nil {
			b.Fatal(err)
		}
	}
}
