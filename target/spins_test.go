package target

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// isingStates holds every spin configuration of a small lattice with its exact
// probability.
type isingStates struct {
	spins []*mat.VecDense
	prob  []float64
	m2    float64
	corr  *mat.SymDense // ⟨ssᵀ⟩
}

// allIsingStates enumerates the spins on a lattice at temperature T.
func allIsingStates(shape []int, T float64) *isingStates {
	k := denseCirculant(shape, T, 0)
	n := k.SymmetricDim()
	all := &isingStates{corr: mat.NewSymDense(n, nil)}
	for state := range 1 << n {
		s := mat.NewVecDense(n, nil)
		for i := range n {
			s.SetVec(i, float64(2*(state>>i&1)-1))
		}
		all.spins = append(all.spins, s)
		all.prob = append(all.prob, 0.5*mat.Inner(s, k, s))
	}
	logZ := floats.LogSumExp(all.prob)
	for i, s := range all.spins {
		p := math.Exp(all.prob[i] - logZ)
		all.prob[i] = p
		all.corr.SymRankOne(all.corr, p, s)
		all.m2 += p * math.Pow(mat.Sum(s)/float64(n), 2)
	}
	return all
}

// sampleDual returns rows independent configurations of the dual model with the matrix
// a = K+αI. Their distribution is exact.
func (all *isingStates) sampleDual(a *mat.SymDense, rows int, rnd *rand.Rand) *mat.Dense {
	n := a.SymmetricDim()
	cumulated := floats.CumSum(make([]float64, len(all.prob)), all.prob)
	var chol mat.Cholesky
	if !chol.Factorize(a) {
		panic("not positive definite")
	}
	var lower mat.TriDense
	chol.LTo(&lower)
	x := mat.NewDense(rows, n, nil)
	var mean, noise mat.VecDense
	z := mat.NewVecDense(n, nil)
	for r := range rows {
		i, _ := slices.BinarySearch(cumulated, rnd.Float64()*cumulated[len(cumulated)-1])
		for j := range n {
			z.SetVec(j, rnd.NormFloat64())
		}
		mean.MulVec(a, all.spins[min(i, len(all.spins)-1)])
		noise.MulVec(&lower, z)
		mean.AddVec(&mean, &noise)
		x.SetRow(r, mean.RawVector().Data)
	}
	return x
}

// checkMean compares the mean of independent draws with its expectation. It allows four
// standard errors and a rounding error of 1e-12.
func checkMean(t *testing.T, what string, draws []float64, want float64) {
	t.Helper()
	var sum, squares float64
	for _, v := range draws {
		sum += v - want
		squares += (v - want) * (v - want)
	}
	n := float64(len(draws))
	bias := sum / n
	stderr := math.Sqrt((squares/n - bias*bias) / (n - 1))
	if !(math.Abs(bias) <= 4*stderr+1e-12) {
		t.Errorf("%s: mean %v ± %v, want %v", what, want+bias, stderr, want)
	}
}

// For every α, the mean of StructureFactor is ⟨m²⟩ of the spins, Spins draws Ising spins,
// and ⟨xxᵀ⟩ = K' + K'⟨ssᵀ⟩K' with K' = K+αI.
func TestIsingExactDraws(t *testing.T) {
	const rows = 40000
	for i, c := range []struct {
		shape     []int
		T, offset float64
	}{
		{[]int{3, 3}, criticalT, 0.1},
		{[]int{3, 3}, criticalT, 2},
		{[]int{2, 3}, 5, 0.1},
		{[]int{5}, 1.5, 0.5},
		{[]int{3, 4}, 3, 1},
	} {
		m := isingOf(t, c.shape, c.T, c.offset-couplingMin(c.shape, c.T))
		what := fmt.Sprintf("%+v", c)
		states := allIsingStates(c.shape, c.T)
		a := denseCirculant(c.shape, c.T, m.Alpha())
		rnd := rand.New(rand.NewPCG(6, uint64(i)))
		x := states.sampleDual(a, rows, rnd)
		n := m.Dim()

		draws := make([]float64, rows)
		for r := range rows {
			draws[r] = m.StructureFactor(x.RawRowView(r))
		}
		checkMean(t, what+": StructureFactor", draws, states.m2)

		spins := mat.NewDense(rows, n, nil)
		if err := m.Spins(spins, x, rand.NewPCG(7, uint64(i))); err != nil {
			t.Fatal(err)
		}
		for r := range rows {
			sum := floats.Sum(spins.RawRowView(r))
			draws[r] = sum * sum / float64(n*n)
		}
		checkMean(t, what+": m² of the drawn spins", draws, states.m2)

		var xx mat.Dense
		xx.Mul(a, states.corr)
		xx.Mul(&xx, a)
		xx.Add(&xx, a)
		for j := range n {
			for k := range j + 1 {
				for r := range rows {
					draws[r] = x.At(r, j) * x.At(r, k)
				}
				checkMean(t, fmt.Sprintf("%s: x_%d x_%d", what, j, k), draws, xx.At(j, k))
				if j != k {
					for r := range rows {
						draws[r] = spins.At(r, j) * spins.At(r, k)
					}
					checkMean(t, fmt.Sprintf("%s: s_%d s_%d", what, j, k), draws, states.corr.At(j, k))
				}
			}
		}
	}
}

