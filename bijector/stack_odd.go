package bijector

import (
	"fmt"
	"slices"

	"github.com/neuralrg/neuralrg/internal/lattice"
	"github.com/neuralrg/neuralrg/internal/num"
)

// DecimateOdd adds a layer of conditional decimators that each move one site, given its
// nearest neighbours. They move all sites with an odd sum of coordinates, which are no
// neighbours of each other. If the action has only terms of single sites and of pairs of
// nearest neighbours, these sites are independent given the others.
//
// block is called with context 2d, for d axes, and moved 1. Positions 0 … 2d−1 are the
// neighbours, before and behind along each axis in turn; position 2d is the site that
// moves. A block of NewQuartic makes the layer exact for a φ⁴ theory.
//
// After it the even sites live on, half of the lattice. The next layers act on the even
// sites of their tiles, half of each tile: pairs of neighbours along a diagonal for tiles of
// 2 × 2. The next decimators, with even sizes, bring back a lattice.
//
// It fails with ErrTiles for an odd extent, and if it was the last decimator, too.
func (s *Stack) DecimateOdd(block ContextBlockFunc) *Stack {
	if s.err != nil {
		return s
	}
	d := len(s.shape)
	if s.even || slices.ContainsFunc(s.Shape(), func(n int) bool { return n%2 != 0 }) {
		s.fail("", fmt.Errorf("%w: decimating odd sites of a lattice %v, want even extents and all sites",
			ErrTiles, s.Shape()))
		return s
	}
	if 2*d*(s.Sites()/2) > lattice.MaxSites {
		s.fail("", fmt.Errorf("%w: %d odd sites that each have %d neighbours", ErrSettings, s.Sites()/2, 2*d))
		return s
	}
	var moved BlockFunc
	if block != nil {
		moved = func(sites int) (Bijector, error) { return block(sites-1, 1) }
	}
	s.add(s.neighbours(), moved, func(b Bijector, tiles [][]int) (*Layer, error) {
		return ConditionalDecimator(b, tiles, num.UpTo(2*d)...)
	})
	s.even = true
	return s
}

// neighbours returns, for every odd site, its nearest neighbours and then the site.
func (s *Stack) neighbours() (tiles [][]int) {
	stride := lattice.Strides(s.shape)
	for _, at := range lattice.Points(s.Shape()) {
		if !oddSum(at) {
			continue
		}
		site := 0
		for a, c := range at {
			site += c * s.step[a] * stride[a]
		}
		var tile []int
		for a, c := range at {
			for _, by := range []int{s.shape[a] - s.step[a], s.step[a]} {
				tile = append(tile, site+((c*s.step[a]+by)%s.shape[a]-c*s.step[a])*stride[a])
			}
		}
		tiles = append(tiles, append(tile, site))
	}
	return tiles
}

// oddSum reports whether the sum of coordinates is odd.
func oddSum(at []int) bool {
	sum := 0
	for _, c := range at {
		sum += c & 1
	}
	return sum&1 != 0
}

// evens returns the even sites of every tile.
func (s *Stack) evens(tiles [][]int, size []int) ([][]int, error) {
	if !slices.ContainsFunc(size, func(n int) bool { return n%2 == 0 }) {
		return nil, fmt.Errorf("%w: tiles %v of even sites, want an even size", ErrTiles, size)
	}
	stride := lattice.Strides(s.shape)
	half := make([][]int, len(tiles))
	at := make([]int, len(s.shape))
	for k, t := range tiles {
		for _, site := range t {
			for a := range at {
				at[a] = site / stride[a] % s.shape[a] / s.step[a]
			}
			if !oddSum(at) {
				half[k] = append(half[k], site)
			}
		}
	}
	return half, nil
}

// whole returns the tiles of decimators, and their sizes.
func (s *Stack) whole(size []int) (tiles [][]int, each []int) {
	tiles, each = s.tiles(nil, size)
	if s.err == nil && s.even && slices.ContainsFunc(each, func(n int) bool { return n%2 != 0 }) {
		s.fail("", fmt.Errorf("%w: decimators of tiles %v after DecimateOdd, want even sizes", ErrTiles, each))
	}
	return tiles, each
}
