package target

import (
	"cmp"
	"math"
	"slices"
	"sync"

	"github.com/neuralrg/neuralrg/internal/kernel"
	"github.com/neuralrg/neuralrg/internal/lattice"
)

// maxFrontier is the largest number of sites in the states of spinSums: 2²⁴ states take
// 200 MB, and 600 MB with moments.
const maxFrontier = 24

// maxSumCost is the largest cost that spinSums accepts, in passes over a state: about a
// minute on one core.
const maxSumCost = 1 << 32

// spinGraph is an Ising model on any graph: K_ij for every pair of sites with bonds, and a
// field for every site.
type spinGraph struct {
	near   [][]neighbour // of every site, ascending
	fields []float64
}

// neighbour is a site that shares bonds with another one. k is the sum of their couplings.
type neighbour struct {
	site int
	k    float64
}

// newSpinGraph returns the graph of bonds that lattice.CheckBonds accepts. fields has one
// number per site or is nil.
func newSpinGraph(sites int, bonds []lattice.Bond, fields []float64) *spinGraph {
	g := &spinGraph{near: make([][]neighbour, sites), fields: make([]float64, sites)}
	copy(g.fields, fields)
	for _, b := range bonds {
		g.near[b.I] = append(g.near[b.I], neighbour{b.J, b.K})
		g.near[b.J] = append(g.near[b.J], neighbour{b.I, b.K})
	}
	for i, near := range g.near {
		slices.SortStableFunc(near, func(a, b neighbour) int { return cmp.Compare(a.site, b.site) })
		merged := near[:0]
		for _, n := range near {
			if last := len(merged) - 1; last >= 0 && merged[last].site == n.site {
				merged[last].k += n.k
			} else {
				merged = append(merged, n)
			}
		}
		g.near[i] = merged
	}
	return g
}

// spinSums returns ln Z = ln Σ_s exp(½ sᵀKs + hᵀs) and, if moments is true, the mean of
// (Σ s_i)². It returns false if the cost is more than maxSumCost or if the states have more
// than maxFrontier sites.
//
// This is a transfer matrix for any graph. Sites are added one after the other. A site
// whose neighbours are all present is summed over. The state has a number for every
// configuration of the others, the frontier. All weights are logarithms, so that no
// coupling makes them overflow or vanish.
func (g *spinGraph) spinSums(moments bool) (logZ, square float64, ok bool) {
	order, ok := g.bestOrder()
	if !ok {
		return 0, 0, false
	}
	f := &frontier{graph: g, planes: make([][]float64, 1), spare: [][]float64{nil}}
	if moments {
		f.planes, f.spare = make([][]float64, 3), make([][]float64, 3)
	}
	for i := range f.planes {
		f.planes[i] = make([]float64, 1)
	}
	for _, site := range order {
		f.add(site)
	}
	if moments {
		square = f.planes[2][0]
	}
	return f.planes[0][0], square, true
}

// spinLogZ is what spinSums returns.
type spinLogZ struct {
	logZ, square float64
	ok           bool
}

// structureFactor returns ⟨m²⟩ of n sites.
func (z spinLogZ) structureFactor(n int) (m2 float64, ok bool) {
	return z.square / (float64(n) * float64(n)), z.ok
}

// onceSums returns spinSums of a graph, computed at the first call.
func onceSums(g func() *spinGraph, moments bool) func() spinLogZ {
	return sync.OnceValue(func() (z spinLogZ) {
		z.logZ, z.square, z.ok = g().spinSums(moments)
		return z
	})
}

// frontier is the state of spinSums. Bit p of a configuration is set if the spin of
// sites[p] is up.
type frontier struct {
	graph *spinGraph
	sites []int
	added []bool
	// planes holds one number for every configuration: the logarithm of the sum of the
	// weights and, if asked for, the means of Σ s_i and of its square over the sites added
	// so far.
	planes, spare [][]float64
}

// add adds a site and sums over all sites that have no other neighbour to come.
func (f *frontier) add(site int) {
	if f.added == nil {
		f.added = make([]bool, len(f.graph.near))
	}
	f.added[site] = true
	f.double(site)
	for p := len(f.sites) - 1; p >= 0; p-- {
		if f.complete(f.sites[p]) {
			f.sum(p)
		}
	}
}

// complete reports whether all neighbours of a site have been added.
func (f *frontier) complete(site int) bool {
	for _, n := range f.graph.near[site] {
		if !f.added[n.site] {
			return false
		}
	}
	return true
}

// double adds a site with its field and with its bonds to the sites of the frontier.
func (f *frontier) double(site int) {
	half := 1 << len(f.sites)
	f.grow(2 * half)
	type bond struct {
		bit int
		k   float64
	}
	var bonds []bond
	for _, n := range f.graph.near[site] {
		for p, s := range f.sites {
			if s == n.site {
				bonds = append(bonds, bond{1 << p, n.k})
			}
		}
	}
	f.sites = append(f.sites, site)
	h := f.graph.fields[site]
	kernel.Rows(half, func(from, to int) {
		for c := from; c < to; c++ {
			local := h
			for _, b := range bonds {
				if c&b.bit != 0 {
					local += b.k
				} else {
					local -= b.k
				}
			}
			w := f.planes[0][c]
			f.planes[0][c], f.planes[0][c|half] = w-local, w+local
			if len(f.planes) > 1 {
				m, q := f.planes[1][c], f.planes[2][c]
				f.planes[1][c], f.planes[1][c|half] = m-1, m+1
				f.planes[2][c], f.planes[2][c|half] = q-2*m+1, q+2*m+1
			}
		}
	})
}

