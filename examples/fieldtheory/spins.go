package main

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/hmc/cluster"
	"github.com/neuralrg/neuralrg/target"
)

// ising is the dual of the Ising model on a periodic lattice of any dimension at the
// inverse temperature β. The network is that of the recipe, whitened by the coupling matrix.
func (o *options) ising() (*theory, error) {
	ising, err := target.NewIsing(o.shape, 1/o.beta)
	if err != nil {
		return nil, err
	}
	r := recipes[o.recipe]()
	t, err := o.spins(r)
	if err != nil {
		return nil, err
	}
	t.spectrum, t.grows = ising.Spectrum(), r.Checkerboard && len(o.shape) <= 2
	t.Density, t.name = ising, fmt.Sprintf("Ising model on %s sites, β = %g", o.shapeText, o.beta)
	t.exact = func() (float64, bool) { logZ := ising.LogZ(); return logZ, !math.IsNaN(logZ) }
	t.model = func() (*flow.Model, error) { return r.Model(o.shape, t.spectrum, rand.NewPCG(o.seed, 1)) }
	return t, nil
}

// spins is what is common to all theories of spins. x gives the spins the means tanh x.
func (o *options) spins(r *flow.Recipe) (*theory, error) {
	field, err := target.NewField(o.shape, 1)
	if err != nil {
		return nil, err
	}
	return &theory{field: field, recipe: r, values: means, self: func(x []float64) float64 {
		rest := 0.0
		for _, v := range means(x) {
			rest += 1 - v*v
		}
		return rest / float64(len(x))
	}}, nil
}

// means are the means of the spins given x.
func means(x []float64) []float64 {
	m := make([]float64, len(x))
	for i, v := range x {
		m[i] = math.Tanh(v)
	}
	return m
}

// glassBonds are the bonds of the lattice with couplings ±β, each sign with probability ½.
func (o *options) glassBonds() []target.Bond {
	rnd := rand.New(rand.NewPCG(o.couplings, 100))
	bonds, err := cluster.Lattice(o.shape, o.beta)
	if err != nil {
		return nil // newGraph says why
	}
	for i := range bonds {
		if rnd.IntN(2) == 0 {
			bonds[i].K = -o.beta
		}
	}
	return bonds
}

// villainBonds are those of J. Villain, J. Phys. C 10, 1717 (1977): every other row of
// bonds along the first axis has the coupling −β, so that every plaquette is frustrated.
func (o *options) villainBonds() ([]target.Bond, error) {
	if len(o.shape) != 2 || o.shape[1]%2 != 0 {
		return nil, fmt.Errorf("-theory villain -shape %s: want two extents, the second one even", o.shapeText)
	}
	bonds, err := cluster.Lattice(o.shape, o.beta)
	for i, b := range bonds {
		if sameColumn := b.I%o.shape[1] == b.J%o.shape[1]; sameColumn && b.I%2 == 1 {
			bonds[i].K = -o.beta
		}
	}
	return bonds, err
}

// mostSpins is the largest number of spins of a graph: the network has a block for each.
const mostSpins = 256

// graph is the dual of an Ising model with couplings ±β. It is measured in the gauge of a
// ground state s⁰, in which all spins of s⁰ are up: so χ/N is the mean square of the overlap
// with s⁰.
func (o *options) graph(name string, bonds []target.Bond) (*theory, error) {
	n := 1
	for _, extent := range o.shape {
		if n *= extent; n > mostSpins {
			return nil, fmt.Errorf("-shape %s: want at most %d sites", o.shapeText, mostSpins)
		}
	}
	if !(o.beta > 0) {
		return nil, fmt.Errorf("-beta %g: want a positive number", o.beta)
	}
	ground, energy := groundState(n, bonds, o.couplings)
	for i, b := range bonds {
		bonds[i].K *= ground[b.I] * ground[b.J]
	}
	ising, err := target.NewIsingGraph(n, bonds, nil)
	if err != nil {
		return nil, err
	}
	r := recipes[o.recipe]()
	r.Method, r.LearnRate = flow.Adam, 3e-3
	t, err := o.spins(r)
	if err != nil {
		return nil, err
	}
	t.Density, t.exact, t.uneven, t.rungs = ising, ising.ExactLogZ, true, 100
	t.name = fmt.Sprintf("%s on %s sites, β = %g, energy %.0f of a ground state",
		name, o.shapeText, o.beta, energy/o.beta)
	t.model = func() (*flow.Model, error) { return siteBySite(o.shape, bonds, ising.Alpha(), rand.NewPCG(o.seed, 1)) }
	t.compare = (&modes{ising, bonds, energy, o.seed}).compare
	return t, nil
}

// groundState returns a state of the least energy −Σ K s_i s_j that simulated annealing
// finds, and this energy.
func groundState(n int, bonds []target.Bond, seed uint64) (best []float64, least float64) {
	const runs, sweeps, coldest = 100, 300, 4
	near, largest := make([][]target.Bond, n), 0.0
	for _, b := range bonds {
		near[b.I] = append(near[b.I], b)
		near[b.J] = append(near[b.J], target.Bond{I: b.J, J: b.I, K: b.K})
		largest = max(largest, math.Abs(b.K))
	}
	rnd := rand.New(rand.NewPCG(seed, 200))
	least = math.Inf(1)
	for range runs {
		s := make([]float64, n)
		for i := range s {
			s[i] = float64(2*rnd.IntN(2) - 1)
		}
		for sweep := range sweeps {
			beta := coldest * float64(sweep+1) / sweeps / largest
			for i := range s {
				h := 0.0
				for _, b := range near[i] {
					h += b.K * s[b.J]
				}
				if rnd.ExpFloat64() > 2*beta*h*s[i] {
					s[i] = -s[i]
				}
			}
		}
		if e := spinEnergy(s, bonds); e < least {
			best, least = s, e
		}
	}
	return best, least
}

// spinEnergy is −Σ K s_i s_j.
func spinEnergy(s []float64, bonds []target.Bond) (e float64) {
	for _, b := range bonds {
		e -= b.K * s[b.I] * s[b.J]
	}
	return e
}
