package flow

import (
	"fmt"

	"github.com/neuralrg/neuralrg/bijector"
)

// NetworkSettings configures the networks that the package builds. A zero
// field means its default, nil all of them.
type NetworkSettings struct {
	// Size is the linear size of a block, 2 by default: blocks act on Size^d
	// sites of a d-dimensional lattice.
	Size int
	// Depth is the number of scales, by default as many as the extents of the
	// lattice can be divided by Size. Sites that remain after the last one are
	// latent variables.
	Depth int
	// Repeat is the number of times that blocks on shifted and unshifted
	// tiles alternate within a scale, 1 by default.
	Repeat int
	// Conditional, if not nil, makes for every scale of a MERA or a tree the
	// block of a conditional decimator (bijector.Conditional), by which what a
	// scale adds to the field is distributed given the coarse field around.
	Conditional ConditionalFunc `json:"-"`
}

// ConditionalFunc makes the block of a conditional decimator. Positions 0 …
// context−1 of a tile are the 3^d coarse sites around and at it, row-major, its own
// in the middle, which the block must pass through: they belong into every Keep
// of couplings. Where the coarse lattice has fewer than three sites along an
// axis, some of these are the same. The moved ones after them are the other
// sites of the tile, row-major.
type ConditionalFunc func(context, moved int) (bijector.Bijector, error)

// BlockFunc makes the block of a layer. Layers share parameters if it returns
// the same bijector again.
type BlockFunc func() (bijector.Bijector, error)

// NewMERA returns the paper's network on a periodic lattice (Figs. 1(a) and
// 2(c)): at each scale a layer of disentanglers on tiles shifted by one coarse
// site, then one of decimators on unshifted tiles, which keep their first
// output. With Repeat r there are r such pairs, of which only the last
// decimates, or none if a conditional decimator follows.
//
// It fails with bijector.ErrTiles if an extent is not a multiple of Size, or
// of Size^Depth, and with the errors of block, naming the layer.
func NewMERA(shape []int, block BlockFunc, s *NetworkSettings) (*Hierarchy, error) {
	return network(shape, block, s, func(b *builder, scale, size, repeat int) {
		for r := 0; r < repeat && b.err == nil; r++ {
			b.disentangle(size, scale, scale)
			if r < repeat-1 {
				b.disentangle(size, scale, 0)
			}
		}
		b.decimate(size, scale)
	})
}

// NewTree returns the network of decimators alone, one layer per scale, or two
// with Conditional (the tree tensor network of the paper's discussion). Repeat is
// not used. It fails as NewMERA does.
func NewTree(shape []int, block BlockFunc, s *NetworkSettings) (*Hierarchy, error) {
	return network(shape, block, s, func(b *builder, scale, size, repeat int) {
		b.decimate(size, scale)
	})
}

// NewTEBD returns the network of disentanglers alone on the finest scale
// (paper, Fig. 2(a)): Depth times Repeat pairs of layers on unshifted and on
// shifted tiles. Depth is 1 by default, Conditional is not used. It fails as
// NewMERA does, with one scale.
func NewTEBD(shape []int, block BlockFunc, s *NetworkSettings) (*Hierarchy, error) {
	size, depth, repeat, err := s.defaults(shape)
	if err != nil {
		return nil, err
	}
	if s == nil || s.Depth == 0 {
		depth = 1
	}
	b := &builder{shape: shape, block: block}
	for i := 0; i < depth*repeat && b.err == nil; i++ {
		b.disentangle(size, 1, 0)
		b.disentangle(size, 1, 1)
	}
	return b.hierarchy()
}

func network(shape []int, block BlockFunc, s *NetworkSettings, layers func(b *builder, scale, size, repeat int)) (*Hierarchy, error) {
	size, depth, repeat, err := s.defaults(shape)
	if err != nil {
		return nil, err
	}
	b := &builder{shape: shape, block: block}
	if s != nil {
		b.conditional = s.Conditional
	}
	scale := 1
	for i := 0; i < depth && b.err == nil; i++ {
		layers(b, scale, size, repeat)
		scale *= size
	}
	return b.hierarchy()
}