// grow makes room for n configurations.
func (f *frontier) grow(n int) {
	for i, p := range f.planes {
		if cap(p) < n {
			p = make([]float64, n)
			copy(p, f.planes[i])
		}
		f.planes[i] = p[:n]
	}
}

// sum sums over the spin of sites[p] and removes it from the frontier.
func (f *frontier) sum(p int) {
	half := len(f.planes[0]) / 2
	for i, s := range f.spare {
		if cap(s) < half {
			s = make([]float64, half)
		}
		f.spare[i] = s[:half]
	}
	kernel.Rows(half, func(from, to int) { f.sumPart(p, from, to) })
	f.planes, f.spare = f.spare, f.planes
	f.sites = append(f.sites[:p], f.sites[p+1:]...)
}

// sumPart is sum for the new configurations from ≤ c < to.
func (f *frontier) sumPart(p, from, to int) {
	var block [256]float64
	low, bit := 1<<p-1, 1<<p
	logs := f.planes[0]
	for ; from < to; from += len(block) {
		e := block[:min(len(block), to-from)]
		for i := range e {
			c := from + i
			down := c&^low<<1 | c&low
			e[i] = -math.Abs(logs[down] - logs[down|bit])
		}
		kernel.Expm1(block[:])
		for i, v := range e {
			c := from + i
			down := c&^low<<1 | c&low
			f.spare[0][c] = max(logs[down], logs[down|bit]) + math.Log(2+v)
			if len(f.planes) > 1 {
				up := 1 / (2 + v) // the probability of the spin that is up
				if logs[down] > logs[down|bit] {
					up = (1 + v) / (2 + v)
				}
				for k := 1; k < 3; k++ {
					f.spare[k][c] = (1-up)*f.planes[k][down] + up*f.planes[k][down|bit]
				}
			}
		}
	}
}

// bestOrder returns the order of sites with the least cost among the order of their
// numbers and, for each of some sites, the order that starts there and then adds the site
// that leaves the smallest frontier. It returns false if every order costs too much.
func (g *spinGraph) bestOrder() (best []int, ok bool) {
	n := len(g.near)
	starts := min(n, 32, 1+1<<24/(n*n)) // a greedy order takes n² steps
	least := uint64(maxSumCost) + 1
	try := func(next func(w *siteOrder) int) {
		w := newSiteOrder(g)
		for len(w.order) < n && w.cost < least {
			w.add(next(w))
		}
		if w.cost < least {
			best, least = w.order, w.cost
		}
	}
	try(func(w *siteOrder) int { return len(w.order) })
	if least < 1<<20 {
		return best, true // a few milliseconds
	}
	for k := range starts {
		start := k * n / starts
		try(func(w *siteOrder) int {
			if len(w.order) == 0 {
				return start
			}
			return w.greedy()
		})
	}
	return best, best != nil
}

// siteOrder is an order of sites that is being made, with its cost.
type siteOrder struct {
	graph   *spinGraph
	order   []int
	place   []int // of every site in the order, −1 for a site that has not been added
	missing []int // the number of neighbours that have not been added
	size    int   // of the frontier
	cost    uint64
}

func newSiteOrder(g *spinGraph) *siteOrder {
	w := &siteOrder{graph: g, place: make([]int, len(g.near)), missing: make([]int, len(g.near))}
	for i, near := range g.near {
		w.place[i] = -1
		w.missing[i] = len(near)
	}
	return w
}

// add adds a site. A frontier that is too large makes the cost infinite.
func (w *siteOrder) add(site int) {
	w.place[site] = len(w.order)
	w.order = append(w.order, site)
	size := w.size + 1
	w.size += w.change(site)
	for _, n := range w.graph.near[site] {
		w.missing[n.site]--
	}
	if size > maxFrontier {
		w.cost = math.MaxUint64
		return
	}
	w.cost += uint64(size-w.size+1) << size
}

// change returns how much a site would add to the size of the frontier.
func (w *siteOrder) change(site int) int {
	d := 1
	if w.missing[site] == 0 {
		d = 0
	}
	for _, n := range w.graph.near[site] {
		if w.place[n.site] >= 0 && w.missing[n.site] == 1 {
			d--
		}
	}
	return d
}

// greedy returns the site that leaves the smallest frontier: among equals the one with the
// oldest neighbours, and of these the first.
func (w *siteOrder) greedy() int {
	best, least := -1, math.MaxInt
	var ages, bestAges []int
	for i := range w.place {
		if w.place[i] >= 0 || w.change(i) > least {
			continue
		}
		ages = ages[:0]
		for _, n := range w.graph.near[i] {
			if at := w.place[n.site]; at >= 0 {
				ages = append(ages, at)
			}
		}
		slices.Sort(ages)
		ages = append(ages, math.MaxInt) // a site with more neighbours comes before one with fewer
		if v := w.change(i); v < least || slices.Compare(ages, bestAges) < 0 {
			best, least = i, v
			ages, bestAges = bestAges, ages
		}
	}
	return best
}
