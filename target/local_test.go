package target

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/internal/lattice"
)

// quarticLocal is Phi4 by way of NewLocal.
func quarticLocal(t testing.TB, p *Phi4) *Local {
	t.Helper()
	d := float64(len(p.shape))
	l, err := NewLocal(p.shape, &LocalSettings{
		Components: p.components,
		Coupling:   slices.Repeat([]float64{2}, len(p.shape)),
		Potential: func(_ int, grad, phi []float64) float64 {
			square := 0.0
			for _, v := range phi {
				square += v * v
			}
			for a, v := range phi {
				grad[a] = 2 * v * (2*d + p.mass2 + 2*p.lambda*square)
			}
			return square * (2*d + p.mass2 + p.lambda*square)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Phi4 and a Local with the same action agree.
func TestLocalIsPhi4(t *testing.T) {
	for _, c := range fieldCases {
		p := phi4Of(t, c.shape, -1.3, 0.8, c.components)
		l := quarticLocal(t, p)
		x := mat.NewDense(40, p.Dim(), normalRows(7, 40*p.Dim()))
		logp, grad := evaluate(t, NewEvaluator(p), x)
		logp2, grad2 := evaluate(t, NewEvaluator(l), x)
		for r, v := range logp {
			checkRelative(t, fmt.Sprint(c), logp2[r], v, 1e-12)
		}
		if !mat.EqualApprox(grad, grad2, 1e-12) {
			t.Errorf("%v: gradients differ", c)
		}
		if l.Spectrum() != nil {
			t.Errorf("%v: a spectrum without a mass", c)
		}
	}
}

// anisotropic returns a field with different couplings along the axes, of both signs, and a
// potential that depends on the site.
func anisotropic(t testing.TB, shape []int, components int) *Local {
	t.Helper()
	coupling := make([]float64, len(shape))
	for axis := range coupling {
		coupling[axis] = []float64{0.7, -0.4, 0, 1.1}[axis%4]
	}
	l, err := NewLocal(shape, &LocalSettings{
		Components: components, Coupling: coupling, Mass2: 0.3,
		Potential: func(site int, grad, phi []float64) float64 {
			sum := 0.0
			for a, v := range phi {
				h := math.Sin(float64(site + 3*a))
				sum += math.Cosh(v) - h*v
				grad[a] = math.Sinh(v) - h
			}
			return sum
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Couplings belong to their axes, and the potential to its site.
func TestLocalAction(t *testing.T) {
	for _, c := range fieldCases {
		l := anisotropic(t, c.shape, c.components)
		n := c.components
		x := mat.NewDense(3, l.Dim(), normalRows(8, 3*l.Dim()))
		logp, _ := evaluate(t, NewEvaluator(l), x)
		for r := range logp {
			phi, slope, action := x.RawRowView(r), make([]float64, n), 0.0
			bonds := latticeBonds(c.shape)
			for b, pair := range bonds {
				axis := b / (len(bonds) / len(c.shape))
				for a := range n {
					action -= l.settings.Coupling[axis] * phi[pair[0]*n+a] * phi[pair[1]*n+a]
				}
			}
			for site := range l.Dim() / n {
				action += l.settings.Potential(site, slope, phi[site*n:][:n])
			}
			checkRelative(t, fmt.Sprint(c), logp[r], -action, 1e-12)
		}
		if err := CheckGrad(l, x, 1e-6); err != nil {
			t.Errorf("%v: %v", c, err)
		}
		checkPrecisions(t, fmt.Sprint(c), l, x)
	}
}

// The spectrum is that of the inverse of the dense quadratic part.
func TestLocalSpectrum(t *testing.T) {
	for _, c := range fieldCases {
		l := anisotropic(t, c.shape, c.components)
		n, err := lattice.Size(c.shape)
		if err != nil {
			t.Fatal(err)
		}
		a := mat.NewSymDense(n, nil)
		bonds := latticeBonds(c.shape)
		for b, pair := range bonds {
			axis := b / (len(bonds) / len(c.shape))
			a.SetSym(pair[0], pair[1], a.At(pair[0], pair[1])-l.settings.Coupling[axis])
		}
		var eig mat.EigenSym
		if !eig.Factorize(a, false) {
			t.Fatal("no eigenvalues")
		}
		want := eig.Values(nil)
		got := l.Spectrum()
		for k, v := range got {
			got[k] = 1 / v
		}
		slices.Sort(got)
		for k, v := range got {
			if math.Abs(v-(want[k]-want[0]+0.3)) > 1e-12 {
				t.Errorf("%v: eigenvalue %d is %g, want %g", c, k, v, want[k]-want[0]+0.3)
			}
		}
	}
	// The order of the wave numbers: along the axis of coupling J > 0, the first wave is the
	// softest.
	l := anisotropic(t, []int{4, 6}, 1)
	s := l.Spectrum()
	checkRelative(t, "k = (0, 3)", 1/s[3], 0.3, 1e-14)
	checkRelative(t, "k = (2, 3)", 1/s[2*6+3], 0.3+4*0.7, 1e-14)
	checkRelative(t, "k = (0, 0)", 1/s[0], 0.3+4*0.4, 1e-14)
}

// Hard walls, errors of the potential and panics.
func TestLocalPotentialFaults(t *testing.T) {
	const rows = 40
	x := mat.NewDense(rows, 6, normalRows(9, rows*6))
	of := func(potential func(site int, grad, phi []float64) float64) *Evaluator {
		l, err := NewLocal([]int{3}, &LocalSettings{Components: 2, Potential: potential})
		if err != nil {
			t.Fatal(err)
		}
		return NewEvaluator(l)
	}
	walls := of(func(_ int, grad, phi []float64) float64 {
		if phi[0] > 1 {
			return math.Inf(1)
		}
		clear(grad)
		return 0
	})
	logp, _ := evaluate(t, walls, x)
	inside := 0
	for r, v := range logp {
		row := x.RawRowView(r)
		if within := max(row[0], row[2], row[4]) <= 1; within != !math.IsInf(v, -1) {
			t.Errorf("%v: ln π is %g", row, v)
		} else if within {
			inside++
		}
	}
	if inside == 0 || inside == rows {
		t.Errorf("%d of %d rows within the walls: no test", inside, rows)
	}
	grad := mat.NewDense(rows, 6, nil)
	unsetAt := x.At(17, 3) // row 17, site 1
	err := of(func(site int, grad, phi []float64) float64 {
		grad[0] = 0
		if phi[1] != unsetAt && phi[1] != x.At(30, 5) { // row 30 is wrong, too
			grad[1] = 0
		}
		return 0
	}).LogProbGrad(logp, grad, x)
	checkError(t, "component not set", err, ErrGradient, "row 17, site 1")
	err = of(func(_ int, grad, _ []float64) float64 { panic("no such potential") }).LogProbGrad(logp, grad, x)
	checkError(t, "panic", err, nil, "no such potential")
	nan := of(func(_ int, grad, _ []float64) float64 { clear(grad); return math.NaN() })
	if err := nan.LogProbs(logp, x); err != nil || !math.IsNaN(logp[0]) {
		t.Errorf("ln π of a potential that is NaN: %g, %v", logp[0], err)
	}
}

func TestLocalErrors(t *testing.T) {
	flat := func(_ int, grad, _ []float64) float64 { clear(grad); return 0 }
	for _, c := range []struct {
		shape []int
		s     *LocalSettings
		is    error
		text  string
	}{
		{[]int{4}, nil, ErrSettings, "no potential"},
		{[]int{4}, &LocalSettings{}, ErrSettings, "no potential"},
		{nil, &LocalSettings{Potential: flat}, ErrShape, "without extents"},
		{[]int{2, 0}, &LocalSettings{Potential: flat}, ErrShape, "[2 0]"},
		{[]int{1 << 40, 1 << 40}, &LocalSettings{Potential: flat}, ErrShape, "sites"},
		{[]int{4}, &LocalSettings{Potential: flat, Components: -1}, ErrSettings, "-1 components"},
		{[]int{4}, &LocalSettings{Potential: flat, Components: math.MaxInt}, ErrShape, "components"},
		{[]int{4}, &LocalSettings{Potential: flat, Coupling: []float64{1, 1}}, ErrShape, "2 couplings"},
		{[]int{4}, &LocalSettings{Potential: flat, Coupling: []float64{}}, ErrShape, "0 couplings"},
		{[]int{4, 4}, &LocalSettings{Potential: flat, Coupling: []float64{1, math.NaN()}}, ErrSettings, "of axis 1"},
		{[]int{4}, &LocalSettings{Potential: flat, Coupling: []float64{math.Inf(-1)}}, ErrSettings, "coupling -Inf"},
		{[]int{4}, &LocalSettings{Potential: flat, Mass2: -1}, ErrSettings, "Mass2 is -1"},
		{[]int{4}, &LocalSettings{Potential: flat, Mass2: math.NaN()}, ErrSettings, "Mass2 is NaN"},
		{[]int{4}, &LocalSettings{Potential: flat, Mass2: math.Inf(1)}, ErrSettings, "Mass2 is +Inf"},
	} {
		l, err := NewLocal(c.shape, c.s)
		if l != nil {
			t.Errorf("%v: a field in spite of the error", c.text)
		}
		checkError(t, c.text, err, c.is, "target: Local: ", c.text)
	}
	// The field keeps its own copy of the couplings.
	coupling := []float64{1}
	l, err := NewLocal([]int{3}, &LocalSettings{Potential: flat, Coupling: coupling})
	if err != nil {
		t.Fatal(err)
	}
	x := mat.NewDense(1, 3, []float64{1, 2, 3})
	before, _ := evaluate(t, NewEvaluator(l), x)
	coupling[0] = 5
	after, _ := evaluate(t, NewEvaluator(l), x)
	if before[0] != 11 || after[0] != 11 {
		t.Errorf("ln π is %g and %g, want 11", before[0], after[0])
	}
}

// BenchmarkLocal is BenchmarkPhi4 with a potential that is a function of the caller.
func BenchmarkLocal(b *testing.B) {
	benchmarkDensity(b, quarticLocal(b, phi4Of(b, []int{16, 16}, -4, 6, 1)))
}
