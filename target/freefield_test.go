package target

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/internal/lattice"
)

// laplacian returns −Δ+m² as a dense matrix, bond by bond.
func laplacian(shape []int, mass2 float64) *mat.SymDense {
	n, err := lattice.Size(shape)
	if err != nil {
		panic(err)
	}
	a := mat.NewSymDense(n, nil)
	add := func(i, j int, v float64) { a.SetSym(i, j, a.At(i, j)+v) }
	for i := range n {
		add(i, i, mass2)
	}
	for _, p := range latticeBonds(shape) {
		add(p[0], p[0], 1)
		add(p[1], p[1], 1)
		add(p[0], p[1], -1)
	}
	return a
}

var freeFields = []struct {
	shape []int
	mass2 float64
}{{[]int{8}, 0.3}, {[]int{5}, 2}, {[]int{2}, 1}, {[]int{4, 6}, 0.7}, {[]int{3, 2}, 1.5}, {[]int{8, 8}, 1.25},
	{[]int{2, 2, 2}, 0.4}, {[]int{3, 4, 5}, 0.9}, {[]int{4, 2, 6}, 0.1}, {[]int{3, 2, 4, 2}, 0.5},
	{[]int{4, 4, 4, 4}, 2}, {[]int{2, 3, 2, 2, 3}, 1.1}}

// The action, its gradient, ln Z and the correlator agree with the dense matrix.
func TestFreeFieldDense(t *testing.T) {
	for _, c := range freeFields {
		t.Run(fmt.Sprint(c.shape), func(t *testing.T) {
			f, err := NewFreeField(c.shape, c.mass2)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(f.Shape(), c.shape) {
				t.Errorf("shape %v", f.Shape())
			}
			a, n := laplacian(c.shape, c.mass2), f.Dim()
			x := mat.NewDense(2, n, nil)
			x.Apply(func(i, j int, _ float64) float64 { return math.Sin(float64(1 + 3*i + j*j)) }, x)
			var ax mat.Dense
			ax.Mul(x, a)
			logp, grad := make([]float64, 2), mat.NewDense(2, n, nil)
			if err := NewEvaluator(f).LogProbGrad(logp, grad, x); err != nil {
				t.Fatal(err)
			}
			for r := range 2 {
				if want := -0.5 * mat.Dot(ax.RowView(r), x.RowView(r)); math.Abs(logp[r]-want) > 1e-12*(1-want) {
					t.Errorf("ln π is %.15g, want %.15g", logp[r], want)
				}
			}
			ax.Scale(-1, &ax)
			if !mat.EqualApprox(grad, &ax, 1e-13) {
				t.Errorf("gradient %v, want %v", grad, &ax)
			}
			var chol mat.Cholesky
			if !chol.Factorize(a) {
				t.Fatal("not positive definite")
			}
			want := 0.5 * (float64(n)*math.Log(2*math.Pi) - chol.LogDet())
			if math.Abs(f.LogZ()-want) > 1e-12*float64(n) {
				t.Errorf("ln Z is %.15g, want %.15g", f.LogZ(), want)
			}
			var inv mat.SymDense
			if err := chol.InverseTo(&inv); err != nil {
				t.Fatal(err)
			}
			for i, v := range f.Correlator() {
				if math.Abs(v-inv.At(0, i)) > 1e-13 {
					t.Errorf("correlator with site %d is %.15g, want %.15g", i, v, inv.At(0, i))
				}
			}
		})
	}
}

// The exact figure for 8×8 and m² = 1.25.
func TestFreeFieldLogZ(t *testing.T) {
	f, err := NewFreeField([]int{8, 8}, 1.25)
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(f.LogZ()-8.608333638412) > 1e-11 {
		t.Errorf("ln Z is %.12f", f.LogZ())
	}
}

func TestFreeFieldErrors(t *testing.T) {
	for _, c := range []struct {
		shape []int
		mass2 float64
		is    error
		text  string
	}{
		{nil, 1, ErrShape, "target: free field:"},
		{[]int{}, 1, ErrShape, "without extents"},
		{[]int{4, 1}, 1, ErrShape, "[4 1]"},
		{[]int{2, 0, 2}, 1, ErrShape, "[2 0 2]"},
		{[]int{4, 4, 4, -4}, 1, ErrShape, "[4 4 4 -4]"},
		{[]int{1 << 9, 1 << 9, 1 << 9}, 1, ErrShape, "sites"},
		{slices.Repeat([]int{2}, 64), 1, ErrShape, "sites"}, // 0 in an int
		{slices.Repeat([]int{2}, 100), 1, ErrShape, "axes"},
		{[]int{4}, 0, ErrSettings, "m² is 0"},
		{[]int{4}, -1, ErrSettings, "m² is -1"},
		{[]int{4}, math.NaN(), ErrSettings, "NaN"},
		{[]int{4}, math.Inf(1), ErrSettings, "Inf"},
	} {
		f, err := NewFreeField(c.shape, c.mass2)
		if f != nil {
			t.Errorf("%v, m² = %g: a field in spite of the error", c.shape, c.mass2)
		}
		checkError(t, fmt.Sprintf("%v, m² = %g", c.shape, c.mass2), err, c.is, c.text)
	}
}

// BenchmarkFreeField measures ln π of 512 configurations with its gradient.
func BenchmarkFreeField(b *testing.B) {
	for _, shape := range [][]int{{16, 16}, {4, 4, 4, 4}} {
		b.Run(fmt.Sprint(shape), func(b *testing.B) {
			f, err := NewFreeField(shape, 1)
			if err != nil {
				b.Fatal(err)
			}
			benchmarkDensity(b, f)
		})
	}
}

// benchmarkDensity measures ln π of 512 configurations of d with its gradient.
func benchmarkDensity(b *testing.B, d Density) {
	const rows = 512
	e := NewEvaluator(d)
	x := mat.NewDense(rows, d.Dim(), normalRows(10, rows*d.Dim()))
	logp, grad := make([]float64, rows), mat.NewDense(rows, d.Dim(), nil)
	b.ReportAllocs()
	for b.Loop() {
		if err := e.LogProbGrad(logp, grad, x); err != nil {
			b.Fatal(err)
		}
	}
}
