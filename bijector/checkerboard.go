package bijector

import (
	"fmt"
	"math"
	"slices"

	"github.com/neuralrg/neuralrg/internal/lattice"
	"github.com/neuralrg/neuralrg/internal/num"
)

// NewCheckerboard returns a hierarchy of conditional layers on nested checkerboards of a
// periodic lattice of one or two dimensions. Each scale colours its sites black and white,
// as a checkerboard, and the black sites are the lattice of the next coarser scale. In two
// dimensions this lattice is turned by 45° and its sites are √2 times as far apart. Forward
// goes from coarse to fine. A scale first moves its white sites given the black ones. It
// then moves all black sites and again all white ones, Repeat times (1 by default).
//
// In all layers one site of a tile moves, given the sites of the other colour around it.
// The layer that Forward begins a scale with is a conditional decimator: the latent
// variables of its white sites are a level of the hierarchy. The other layers of the scale
// are conditional disentanglers.
//
// s.ContextBlock makes the block of every layer and is required. It is called with one
// moved position and with a context of the nearest sites of the other colour, then of the
// second nearest ones: in one dimension 2 sites at distance 1 and 2 at distance 3, in two
// dimensions 4 at distance 1 and 8 at distance √5, in units of the scale. On small
// lattices some of these sites are equal. block makes one block on all sites that remain
// after the last scale; it may be nil if one site remains. s.Depth is the number of scales,
// by default as many as possible: a scale needs a lattice that can be coloured.
//
// In a field with n components a layer moves the n values of a site, given all values of the
// sites around it. ContextBlock is then called with n moved positions and n times the
// context, n values in turn for each site. Its blocks should couple the n values that move,
// with each other and with the context.
//
// If only nearest neighbours interact in the target, the white sites of the finest scale
// are independent given the black ones, and given them each depends only on its nearest
// neighbours. s.OddBlock makes use of this: the finest scale then has one layer, a conditional
// decimator of the white sites. The block of this layer is that of OddBlock, called with one
// moved position and a context of the 2d nearest sites for d dimensions, or n times as many
// with n components. It can be exact, as
// a block of NewQuartic for a φ⁴ theory of one component is. The white sites are those with an odd sum of
// coordinates. Size, Join and EvenRepeat are not used.
//
// NewCheckerboard fails with ErrTiles for a lattice without sites or of more than two
// dimensions, for fewer scales than Depth, and for OddBlock on a lattice with an odd
// extent. It fails with ErrSettings for a nil function that is needed, for numbers out of
// range, and for more than 4096 layers or 2²⁸ values in the tiles of all layers. It also
// fails with the errors of the functions, naming the layer, counted from fine to coarse.
func NewCheckerboard(shape []int, block BlockFunc, s *NetworkSettings) (*Hierarchy, error) {
	if s == nil || s.ContextBlock == nil {
		return nil, fmt.Errorf("bijector: %w: a checkerboard needs a ContextBlock", ErrSettings)
	}
	if s.Depth < 0 || s.Repeat < 0 {
		return nil, fmt.Errorf("bijector: %w: Depth %d, Repeat %d", ErrSettings, s.Depth, s.Repeat)
	}
	sites, err := lattice.Size(shape)
	if err != nil {
		return nil, fmt.Errorf("bijector: %w: shape %v: %w", ErrTiles, shape, err)
	}
	if len(shape) > 2 {
		return nil, fmt.Errorf("bijector: %w: a checkerboard of %d dimensions, want 1 or 2", ErrTiles, len(shape))
	}
	components, err := s.components(sites)
	if err != nil {
		return nil, err
	}
	b, around := newBoard(shape), boardOffsets(len(shape))
	n := &checkerboard{
		sites: sites, components: components, context: len(around), block: s.ContextBlock, repeat: max(1, s.Repeat),
	}
	if err := n.price(); err != nil {
		return nil, err
	}
	for depth := 0; s.Depth == 0 || depth < s.Depth; depth++ {
		black, white := b.colours()
		if white == nil {
			if depth == 0 && s.OddBlock != nil {
				return nil, fmt.Errorf("bijector: %w: OddBlock on a lattice %v, want even extents", ErrTiles, shape)
			}
			if depth < s.Depth {
				return nil, fmt.Errorf("bijector: %w: a lattice of shape %v has %d scales of checkerboards, not %d",
					ErrTiles, shape, depth, s.Depth)
			}
			break
		}
		if depth == 0 && s.OddBlock != nil {
			err = n.layer(s.OddBlock, b.tiles(white, around[:2*len(shape)]), ConditionalDecimator)
		} else {
			err = n.scale(b.tiles(black, around), b.tiles(white, around))
		}
		if err != nil {
			return nil, err
		}
		b = b.coarser()
	}
	if err := n.top(b.sites(), block); err != nil {
		return nil, err
	}
	return newHierarchy(n.sites, n.components, n.layers)
}

// checkerboard is a network in the making.
type checkerboard struct {
	sites, components int
	context, repeat   int
	block             ContextBlockFunc
	layers            []*Layer // fine to coarse
}

