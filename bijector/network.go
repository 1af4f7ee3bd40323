package bijector

import (
	"fmt"
)

// NetworkSettings configures NewMERA, NewTree, NewTEBD and NewCheckerboard. The docs of the
// fields tell what they mean for the first three; NewCheckerboard tells the rest. A zero
// field means its default. A nil *NetworkSettings means all defaults.
type NetworkSettings struct {
	// Size is the linear size of a tile, 2 by default: blocks act on Size^d sites of a
	// d-dimensional lattice.
	Size int
	// Depth is the number of scales, by default as many as Size divides all extents of the
	// lattice, or as many as Join needs. Sites that remain after the last scale are latent
	// variables of the top level.
	Depth int
	// Repeat is the number of pairs of layers within a scale; 1 by default. One layer of a
	// pair is on shifted tiles, the other on unshifted tiles. On a checkerboard one moves the
	// black sites, the other the white ones.
	Repeat int
	// Join lets a MERA or a tree take lattices of any extents. It ends the network with a
	// block on all remaining sites, so that the coarsest variables are not independent of
	// each other. Join has no effect if Depth is set.
	//
	// At every scale each axis is divided by Size or, if Size does not divide its remaining
	// extent, by the smallest prime factor of that extent. So 12 × 12 becomes 6 × 6, then
	// 3 × 3, and 2 × 16 becomes 1 × 8, then 1 × 4, then 1 × 2. If one tile contains all
	// remaining sites and these are not Size^d sites, this scale decimates no variable. Its
	// layers are blocks on that tile: 2·Repeat in a MERA, one in a tree.
	Join bool
	// ContextBlock makes the blocks of conditional decimators, one for every scale of a
	// MERA or a tree. The distribution of the fine field at a scale then depends on the
	// coarse field around it. nil: no conditional decimators. A checkerboard has only
	// conditional layers: it needs a ContextBlock, which makes the blocks of all of them.
	ContextBlock ContextBlockFunc `json:"-"`
	// OddBlock gives a MERA or a tree a finest scale of its own, which Stack.DecimateOdd
	// begins with this block. EvenRepeat times Stack.DisentangleGiven follows, and
	// Stack.DecimateGiven. On a chain Stack.DecimateOdd is all of it. The other settings
	// are for the lattice that is left, with half of the extents. The extents must be even.
	// All blocks of this scale but OddBlock are those of ContextBlock, which must not be
	// nil. nil: no such scale.
	//
	// On a checkerboard this block moves the white sites of the finest scale, given their
	// nearest neighbours, and that scale has no other layers. The black sites get theirs at
	// the next scale.
	OddBlock ContextBlockFunc `json:"-"`
	// EvenRepeat is 4 by default. A checkerboard does not use it.
	EvenRepeat int
	// Components is the number n of values of a site; 1 by default. Value i·n + a of a
	// configuration is component a of site i, as in target.Field. A tile has all n values
	// of its sites. Size and all numbers of sites in these docs still count sites; the
	// functions that make blocks get numbers of values.
	Components int
}

// BlockFunc makes the block of a layer, for tiles of the given number of values: one for
// each site, or n for each site of a field with n components, site after site. This is 2 or
// more, except on a lattice of one site. It is called once for each layer. Layers share
// parameters if it returns the same bijector again.
type BlockFunc func(values int) (Bijector, error)

// ContextBlockFunc makes the block of a conditional layer. It is called once for each such
// layer. The block has context + moved positions. It must not change the first ones, the
// context: for couplings, every Keep must contain all of them.
//
// In a MERA or a tree it makes the block of the conditional decimators of a scale.
// Positions 0 … context−1 are the 3^d coarse sites around the tile, row-major; the coarse
// site of the tile itself is in the middle. If the coarse lattice has fewer than three sites
// along an axis, some of these sites are equal. The moved positions are the other sites of
// the tile, row-major. The block changes them. With n components every site has n positions
// in turn, and both numbers are n times as large.
type ContextBlockFunc func(context, moved int) (Bijector, error)

