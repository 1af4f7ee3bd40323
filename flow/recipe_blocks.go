package flow

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/neuralrg/neuralrg/bijector"
)

// network returns the settings of the network with what makes its blocks.
func (r *Recipe) network(src rand.Source) *NetworkSettings {
	s := r.Network
	if s.Join == nil {
		s.Join = func(sites int) (bijector.Bijector, error) { return r.block(sites, r.wide(sites), src) }
	}
	if r.Conditional && s.Conditional == nil {
		s.Conditional = func(context, moved int) (bijector.Bijector, error) { return r.given(context, moved, src) }
	}
	return &s
}

// block is that of tiles of so many sites.
func (r *Recipe) block(sites int, hidden []int, src rand.Source) (bijector.Bijector, error) {
	switch {
	case sites == 1:
		return bijector.NewActNorm(1) // couplings need two
	case r.Spline:
		return bijector.NewSpline(sites, &bijector.SplineSettings{Couplings: r.Couplings, Hidden: hidden, Src: src})
	}
	return bijector.NewRealNVP(sites, &bijector.RealNVPSettings{Couplings: r.Couplings, Hidden: hidden, Src: src})
}

// wide returns the hidden layers of blocks on tiles that do not have Size^d sites: by default
// as many units for every site as blocks of 2 × 2 have, between 10 and 64.
func (r *Recipe) wide(sites int) []int {
	if r.Hidden != nil {
		return r.Hidden
	}
	units := 64
	if sites < 26 {
		units = max(10, 5*sites/2)
	}
	return []int{units, units, units}
}

// given is the block of a conditional decimator.
func (r *Recipe) given(context, moved int, src rand.Source) (bijector.Bijector, error) {
	keep := make([][]int, 2*moved)
	for k := range keep { // all but one
		move := context + k%moved
		keep[k] = slices.Delete(first(context+moved), move, move+1)
	}
	return bijector.NewRealNVP(context+moved, &bijector.RealNVPSettings{Keep: keep, Hidden: r.Hidden, Src: src})
}

// maxBlock is the largest number of parameters of a block.
const maxBlock = 1 << 22

// price fails if a block of the network would have too many parameters. It counts
// in float64, which does not overflow.
func (r *Recipe) price(p *plan) error {
	for k, c := range p.cuts {
		sites := 1.0
		for _, size := range c.size {
			sites *= float64(size)
		}
		hidden := r.Hidden
		if !p.regular(c) {
			hidden = r.wide(c.sites())
		}
		if n := r.params(sites, hidden); n > maxBlock && (p.regular(c) || r.Network.Join == nil) {
			return fmt.Errorf("flow: %w: lattice %v: scale %d has tiles %v, "+
				"whose block of %g sites would have %.3g parameters, more than %d",
				ErrSettings, p.shape, k, c.size, sites, n, maxBlock)
		}
		context, moved := math.Pow(3, float64(len(p.shape))), sites-1
		n := 2 * moved * (2*netParams(context+moved-1, r.Hidden, 1) + 1)
		if n > maxBlock && r.Conditional && r.Network.Conditional == nil && !c.top {
			return fmt.Errorf("flow: %w: lattice %v: scale %d has tiles %v, "+
				"whose conditional decimator of %g variables given %g would have %.3g parameters, more than %d",
				ErrSettings, p.shape, k, c.size, moved, context, n, maxBlock)
		}
	}
	return nil
}

// params is the number of parameters of a block of so many sites. For an odd number it is
// that of one more, half of which are kept.
func (r *Recipe) params(sites float64, hidden []int) float64 {
	half := math.Ceil(sites / 2)
	each, couplings := 2*netParams(half, hidden, half)+half, 10
	if r.Spline {
		each, couplings = each+netParams(half, hidden, (3*8-1)*half), 4
	}
	if r.Couplings != 0 {
		couplings = r.Couplings
	}
	return float64(couplings) * each
}

// netParams is the number of parameters of a network of couplings.
func netParams(in float64, hidden []int, out float64) float64 {
	if hidden == nil {
		hidden = []int{10, 10, 10}
	}
	n := 0.0
	for _, h := range hidden {
		n += float64(h) * (in + 1)
		in = float64(h)
	}
	return n + out*(in+1)
}
