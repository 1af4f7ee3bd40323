package bijector

import "slices"

// Cone returns the sites of the latent variables on which the physical
// variable of a site can depend, ascending: its causal light cone (paper, Fig.
// 2(a)). It follows from the tiles alone, each of whose outputs counts as
// depending on all its inputs. Under the model, physical variables whose cones
// do not overlap are independent. It panics for a site off the lattice.
func (h *Hierarchy) Cone(site int) []int {
	in := make([]bool, h.Dim())
	in[site] = true
	for _, l := range h.layers {
		widen(in, l, false)
	}
	return members(in)
}

// Influence returns the sites of the physical variables that can depend on the
// latent variable of a site, ascending: Cone read backwards. It panics for a
// site off the lattice.
func (h *Hierarchy) Influence(latent int) []int {
	in := make([]bool, h.Dim())
	in[latent] = true
	for k := len(h.layers) - 1; k >= 0; k-- {
		widen(in, h.layers[k], true)
	}
	return members(in)
}

// widen adds to a set of sites those that the tiles of a layer connect to it: all
// sites of every tile that has one of the set. The context of a conditional decimator
// is different. In the direction z → x, which forwards means, it changes the sites
// that the tile moves and is not changed by them.
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
