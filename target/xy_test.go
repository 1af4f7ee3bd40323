package target

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/internal/lattice"
)

var xyShapes = [][]int{{2}, {5}, {2, 2}, {3, 4}, {8, 8}, {2, 3, 2}, {3, 3, 3}, {2, 2, 2, 3}}

// xyOf returns the model.
func xyOf(t testing.TB, shape []int, beta float64) *XY {
	t.Helper()
	m, err := NewXY(shape, beta)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// angles returns rows of angles in (−π, π] and beyond.
func angles(seed uint64, rows, n int) *mat.Dense {
	x := mat.NewDense(rows, n, normalRows(seed, rows*n))
	x.Scale(2, x)
	return x
}

// ln π, energy, magnetisation and helicity modulus agree with their definitions, bond by
// bond.
func TestXYDefinition(t *testing.T) {
	for _, shape := range xyShapes {
		for _, beta := range []float64{1.1, -0.4, 0} {
			m := xyOf(t, shape, beta)
			n := m.Dim()
			bonds, err := lattice.Bonds(shape, 1)
			if err != nil {
				t.Fatal(err)
			}
			x, logp := angles(1, 3, n), make([]float64, 3)
			if err := NewEvaluator(m).LogProbs(logp, x); err != nil {
				t.Fatal(err)
			}
			for r := range 3 {
				row := x.RawRowView(r)
				var cos, upsilon float64
				sines := make([]float64, len(shape))
				for b, bond := range bonds {
					d := row[bond.I] - row[bond.J]
					cos += math.Cos(d)
					sines[b%len(shape)] += math.Sin(d)
				}
				upsilon = cos
				for _, s := range sines {
					upsilon -= beta * s * s
				}
				upsilon /= float64(n * len(shape))
				var mx, my float64
				for _, v := range row {
					mx, my = mx+math.Cos(v)/float64(n), my+math.Sin(v)/float64(n)
				}
				gotX, gotY := m.Magnetization(row)
				got := []float64{logp[r], m.Energy(row), gotX, gotY, m.StructureFactor(row), m.HelicityModulus(row)}
				want := []float64{beta * cos, -cos / float64(n), mx, my, mx*mx + my*my, upsilon}
				if !floats.EqualApprox(got, want, 1e-12*float64(n)) {
					t.Errorf("%v, β = %g: %v, want %v", shape, beta, got, want)
				}
			}
		}
	}
}

func TestXYLaws(t *testing.T) {
	for _, shape := range xyShapes {
		m := xyOf(t, shape, 0.9)
		checkLaws(t, fmt.Sprint(shape), m, angles(2, 19, m.Dim()), 1e-6)
	}
}

// ln π stays the same under rotations of all angles, their reflection, translations, and
// steps of 2π at a single site.
func TestXYSymmetry(t *testing.T) {
	for _, shape := range xyShapes {
		m := xyOf(t, shape, 1.3)
		n := m.Dim()
		x := angles(3, 5, n)
		row, strides := x.RawRowView(0), lattice.Strides(shape)
		for i, v := range row {
			x.Set(1, i, v+1.234)
			x.Set(2, i, -v)
			x.Set(4, i, v+2*math.Pi*float64(i%3-1))
			k := i / strides[0] % shape[0]
			x.Set(3, i+((k+1)%shape[0]-k)*strides[0], v)
		}
		logp := make([]float64, 5)
		if err := NewEvaluator(m).LogProbs(logp, x); err != nil {
			t.Fatal(err)
		}
		for r, what := range []string{"", "rotation", "reflection", "translation", "2π"} {
			if !(math.Abs(logp[r]-logp[0]) <= 1e-13*float64(n*len(shape))) {
				t.Errorf("%v, %s: ln π is %.15g, was %.15g", shape, what, logp[r], logp[0])
			}
		}
	}
}

// quadrature returns ln Z and means of the given functions from a sum over the lattice of
// points angles per site. θ_0 is 0: all functions are invariant under rotations. The sum is
// exact up to terms like I_points(β).
func quadrature(t *testing.T, m *XY, points int, of ...func([]float64) float64) (logZ float64, means []float64) {
	t.Helper()
	n := m.Dim()
	states := 1
	for range n - 1 {
		states *= points
	}
	x, logp := mat.NewDense(states, n, nil), make([]float64, states)
	for state := range states {
		for i, rest := 1, state; i < n; i, rest = i+1, rest/points {
			x.Set(state, i, 2*math.Pi*float64(rest%points)/float64(points))
		}
	}
	if err := NewEvaluator(m).LogProbs(logp, x); err != nil {
		t.Fatal(err)
	}
	total := floats.LogSumExp(logp)
	means = make([]float64, len(of))
	for state, l := range logp {
		for k, f := range of {
			means[k] += math.Exp(l-total) * f(x.RawRowView(state))
		}
	}
	return total + float64(n)*math.Log(2*math.Pi) - float64(n-1)*math.Log(float64(points)), means
}

// ln Z, ⟨m²⟩ and the helicity modulus of rings are those of a quadrature. With a twist δ of
// every bond, Z = Σ_n I_n^N e^(inNδ), so that Υ = N⟨n²⟩/β in the distribution I_n^N.
func TestXYRing(t *testing.T) {
	for _, c := range []struct {
		n, points int
		beta      float64
	}{{2, 40, 0.3}, {2, 60, 5}, {3, 40, 1.5}, {4, 30, 0.7}, {4, 30, 2}, {5, 16, 0.4}, {4, 30, -1.2}} {
		m := xyOf(t, []int{c.n}, c.beta)
		what := fmt.Sprintf("ring of %d, β = %g", c.n, c.beta)
		logZ, means := quadrature(t, m, c.points, m.StructureFactor, m.HelicityModulus)
		got, ok := m.LogZ()
		if !ok || !(math.Abs(got-logZ) < 1e-12) {
			t.Errorf("%s: ln Z is %.15g, %t, want %.15g", what, got, ok, logZ)
		}
		if c.beta < 0 {
			continue
		}
		if m2, ok := m.ExactStructureFactor(); !ok || !(math.Abs(m2-means[0]) < 1e-12) {
			t.Errorf("%s: ⟨m²⟩ is %.15g, %t, want %.15g", what, m2, ok, means[0])
		}
		squares, sum, p := 0.0, 1.0, 1.0
		for k, r := range besselRatios(c.beta) {
			p *= math.Pow(r, float64(c.n))
			sum += 2 * p
			squares += 2 * p * float64((k+1)*(k+1))
		}
		if want := float64(c.n) * squares / sum / c.beta; !(math.Abs(means[1]-want) < 1e-12) {
			t.Errorf("%s: Υ is %.15g, want %.15g", what, means[1], want)
		}
	}
}

// Ratios of Bessel functions agree with integrals I_n(x) = (1/2π)∫ e^(x cos θ) cos nθ dθ.
func TestBesselRatios(t *testing.T) {
	for _, x := range []float64{1e-3, 0.5, 1, 3, 20, 400} {
		ratios := besselRatios(x)
		integral := func(n int) float64 {
			const points = 400
			sum := 0.0
			for k := range points {
				theta := 2 * math.Pi * float64(k) / points
				sum += math.Exp(x*(math.Cos(theta)-1)) * math.Cos(float64(n)*theta) / points
			}
			return sum
		}
		p, i0 := 1.0, integral(0)
		for n := 1; n <= 8; n++ {
			p *= ratios[n-1]
			if want := integral(n) / i0; !(math.Abs(p-want) < 1e-14) {
				t.Errorf("I_%d/I_0 at %g is %.16g, want %.16g", n, x, p, want)
			}
		}
		if last := ratios[len(ratios)-1]; !(last > 0 && last < 1) {
			t.Errorf("last ratio at %g is %g", x, last)
		}
	}
}

// Limits: β = 0, where all angles are independent; large β, where the ring is a Gaussian
// chain; two bonds between two sites, which are one bond of twice the coupling; and the 2×2
// lattice, which is a ring of 4 with twice the coupling.
func TestXYLimits(t *testing.T) {
	near := func(what string, got, want, tol float64) {
		t.Helper()
		if !(math.Abs(got-want) <= tol*math.Max(1, math.Abs(want))) {
			t.Errorf("%s: %.15g, want %.15g", what, got, want)
		}
	}
	logZ, _ := xyOf(t, []int{7}, 0).LogZ()
	near("β = 0: ln Z", logZ, 7*math.Log(2*math.Pi), 1e-14)
	m2, _ := xyOf(t, []int{7}, 0).ExactStructureFactor()
	near("β = 0: ⟨m²⟩", m2, 1.0/7, 1e-14)
	for _, n := range []int{2, 10, 1000} {
		const beta = 1e8
		logZ, _ = xyOf(t, []int{n}, beta).LogZ()
		// The winding number is 0. det' of the ring's Laplacian is N², over N for the zero mode.
		size := float64(n)
		want := size*beta + math.Log(2*math.Pi) + (size-1)/2*math.Log(2*math.Pi/beta) - math.Log(size)/2
		near(fmt.Sprintf("ring of %d at large β: ln Z", n), logZ, want, 1e-10*size)
		m2, _ = xyOf(t, []int{n}, beta).ExactStructureFactor()
		near("⟨m²⟩ at large β", m2, 1, 1e-4)
	}
	square, ring := xyOf(t, []int{2, 2}, 0.6), xyOf(t, []int{4}, 1.2)
	x := angles(4, 4, 4)
	turned := mat.DenseCopyOf(x)
	for r := range 4 {
		turned.Set(r, 2, x.At(r, 3))
		turned.Set(r, 3, x.At(r, 2))
	}
	a, b := make([]float64, 4), make([]float64, 4)
	if err := errors.Join(NewEvaluator(square).LogProbs(a, x), NewEvaluator(ring).LogProbs(b, turned)); err != nil {
		t.Fatal(err)
	}
	if !floats.EqualApprox(a, b, 1e-13) {
		t.Errorf("2×2: ln π is %v, of the ring %v", a, b)
	}
	for _, m := range []*XY{xyOf(t, []int{3, 3}, 1), xyOf(t, []int{3}, -1)} {
		if z, ok := m.LogZ(); ok || z != 0 {
			t.Errorf("ln Z of %v is %g, %t", m.Shape(), z, ok)
		}
		if m2, ok := m.ExactStructureFactor(); ok || m2 != 0 {
			t.Errorf("⟨m²⟩ of %v is %g, %t", m.Shape(), m2, ok)
		}
	}
}

func TestXYRejects(t *testing.T) {
	for _, c := range []struct {
		shape []int
		beta  float64
		is    error
		text  string
	}{
		{nil, 1, ErrShape, "without extents"},
		{[]int{1, 4}, 1, ErrShape, "[1 4]"},
		{[]int{4, -2}, 1, ErrShape, "[4 -2]"},
		{[]int{1 << 40, 1 << 40}, 1, ErrShape, "sites"},
		{[]int{4}, math.NaN(), ErrSettings, "beta is NaN"},
		{[]int{4}, math.Inf(-1), ErrSettings, "beta is -Inf"},
		{[]int{4}, 2e10, ErrSettings, "beta is 2e+10"},
	} {
		m, err := NewXY(c.shape, c.beta)
		if m != nil || !errors.Is(err, c.is) || !strings.Contains(fmt.Sprint(err), c.text) {
			t.Errorf("%v, %g: %v, want an error with %q", c.shape, c.beta, err, c.text)
		}
	}
	m := xyOf(t, []int{4}, 1)
	for _, f := range []func(){
		func() { m.Energy(nil) }, func() { m.StructureFactor(make([]float64, 3)) },
		func() { m.Magnetization(make([]float64, 5)) }, func() { m.HelicityModulus(nil) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("no panic for a wrong number of angles")
				}
			}()
			f()
		}()
	}
}

