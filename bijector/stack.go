package bijector

import (
	"fmt"
	"slices"

	"github.com/neuralrg/neuralrg/internal/lattice"
	"github.com/neuralrg/neuralrg/internal/num"
)

// Stack composes a hierarchy on a periodic lattice layer by layer, from fine to
// coarse:
//
//	s := bijector.NewStack(16, 16)
//	for s.Sites() > 1 {
//		s.Disentangle(block, 2).Decimate(block, 2)
//	}
//	h, err := s.Hierarchy()
//
// After each layer of decimators one site of each tile lives on; the next layers act on
// these sites only. Sizes and offsets count sites that live on. The size of tiles is one
// number for all axes, or one number for each axis; without a number it is 2.
//
// There is one error check: after the first error nothing is added, and Hierarchy returns
// that error. A Stack is not safe for concurrent use.
type Stack struct {
	shape, step []int // extents of the lattice; distance of the sites that live on
	components  int   // values of a site
	even        bool  // and of these only the ones with an even sum of coordinates live on
	layers      []*Layer
	err         error
}

// NewStack returns a stack without layers on a lattice of the given extents. If the lattice
// has no sites, more than 2²⁶ sites or more than 64 axes, Hierarchy returns ErrTiles.
func NewStack(shape ...int) *Stack {
	s := &Stack{shape: slices.Clone(shape), step: slices.Repeat([]int{1}, len(shape)), components: 1}
	if _, err := lattice.Size(shape); err != nil {
		s.err = fmt.Errorf("bijector: %w: shape %v: %w", ErrTiles, shape, err)
	}
	return s
}

// WithComponents gives every site n values, its components, and comes before the first
// layer. Without it a site has one value. Value i·n + a of a configuration is component a of
// site i, as in target.Field.
//
// Sizes, offsets and tiles still count sites. A tile has all n values of its sites, so that
// a block of a tile of m sites acts on m·n values, site after site. Decimators keep all
// values of a site or none.
//
// Hierarchy returns ErrSettings for n below 1, for more than 2²⁶ values in all and if there
// is a layer already.
func (s *Stack) WithComponents(n int) *Stack {
	if s.err != nil {
		return s
	}
	if sites, err := lattice.Size(s.shape); err != nil {
		s.fail("", fmt.Errorf("%w: shape %v: %w", ErrTiles, s.shape, err))
	} else if err := checkComponents(n, sites); err != nil {
		s.err = fmt.Errorf("bijector: %w", err)
	} else if len(s.layers) > 0 {
		s.fail("", fmt.Errorf("%w: components must be given before the first layer", ErrSettings))
	}
	s.components = n
	return s
}

// Shape returns the extents of the lattice of sites that live on. After DecimateOdd they are
// still those of the lattice with the odd sites. It returns nil after an error.
func (s *Stack) Shape() []int {
	if s.err != nil {
		return nil
	}
	shape := make([]int, len(s.shape))
	for a, n := range s.shape {
		shape[a] = n / s.step[a]
	}
	return shape
}

// Sites returns the number of sites that live on. It is 0 after an error, so that loops
// end.
func (s *Stack) Sites() int {
	if s.err != nil {
		return 0
	}
	n, _ := lattice.Size(s.Shape()) // checked by NewStack
	if s.even {
		n /= 2
	}
	return n
}

// Disentangle adds a layer of disentanglers. Their tiles are shifted by one site along each
// axis, so that they cross the boundaries of the tiles of Decimate (paper, Fig. 1(a)).
func (s *Stack) Disentangle(block BlockFunc, size ...int) *Stack {
	return s.DisentangleAt(block, slices.Repeat([]int{1}, len(s.shape)), size...)
}

// DisentangleAt is Disentangle with another offset: along axis a the first tile starts at
// offset[a]. With a nil offset the tiles are those of Decimate.
func (s *Stack) DisentangleAt(block BlockFunc, offset []int, size ...int) *Stack {
	tiles, _ := s.tiles(offset, size)
	return s.add(tiles, block, Disentangler)
}

// Top adds one block that acts on all sites that live on.
func (s *Stack) Top(block BlockFunc) *Stack { return s.DisentangleAt(block, nil, s.Shape()...) }

// Decimate adds a layer of decimators. The first site of every tile lives on.
func (s *Stack) Decimate(block BlockFunc, size ...int) *Stack {
	tiles, each := s.whole(size)
	s.add(tiles, block, func(b Bijector, tiles [][]int) (*Layer, error) {
		return Decimator(b, tiles, num.UpTo(s.components)...)
	})
	return s.coarsen(each)
}

