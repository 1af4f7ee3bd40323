package bijector

import "slices"

// Cone returns the causal light cone of a site (paper, Fig. 2(a)): the sites of all latent
// variables on which x_site can depend, ascending. It follows from the tiles alone: each
// output of a tile is assumed to depend on all its inputs. Under a prior whose variables
// are independent, physical variables whose cones do not overlap are independent. It
// panics for a site outside the lattice.
func (h *Hierarchy) Cone(site int) []int {
	in := make([]bool, h.Dim())
	in[site] = true
	for _, l := range h.layers {
		widen(in, l, false)
	}
	return members(in)
}

// Influence returns the sites of all physical variables that can depend on the latent
// variable z_latent, ascending. Site i is in Influence(j) if and only if j is in Cone(i).
// It panics for a site outside the lattice.
func (h *Hierarchy) Influence(latent int) []int {
	in := make([]bool, h.Dim())
	in[latent] = true
	for k := len(h.layers) - 1; k >= 0; k-- {
		widen(in, h.layers[k], true)
	}
	return members(in)
}

// widen adds to a set of sites all sites that the tiles of a layer connect to it: if a
// tile contains a site of the set, all its sites are added. The context of a conditional
// decimator is an exception: the moved sites of the tile depend on the context, and the
// context does not depend on them. forwards means the direction z → x.
func widen(in []bool, l *Layer, forwards bool) {
	context := l.Context()
	for _, tile := range l.Tiles() {
		touched := false
		for j, site := range tile {
			touched = touched || in[site] && (forwards || !slices.Contains(context, j))
		}
		for j, site := range tile {
			if touched && !(forwards && slices.Contains(context, j)) {
				in[site] = true
			}
		}
	}
}

func members(in []bool) []int {
	var sites []int
	for site, is := range in {
		if is {
			sites = append(sites, site)
		}
	}
	return sites
}
