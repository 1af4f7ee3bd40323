package bijector

import (
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/graph"
	"github.com/neuralrg/neuralrg/internal/kernel"
)

// Layer is one block placed on tiles of sites, all tiles sharing its
// parameters (paper, Fig. 2(c, d)). A Layer is immutable and safe for
// concurrent use.
type Layer struct {
	block Bijector
	tiles [][]int
	keep  []int // nil: all
	given bool  // the kept positions are the context of a conditional decimator
	last  int   // largest site
}

// Disentangler returns the layer that applies the block to every tile and
// passes all its outputs on. It fails with ErrTiles if there are no tiles, a
// tile does not have block.Dim() sites, or a site is negative or occurs twice,
// and with ErrShape for a nil block.
func Disentangler(block Bijector, tiles [][]int) (*Layer, error) {
	if block == nil {
		return nil, fmt.Errorf("bijector: %w: nil block", ErrShape)
	}
	last, err := checkTiles(tiles, block.Dim(), nil)
	if err != nil {
		return nil, err
	}
	return &Layer{block: block, tiles: cloneTiles(tiles), last: last}, nil
}

// Decimator returns the layer that applies the block to every tile, of whose
// outputs, in the direction of inference x → z, only those at the positions
// keep live on at coarser scales; the others are latent variables for good.
// It fails as Disentangler does, and with ErrTiles if keep names no position,
// all of them, one twice or one outside the tile.
func Decimator(block Bijector, tiles [][]int, keep ...int) (*Layer, error) {
	l, err := Disentangler(block, tiles)
	if err != nil {
		return nil, err
	}
	l.keep, err = checkKeep(keep, block.Dim())
	return l, err
}

// Conditional returns the decimator whose variables that do not live on are
// distributed given the coarse field around them, as details given an image that
// is enlarged. The positions of a tile named by context are read; the block
// passes them through, and they alone live on. Tiles may share their sites and
// name one more than once. The block maps the other positions, and after the
// layer they are latent variables for good.
//
// In a hierarchy it follows, fine to coarse, the disentanglers of its scale. A
// coupling whose Keep holds the context is a fitting block, a RealNVP or Spline of
// such couplings, or a chain. A Bijector that is not of this package is taken at
// its word that it passes the context through; bijectortest.Check of the layer
// shows if it does not.
//
// It fails as Decimator does, with ErrTiles if a site at a position of the context is
// at another position of a tile as well, and with ErrPartition if the block
// changes the context.
func Conditional(block Bijector, tiles [][]int, context ...int) (*Layer, error) {
	if block == nil {
		return nil, fmt.Errorf("bijector: %w: nil block", ErrShape)
	}
	keep, err := checkKeep(context, block.Dim())
	if err != nil {
		return nil, err
	}
	last, err := checkTiles(tiles, block.Dim(), keep)
	if err != nil {
		return nil, err
	}
	for _, j := range keep {
		if !passes(block, j) {
			return nil, fmt.Errorf("bijector: conditional decimator: %w: %T changes position %d, which is of the context", ErrPartition, block, j)
		}
	}
	return &Layer{block, cloneTiles(tiles), keep, true, last}, nil
}

// checkKeep returns the positions that a decimator keeps of a tile, sorted.
func checkKeep(keep []int, dim int) ([]int, error) {
	sorted := slices.Clone(keep)
	slices.Sort(sorted)
	if len(keep) == 0 || len(keep) >= dim || len(slices.Compact(slices.Clone(sorted))) != len(keep) ||
		sorted[0] < 0 || sorted[len(keep)-1] >= dim {
		return nil, fmt.Errorf("bijector: %w: a decimator of %d sites cannot keep outputs %v", ErrTiles, dim, keep)
	}
	return sorted, nil
}

// passes tells whether a block leaves a position as it is, for all that is known
// of it.
func passes(block Bijector, position int) bool {
	moved := func(move []int) bool { return slices.Contains(move, position) }
	switch b := block.(type) {
	case *RealNVP:
		return !slices.ContainsFunc(b.couplings, func(c kernel.Coupling) bool { return moved(c.Move) })
	case *Spline:
		return !slices.ContainsFunc(b.splines, func(c kernel.Spline) bool { return moved(c.Move) })
	case *Coupling:
		return !moved(b.move)
	case *Chain:
		return !slices.ContainsFunc(b.bs, func(e Bijector) bool { return !passes(e, position) })
	case inverted:
		return passes(b.Bijector, position)
	case *Permutation:
		return b.perm[position] == position
	case *ActNorm, *Linear, *Orthogonal, *Spectral:
		return false
	}
	return true
}

// Block returns the block that all tiles share.
func (l *Layer) Block() Bijector { return l.block }

// Tiles returns the sites of each tile.
func (l *Layer) Tiles() [][]int { return cloneTiles(l.tiles) }

// Keep returns the positions whose outputs live on after a decimator, which are
// the context of a conditional one; nil for a disentangler, of which all do.
func (l *Layer) Keep() []int { return slices.Clone(l.keep) }

