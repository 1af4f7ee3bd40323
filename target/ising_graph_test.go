package target

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/internal/lattice"
)

// spinModel is a graph with fields.
type spinModel struct {
	sites  int
	bonds  []Bond
	fields []float64
}

// build returns the target with the given α, 0 for the default.
func (m spinModel) build(t testing.TB, alpha float64) *IsingGraph {
	t.Helper()
	g, err := NewIsingGraph(m.sites, m.bonds, &IsingGraphSettings{Fields: m.fields, Alpha: alpha})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// logWeight returns Σ_bonds K s_i s_j + Σ h_i s_i.
func (m spinModel) logWeight(s []float64) float64 {
	sum := 0.0
	for _, b := range m.bonds {
		sum += b.K * s[b.I] * s[b.J]
	}
	for i, h := range m.fields {
		sum += h * s[i]
	}
	return sum
}

// spinsOf stores the spins of a state: bit i is set if s_i = 1.
func spinsOf(s []float64, state int) {
	for i := range s {
		s[i] = float64(2*(state>>i&1) - 1)
	}
}

// enumerate sums over all states. It returns the log-weights of the states, ln Z and the
// mean of (Σ s_i)².
func (m spinModel) enumerate() (logs []float64, logZ, square float64) {
	s := make([]float64, m.sites)
	logs = make([]float64, 1<<m.sites)
	for state := range logs {
		spinsOf(s, state)
		logs[state] = m.logWeight(s)
	}
	logZ = floats.LogSumExp(logs)
	for state, l := range logs {
		spinsOf(s, state)
		square += math.Exp(l-logZ) * math.Pow(floats.Sum(s), 2)
	}
	return logs, logZ, square
}

// latticeModel returns a periodic lattice whose bonds have the couplings coupling(site, axis).
func latticeModel(shape []int, coupling func(site, axis int) float64) spinModel {
	bonds, err := lattice.Bonds(shape, 1)
	if err != nil {
		panic(err)
	}
	for b := range bonds {
		bonds[b].K = coupling(b/len(shape), b%len(shape))
	}
	n, _ := lattice.Size(shape)
	return spinModel{sites: n, bonds: bonds}
}

// spinModels are small graphs: frustrated, random, in fields, with isolated sites and with
// several bonds between two sites.
func spinModels() map[string]spinModel {
	rnd := rand.New(rand.NewPCG(3, 4))
	sign := func(int, int) float64 { return 0.8 * float64(1-2*rnd.IntN(2)) }
	var random []Bond
	for range 30 {
		i := rnd.IntN(12)
		random = append(random, Bond{i, (i + 1 + rnd.IntN(11)) % 12, rnd.NormFloat64()})
	}
	fields := make([]float64, 12)
	for i := range fields {
		fields[i] = rnd.NormFloat64()
	}
	return map[string]spinModel{
		"frustrated triangle": {3, []Bond{{0, 1, -0.9}, {1, 2, -0.9}, {2, 0, -0.9}}, nil},
		"fully frustrated": latticeModel([]int{4, 4}, func(site, axis int) float64 {
			if axis == 0 && site%2 == 0 {
				return -1
			}
			return 1
		}),
		"±J glass":        latticeModel([]int{4, 4}, sign),
		"ferromagnet":     latticeModel([]int{3, 4}, func(int, int) float64 { return 0.4 }),
		"cube":            latticeModel([]int{2, 3, 2}, func(int, int) float64 { return 0.25 }),
		"four in fields":  {4, []Bond{{0, 1, 0.5}, {1, 2, -0.7}, {2, 3, 0.2}, {0, 2, 1}}, []float64{0.3, -1, 0, 2}},
		"random":          {12, random, fields},
		"isolated sites":  {5, []Bond{{3, 1, 0.7}}, []float64{0, 0, 1, 0, -2}},
		"three bonds":     {3, []Bond{{0, 1, 0.7}, {1, 0, -0.3}, {0, 1, 0.2}}, nil},
		"one site":        {1, nil, []float64{0.4}},
		"cancelled bonds": {2, []Bond{{0, 1, 0.7}, {1, 0, -0.7}}, nil},
		"strong":          {3, []Bond{{0, 1, 900}, {1, 2, -800}, {0, 2, 850}}, []float64{500, 0, -1}},
	}
}

// forSpinModels calls f for every small graph, in the order of the names.
func forSpinModels(t *testing.T, f func(t *testing.T, m spinModel)) {
	models := spinModels()
	for _, name := range slices.Sorted(maps.Keys(models)) {
		t.Run(name, func(t *testing.T) { f(t, models[name]) })
	}
}

// The transfer matrix gives ln Z and ⟨m²⟩ of an enumeration.
func TestSpinSumsEnumeration(t *testing.T) {
	forSpinModels(t, func(t *testing.T, m spinModel) {
		_, logZ, square := m.enumerate()
		g := m.build(t, 0)
		if got, ok := g.SpinLogZ(); !ok || !(math.Abs(got-logZ) <= 1e-13*math.Max(1, math.Abs(logZ))) {
			t.Errorf("ln Z is %.15g, %t, want %.15g", got, ok, logZ)
		}
		n := float64(m.sites)
		if got, ok := g.ExactStructureFactor(); !ok || !(math.Abs(got*n*n-square) <= 1e-12*n*n) {
			t.Errorf("⟨m²⟩ is %.15g, %t, want %.15g", got, ok, square/n/n)
		}
	})
}

// On lattices, IsingGraph is Ising: the same exact results, the same least eigenvalue, the
// same density and gradient.
func TestIsingGraphIsIsing(t *testing.T) {
	for _, shape := range [][]int{{2}, {9}, {2, 2}, {3, 5}, {4, 4}, {4, 10}, {8, 8}, {3, 3, 2}, {2, 3, 2, 2}} {
		for _, T := range []float64{0.7, criticalT, 6} {
			what := fmt.Sprintf("%v at %g", shape, T)
			m := isingOf(t, shape, T, byRule)
			g := latticeModel(shape, func(int, int) float64 { return 1 / T }).build(t, 0)
			near := func(name string, got, want, tol float64) {
				t.Helper()
				if !(math.Abs(got-want) <= tol*math.Max(1, math.Abs(want))) {
					t.Errorf("%s: %s is %.15g, want %.15g", what, name, got, want)
				}
			}
			near("α", g.Alpha(), m.Alpha(), 1e-12)
			logZ, ok := g.SpinLogZ()
			near("ln Z", logZ, m.SpinLogZ(), 1e-12)
			m2, ok2 := g.ExactStructureFactor()
			want, _ := m.ExactStructureFactor()
			near("offset of ln Z", g.LogZOffset(), m.LogZOffset(), 1e-11)
			near("⟨m²⟩", m2, want, 1e-10)
			if !ok || !ok2 {
				t.Errorf("%s: no exact results", what)
			}
			x := mat.NewDense(20, m.Dim(), normalRows(1, 20*m.Dim()))
			sameDensity(t, what, g, m, x)
		}
	}
}

// sameDensity compares ln π and gradients of two densities at every row of x.
func sameDensity(t *testing.T, what string, a, b Density, x *mat.Dense) {
	t.Helper()
	const tol = 1e-10
	rows, n := x.Dims()
	var logp [2][]float64
	var grad [2]*mat.Dense
	for k, d := range []Density{a, b} {
		logp[k], grad[k] = make([]float64, rows), mat.NewDense(rows, n, nil)
		if err := NewEvaluator(d).LogProbGrad(logp[k], grad[k], x); err != nil {
			t.Fatal(err)
		}
	}
	for r := range rows {
		if !(math.Abs(logp[0][r]-logp[1][r]) <= tol*math.Max(1, math.Abs(logp[1][r]))) {
			t.Errorf("%s, row %d: ln π is %.15g, want %.15g", what, r, logp[0][r], logp[1][r])
		}
	}
	if !mat.EqualApprox(grad[0], grad[1], tol*math.Max(1, mat.Max(grad[1]))) {
		t.Errorf("%s: the gradients differ", what)
	}
}

// The density is what the enumeration of the spins gives: for every x,
//
//	Σ_s π(s) N(x; h+K's, K') = π(x)/Z, K' = K+αI,
//
// whatever α. This holds ln Z and its constant, the fields and FieldsGivenSpins's law.
func TestIsingGraphMarginal(t *testing.T) {
	forSpinModels(t, func(t *testing.T, m spinModel) {
		logs, logZ, _ := m.enumerate()
		for _, alpha := range []float64{0, 5} {
			if alpha > 0 {
				alpha -= newSpinGraph(m.sites, m.bonds, nil).leastEigenvalue()
			}
			g := m.build(t, alpha)
			var chol mat.Cholesky
			if !chol.Factorize(g.spins.matrix(g.Alpha())) {
				t.Fatal("not positive definite")
			}
			x := mat.NewDense(3, m.sites, normalRows(2, 3*m.sites))
			logp := make([]float64, 3)
			if err := NewEvaluator(g).LogProbs(logp, x); err != nil {
				t.Fatal(err)
			}
			s, mean := make([]float64, m.sites), make([]float64, m.sites)
			terms := make([]float64, len(logs))
			for r := range 3 {
				for state, l := range logs {
					spinsOf(s, state)
					g.fieldMean(mean, s)
					d := floats.SubTo(make([]float64, m.sites), x.RawRowView(r), mean)
					var y mat.VecDense
					if err := chol.SolveVecTo(&y, mat.NewVecDense(m.sites, d)); err != nil {
						t.Fatal(err)
					}
					terms[state] = l - logZ - 0.5*floats.Dot(d, y.RawVector().Data)
				}
				want := floats.LogSumExp(terms) - 0.5*chol.LogDet() - 0.5*float64(m.sites)*math.Log(2*math.Pi)
				got := logp[r] - logZ - g.LogZOffset()
				// The terms of strong couplings are of the order of 1e7.
				if !(math.Abs(got-want) <= 1e-12*math.Max(1, math.Abs(want))*math.Max(1, g.Alpha())) {
					t.Errorf("α = %g, row %d: ln π/Z is %.15g, want %.15g", g.Alpha(), r, got, want)
				}
			}
		}
	})
}

// Gradients, precisions and rows, also with more rows than a tile.
func TestIsingGraphLaws(t *testing.T) {
	forSpinModels(t, func(t *testing.T, m spinModel) {
		g := m.build(t, 0)
		x := mat.NewDense(37, m.sites, normalRows(3, 37*m.sites))
		checkLaws(t, "graph", g, x, 1e-6*math.Max(1, g.Alpha()))
	})
}

// Draws of spins and fields have the exact distribution: every state its frequency (χ²
// test at 4.5 standard errors) after two updates of Gibbs that start from exact spins.
func TestIsingGraphGibbs(t *testing.T) {
	const rows = 20000
	models := spinModels()
	for _, name := range []string{"frustrated triangle", "four in fields", "isolated sites", "one site"} {
		m := models[name]
		g := m.build(t, 0)
		logs, logZ, _ := m.enumerate()
		cumulated := make([]float64, len(logs))
		for state, l := range logs {
			cumulated[state] = math.Exp(l - logZ)
		}
		floats.CumSum(cumulated, cumulated)
		rnd := rand.New(rand.NewPCG(5, 6))
		x := mat.NewDense(rows, m.sites, nil)
		for r := range rows {
			state, _ := slices.BinarySearch(cumulated, rnd.Float64())
			spinsOf(x.RawRowView(r), min(state, len(logs)-1))
		}
		err := errors.Join(g.FieldsGivenSpins(x, x, rnd), g.Gibbs(x, rnd), g.Gibbs(x, rnd))
		if err != nil {
			t.Fatal(err)
		}
		m2 := make([]float64, rows)
		for r := range m2 {
			m2[r] = g.StructureFactor(x.RawRowView(r))
		}
		want, _ := g.ExactStructureFactor()
		checkMean(t, name+": StructureFactor", m2, want)
		if err := g.Spins(x, x, rnd); err != nil {
			t.Fatal(err)
		}
		counts := make([]float64, len(logs))
		for r := range rows {
			state := 0
			for i, v := range x.RawRowView(r) {
				if v == 1 {
					state |= 1 << i
				}
			}
			counts[state]++
		}
		chi2, freedom := 0.0, -1.0
		for state, l := range logs {
			if want := rows * math.Exp(l-logZ); want >= 5 {
				chi2, freedom = chi2+(counts[state]-want)*(counts[state]-want)/want, freedom+1
			}
		}
		if z := (chi2 - freedom) / math.Sqrt(2*freedom); !(z < 4.5) {
			t.Errorf("%s: χ² is %.1f with %.0f degrees of freedom", name, chi2, freedom)
		}
	}
}

// Exact results of lattices that no enumeration reaches: a 3-dimensional one against a
// transfer matrix of another order, and an 8×8 glass against a sum over its first row.
func TestSpinSumsLarge(t *testing.T) {
	rnd := rand.New(rand.NewPCG(8, 8))
	glass := latticeModel([]int{8, 8}, func(int, int) float64 { return float64(1 - 2*rnd.IntN(2)) })
	renamed := glass
	renamed.bonds = slices.Clone(glass.bonds)
	names := rnd.Perm(64)
	for i, b := range renamed.bonds {
		renamed.bonds[i] = Bond{names[b.I], names[b.J], b.K}
	}
	want, ok := glass.build(t, 0).SpinLogZ()
	if got, ok2 := renamed.build(t, 0).SpinLogZ(); !ok || !ok2 || !(math.Abs(got-want) <= 1e-11*want) {
		t.Errorf("ln Z of the glass is %.15g, and %.15g with other names of the sites", want, got)
	}
	if testing.Short() {
		return
	}
	// Along an extent of 2 neighbours share two bonds: a ring of 4 whose opposite sites are
	// not linked is the same as 2×2 sites with half of the coupling.
	flat := latticeModel([]int{4, 4, 3}, func(int, int) float64 { return 0.22 })
	folded := latticeModel([]int{2, 2, 2, 2, 3}, func(_, axis int) float64 {
		if axis < 4 {
			return 0.11
		}
		return 0.22
	})
	want, ok = flat.build(t, 0).SpinLogZ()
	if got, ok2 := folded.build(t, 0).SpinLogZ(); !ok || !ok2 || !(math.Abs(got-want) <= 1e-12*want) {
		t.Errorf("ln Z of 4×4×3 is %.15g, %t, and as 2×2×2×2×3 %.15g, %t", want, ok, got, ok2)
	}
}

// Where the sum takes too long there is no result, and the answer comes at once.
func TestSpinSumsLimits(t *testing.T) {
	for _, shape := range [][]int{{13, 13}, {64, 64}, {5, 5, 5}} {
		m := latticeModel(shape, func(int, int) float64 { return 0.3 })
		if z, _, ok := newSpinGraph(m.sites, m.bonds, nil).spinSums(false); ok || z != 0 {
			t.Errorf("%v: ln Z is %g, %t", shape, z, ok)
		}
	}
	m := latticeModel([]int{4, 1024}, func(int, int) float64 { return 0.3 })
	want := torusLogZ(4, 1024, 1/0.3)
	if z, _, ok := newSpinGraph(m.sites, m.bonds, nil).spinSums(false); !ok || !(math.Abs(z-want) < 1e-9) {
		t.Errorf("4×1024: ln Z is %.15g, %t, want %.15g", z, ok, want)
	}
}

// More than 1024 sites: α comes from the bound of Gershgorin, which even extents reach.
func TestIsingGraphManySites(t *testing.T) {
	shape := []int{4, 300}
	m := isingOf(t, shape, 2, byRule)
	g := latticeModel(shape, func(int, int) float64 { return 0.5 }).build(t, 0)
	if !(math.Abs(g.Alpha()-m.Alpha()) < 1e-12) {
		t.Errorf("α is %g, want %g", g.Alpha(), m.Alpha())
	}
	sameDensity(t, "many sites", g, m, mat.NewDense(3, 1200, normalRows(1, 3600)))
}

// In three and more dimensions, ln Z and ⟨m²⟩ are those of an enumeration, and NaN and no
// result where they would take too long.
func TestIsingDimensions(t *testing.T) {
	for _, shape := range [][]int{{2, 2, 2}, {2, 3, 2}, {4, 2, 2}, {2, 2, 2, 2}} {
		for _, T := range []float64{1, 4.5, 20} {
			m, states := isingOf(t, shape, T, byRule), allIsingStates(shape, T)
			k, logs := denseCirculant(shape, T, 0), make([]float64, len(states.spins))
			for i, s := range states.spins {
				logs[i] = 0.5 * mat.Inner(s, k, s)
			}
			checkRelative(t, fmt.Sprint("ln Z of ", shape), m.SpinLogZ(), floats.LogSumExp(logs), 1e-13)
			m2, ok := m.ExactStructureFactor()
			checkRelative(t, fmt.Sprint("⟨m²⟩ of ", shape), m2, states.m2, 1e-12)
			if _, _, energy := m.ExactEnergy(); !ok || energy {
				t.Errorf("%v: ⟨m²⟩ %t, energy %t", shape, ok, energy)
			}
		}
	}
	m := isingOf(t, []int{5, 5, 5}, 4, byRule)
	if m2, ok := m.ExactStructureFactor(); ok || m2 != 0 || !math.IsNaN(m.SpinLogZ()) || !math.IsNaN(m.LogZ()) {
		t.Errorf("5×5×5: ⟨m²⟩ is %g, %t, ln Z %g", m2, ok, m.LogZ())
	}
}
