package bijector

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/internal/graph"
	"github.com/neuralrg/neuralrg/internal/kernel"
	"github.com/neuralrg/neuralrg/internal/num"
)

// Layer is one block on many tiles of sites; all tiles share its parameters (paper,
// Fig. 2(c, d)). A Layer is no Bijector, because it does not know the number of sites of
// the lattice: On makes one. A Layer is immutable and safe for concurrent use.
type Layer struct {
	block Bijector
	tiles [][]int
	keep  []int // nil: all
	last  int   // largest site

	context []int // positions that are read only, of a conditional layer
}

// Disentangler returns the layer that applies the block to every tile and passes on all
// outputs. It fails with ErrTiles if there are no tiles, a tile does not have block.Dim()
// sites, or a site is negative or occurs twice, and with ErrShape for a nil block.
func Disentangler(block Bijector, tiles [][]int) (*Layer, error) {
	dim, err := dimOf("block", block)
	if err != nil {
		return nil, err
	}
	last, err := checkTiles(tiles, dim, nil)
	if err != nil {
		return nil, err
	}
	return &Layer{block: block, tiles: cloneTiles(tiles), last: last}, nil
}

// Decimator returns the layer that applies the block to every tile. In the direction of
// inference, x → z, it passes on to coarser scales only the outputs at the positions keep
// of each tile. The other outputs are latent variables. It fails as Disentangler does, and
// with ErrTiles if keep has no position, all positions, a position twice or one outside the
// tile.
func Decimator(block Bijector, tiles [][]int, keep ...int) (*Layer, error) {
	l, err := Disentangler(block, tiles)
	if err != nil {
		return nil, err
	}
	if l.keep, err = checkKeep("a decimator", "keep outputs", keep, block.Dim()); err != nil {
		return nil, err
	}
	return l, nil
}

// ConditionalDecimator returns a decimator that makes the fine field of a tile depend on
// the coarse field around it, as details of an image depend on a smaller copy of it. Let
// y_c be the values of a tile at the positions of the context and y_f its other values.
// Then
//
//	x → z: z_f = h(y_f; y_c), z_c = y_c, so that p(y_f | y_c) = p(z_f) |det ∂z_f/∂y_f|.
//
// The block is h, of dimension |c| + |f|. It must not change the positions of the context:
// for couplings, every Keep must contain all of them. Only these positions are passed on to
// coarser scales. Tiles may share the sites of their contexts, and a tile may contain such
// a site more than once.
//
// In a hierarchy, fine to coarse, the layer comes after the disentanglers of its scale.
// Stack.DecimateGiven builds such layers. ConditionalDecimator fails as Decimator does. It
// also fails with ErrTiles if a site of a context is moved by a tile, and with ErrPartition
// if the block, or an element of a chain, changes the context. For a bijector of another
// package this is tested on two random rows; bijectortest.Check of the layer tests more.
func ConditionalDecimator(block Bijector, tiles [][]int, context ...int) (*Layer, error) {
	l, err := conditional("a conditional decimator", block, tiles, context)
	if err != nil {
		return nil, err
	}
	l.keep = l.context
	return l, nil
}

// ConditionalDisentangler is a ConditionalDecimator that passes on all values, those that
// it moves, too. Several of them in turn, which move one part of the sites given the other
// sites, correlate the sites of a lattice. Stack.DisentangleGiven builds such layers. It
// fails as ConditionalDecimator does.
func ConditionalDisentangler(block Bijector, tiles [][]int, context ...int) (*Layer, error) {
	return conditional("a conditional disentangler", block, tiles, context)
}

// conditional returns a layer with a context.
func conditional(what string, block Bijector, tiles [][]int, context []int) (*Layer, error) {
	dim, err := dimOf("block", block)
	if err != nil {
		return nil, err
	}
	if context, err = checkKeep(what, "have the context", context, dim); err != nil {
		return nil, err
	}
	last, err := checkTiles(tiles, dim, context)
	if err != nil {
		return nil, err
	}
	passed, err := passedBy(block)
	if err != nil {
		return nil, fmt.Errorf("bijector: %s: %w", what[2:], err)
	}
	for _, j := range context {
		if !passed[j] {
			return nil, fmt.Errorf("bijector: %s: %w: %T changes position %d, which belongs to the context",
				what[2:], ErrPartition, block, j)
		}
	}
	return &Layer{block: block, tiles: cloneTiles(tiles), context: context, last: last}, nil
}

