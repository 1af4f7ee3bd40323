package cluster

import (
	"fmt"
	"math"

	"github.com/neuralrg/neuralrg/internal/lattice"
)

// Bond joins two different sites. Several bonds may join the same two sites: their
// couplings add up. It is the same type as target.Bond.
type Bond = struct {
	// I and J are the two sites, in any order.
	I, J int
	// K is the coupling βJ_IJ, of either sign.
	K float64
}

// Lattice returns the bonds of a periodic lattice with one extent per axis, of any
// dimension. Every site has one bond of coupling K to the next site along each axis, so
// that along an extent of 2 neighbours share two bonds. Sites are row-major. Lattice
// fails with ErrShape if an extent is less than 2 or if there are more than 2²⁶ sites.
func Lattice(shape []int, K float64) ([]Bond, error) {
	bonds, err := lattice.Bonds(shape, K)
	if err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	return bonds, nil
}

// graph holds the bonds of a model in two orders: as a list, and by site.
type graph struct {
	sites     int
	bonds     []link
	couplings []float64 // K of every bond
	// The links of site i are near[first[i]:first[i+1]].
	first []int
	near  []link
}

// link is a bond of the site from to the site to. active has the sign of the coupling and
// the magnitude 1 − exp(−2|K|).
type link struct {
	from, to int32
	active   float64
}

// newGraph checks the bonds and sorts them.
func newGraph(sites int, bonds []Bond) (*graph, error) {
	if err := lattice.CheckBonds(sites, bonds); err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	g := &graph{
		sites:     sites,
		bonds:     make([]link, len(bonds)),
		couplings: make([]float64, len(bonds)),
		first:     make([]int, sites+1),
		near:      make([]link, 2*len(bonds)),
	}
	for b, bond := range bonds {
		active := math.Copysign(-math.Expm1(-2*math.Abs(bond.K)), bond.K)
		g.bonds[b] = link{int32(bond.I), int32(bond.J), active}
		g.couplings[b] = bond.K
		g.first[bond.I]++
		g.first[bond.J]++
	}
	g.bySite()
	return g, nil
}

// bySite fills near. first holds the number of links of every site and gets their places.
func (g *graph) bySite() {
	place := 0
	for i, n := range g.first {
		place += n
		g.first[i] = place // the end of the links of i, which the loop below moves to their begin
	}
	for b := len(g.bonds) - 1; b >= 0; b-- {
		l := g.bonds[b]
		for _, l := range [2]link{{l.to, l.from, l.active}, l} {
			g.first[l.from]--
			g.near[g.first[l.from]] = l
		}
	}
}

// energy returns −Σ K_ij s_i s_j.
func (g *graph) energy(s []int8) float64 {
	sum := 0.0
	for b, l := range g.bonds {
		if s[l.from] == s[l.to] {
			sum -= g.couplings[b]
		} else {
			sum += g.couplings[b]
		}
	}
	return sum
}
