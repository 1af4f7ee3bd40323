// Package bijector holds invertible differentiable maps x = g(z) between a
// latent space and a physical space, as builders of Gorgonia graphs.
//
// A density p(z) is carried along by a change of variables (Li and Wang, PRL
// 121, 260601 (2018), eq. 1),
//
//	ln q(x) = ln p(z) − ln |det ∂x/∂z|,
//
// so a Bijector returns, with the image of each row, the logarithm of the
// Jacobian determinant. Forward is z → x (generation), Inverse is x → z
// (inference, the direction of the renormalization flow). Nodes that hold
// configurations are (rows, Dim) matrices with one configuration per row;
// log-determinants are (rows) vectors in nats. A graph may be float64 or
// float32; parameters follow.
//
// RealNVP is the block of the paper, Orthogonal and Linear are its linear
// limits; ActNorm normalises. Chain, Invert and Permutation compose.
// Disentangler and Decimator place a block on the tiles of a lattice, with
// shared weights, and a Hierarchy stacks them from fine to coarse: NewMERA, NewTree
// and NewTEBD build those of the paper. Package bijectortest checks any Bijector, a
// user's own included.
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
	// ErrHierarchy reports a layer that touches a site that is no longer there.
	ErrHierarchy = errors.New("invalid hierarchy")
	// ErrPartition reports a bipartition or permutation that is none.
	ErrPartition = errors.New("invalid partition")
	// ErrSettings reports a setting outside its range.
	ErrSettings = errs.ErrSettings
)

// Bijector builds the nodes of an invertible differentiable map x = g(z) on
// rows of Dim values. Some of Gorgonia's operations are silently wrong: see
// docs/nodes.md before writing one, and bijectortest.Check after. Implementations must
// treat every row alike and must be safe for concurrent use as long as parameters are not
// changed.
//
// A bijector of a program that embeds one of this package must keep its methods. To
// change them, hold the other one in a named field.
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
// log-determinants (graph.State), so that a chain of them copies nothing.
type stateful interface {
	Bijector
	state(s *gorgonia.Node, inverse bool) (*gorgonia.Node, error)
}

// joiner bijectors take a state as it is, but a batch that is not packed they do not pack.
type joiner interface {
	Bijector
	join(s *gorgonia.Node, inverse bool) (*gorgonia.Node, error)
}

// apply is b.Forward or b.Inverse, with its argument and its results checked.
func apply(b Bijector, x *gorgonia.Node, inverse bool) (y, logDet *gorgonia.Node, err error) {
	if inverse {
		return graph.Inverse(b, x)
	}
	return graph.Forward(b, x)
}

// run applies bijectors one after the other and adds their log-determinants. Layers of a
// hierarchy among them take part in the state that is handed on.
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
	dim      int
	inverse  bool
	x, state *gorgonia.Node   // state is the batch if it is packed, else nil
	logDets  []*gorgonia.Node // of what is not in the state
}

// step applies a bijector.
func (r *runner) step(b Bijector) (err error) {
	switch b := b.(type) {
	case stateful:
		if r.state == nil {
			if r.state, err = graph.State(r.x); err != nil {
				return err
			}
		}
		r.state, err = b.state(r.state, r.inverse)
		return err
	case joiner:
		if r.state != nil {
			r.state, err = b.join(r.state, r.inverse)
			return err
		}
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
	if r.state == nil {
		return nil
	}
	x, d, err := graph.Unstate(r.state, r.dim)
	r.x, r.state, r.logDets = x, nil, append(r.logDets, d)
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
