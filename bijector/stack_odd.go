package bijector

import (
	"fmt"
	"math/bits"
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
// neighbours, row-major; position 2d is the site that moves. With n components it is called
// with context 2dn and moved n. A block of NewQuartic makes the layer exact for a φ⁴ theory
// of one component.
//
// After it the even sites live on, half of the lattice. The next layers act on the even
// sites of their tiles, half of each tile: pairs of neighbours along a diagonal for tiles of
// 2 × 2. The next decimators, with even sizes, bring back a lattice. On a chain the even
// sites are one already.
//
// It fails with ErrTiles for an odd extent, and if the odd sites are gone already.
func (s *Stack) DecimateOdd(block ContextBlockFunc) *Stack {
	if s.err != nil {
		return s
	}
	if s.even {
		s.fail("", fmt.Errorf("%w: the odd sites have been decimated already", ErrTiles))
		return s
	}
	s.given(block, s.steps(1), oddSum, ConditionalDecimator)
	if len(s.shape) == 1 {
		return s.coarsen([]int{2})
	}
	s.even = true
	return s
}

// DisentangleGiven adds layers of conditional disentanglers that each move one site, given
// its nearest neighbours. There is a layer for every sublattice, so that every site moves
// once: first the sites with an odd sum of coordinates, then the even ones. After
// DecimateOdd the nearest neighbours of a site are the next ones along a diagonal, one step
// along each of two axes; there are 2d(d−1) of them and 2^(d−1) sublattices.
//
// block is called for every layer, with the number of neighbours and moved 1. The last
// position is the site that moves. With n components both numbers are n times as large.
//
// It fails with ErrTiles for an odd extent, and after DecimateOdd for fewer than two axes.
func (s *Stack) DisentangleGiven(block ContextBlockFunc) *Stack {
	if s.err != nil {
		return s
	}
	classes, near := []int{1, 0}, s.steps(1)
	if s.even {
		classes, near = nil, s.steps(2)
		for c := 1<<len(s.shape) - 1; c >= 0; c-- {
			if bits.OnesCount(uint(c))%2 == 0 {
				classes = append(classes, c)
			}
		}
	}
	for _, c := range classes {
		s.given(block, near, func(at []int) bool { return s.class(at) == c }, ConditionalDisentangler)
	}
	return s
}

// class numbers the sublattice of a site.
func (s *Stack) class(at []int) (c int) {
	if !s.even && oddSum(at) {
		return 1
	}
	for _, x := range at {
		if c *= 2; s.even {
			c += x & 1
		}
	}
	return c
}

// steps returns the steps to the neighbours that are one site away along so many axes.
func (s *Stack) steps(axes int) (steps [][]int) {
	d := len(s.shape)
	for _, code := range lattice.Points(slices.Repeat([]int{3}, d)) {
		step, n := make([]int, d), 0
		for a, c := range code {
			if step[a] = c - 1; step[a] != 0 {
				n++
			}
		}
		if n == axes {
			steps = append(steps, step)
		}
	}
	return steps
}

// given adds a layer on tiles of one site that moves, after its neighbours.
func (s *Stack) given(block ContextBlockFunc, near [][]int, moves func(at []int) bool,
	layer func(Bijector, [][]int, ...int) (*Layer, error)) {
	extent := s.Shape()
	if slices.ContainsFunc(extent, func(n int) bool { return n%2 != 0 }) || len(near) == 0 {
		s.fail("", fmt.Errorf("%w: sublattices of a lattice %v, want even extents", ErrTiles, extent))
		return
	}
	if len(near)*s.Sites() > lattice.MaxSites/s.components {
		s.fail("", fmt.Errorf("%w: %d sites that each have %d neighbours", ErrSettings, s.Sites(), len(near)))
		return
	}
	stride := lattice.Strides(s.shape)
	var tiles [][]int
	for _, at := range lattice.Points(extent) {
		if s.even && oddSum(at) || !moves(at) {
			continue
		}
		tile := make([]int, len(near)+1)
		for a, c := range at {
			unit := s.step[a] * stride[a]
			for k, step := range near {
				tile[k] += (c + step[a] + extent[a]) % extent[a] * unit
			}
			tile[len(near)] += c * unit
		}
		tiles = append(tiles, tile)
	}
	var moved BlockFunc
	context := len(near) * s.components
	if block != nil {
		moved = func(int) (Bijector, error) { return block(context, s.components) }
	}
	s.add(tiles, moved, func(b Bijector, tiles [][]int) (*Layer, error) {
		return layer(b, tiles, num.UpTo(context)...)
	})
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
