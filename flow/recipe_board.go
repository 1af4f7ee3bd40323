package flow

import (
	"fmt"
	"math"
	"math/bits"
	"slices"
)

// onBoard tells whether the network of the recipe on a lattice is a checkerboard.
func (r *Recipe) onBoard(shape []int) bool {
	even := !slices.ContainsFunc(shape, func(n int) bool { return n < 2 || n%2 != 0 })
	return r.Checkerboard && even && (len(shape) == 1 || len(shape) == 2)
}

// pairs is the number of pairs of layers at every scale of a checkerboard.
func (r *Recipe) pairs() int {
	if r.Network.Repeat == 0 {
		return 2
	}
	return r.Network.Repeat
}

// onColours is the recipe of the layers of a checkerboard.
func (r *Recipe) onColours() *Recipe {
	c := *r
	if c.Hidden == nil {
		c.Hidden = []int{12, 12}
	}
	return &c
}

// atTop is the recipe of the block on the sites that remain of a checkerboard. It makes one
// block of what are two blocks on the same sites in a MERA.
func (r *Recipe) atTop() *Recipe {
	c := *r
	c.Couplings = 2 * r.couplings()
	return &c
}

// boardContext is the number of sites that a layer of a checkerboard reads.
func boardContext(axes int) int {
	if axes == 1 {
		return 4
	}
	return 12
}

// boardScales is the number of scales of a checkerboard, and the number of sites that remain
// after them.
func (r *Recipe) boardScales(shape []int) (scales int, remain float64) {
	halvings := bits.UintSize
	remain = 1
	for _, n := range shape {
		remain *= float64(n)
		halvings = min(halvings, bits.TrailingZeros(uint(n)))
	}
	scales = halvings * len(shape)
	if r.Network.Depth > 0 {
		scales = min(scales, r.Network.Depth)
	}
	return scales, math.Ldexp(remain, -scales)
}

// priceBoard fails if a block of a checkerboard would have too many parameters.
func (r *Recipe) priceBoard(shape []int) error {
	if r.Couplings < 0 {
		return fmt.Errorf("flow: %w: Couplings %d", ErrSettings, r.Couplings)
	}
	components := float64(r.components())
	context := components * float64(boardContext(len(shape)))
	n := r.onColours().givenParams(context, components)
	if n > maxBlock && r.Network.ContextBlock == nil {
		return fmt.Errorf("flow: %w: hidden layers %v: a block of %g variables given %g would have %.3g parameters, "+
			"more than %d", ErrSettings, r.Hidden, components, context, n, maxBlock)
	}
	_, sites := r.boardScales(shape)
	values := sites * components
	if n := r.params(values, r.hidden(int(min(values, maxBlock)), len(shape))); n > maxBlock && sites > 1 {
		return fmt.Errorf("flow: %w: lattice %v: the block on the %g sites that remain of a checkerboard "+
			"would have %.3g parameters, more than %d", ErrSettings, shape, sites, 2*n, 2*maxBlock)
	}
	return nil
}
