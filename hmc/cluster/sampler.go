package cluster

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"sync"

	"gonum.org/v1/gonum/mat"
)

// maxSpins is the largest number of spins of all chains together.
const maxSpins = 1 << 30

// Sampler holds independent chains of one Ising model. It is not safe for concurrent
// use; its methods divide the chains among all processors.
//
// Every chain has a random stream of its own. Hence results depend neither on the number
// of processors nor, for one chain, on the number of the others after it.
type Sampler struct {
	graph *graph
	spins []int8 // chain by chain
	rnd   []rand.PCG
	work  []*workspace // one per goroutine
}

// workspace is the scratch space of one goroutine. Its slices have one element per site.
type workspace struct {
	sites []int32 // Wolff: the cluster, in the order of its growth; Swendsen–Wang: a site of the same cluster
	mag   []int32 // Σ s of the cluster whose first site this is
	in    []bool  // whether the site is in the cluster, or the cluster is flipped
}

// New returns a sampler of the model with the given number of sites and bonds, for a
// number of chains. All spins start at random. src gives two numbers per chain, the seed
// of its stream, and is not used later. Leave out the first sweeps of each chain as
// burn-in.
//
// New fails with ErrSettings for no sites or more than 2²⁶, a bond with a site out of
// range or with two equal sites, no chains, more than 2³⁰ spins in all, or a nil source.
// It fails with ErrNotFinite, naming the bond, if a coupling or the sum of all |K| is not
// finite.
func New(sites int, bonds []Bond, chains int, src rand.Source) (*Sampler, error) {
	g, err := newGraph(sites, bonds)
	if err != nil {
		return nil, err
	}
	if chains < 1 || chains > maxSpins/sites {
		return nil, fmt.Errorf("cluster: %w: %d chains of %d sites, want between 1 and %d chains",
			ErrSettings, chains, sites, maxSpins/sites)
	}
	if v := reflect.ValueOf(src); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		return nil, fmt.Errorf("cluster: %w: nil source", ErrSettings)
	}
	s := &Sampler{graph: g, spins: make([]int8, chains*sites), rnd: make([]rand.PCG, chains)}
	for c := range s.rnd {
		s.rnd[c].Seed(src.Uint64(), src.Uint64())
	}
	s.inParallel(func(c int, _ *workspace) {
		spins, rnd := s.chain(c)
		for i := range spins {
			spins[i] = 1 - 2*int8(rnd.Uint64()>>63)
		}
	})
	return s, nil
}

// Energies stores βE = −Σ_bonds K_ij s_i s_j of every chain in dst. It fails with ErrShape
// if the length of dst is not the number of chains.
func (s *Sampler) Energies(dst []float64) error {
	if len(dst) != len(s.rnd) {
		return s.wrongLength("energies", dst)
	}
	s.inParallel(func(c int, _ *workspace) {
		spins, _ := s.chain(c)
		dst[c] = s.graph.energy(spins)
	})
	return nil
}

// Spins returns a copy of the spins ±1, (chains, N), one chain per row.
func (s *Sampler) Spins() *mat.Dense {
	values := make([]float64, len(s.spins))
	for i, v := range s.spins {
		values[i] = float64(v)
	}
	return mat.NewDense(len(s.rnd), s.graph.sites, values)
}

// chain returns the spins and the stream of chain c.
func (s *Sampler) chain(c int) ([]int8, *rand.PCG) {
	n := s.graph.sites
	return s.spins[c*n : (c+1)*n], &s.rnd[c]
}

// wrongLength returns the error for a slice that does not have one value per chain.
func (s *Sampler) wrongLength(what string, dst []float64) error {
	return fmt.Errorf("cluster: %w: %d %s of %d chains", ErrShape, len(dst), what, len(s.rnd))
}

// inParallel calls f once for every chain, on all processors.
func (s *Sampler) inParallel(f func(c int, w *workspace)) {
	chains := len(s.rnd)
	workers := min(runtime.GOMAXPROCS(0), chains)
	for len(s.work) < workers {
		n := s.graph.sites
		s.work = append(s.work, &workspace{make([]int32, n), make([]int32, n), make([]bool, n)})
	}
	var wg sync.WaitGroup
	for k := 1; k < workers; k++ {
		wg.Go(func() { part(f, s.work[k], chains*k/workers, chains*(k+1)/workers) })
	}
	part(f, s.work[0], 0, chains/workers)
	wg.Wait()
}

// part calls f for the chains from, from+1, …, to−1.
func part(f func(c int, w *workspace), w *workspace, from, to int) {
	for c := from; c < to; c++ {
		f(c, w)
	}
}