// DecimateGiven adds a layer of conditional decimators on unshifted tiles; see
// ContextBlockFunc for their blocks. The first site of every tile lives on.
func (s *Stack) DecimateGiven(block ContextBlockFunc, size ...int) *Stack {
	tiles, each := s.whole(size)
	around, context := s.surround(tiles, each)
	context *= s.components
	var moved BlockFunc
	if block != nil {
		moved = func(values int) (Bijector, error) { return block(context, values-context) }
	}
	s.add(around, moved, func(b Bijector, tiles [][]int) (*Layer, error) {
		return ConditionalDecimator(b, tiles, num.UpTo(context)...)
	})
	return s.coarsen(each)
}

// Hierarchy returns the hierarchy of the layers, or the first error of all calls. The error
// is
//   - ErrTiles if an extent is no multiple of a size, or if the number of sizes or offsets
//     is not that of the axes;
//   - ErrSettings for a nil function, or if conditional decimators read more than 2²⁶ sites;
//   - the error of a block, naming the layer;
//   - the errors of Disentangler, Decimator, ConditionalDecimator and NewHierarchy.
func (s *Stack) Hierarchy() (*Hierarchy, error) {
	if s.err != nil {
		return nil, s.err
	}
	n, err := lattice.Size(s.shape)
	if err != nil {
		return nil, fmt.Errorf("bijector: %w: shape %v: %w", ErrTiles, s.shape, err)
	}
	return newHierarchy(n, s.components, s.layers)
}

// fail keeps the first error and names the layer that is being added.
func (s *Stack) fail(what string, err error) {
	if s.err == nil {
		s.err = fmt.Errorf("bijector: %slayer %d: %w", what, len(s.layers), err)
	}
}

// tiles returns the tiles of the next layer and their size along each axis.
func (s *Stack) tiles(offset, size []int) (tiles [][]int, each []int) {
	if s.err != nil {
		return nil, nil
	}
	d := len(s.shape)
	switch len(size) {
	case 0:
		each = slices.Repeat([]int{2}, d)
	case 1:
		each = slices.Repeat(size, d)
	default:
		each = slices.Clone(size)
	}
	if offset == nil {
		offset = make([]int, d)
	}
	at := slices.Clone(offset)
	for a := range min(len(at), d) {
		if rest := s.shape[a] / s.step[a]; at[a] > 0 {
			at[a] = at[a] % rest * s.step[a]
		}
	}
	tiles, err := Boxes(s.shape, each, s.step, at)
	if err == nil && s.even {
		tiles, err = s.evens(tiles, each)
	}
	if err != nil {
		s.fail("", err)
	}
	return tiles, each
}

// add adds a layer on the values of tiles of sites.
func (s *Stack) add(tiles [][]int, block BlockFunc, layer func(Bijector, [][]int) (*Layer, error)) *Stack {
	if s.err != nil {
		return s
	}
	if block == nil {
		s.err = fmt.Errorf("bijector: %w: nil block function", ErrSettings)
		return s
	}
	tiles = valuesOf(tiles, s.components)
	b, err := block(len(tiles[0]))
	if err != nil {
		s.fail("block of ", err)
		return s
	}
	l, err := layer(b, tiles)
	if err != nil {
		s.fail("", err)
		return s
	}
	s.layers = append(s.layers, l)
	return s
}

// coarsen removes all sites but the first of every tile.
func (s *Stack) coarsen(size []int) *Stack {
	if s.err == nil {
		for a, n := range size {
			s.step[a] *= n
		}
		s.even = false
	}
	return s
}

// surround returns, for every tile, the first sites of this tile and of the tiles around
// it, row-major, followed by the other sites of this tile. context is the number of the
// first sites.
func (s *Stack) surround(tiles [][]int, size []int) (around [][]int, context int) {
	if s.err != nil {
		return nil, 0
	}
	d := len(s.shape)
	context = 1
	for range d {
		if context *= 3; context*len(tiles) > lattice.MaxSites/s.components {
			s.fail("", fmt.Errorf("%w: conditional decimators on %d tiles that each read 3^%d sites",
				ErrSettings, len(tiles), d))
			return nil, 0
		}
	}
	stride := lattice.Strides(s.shape)
	for _, t := range tiles {
		sites := []int{0}
		for a, n := range s.shape {
			at, apart := t[0]/stride[a]%n, size[a]*s.step[a]
			var next []int
			for _, site := range sites {
				for _, d := range []int{n - apart, 0, apart} {
					next = append(next, site+(at+d)%n*stride[a])
				}
			}
			sites = next
		}
		around = append(around, append(sites, t[1:]...))
	}
	return around, context
}
