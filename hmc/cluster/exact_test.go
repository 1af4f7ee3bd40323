package cluster

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/neuralrg/neuralrg/hmc/diag"
)

const criticalK = 0.44068679350977147 // ln(1+√2)/2, of the square lattice

// model is a graph with its couplings.
type model struct {
	sites int
	bonds []Bond
}

// square returns the L×L lattice.
func square(t testing.TB, L int, K float64) model {
	t.Helper()
	bonds, err := Lattice([]int{L, L}, K)
	if err != nil {
		t.Fatal(err)
	}
	return model{L * L, bonds}
}

// update is one update of all chains.
type update = func(s *Sampler, m2 []float64) error

// exact holds the exact distribution of the spins of a small graph and averages.
type exact struct {
	prob       []float64 // of the state whose bit i is set if s_i = 1
	m2, energy float64
	corr       []float64 // ⟨s_i s_j⟩, N×N
}

// enumerate sums over all states of a graph.
func enumerate(m model) exact {
	sites := m.sites
	e := exact{prob: make([]float64, 1<<sites), corr: make([]float64, sites*sites)}
	spin := func(state, i int) float64 { return float64(2*(state>>i&1) - 1) }
	energies := make([]float64, len(e.prob))
	z, least := 0.0, math.Inf(1)
	for state := range e.prob {
		for _, b := range m.bonds {
			energies[state] -= b.K * spin(state, b.I) * spin(state, b.J)
		}
		least = min(least, energies[state])
	}
	for state, energy := range energies {
		e.prob[state] = math.Exp(least - energy)
		z += e.prob[state]
	}
	for state := range e.prob {
		e.prob[state] /= z
		p := e.prob[state]
		e.energy += p * energies[state]
		for i := range sites {
			for j := range sites {
				c := p * spin(state, i) * spin(state, j)
				e.corr[i*sites+j] += c
				e.m2 += c / float64(sites*sites)
			}
		}
	}
	return e
}

// updates are the two updates under test, each about one sweep of a small graph.
var updates = map[string]update{
	"Wolff":         func(s *Sampler, m2 []float64) error { return s.Wolff(m2, 3) },
	"Swendsen-Wang": (*Sampler).SwendsenWang,
}