// For any arguments nothing panics: an error of the package, or finite numbers.
func FuzzXY(f *testing.F) {
	minimizeBriefly()
	f.Add([]byte{4, 4}, 1.1, 1.0)
	f.Add([]byte{9}, -1e10, 1e300)
	f.Add([]byte{2, 2, 2, 2}, 1e10, 1e-300)
	f.Add([]byte{255, 1}, math.NaN(), math.Inf(1))
	f.Add([]byte{7}, 5e-324, 5e-324)
	f.Fuzz(func(t *testing.T, extents []byte, beta, value float64) {
		var shape []int
		for _, b := range extents {
			shape = append(shape, int(int8(b)))
		}
		if n, err := lattice.Size(shape); err == nil && n > 200 {
			return
		}
		m, err := NewXY(shape, beta)
		if err != nil {
			known(t, "XY", err)
			return
		}
		what := fmt.Sprintf("XY %v, β = %g", shape, beta)
		if z, ok := m.LogZ(); ok {
			allFinite(t, what+": ln Z", z)
		}
		if m2, ok := m.ExactStructureFactor(); ok && !(m2 >= (1-1e-9)/float64(m.Dim()) && m2 <= 1+1e-9) {
			t.Errorf("%s: ⟨m²⟩ is %g", what, m2)
		}
		h := &hostile{rows: 2, value: value}
		h.density(t, m)
		h.density(t, (*XY)(nil))
		if x := h.matrix(m.Dim()).RawRowView(0); !slices.ContainsFunc(x, func(v float64) bool { return v-v != 0 }) {
			a, b := m.Magnetization(x)
			allFinite(t, what, m.Energy(x), a, b, m.StructureFactor(x), m.HelicityModulus(x))
		}
	})
}

// BenchmarkXY measures ln π of 512 configurations with its gradient, without the graph.
func BenchmarkXY(b *testing.B) {
	for _, L := range []int{8, 16} {
		b.Run(fmt.Sprintf("L=%d", L), func(b *testing.B) {
			const rows = 512
			m := xyOf(b, []int{L, L}, 1)
			x := angles(10, rows, m.Dim()).RawMatrix().Data
			logp, grad := make([]float64, rows), make([]float64, len(x))
			b.ReportAllocs()
			for b.Loop() {
				m.logProb(logp, grad, x)
			}
		})
	}
}