// StructureFactor is the mean of m² over independent spins with P(s = +1 | x).
func TestStructureFactorIsConditionalMean(t *testing.T) {
	m := isingOf(t, []int{5}, 2, byRule)
	for row := range 6 {
		x := isingRows(8, 5).RawRowView(row)
		want := 0.0
		for state := range 1 << 5 {
			p, sum := 1.0, 0.0
			for i, v := range x {
				s := float64(2*(state>>i&1) - 1)
				p /= 1 + math.Exp(-2*v*s)
				sum += s
			}
			want += p * sum * sum / 25
		}
		checkRelative(t, fmt.Sprint(x), m.StructureFactor(x), want, 1e-14)
	}
}

// If the mean spins add up to zero, the variances of the spins remain. Each is
// 1 − tanh² x = 4 exp(−2|x|) at large |x|.
func TestStructureFactorOfFrozenSpins(t *testing.T) {
	m := isingOf(t, []int{4}, 2, byRule)
	for _, v := range []float64{10, 15, 20, 40, 300} {
		e := math.Exp(-2 * v)
		checkRelative(t, fmt.Sprint("at ", v), m.StructureFactor([]float64{v, -v, v, -v}), e*(1-2*e), 1e-14)
	}
	checkRelative(t, "at infinity", m.StructureFactor([]float64{math.Inf(1), 40, math.Inf(1), 40}), 1, 1e-15)
}

func TestSpinsFrequencies(t *testing.T) {
	const rows = 20000
	row := []float64{-3, -0.5, 0, 0.2, 1, 2, 200, -200, 1e-9, math.Inf(1), math.Inf(-1)}
	n := len(row)
	m := isingOf(t, []int{n}, 2, byRule)
	wide := mat.NewDense(rows, n+3, nil) // strided
	x, spins := wide.Slice(0, rows, 1, n+1).(*mat.Dense), mat.NewDense(rows, n, nil)
	for r := range rows {
		x.SetRow(r, row)
	}
	if err := m.Spins(spins, x, rand.NewPCG(9, 1)); err != nil {
		t.Fatal(err)
	}
	draws := make([]float64, rows)
	for i, v := range row {
		for r := range rows {
			s := spins.At(r, i)
			if s != 1 && s != -1 {
				t.Fatalf("spin %v", s)
			}
			if x.At(r, i) != v {
				t.Fatal("x changed")
			}
			draws[r] = (1 + s) / 2
		}
		checkMean(t, fmt.Sprintf("P(s=+1 | x=%g)", v), draws, 1/(1+math.Exp(-2*v)))
		if i > 0 && math.Abs(v) < 5 && math.Abs(row[i-1]) < 5 { // neighbours are independent given x
			for r := range rows {
				draws[r] = spins.At(r, i) * spins.At(r, i-1)
			}
			checkMean(t, fmt.Sprintf("product at x=%g and %g", v, row[i-1]), draws, math.Tanh(v)*math.Tanh(row[i-1]))
		}
	}

	again := mat.NewDense(rows, n, nil)
	if err := m.Spins(again, x, rand.NewPCG(9, 1)); err != nil {
		t.Fatal(err)
	}
	if !mat.Equal(again, spins) {
		t.Error("the same seed gives other spins")
	}
	if err := m.Spins(again, x, rand.NewPCG(9, 2)); err != nil {
		t.Fatal(err)
	}
	if mat.Equal(again, spins) {
		t.Error("another seed gives the same spins")
	}
	// In place.
	if err := m.Spins(x, x, rand.NewPCG(9, 1)); err != nil {
		t.Fatal(err)
	}
	if !mat.Equal(x, spins) {
		t.Error("in place the spins are others")
	}
}

func TestSpinsErrors(t *testing.T) {
	m := isingOf(t, []int{2, 3}, 2, byRule)
	dense := func(r, c int) *mat.Dense { return mat.NewDense(r, c, nil) }
	src := rand.NewPCG(1, 1)
	for _, c := range []struct {
		dst, x *mat.Dense
		src    rand.Source
		want   error
		text   string
	}{
		{dense(4, 5), dense(4, 5), src, ErrShape, "(4, 5)"},
		{dense(3, 6), dense(4, 6), src, ErrShape, "spins (3, 6) of configurations (4, 6), want (rows, 6)"},
		{dense(4, 7), dense(4, 6), src, ErrShape, "(4, 7)"},
		{dense(6, 4), dense(4, 6), src, ErrShape, "(6, 4)"},
		{&mat.Dense{}, dense(4, 6), src, ErrShape, "(0, 0)"},
		{dense(4, 6), dense(4, 6), nil, ErrSettings, "nil source"},
	} {
		checkError(t, c.text, m.Spins(c.dst, c.x, c.src), c.want, c.text)
	}
}

// A configuration with NaN has no spins: the error says where, and nothing is drawn.
func TestSpinsOfNaN(t *testing.T) {
	m := isingOf(t, []int{2, 3}, 2, byRule)
	x, spins := mat.NewDense(4, 6, nil), mat.NewDense(4, 6, nil)
	x.Set(2, 4, math.NaN())
	x.Set(3, 0, math.NaN())
	src, other := rand.NewPCG(1, 1), rand.NewPCG(1, 1)
	err := m.Spins(spins, x, src)
	checkError(t, "NaN", err, ErrNotFinite, "row 2", "site 4")
	if floats.Sum(spins.RawMatrix().Data) != 0 || src.Uint64() != other.Uint64() {
		t.Error("something was drawn")
	}
}
