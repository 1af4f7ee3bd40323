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
	last, err := checkTiles(tiles, block.Dim())
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
	l.keep = slices.Clone(keep)
	slices.Sort(l.keep)
	if len(keep) == 0 || len(keep) >= block.Dim() || len(slices.Compact(slices.Clone(l.keep))) != len(keep) ||
		l.keep[0] < 0 || l.keep[len(keep)-1] >= block.Dim() {
		return nil, fmt.Errorf("bijector: %w: a decimator of %d sites cannot keep outputs %v", ErrTiles, block.Dim(), keep)
	}
	return l, nil
}

// Block returns the block that all tiles share.
func (l *Layer) Block() Bijector { return l.block }

// Tiles returns the sites of each tile.
func (l *Layer) Tiles() [][]int { return cloneTiles(l.tiles) }

// Keep returns the positions whose outputs live on after a decimator; nil for
// a disentangler, of which all do.
func (l *Layer) Keep() []int { return slices.Clone(l.keep) }

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
		return b.on(n, l.tiles), nil
	}
	return &nodeLayer{l.block, n, l.tiles}, nil
}

// fusable bijectors can run on tiles as one operation.
type fusable interface {
	on(n int, tiles [][]int) *fusedLayer
}

// fused is a transform with its parameters.
type fused struct {
	weights *Param
	f64     kernel.Transform[float64]
	f32     kernel.Transform[float32]
}

// on is the transform on tiles of a row of n values.
func (f *fused) on(n int, tiles [][]int) *fusedLayer {
	return &fusedLayer{f.weights, n, graph.NewLayer(f.f64, f.f32, n, tiles)}
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
	if y, err = graph.Scatter(x, cells, l.tiles); err != nil {
		return nil, nil, err
	}
	logDet, err = graph.SumTiles(d, len(l.tiles))
	return y, logDet, err
}