// sampler returns chains of a model that have made 50 updates.
func sampler(t testing.TB, m model, chains int, seed uint64, update update) *Sampler {
	t.Helper()
	s, err := New(m.sites, m.bonds, chains, rand.NewPCG(seed, 1))
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		if err := update(s, nil); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// checkZ fails if the mean of one average per chain is more than 4.5 standard errors from
// its expectation. It returns the error.
func checkZ(t *testing.T, what string, means []float64, want float64) {
	t.Helper()
	mean, stdErr := diag.MeanStdErr(means)
	z := (mean - want) / (stdErr + 1e-12)
	if !(math.Abs(z) < 4.5) {
		t.Errorf("%s: %.6f ± %.6f, want %.6f: %.1f standard errors", what, mean, stdErr, want, z)
	}
	t.Logf("%s: %.6f ± %.6f, want %.6f, z = %+.2f", what, mean, stdErr, want, z)
}

// run makes updates and compares means over all chains with the exact ⟨m²⟩ and ⟨βE⟩,
// unless that is NaN.
func run(t *testing.T, s *Sampler, update update, steps int, want exact) {
	t.Helper()
	chains := len(s.rnd)
	now, improved, plain, energies := make([]float64, chains), make([]float64, chains), make([]float64, chains),
		make([]float64, chains)
	for range steps {
		if err := update(s, now); err != nil {
			t.Fatal(err)
		}
		for c, v := range now {
			improved[c] += v / float64(steps)
		}
		if err := s.Energies(now); err != nil {
			t.Fatal(err)
		}
		for c, v := range now {
			energies[c] += v / float64(steps)
			sum := 0
			spins, _ := s.chain(c)
			for _, v := range spins {
				sum += int(v)
			}
			m := float64(sum) / float64(len(spins))
			plain[c] += m * m / float64(steps)
		}
	}
	checkZ(t, "improved ⟨m²⟩", improved, want.m2)
	checkZ(t, "⟨m²⟩ of the spins", plain, want.m2)
	if !math.IsNaN(want.energy) {
		checkZ(t, "⟨βE⟩", energies, want.energy)
	}
	_, stdErr := diag.MeanStdErr(improved)
	if _, other := diag.MeanStdErr(plain); !(stdErr <= 1.2*other+1e-12) {
		t.Errorf("the improved estimate has the error %g, the plain one %g", stdErr, other)
	}
}

// ⟨m²⟩ and ⟨βE⟩ of square lattices are the exact ones: those of L = 8 and 16 come from
// transfer matrices, those of L = 4 from enumeration.
func TestSquareLattice(t *testing.T) {
	for _, c := range []struct {
		L     int
		K, m2 float64
	}{
		{4, criticalK, 0.761358908569},
		{8, criticalK, 0.646911574994},
		{16, criticalK, 0.545417204397},
		{8, 1. / 3, 0.170312209011},
	} {
		m, want := square(t, c.L, c.K), exact{m2: c.m2, energy: math.NaN()}
		if c.L == 4 {
			want.energy = enumerate(m).energy
		}
		for name, update := range updates {
			t.Run(name, func(t *testing.T) {
				run(t, sampler(t, m, 64, uint64(c.L), update), update, 8000/c.L, want)
			})
		}
	}
}

// graphs are models with 12 sites or fewer.
func graphs() map[string]model {
	rnd := rand.New(rand.NewPCG(12, 34))
	random := func(bonds int, coupling func() float64) (list []Bond) {
		for range bonds {
			i := rnd.IntN(12)
			list = append(list, Bond{i, (i + 1 + rnd.IntN(11)) % 12, coupling()})
		}
		return list
	}
	gauge := random(24, func() float64 { return 0.2 + 0.4*rnd.Float64() })
	for b := range gauge { // a ferromagnet seen with the spins of odd sites turned
		if (gauge[b].I+gauge[b].J)%2 == 1 {
			gauge[b].K = -gauge[b].K
		}
	}
	cube, _ := Lattice([]int{2, 3, 2}, 0.2)
	return map[string]model{
		"ferromagnet":      {12, random(20, func() float64 { return rnd.Float64() })},
		"glass":            {12, random(30, func() float64 { return 0.6 * rnd.NormFloat64() })},
		"antiferromagnet":  {12, random(24, func() float64 { return -0.7 * rnd.Float64() })},
		"unfrustrated":     {12, gauge},
		"triangle":         {3, []Bond{{0, 1, -0.8}, {1, 2, -0.8}, {2, 0, -0.8}}},
		"chain":            {5, []Bond{{0, 1, 0.5}, {2, 1, -1}, {2, 3, 0.9}, {4, 3, 0.2}}},
		"isolated":         {6, []Bond{{1, 4, 0.7}, {4, 2, 0}}},
		"double bond":      {3, []Bond{{0, 1, 0.9}, {1, 0, -0.5}, {1, 2, 0.3}}},
		"no bonds":         {4, nil},
		"one site":         {1, nil},
		"lattice of three": {12, cube},
	}
}

// All averages of small graphs are those of an enumeration, for couplings of any sign:
// ⟨m²⟩, ⟨βE⟩ and ⟨s_i s_j⟩ of all pairs.
func TestGraphs(t *testing.T) {
	for name, g := range graphs() {
		want := enumerate(g)
		for kind, update := range updates {
			t.Run(name+" "+kind, func(t *testing.T) {
				run(t, sampler(t, g, 64, 5, update), update, 300, want)

				s := sampler(t, g, 6000, 6, update)
				spins, means := s.Spins(), make([]float64, 6000)
				for i := range g.sites {
					for j := range i {
						for c := range means {
							means[c] = spins.At(c, i) * spins.At(c, j)
						}
						mean, _ := diag.MeanStdErr(means)
						exact := want.corr[i*g.sites+j]
						if z := (mean - exact) / math.Sqrt((1-exact*exact)/6000); !(math.Abs(z) < 4.5) {
							t.Errorf("⟨s_%d s_%d⟩ is %.4f, want %.4f: %.1f standard errors", i, j, mean, exact, z)
						}
					}
				}
			})
		}
	}
}

// Every state of a small frustrated graph has its exact frequency (χ² test), as do the
// states of a model in a field, made of the spins times the ghost spin.
func TestDistribution(t *testing.T) {
	const chains, n = 20000, 5
	bonds := []Bond{
		{0, 1, -0.6}, {1, 2, -0.6}, {2, 0, -0.6}, {2, 3, 0.4}, {3, 0, 0.5}, {3, 1, -0.3},
		{4, 0, 0.3}, {4, 1, 0.2}, {4, 3, -0.5}, // site 4 is the ghost spin of the sites 0 … 3
	}
	all := enumerate(model{n, bonds})
	fields := make([]float64, 1<<(n-1)) // by its definition
	z := 0.0
	for state := range fields {
		spin := func(i int) float64 { return float64(2*(state>>i&1) - 1) }
		energy := -(0.3*spin(0) + 0.2*spin(1) - 0.5*spin(3))
		for _, b := range bonds[:6] {
			energy -= b.K * spin(b.I) * spin(b.J)
		}
		fields[state] = math.Exp(-energy)
		z += fields[state]
	}
	for state := range fields {
		fields[state] /= z
	}
	for kind, update := range updates {
		spins := sampler(t, model{n, bonds}, chains, 7, update).Spins()
		counts, inField := make([]float64, 1<<n), make([]float64, 1<<(n-1))
		for c := range chains {
			state, relative := 0, 0
			for i, v := range spins.RawRowView(c) {
				if v == 1 {
					state |= 1 << i
				}
				if i < n-1 && v == spins.At(c, n-1) {
					relative |= 1 << i
				}
			}
			counts[state]++
			inField[relative]++
		}
		for _, c := range []struct {
			what         string
			counts, prob []float64
		}{{"states", counts, all.prob}, {"states in the field", inField, fields}} {
			chi2, freedom := 0.0, float64(len(c.prob)-1)
			for state, p := range c.prob {
				d := c.counts[state] - chains*p
				chi2 += d * d / (chains * p)
			}
			if z := (chi2 - freedom) / math.Sqrt(2*freedom); !(z < 4.5) {
				t.Errorf("%s: %s: χ² is %.1f with %.0f degrees of freedom", kind, c.what, chi2, freedom)
			}
		}
	}
}