// NewMERA returns the paper's network on a periodic lattice (Figs. 1(a) and 2(c)). Each
// scale has a layer of disentanglers on tiles shifted by one coarse site, then a layer of
// decimators on unshifted tiles, which keep their first output. With Repeat r each scale
// has r such pairs, and only the last one decimates. With ContextBlock no pair decimates: a
// layer of conditional decimators follows.
//
// Without Join, NewMERA fails with ErrTiles if an extent is not a multiple of Size, or of
// Size^Depth. It fails with ErrTiles for a lattice without sites, with ErrSettings for
// numbers out of range, more than 4096 layers or more than 2²⁸ values in the tiles of all
// layers, and with the errors of block, naming the layer.
func NewMERA(shape []int, block BlockFunc, s *NetworkSettings) (*Hierarchy, error) {
	p, err := s.plan(shape)
	if err != nil {
		return nil, err
	}
	return p.build(2*float64(p.repeat), func(s *Stack, c Scale) {
		for r := 0; r < p.repeat && s.Sites() > 0; r++ {
			s.Disentangle(block, c.Size...)
			if r < p.repeat-1 || c.Top {
				s.DisentangleAt(block, nil, c.Size...)
			}
		}
		if !c.Top {
			p.decimate(s, block, c)
		}
	})
}

// NewTree returns a network without disentanglers: one layer of decimators per scale (the
// tree tensor network of the paper's discussion). With ContextBlock each scale has a layer
// of blocks on the same tiles, then a layer of conditional decimators. Repeat is not used.
// It fails as NewMERA does.
func NewTree(shape []int, block BlockFunc, s *NetworkSettings) (*Hierarchy, error) {
	p, err := s.plan(shape)
	if err != nil {
		return nil, err
	}
	return p.build(1, func(s *Stack, c Scale) {
		if c.Top {
			s.Top(block)
			return
		}
		p.decimate(s, block, c)
	})
}

// NewTEBD returns a network of disentanglers on the finest scale (paper, Fig. 2(a)): Depth
// times Repeat pairs of layers, one on unshifted and one on shifted tiles. Here Depth is 1
// by default. ContextBlock and Join are not used. It fails as NewMERA does with one scale
// and without Join.
func NewTEBD(shape []int, block BlockFunc, s *NetworkSettings) (*Hierarchy, error) {
	one := NetworkSettings{Depth: 1} // scale
	pairs := 1.0
	if s != nil {
		one.Size, one.Repeat, one.Components = s.Size, s.Repeat, s.Components
		if s.Depth < 0 {
			return nil, fmt.Errorf("bijector: %w: Depth %d", ErrSettings, s.Depth)
		}
		pairs = float64(max(1, s.Depth)) * float64(max(1, s.Repeat))
	}
	p, err := one.plan(shape)
	if err != nil {
		return nil, err
	}
	return p.build(2*pairs, func(s *Stack, c Scale) {
		for i := 0.0; i < pairs && s.Sites() > 0; i++ {
			s.DisentangleAt(block, nil, c.Size...).Disentangle(block, c.Size...)
		}
	})
}

// build returns the network. scale adds the layers of one scale to the stack: perScale
// layers, not counting conditional decimators.
func (p *networkPlan) build(perScale float64, scale func(s *Stack, c Scale)) (*Hierarchy, error) {
	if err := p.price(perScale); err != nil {
		return nil, err
	}
	s := NewStack(p.shape...).WithComponents(p.components)
	p.odd(s)
	for _, c := range p.scales {
		scale(s, c)
	}
	return s.Hierarchy()
}

// odd adds the scale that OddBlock begins, if there is one.
func (p *networkPlan) odd(s *Stack) {
	if p.oddBlock == nil {
		return
	}
	s.DecimateOdd(p.oddBlock)
	if len(p.shape) == 1 {
		return
	}
	for range p.evenRepeat {
		s.DisentangleGiven(p.contextBlock)
	}
	s.DecimateGiven(p.contextBlock)
}

// decimate adds the decimators of a scale, or blocks on their tiles and
// conditional decimators.
func (p *networkPlan) decimate(s *Stack, block BlockFunc, c Scale) {
	if p.contextBlock == nil {
		s.Decimate(block, c.Size...)
		return
	}
	s.DisentangleAt(block, nil, c.Size...).DecimateGiven(p.contextBlock, c.Size...)
}
