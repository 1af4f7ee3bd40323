package flow

import "github.com/neuralrg/neuralrg/bijector"

// Cone returns the sites of the latent variables on which the physical
// variable of a site can depend, ascending: its causal light cone (paper, Fig.
// 2(a)). It follows from the tiles alone, each of whose outputs counts as
// depending on all its inputs. Under the model, physical variables whose cones
// do not overlap are independent. It panics for a site off the lattice.
func (h *Hierarchy) Cone(site int) []int {
	in := make([]bool, h.Dim())
	in[site] = true
	for _, l := range h.layers {
		widen(in, l)
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
		widen(in, h.layers[k])
	}
	return members(in)
}

// widen adds to a set of sites the tiles that it touches.
func widen(in []bool, l *bijector.Layer) {
	for _, tile := range l.Tiles() {
		touched := false
		for _, site := range tile {
			touched = touched || in[site]
		}
		for _, site := range tile {
			in[site] = touched
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
