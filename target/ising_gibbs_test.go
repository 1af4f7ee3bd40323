package target

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// Given s, the mean and the covariance of x are (K+αI)s and K+αI, within 5 standard errors.
func TestFieldsGivenSpins(t *testing.T) {
	const rows = 40000
	for _, shape := range [][]int{{2}, {5}, {2, 3}, {4, 4}} {
		m := isingOf(t, shape, criticalT, byRule)
		a, n := denseCirculant(shape, criticalT, m.Alpha()), m.Dim()
		s, x := mat.NewDense(rows, n, nil), mat.NewDense(rows, n, nil)
		for i := range rows {
			for j := range n {
				s.Set(i, j, float64(1-2*(j*j%3%2)))
			}
		}
		if err := m.FieldsGivenSpins(x, s, rand.NewPCG(1, 2)); err != nil {
			t.Fatal(err)
		}
		var mean mat.VecDense
		mean.MulVec(a, s.RowView(0))
		for i := range n {
			for j := range n {
				sum, first := 0.0, 0.0
				for r := range rows {
					d := x.At(r, i) - mean.AtVec(i)
					first += d
					sum += d * (x.At(r, j) - mean.AtVec(j))
				}
				if z := first / math.Sqrt(rows*a.At(i, i)); !(math.Abs(z) < 5) {
					t.Errorf("%v: mean at %d is %.1f errors off", shape, i, z)
				}
				sd := math.Sqrt((a.At(i, i)*a.At(j, j) + a.At(i, j)*a.At(i, j)) / rows)
				if z := (sum/rows - a.At(i, j)) / sd; !(math.Abs(z) < 5) {
					t.Errorf("%v: covariance of %d and %d is %.1f errors off", shape, i, j, z)
				}
			}
		}
	}
}

// ⟨xxᵀ⟩ = K' + K'⟨ssᵀ⟩K', K' = K+αI, for spins drawn from all states of the 4×4 lattice,
// within 4.5 standard errors.
func TestFieldsOfIsingSpins(t *testing.T) {
	const rows, n = 30000, 16
	shape := []int{4, 4}
	m, states := isingOf(t, shape, criticalT, byRule), allIsingStates(shape, criticalT)
	cumulated, rnd := floats.CumSum(make([]float64, len(states.prob)), states.prob), rand.New(rand.NewPCG(5, 6))
	x := mat.NewDense(rows, n, nil)
	for r := range rows {
		i, _ := slices.BinarySearch(cumulated, rnd.Float64()*cumulated[len(cumulated)-1])
		x.SetRow(r, states.spins[min(i, len(states.spins)-1)].RawVector().Data)
	}
	if err := m.FieldsGivenSpins(x, x, rnd); err != nil {
		t.Fatal(err)
	}
	var want mat.Dense
	a := denseCirculant(shape, criticalT, m.Alpha())
	want.Mul(a, states.corr)
	want.Mul(&want, a)
	want.Add(&want, a)
	for i := range n {
		for j := range i + 1 {
			var sum, squares float64
			for r := range rows {
				v := x.At(r, i)*x.At(r, j) - want.At(i, j)
				sum, squares = sum+v, squares+v*v
			}
			if z := sum / math.Sqrt(squares); !(math.Abs(z) < 4.5) {
				t.Errorf("⟨x_%d x_%d⟩ is %.3f, want %.3f: %.1f errors", i, j, want.At(i, j)+sum/rows, want.At(i, j), z)
			}
		}
	}
}

// The result is the same in place, in a part of a wider matrix and from row to row, and it
// depends on the source alone, for lattices with and without FFT.
func TestFieldsInPlace(t *testing.T) {
	for _, shape := range [][]int{{6, 4}, {67}, {97, 41}} {
		m := isingOf(t, shape, 2, byRule)
		const rows = 37
		n := m.Dim()
		s, x := mat.NewDense(rows, n, nil), mat.NewDense(rows, n, nil)
		if err := m.Spins(s, s, rand.NewPCG(1, 1)); err != nil {
			t.Fatal(err)
		}
		spins := mat.DenseCopyOf(s)
		if err := m.FieldsGivenSpins(x, s, rand.NewPCG(1, 2)); err != nil {
			t.Fatal(err)
		}
		if !mat.Equal(s, spins) {
			t.Errorf("%v: the spins changed", shape)
		}
		wide := mat.NewDense(rows, n+3, nil)
		part := wide.Slice(0, rows, 1, n+1).(*mat.Dense)
		part.Copy(s)
		src := rand.NewPCG(1, 2)
		for r := range rows {
			one := part.Slice(r, r+1, 0, n).(*mat.Dense)
			if err := m.FieldsGivenSpins(one, one, src); err != nil {
				t.Fatal(err)
			}
		}
		if !mat.Equal(part, x) || wide.At(0, 0) != 0 || wide.At(rows-1, n+1) != 0 {
			t.Errorf("%v: row by row and in place the result is another", shape)
		}
		if err := m.FieldsGivenSpins(s, s, rand.NewPCG(1, 2)); err != nil {
			t.Fatal(err)
		}
		if !mat.Equal(s, x) {
			t.Errorf("%v: in place the result is another", shape)
		}
	}
}