// Conditional tells whether the layer is one of the function Conditional.
func (l *Layer) Conditional() bool { return l.given }

// context is what tiles may share.
func (l *Layer) context() []int {
	if l.given {
		return l.keep
	}
	return nil
}

// Decimated returns the sites that do not live on after this layer, in the
// order of tiles; none for a disentangler.
func (l *Layer) Decimated() []int {
	if l.keep == nil {
		return nil
	}
	var sites []int
	for _, t := range l.tiles {
		for j, site := range t {
			if !slices.Contains(l.keep, j) {
				sites = append(sites, site)
			}
		}
	}
	return sites
}

// On returns the layer as a Bijector of rows of n sites; sites outside the
// tiles pass through. It fails with ErrTiles if a tile reaches beyond n.
func (l *Layer) On(n int) (Bijector, error) {
	if l.last >= n {
		for k, t := range l.tiles {
			for _, site := range t {
				if site >= n {
					return nil, fmt.Errorf("bijector: tile %d: %w: site %d is off a lattice of %d sites", k, ErrTiles, site, n)
				}
			}
		}
	}
	if b, ok := l.block.(fusable); ok {
		return b.on(n, l.tiles, l.context()...), nil
	}
	return newNodeLayer(l.block, n, l.tiles, l.context()), nil
}

// fusable bijectors can run on tiles as one operation.
type fusable interface {
	on(n int, tiles [][]int, context ...int) *fusedLayer
}

// fused is a transform with its parameters.
type fused struct {
	weights *Param
	f64     kernel.Transform[float64]
	f32     kernel.Transform[float32]
}

// on is the transform on tiles of a row of n values, which may share what is at
// the positions of the context.
func (f *fused) on(n int, tiles [][]int, context ...int) *fusedLayer {
	return &fusedLayer{f.weights, n, graph.NewLayer(f.f64, f.f32, n, tiles, context...)}
}

// alone is the transform on whole rows.
func (f *fused) alone() *fusedLayer {
	return f.on(f.f64.Dim(), [][]int{identity(f.f64.Dim())})
}

// identity returns 0 … n−1.
func identity(n int) []int {
	row := make([]int, n)
	for i := range row {
		row[i] = i
	}
	return row
}

// fusedLayer is a transform on tiles as one operation.
type fusedLayer struct {
	weights *Param
	n       int
	op      *graph.Layer
}

func (l *fusedLayer) Dim() int         { return l.n }
func (l *fusedLayer) Params() []*Param { return []*Param{l.weights} }

func (l *fusedLayer) Forward(z *gorgonia.Node) (x, logDet *gorgonia.Node, err error) {
	return run([]Bijector{l}, z, false)
}

func (l *fusedLayer) Inverse(x *gorgonia.Node) (z, logDet *gorgonia.Node, err error) {
	return run([]Bijector{l}, x, true)
}

func (l *fusedLayer) state(s *gorgonia.Node, inverse bool) (*gorgonia.Node, error) {
	return l.op.Apply(s, l.weights.Node(s), inverse)
}

// nodeLayer is any block on tiles, built from nodes.
type nodeLayer struct {
	block Bijector
	n     int
	tiles [][]int
	move  []int   // positions that the block moves
	moved [][]int // sites of these, tile by tile
}

func newNodeLayer(block Bijector, n int, tiles [][]int, context []int) *nodeLayer {
	l := &nodeLayer{block: block, n: n, tiles: tiles}
	for j := range block.Dim() {
		if !slices.Contains(context, j) {
			l.move = append(l.move, j)
		}
	}
	for _, t := range tiles {
		var sites []int
		for _, j := range l.move {
			sites = append(sites, t[j])
		}
		l.moved = append(l.moved, sites)
	}
	return l
}

func (l *nodeLayer) Dim() int         { return l.n }
func (l *nodeLayer) Params() []*Param { return l.block.Params() }

func (l *nodeLayer) Forward(z *gorgonia.Node) (x, logDet *gorgonia.Node, err error) {
	return l.apply(z, false)
}

func (l *nodeLayer) Inverse(x *gorgonia.Node) (z, logDet *gorgonia.Node, err error) {
	return l.apply(x, true)
}

func (l *nodeLayer) apply(x *gorgonia.Node, inverse bool) (y, logDet *gorgonia.Node, err error) {
	if _, err := graph.Rows(x, l.n); err != nil {
		return nil, nil, fmt.Errorf("bijector: layer: %w", err)
	}
	cells, err := graph.Gather(x, l.tiles)
	if err != nil {
		return nil, nil, err
	}
	cells, d, err := apply(l.block, cells, inverse)
	if err != nil {
		return nil, nil, err
	}
	if len(l.move) < l.block.Dim() {
		if cells, err = graph.Gather(cells, [][]int{l.move}); err != nil {
			return nil, nil, err
		}
	}
	if y, err = graph.Scatter(x, cells, l.moved); err != nil {
		return nil, nil, err
	}
	logDet, err = graph.SumTiles(d, len(l.tiles))
	return y, logDet, err
}