// checkKeep returns the positions that a decimator keeps of a tile, sorted.
func checkKeep(what, cannot string, keep []int, dim int) ([]int, error) {
	sorted := slices.Clone(keep)
	slices.Sort(sorted)
	if len(keep) == 0 || len(keep) >= dim || len(slices.Compact(slices.Clone(sorted))) != len(keep) ||
		sorted[0] < 0 || sorted[len(keep)-1] >= dim {
		return nil, fmt.Errorf("bijector: %w: %s of %d sites cannot %s %v", ErrTiles, what, dim, cannot, keep)
	}
	return sorted, nil
}

// passer is a bijector that knows which positions it passes through for all values of its
// parameters. Every bijector of this package is a passer or consists of other bijectors.
type passer interface{ passed() []bool }

// passedBy reports for every position whether a bijector passes it through. If the bijector
// is no passer, this is tested on two random rows.
func passedBy(b Bijector) ([]bool, error) {
	switch b := b.(type) {
	case passer:
		return b.passed(), nil
	case inverted:
		return passedBy(b.Bijector)
	case *Chain:
		all := without(b.Dim())
		for _, e := range b.bs {
			one, err := passedBy(e)
			if err != nil {
				return nil, err
			}
			for j, p := range one {
				all[j] = all[j] && p
			}
		}
		return all, nil
	}
	const rows = 2
	n := b.Dim()
	in, x, z := make([]float64, rows*n), make([]float64, rows*n), make([]float64, rows*n)
	rnd := rand.New(rand.NewPCG(1, 1))
	for i := range in {
		in[i] = rnd.NormFloat64()
	}
	p := graph.NewProgram(tensor.Float64, []graph.Input{{Name: "x", Cols: n}}, []string{"forward", "inverse"},
		func(nodes []*gorgonia.Node) ([]*gorgonia.Node, error) {
			x, _, err := apply(b, nodes[0], false)
			if err != nil {
				return nil, err
			}
			z, _, err := apply(b, nodes[0], true)
			return []*gorgonia.Node{x, z}, err
		})
	if err := p.Run(rows, [][]float64{in}, [][]float64{x, z}); err != nil {
		return nil, err
	}
	all := make([]bool, n)
	for j := range all {
		all[j] = true
		for i := j; i < rows*n; i += n {
			all[j] = all[j] && x[i] == in[i] && z[i] == in[i]
		}
	}
	return all, nil
}

// without returns dim values, false at the positions that move and true elsewhere.
func without(dim int, move ...[]int) []bool {
	all := make([]bool, dim)
	for j := range all {
		all[j] = true
	}
	for _, j := range slices.Concat(move...) {
		all[j] = false
	}
	return all
}

// WithBlock returns a layer of the same type (disentangler or decimator, conditional or
// not) on the same tiles with another block. It fails as the constructor of that
// type does.
func (l *Layer) WithBlock(block Bijector) (*Layer, error) {
	switch {
	case l.context != nil && l.keep != nil:
		return ConditionalDecimator(block, l.tiles, l.context...)
	case l.context != nil:
		return ConditionalDisentangler(block, l.tiles, l.context...)
	case l.keep != nil:
		return Decimator(block, l.tiles, l.keep...)
	}
	return Disentangler(block, l.tiles)
}

// Block returns the block that all tiles share.
func (l *Layer) Block() Bijector { return l.block }

// Tiles returns the sites of each tile.
func (l *Layer) Tiles() [][]int { return cloneTiles(l.tiles) }

// Keep returns the positions of a tile whose outputs a decimator passes on. For a
// conditional decimator this is the context. Keep returns nil for a disentangler, which
// passes on all outputs.
func (l *Layer) Keep() []int { return slices.Clone(l.keep) }

// Context returns the positions of a conditional layer that it reads and does not move. A
// conditional decimator keeps these. Context returns nil for other layers.
func (l *Layer) Context() []int { return slices.Clone(l.context) }

// Decimated returns the sites that this layer does not pass on, tile by tile. It returns
// nil for a disentangler.
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