// Errors say what is wrong and where, and nothing is drawn.
func TestGibbsErrors(t *testing.T) {
	m := isingOf(t, []int{2, 3}, 2, byRule)
	ones := func(r, c int) *mat.Dense {
		x := mat.NewDense(r, c, nil)
		x.Apply(func(_, _ int, _ float64) float64 { return 1 }, x)
		return x
	}
	with := func(v float64) *mat.Dense {
		x := ones(4, 6)
		x.Set(2, 5, v)
		return x
	}
	src := rand.NewPCG(1, 1)
	for _, c := range []struct {
		x, s *mat.Dense
		src  rand.Source
		want error
		text string
	}{
		{nil, ones(4, 6), src, ErrShape, "nil matrix"},
		{ones(4, 6), nil, src, ErrShape, "nil matrix"},
		{ones(4, 5), ones(4, 5), src, ErrShape, "(4, 5)"},
		{ones(3, 6), ones(4, 6), src, ErrShape, "configurations (3, 6) of spins (4, 6), want (rows, 6)"},
		{ones(4, 7), ones(4, 6), src, ErrShape, "(4, 7)"},
		{&mat.Dense{}, ones(4, 6), src, ErrShape, "(0, 0)"},
		{ones(4, 6), ones(4, 6), nil, ErrSettings, "nil source"},
		{ones(4, 6), with(0), src, ErrSettings, "spin 0 at row 2, site 5"},
		{ones(4, 6), with(math.NaN()), src, ErrSettings, "spin NaN at row 2, site 5"},
	} {
		checkError(t, c.text, m.FieldsGivenSpins(c.x, c.s, c.src), c.want, c.text)
		if c.x != nil && !c.x.IsEmpty() && mat.Max(c.x) != 1 {
			t.Errorf("%s: x changed", c.text)
		}
	}
	rnd := rand.New(src)
	checkError(t, "nil matrix", m.Gibbs(nil, rnd), ErrShape, "nil matrix")
	checkError(t, "nil generator", m.Gibbs(ones(4, 6), nil), ErrSettings, "nil generator")
	checkError(t, "columns", m.Gibbs(ones(4, 5), rnd), ErrShape, "(4, 5)")
	checkError(t, "NaN", m.Gibbs(with(math.NaN()), rnd), ErrNotFinite, "row 2", "site 5")
	if src.Uint64() != rand.NewPCG(1, 1).Uint64() {
		t.Error("something was drawn")
	}
}

// Gibbs leaves ⟨m²⟩ of exact samples at L = 4 unchanged, within 4 standard errors.
func TestGibbsInvariance(t *testing.T) {
	const rows = 20000
	m, rnd := isingOf(t, []int{4, 4}, criticalT, byRule), rand.New(rand.NewPCG(3, 4))
	x := allIsingStates([]int{4, 4}, criticalT).sampleDual(denseCirculant([]int{4, 4}, criticalT, m.Alpha()), rows, rnd)
	for range 3 {
		if err := m.Gibbs(x, rnd); err != nil {
			t.Fatal(err)
		}
		var sum, sum2 float64
		for r := range rows {
			v := m.StructureFactor(x.RawRowView(r))
			sum, sum2 = sum+v, sum2+v*v
		}
		mean := sum / rows
		if z := (mean - 0.761358908569) / math.Sqrt((sum2/rows-mean*mean)/rows); !(math.Abs(z) < 4) {
			t.Errorf("⟨m²⟩ is %v, %.1f errors off", mean, z)
		}
	}
}