func (s *NetworkSettings) defaults(shape []int) (size, depth, repeat int, err error) {
	if s == nil {
		s = &NetworkSettings{}
	}
	if s.Size < 0 || s.Size == 1 || s.Depth < 0 || s.Repeat < 0 {
		return 0, 0, 0, fmt.Errorf("flow: %w: Size %d, Depth %d, Repeat %d", ErrSettings, s.Size, s.Depth, s.Repeat)
	}
	size, depth, repeat = s.Size, s.Depth, s.Repeat
	if size == 0 {
		size = 2
	}
	if repeat == 0 {
		repeat = 1
	}
	if depth == 0 {
		depth = 1 // where none is possible, Tiles says why
		for scale := size; divides(shape, scale) && divides(shape, scale*size); scale *= size {
			depth++
		}
	}
	return size, depth, repeat, nil
}

func divides(shape []int, n int) bool {
	for _, extent := range shape {
		if n < 1 || extent < n || extent%n != 0 {
			return false
		}
	}
	return len(shape) > 0
}

// builder collects layers until the first error.
type builder struct {
	shape       []int
	block       BlockFunc
	conditional ConditionalFunc // or nil
	layers      []*bijector.Layer
	err         error
}

func (b *builder) disentangle(size, step, offset int) {
	b.add(b.tiles(size, step, offset), b.block, bijector.Disentangler)
}

// decimate adds the decimators of a scale, or blocks on their tiles and
// conditional decimators.
func (b *builder) decimate(size, step int) {
	tiles := b.tiles(size, step, 0)
	if b.conditional == nil {
		b.add(tiles, b.block, func(block bijector.Bijector, tiles [][]int) (*bijector.Layer, error) {
			return bijector.Decimator(block, tiles, 0)
		})
		return
	}
	b.add(tiles, b.block, bijector.Disentangler)
	if b.err != nil {
		return
	}
	around, context, err := surround(b.shape, tiles, size*step)
	if err != nil {
		b.err = fmt.Errorf("flow: layer %d: %w", len(b.layers), err)
		return
	}
	b.add(around, func() (bijector.Bijector, error) { return b.conditional(context, len(around[0])-context) },
		func(block bijector.Bijector, tiles [][]int) (*bijector.Layer, error) {
			return bijector.Conditional(block, tiles, first(context)...)
		})
}

// tiles is bijector.Tiles for the next layer.
func (b *builder) tiles(size, step, offset int) [][]int {
	if b.err != nil {
		return nil
	}
	tiles, err := bijector.Tiles(b.shape, size, step, offset)
	if err != nil {
		b.err = fmt.Errorf("flow: layer %d: %w", len(b.layers), err)
	}
	return tiles
}

func (b *builder) add(tiles [][]int, block BlockFunc, layer func(bijector.Bijector, [][]int) (*bijector.Layer, error)) {
	if b.err != nil {
		return
	}
	if block == nil {
		b.err = fmt.Errorf("flow: %w: nil block function", ErrSettings)
		return
	}
	made, err := block()
	if err != nil {
		b.err = fmt.Errorf("flow: block of layer %d: %w", len(b.layers), err)
		return
	}
	l, err := layer(made, tiles)
	if err != nil {
		b.err = fmt.Errorf("flow: layer %d: %w", len(b.layers), err)
		return
	}
	b.layers = append(b.layers, l)
}

// surround returns, for every tile, the first site of it and of the tiles around
// it, which are so many sites apart along each axis, row-major, and then its
// other sites; and how many of the former there are.
func surround(shape []int, tiles [][]int, apart int) (around [][]int, context int, err error) {
	context = 1
	for range shape {
		if context *= 3; context*len(tiles) > 1<<26 {
			return nil, 0, fmt.Errorf("%w: conditional decimators on %d tiles that each read 3^%d sites", ErrSettings, len(tiles), len(shape))
		}
	}
	stride := make([]int, len(shape))
	stride[len(shape)-1] = 1
	for a := len(shape) - 1; a > 0; a-- {
		stride[a-1] = stride[a] * shape[a]
	}
	for _, t := range tiles {
		sites := []int{0}
		for a, n := range shape {
			at := t[0] / stride[a] % n
			var next []int
			for _, s := range sites {
				for _, d := range []int{n - apart, 0, apart} {
					next = append(next, s+(at+d)%n*stride[a])
				}
			}
			sites = next
		}
		around = append(around, append(sites, t[1:]...))
	}
	return around, context, nil
}

// first returns 0 … n−1.
func first(n int) []int {
	row := make([]int, n)
	for i := range row {
		row[i] = i
	}
	return row
}

func (b *builder) hierarchy() (*Hierarchy, error) {
	if b.err != nil {
		return nil, b.err
	}
	n := 1
	for _, extent := range b.shape {
		n *= extent
	}
	return NewHierarchy(n, b.layers...)
}