// price checks the size of the network before anything is allocated. Every scale has half
// as many sites as the one before.
func (n *checkerboard) price() error {
	tiled := 2 * (float64(n.repeat) + 1) * float64(n.context+1) * float64(n.sites) * float64(n.components)
	layers := (2*float64(n.repeat)+1)*math.Ceil(math.Log2(float64(n.sites))) + 1
	if tiled > maxTiled || layers > maxLayers {
		return fmt.Errorf("bijector: %w: %g layers and %.3g values in their tiles, at most %d and %d are possible",
			ErrSettings, layers, tiled, maxLayers, maxTiled)
	}
	return nil
}

// scale adds the layers of a scale.
func (n *checkerboard) scale(black, white [][]int) error {
	for range n.repeat {
		if err := n.layer(n.block, white, ConditionalDisentangler); err != nil {
			return err
		}
		if err := n.layer(n.block, black, ConditionalDisentangler); err != nil {
			return err
		}
	}
	return n.layer(n.block, white, ConditionalDecimator)
}

// layer adds one layer, of the given type, on tiles whose last site moves.
func (n *checkerboard) layer(
	block ContextBlockFunc, tiles [][]int, layer func(Bijector, [][]int, ...int) (*Layer, error),
) error {
	context := (len(tiles[0]) - 1) * n.components
	b, err := block(context, n.components)
	if err != nil {
		return fmt.Errorf("bijector: layer %d: block: %w", len(n.layers), err)
	}
	l, err := layer(b, valuesOf(tiles, n.components), num.UpTo(context)...)
	if err != nil {
		return fmt.Errorf("bijector: layer %d: %w", len(n.layers), err)
	}
	n.layers = append(n.layers, l)
	return nil
}

// top adds a block on the sites that remain.
func (n *checkerboard) top(sites []int, block BlockFunc) error {
	if len(sites) == 1 && len(n.layers) > 0 {
		return nil
	}
	if block == nil {
		return fmt.Errorf("bijector: %w: nil block function, and %d sites remain", ErrSettings, len(sites))
	}
	b, err := block(len(sites) * n.components)
	if err == nil {
		var l *Layer
		if l, err = Disentangler(b, valuesOf([][]int{sites}, n.components)); err == nil {
			n.layers = append(n.layers, l)
			return nil
		}
	}
	return fmt.Errorf("bijector: layer %d: %w", len(n.layers), err)
}

// board is a sublattice: the multiples of its basis vectors.
type board struct {
	shape []int
	basis [][]int
}

func newBoard(shape []int) *board {
	b := &board{shape: shape}
	for a := range shape {
		e := make([]int, len(shape))
		e[a] = 1
		b.basis = append(b.basis, e)
	}
	return b
}

// boardOffsets are the places of the context in units of the basis. They have an odd sum.
func boardOffsets(dim int) [][]int {
	if dim == 1 {
		return [][]int{{1}, {-1}, {3}, {-3}}
	}
	return [][]int{{1, 0}, {-1, 0}, {0, 1}, {0, -1},
		{2, 1}, {2, -1}, {-2, 1}, {-2, -1}, {1, 2}, {-1, 2}, {1, -2}, {-1, -2}}
}

// from returns the site at an offset from another.
func (b *board) from(site int, offset []int) int {
	to := 0
	for a, stride := range lattice.Strides(b.shape) {
		n := b.shape[a]
		x := site / stride % n
		for k, m := range offset {
			x += m * b.basis[k][a] % n
		}
		to += (x%n + n) % n * stride
	}
	return to
}

// colours returns the sites of both colours, ascending. There are no white ones if the
// board cannot be coloured. Site 0 is black.
func (b *board) colours() (black, white []int) {
	colour := map[int]bool{0: false}
	queue, near := []int{0}, boardOffsets(len(b.shape))[:2*len(b.shape)]
	bipartite := true
	for len(queue) > 0 {
		s := queue[0]
		queue = queue[1:]
		for _, offset := range near {
			to := b.from(s, offset)
			c, seen := colour[to]
			if !seen {
				colour[to] = !colour[s]
				queue = append(queue, to)
			} else if c == colour[s] {
				bipartite = false
			}
		}
	}
	for s, c := range colour {
		if c && bipartite {
			white = append(white, s)
		} else {
			black = append(black, s)
		}
	}
	slices.Sort(black)
	slices.Sort(white)
	return black, white
}

// sites returns all sites, if the board cannot be coloured or all scales are done.
func (b *board) sites() []int {
	black, white := b.colours()
	all := slices.Concat(black, white)
	slices.Sort(all)
	return all
}

// tiles returns, for every moved site, its context and itself.
func (b *board) tiles(moved []int, around [][]int) [][]int {
	tiles := make([][]int, len(moved))
	for k, s := range moved {
		for _, offset := range around {
			tiles[k] = append(tiles[k], b.from(s, offset))
		}
		tiles[k] = append(tiles[k], s)
	}
	return tiles
}

// coarser returns the board of the black sites.
func (b *board) coarser() *board {
	c := &board{shape: b.shape}
	if len(b.basis) == 1 {
		c.basis = [][]int{{2 * b.basis[0][0]}}
		return c
	}
	u, v := b.basis[0], b.basis[1]
	c.basis = [][]int{{u[0] + v[0], u[1] + v[1]}, {v[0] - u[0], v[1] - u[1]}}
	return c
}
