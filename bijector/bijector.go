// Package bijector holds invertible differentiable maps x = g(z) between a
// latent space and a physical space, as builders of Gorgonia graphs.
//
// If z has the density p(z), x has the density (Li and Wang, PRL 121, 260601 (2018), eq. 1)
//
//	ln q(x) = ln p(z) − ln |det ∂x/∂z|.
//
// A Bijector therefore returns the image of each row and the logarithm of the Jacobian
// determinant. Forward is z → x (generation). Inverse is x → z (inference, the direction
// of the renormalization flow). Nodes of configurations have shape (rows, Dim), with one
// configuration per row. Log-determinants have shape (rows), in nats. A graph is float64
// or float32; parameters are float64 and are converted.
//
// RealNVP is the block of the paper. Spline couplings can also split one mode into two.
// CircularSpline is a block for angles. Orthogonal and Linear are linear blocks, and
// ActNorm normalises. Chain, Invert and Permutation compose bijectors. Disentangler and
// Decimator put a block on the tiles of a lattice, where all tiles share its parameters,
// and a Hierarchy is a sequence of such layers, fine to coarse. Stack composes a hierarchy.
// NewMERA, NewTree and NewTEBD build those of the paper. NewCheckerboard builds one of
// conditional layers. Package bijectortest checks any Bijector, also your own.
package bijector

import (
	"errors"
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/errs"
	"github.com/neuralrg/neuralrg/internal/graph"
)

// Errors are wrapped with what was wrong and where.
var (
	// ErrShape reports a node, slice or lattice whose extents do not fit.
	ErrShape = errs.ErrShape
	// ErrTiles reports tiles that overlap, leave the lattice, or do not fit
	// their block.
	ErrTiles = errors.New("invalid tiles")
	// ErrHierarchy reports a hierarchy without layers, or a layer that acts on a site that
	// an earlier layer has decimated.
	ErrHierarchy = errors.New("invalid hierarchy")
	// ErrPartition reports an invalid bipartition or permutation: a position is missing,
	// repeated or outside the row.
	ErrPartition = errors.New("invalid partition")
	// ErrSettings reports a setting outside its range.
	ErrSettings = errs.ErrSettings
)

// Bijector builds the nodes of an invertible differentiable map x = g(z) on rows of Dim
// values. An implementation must treat every row alike, and must be safe for concurrent
// use as long as parameters are not changed.
//
// Some operations of Gorgonia return wrong values without an error. Read docs/nodes.md
// before you write a Bijector, and run bijectortest.Check on it afterwards.
//
// Do not embed a bijector of this package in a type that replaces some of its methods: the
// library may call the embedded ones. Use a named field instead.
type Bijector interface {
	// Dim returns the number of values per row.
	Dim() int
	// Forward maps z, (rows, Dim), to x and ln |det ∂x/∂z|, (rows).
	Forward(z *gorgonia.Node) (x, logDet *gorgonia.Node, err error)
	// Inverse maps x, (rows, Dim), to z and ln |det ∂z/∂x|, (rows).
	Inverse(x *gorgonia.Node) (z, logDet *gorgonia.Node, err error)
	// Params returns the parameters, each once, always in the same order.
	Params() []*Param
}

// stateful bijectors can work on a state, the packed form of a batch and its
// log-determinants (graph.Packed), so that a chain of them copies nothing.
type stateful interface {
	Bijector
	state(s packed, inverse bool) (packed, error)
}

// packed is a packed batch.
type packed = graph.Packed

// apply calls b.Forward or b.Inverse and checks its argument and its results.
func apply(b Bijector, x *gorgonia.Node, inverse bool) (y, logDet *gorgonia.Node, err error) {
	if inverse {
		return graph.Inverse(b, x)
	}
	return graph.Forward(b, x)
}

// run applies bijectors one after the other and adds their log-determinants. A Hierarchy
// is replaced by its layers, so that they share one packed state with the other bijectors.
func run(bs []Bijector, x *gorgonia.Node, inverse bool) (y, logDet *gorgonia.Node, err error) {
	if _, err := graph.Rows(x, bs[0].Dim()); err != nil {
		return nil, nil, fmt.Errorf("bijector: %w", err)
	}
	var flat []Bijector
	for _, b := range bs {
		if h, ok := b.(*Hierarchy); ok {
			flat = append(flat, h.chain.bs...)
		} else {
			flat = append(flat, b)
		}
	}
	if inverse {
		slices.Reverse(flat)
	}
	r := &runner{dim: bs[0].Dim(), inverse: inverse, x: x}
	for _, b := range flat {
		if err := r.step(b); err != nil {
			return nil, nil, err
		}
	}
	if err := r.unpack(); err != nil {
		return nil, nil, err
	}
	if len(r.logDets) == 1 {
		return r.x, r.logDets[0], nil
	}
	logDet, err = graph.Combine(0, slices.Repeat([]float64{1}, len(r.logDets)), r.logDets...)
	return r.x, logDet, err
}

// runner is a batch on its way through bijectors.
type runner struct {
	dim     int
	inverse bool
	x       *gorgonia.Node
	packed  graph.Packed     // the batch, if it is packed
	logDets []*gorgonia.Node // log-determinants that are not in the state
}

// step applies a bijector.
func (r *runner) step(b Bijector) (err error) {
	if b, ok := b.(stateful); ok {
		if r.packed.State == nil {
			if r.packed, err = graph.Pack(r.x); err != nil {
				return err
			}
		}
		r.packed, err = b.state(r.packed, r.inverse)
		return err
	}
	if err := r.unpack(); err != nil {
		return err
	}
	x, d, err := apply(b, r.x, r.inverse)
	r.x, r.logDets = x, append(r.logDets, d)
	return err
}

// unpack ends a state.
func (r *runner) unpack() error {
	if r.packed.State == nil {
		return nil
	}
	x, d, err := r.packed.Unpack(r.dim)
	r.x, r.packed, r.logDets = x, graph.Packed{}, append(r.logDets, d)
	return err
}

// union collects the parameters of several bijectors, each once.
func union(bs []Bijector) []*Param {
	var ps []*Param
	seen := map[*Param]bool{}
	for _, b := range bs {
		for _, p := range b.Params() {
			if !seen[p] {
				seen[p] = true
				ps = append(ps, p)
			}
		}
	}
	return ps
}
