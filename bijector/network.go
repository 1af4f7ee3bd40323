package bijector

import (
	"fmt"
)

// NetworkSettings configures the networks that the package builds. A zero
// field means its default, nil all of them.
type NetworkSettings struct {
	// Size is the linear size of a block, 2 by default: blocks act on Size^d
	// sites of a d-dimensional lattice.
	Size int
	// Depth is the number of scales, by default as many as the extents of the
	// lattice can be divided by Size, or as many as Join needs. Sites that remain
	// after the last one are latent variables.
	Depth int
	// Repeat is the number of times that blocks on shifted and unshifted
	// tiles alternate within a scale, 1 by default.
	Repeat int
	// Join lets a MERA or a tree, unless Depth is given, take lattices of any extents
	// and end in a block that acts on all sites that live on, so that none of the
	// coarsest variables stays independent of the others.
	//
	// At every scale each axis is cut by Size, or by the smallest prime factor of
	// what remains of it, if Size does not divide that. So 12 × 12 becomes 6 × 6,
	// then 3 × 3, and 2 × 16 becomes 1 × 8, then 1 × 4, then 1 × 2. Where one tile
	// holds all that remains and does not have Size^d sites, no variable is
	// decimated any more: the layers of this scale are blocks on that tile,
	// 2·Repeat in a MERA and one in a tree.
	Join bool
	// ContextBlock, if not nil, makes for every scale of a MERA or a tree the block
	// of a conditional decimator. What the scale adds to the field is then
	// distributed given the coarse field around.
	ContextBlock ContextBlockFunc `json:"-"`
}

// BlockFunc makes the block of a layer, for tiles of the given number of sites. The
// number is 1 for a lattice of a single site, and 2 or more for all others. Layers
// share parameters if it returns the same bijector again.
type BlockFunc func(sites int) (Bijector, error)

// ContextBlockFunc makes the block of a conditional decimator. Positions
// 0 … context−1 of a tile are the 3^d coarse sites around it, row-major, with the
// tile's own coarse site in the middle. The block must pass them through: they
// belong into every Keep of couplings. Where the coarse lattice has fewer than three
// sites along an axis, some of these sites are the same. The other sites of the
// tile follow, row-major; the block moves them.
type ContextBlockFunc func(context, moved int) (Bijector, error)

// NewMERA returns the paper's network on a periodic lattice (Figs. 1(a) and
// 2(c)): at each scale a layer of disentanglers on tiles shifted by one coarse
// site, then one of decimators on unshifted tiles, which keep their first
// output. With Repeat r there are r such pairs, of which only the last
// decimates, or none if a conditional decimator follows.
//
// Without Join, it fails with ErrTiles if an extent is not a multiple of
// Size, or of Size^Depth. It fails with ErrTiles for a lattice without sites,
// with ErrSettings for more than 4096 layers or 2²⁸ sites in the tiles of all layers,
// and with the errors of block, naming the layer.
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

// NewTree returns the network of decimators alone, one layer per scale, or two
// with ContextBlock (the tree tensor network of the paper's discussion). Repeat is
// not used. It fails as NewMERA does.
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

// NewTEBD returns the network of disentanglers alone on the finest scale
// (paper, Fig. 2(a)): Depth times Repeat pairs of layers on unshifted and on
// shifted tiles. Depth is 1 by default; ContextBlock and Join are not used. It fails
// as NewMERA does without Join and with one scale.
func NewTEBD(shape []int, block BlockFunc, s *NetworkSettings) (*Hierarchy, error) {
	one := NetworkSettings{Depth: 1} // scale
	pairs := 1.0
	if s != nil {
		one.Size, one.Repeat = s.Size, s.Repeat
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

// build returns the network of the layers that scale adds for each cut. There are
// perScale of them, not counting conditional decimators.
func (p *networkPlan) build(perScale float64, scale func(s *Stack, c Scale)) (*Hierarchy, error) {
	if err := p.price(perScale); err != nil {
		return nil, err
	}
	s := NewStack(p.shape...)
	for _, c := range p.scales {
		scale(s, c)
	}
	return s.Hierarchy()
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