// On returns the layer as a Bijector on rows of n sites. Sites outside the tiles pass
// through. It fails with ErrTiles if a tile has a site that is not below n, and with
// ErrShape for more than 2²⁸ sites.
func (l *Layer) On(n int) (Bijector, error) {
	if err := afford(ErrShape, float64(n), "a row of %d sites", n); err != nil {
		return nil, err
	}
	if l.last >= n {
		for k, t := range l.tiles {
			for _, site := range t {
				if site >= n {
					return nil, fmt.Errorf("bijector: tile %d: %w: site %d is off a lattice of %d sites",
						k, ErrTiles, site, n)
				}
			}
		}
	}
	if b, ok := l.block.(fusable); ok {
		f := b.on(n, l.tiles, l.Context()...)
		f.layer = l
		return f, nil
	}
	return newNodeLayer(l, n), nil
}

// steps returns the steps of the block, each on the tiles of a row of n sites. It
// returns nil if the block has no steps.
func (l *Layer) steps(n int) []Step {
	b, ok := l.block.(Stepper)
	if !ok {
		return nil
	}
	steps := b.Steps()
	for k := range steps {
		step, err := l.WithBlock(steps[k].Map)
		if err != nil {
			return nil
		}
		if steps[k].Map, err = step.On(n); err != nil {
			return nil
		}
	}
	return steps
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

// on returns the transform on tiles of a row of n values. Tiles may share the sites
// at the positions of the context.
func (f *fused) on(n int, tiles [][]int, context ...int) *fusedLayer {
	return &fusedLayer{f.weights, n, graph.NewLayer(f.f64, f.f32, n, tiles, context...), tiles, context, nil}
}

// movedSites returns the sites of each tile that are not at positions of the context.
func movedSites(dim int, tiles [][]int, context []int) [][]int {
	if len(context) == 0 {
		return tiles
	}
	moved := make([][]int, len(tiles))
	for j := range dim {
		if slices.Contains(context, j) {
			continue
		}
		for k, t := range tiles {
			moved[k] = append(moved[k], t[j])
		}
	}
	return moved
}

// passed reports that no position is passed through. Types whose transform passes some
// through have a passed of their own.
func (f *fused) passed() []bool { return make([]bool, f.f64.Dim()) }

// alone returns the transform on whole rows.
func (f *fused) alone() *fusedLayer {
	return f.on(f.f64.Dim(), [][]int{num.UpTo(f.f64.Dim())})
}

// fusedLayer is a transform on tiles as one operation.
type fusedLayer struct {
	weights *Param
	n       int
	op      *graph.Layer
	tiles   [][]int
	context []int
	layer   *Layer // nil for a transform on whole rows
}

func (l *fusedLayer) Steps() []Step  { return l.layer.steps(l.n) }
func (l *fusedLayer) String() string { return graph.NameOf(l.layer.block) }

func (l *fusedLayer) passed() []bool {
	return without(l.n, movedSites(len(l.tiles[0]), l.tiles, l.context)...)
}

func (l *fusedLayer) Dim() int { return l.n }

func (l *fusedLayer) Params() []*Param {
	if l.weights.fixed {
		return nil
	}
	return []*Param{l.weights}
}

func (l *fusedLayer) Forward(z *gorgonia.Node) (x, logDet *gorgonia.Node, err error) {
	return run([]Bijector{l}, z, false)
}

func (l *fusedLayer) Inverse(x *gorgonia.Node) (z, logDet *gorgonia.Node, err error) {
	return run([]Bijector{l}, x, true)
}

func (l *fusedLayer) state(s packed, inverse bool) (packed, error) {
	return l.op.Apply(s, l.weights.Node(s.State), inverse)
}

// nodeLayer is any block on tiles, built from nodes.
type nodeLayer struct {
	*Layer
	n     int
	move  []int   // positions that the block moves
	moved [][]int // sites at these positions, tile by tile
}

func newNodeLayer(l *Layer, n int) *nodeLayer {
	dim, context := l.block.Dim(), l.Context()
	positions := movedSites(dim, [][]int{num.UpTo(dim)}, context)[0]
	return &nodeLayer{l, n, positions, movedSites(dim, l.tiles, context)}
}

func (l *nodeLayer) Steps() []Step  { return l.steps(l.n) }
func (l *nodeLayer) String() string { return graph.NameOf(l.block) }

func (l *nodeLayer) passed() []bool   { return without(l.n, l.moved...) }
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
