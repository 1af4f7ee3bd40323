package graph

import (
	"errors"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/internal/kernel"
)

// Layer is a kernel layer in both precisions.
type Layer struct {
	n   int
	f64 *kernel.Layer[float64]
	f32 *kernel.Layer[float32]
}

// NewLayer returns the layer that applies the transform, given in both
// precisions, to tiles of sites of rows of n values, with the given positions of
// a tile as its context, as kernel.NewLayer.
func NewLayer(t64 kernel.Transform[float64], t32 kernel.Transform[float32],
	n int, tiles [][]int, context ...int) *Layer {
	return &Layer{n, kernel.NewLayer(t64, n, tiles, context...), kernel.NewLayer(t32, n, tiles, context...)}
}

// Packed is a batch on its way through layers: its state and, unless nil, its score, packed in the
// same way. See Scored.
type Packed struct {
	State, Score *gorgonia.Node
	room         *scoreRoom
}

// scoreRoom is where the score is between the two operations of a layer, for one layer of a chain
// after another: the next layer reads the score that the second operation hands out, and so runs
// later.
type scoreRoom struct {
	f64   []float64
	f32   []float32
	layer any // whose score it is
}

// Pack packs x and its score, if it has one.
func Pack(x *gorgonia.Node) (p Packed, err error) {
	if p.State, err = packState(x); err != nil {
		return p, err
	}
	if score := ScoreOf(x); score != nil {
		p.room = &scoreRoom{}
		p.Score, err = scoreState(score)
	}
	return p, err
}

// Unpack is the opposite of Pack. It also returns the log-determinants.
func (p Packed) Unpack(n int) (x, logDet *gorgonia.Node, err error) {
	if x, logDet, err = unpackState(p.State, n); err != nil || p.Score == nil {
		return x, logDet, err
	}
	score, err := stateValues(p.Score, x.Shape()[0], n)
	if err != nil {
		return nil, nil, err
	}
	x, err = Scored(x, score)
	return x, logDet, err
}

// packState packs x, (rows, n), and log-determinants of zero into one vector, the
// form in which a chain of layers passes a batch on: the values in the order of
// kernel.Pack, then the log-determinants.
func packState(x *gorgonia.Node) (*gorgonia.Node, error) {
	s := x.Shape()
	return Apply(Spec{
		Name: "state", Shape: tensor.Shape{s[0] * (s[1] + 1)},
		Run: Generic(packed[float64](s[0], s[1]), packed[float32](s[0], s[1])),
		Diff: func(in gorgonia.Nodes, out, grad *gorgonia.Node) (gorgonia.Nodes, error) {
			d, err := stateValues(grad, s[0], s[1])
			return gorgonia.Nodes{d}, err
		},
	}, x)
}

func packed[T kernel.Float](rows, n int) func(out []T, in [][]T) error {
	return packedWith[T](rows, n, 0)
}

// packedWith packs values, and last as what follows them.
func packedWith[T kernel.Float](rows, n int, last T) func(out []T, in [][]T) error {
	var state, x []T
	pass := func(from, to int) { kernel.Pack(state, x, rows, n, from, to) }
	return func(out []T, in [][]T) error {
		state, x = out, in[0]
		kernel.Pass(kernel.Groups(rows), rows*n, pass)
		for i := range rows {
			out[rows*n+i] = last
		}
		return nil
	}
}

// unpackState unpacks a state of rows of n values.
func unpackState(state *gorgonia.Node, n int) (x, logDet *gorgonia.Node, err error) {
	rows := state.Shape()[0] / (n + 1)
	if x, err = stateValues(state, rows, n); err != nil {
		return nil, nil, err
	}
	logDet, err = Part(state, rows*n, tensor.Shape{rows})
	return x, logDet, err
}

// stateValues are the values of a state, row by row.
func stateValues(state *gorgonia.Node, rows, n int) (*gorgonia.Node, error) {
	return Apply(Spec{
		Name: "values of state", Shape: tensor.Shape{rows, n},
		Run: Generic(unpacked[float64](rows, n), unpacked[float32](rows, n)),
		Diff: func(in gorgonia.Nodes, out, grad *gorgonia.Node) (gorgonia.Nodes, error) {
			d, err := packState(grad)
			return gorgonia.Nodes{d}, err
		},
	}, state)
}

func unpacked[T kernel.Float](rows, n int) func(out []T, in [][]T) error {
	var state, x []T
	pass := func(from, to int) { kernel.Unpack(x, state, rows, n, from, to) }
	return func(out []T, in [][]T) error {
		state, x = in[0], out
		kernel.Pass(kernel.Groups(rows), rows*n, pass)
		return nil
	}
}

// Apply adds the layer to the graph, with the parameters w.
func (l *Layer) Apply(p Packed, w *gorgonia.Node, inverse bool) (Packed, error) {
	rows := p.State.Shape()[0] / (l.n + 1)
	if p.State.Dtype() == tensor.Float64 {
		return newLayerOp(l.f64, rows, inverse).apply(p, w, func() *[]float64 { return &p.room.f64 })
	}
	return newLayerOp(l.f32, rows, inverse).apply(p, w, func() *[]float32 { return &p.room.f32 })
}

// layerOp is a layer at one place in a graph.
type layerOp[T kernel.Float] struct {
	l       *kernel.Layer[T]
	rows    int
	inverse bool

	// What a program that differentiates wants to know: not the gradient of the
	// state, which is that of the program's own input, not that of the
	// parameters, as in hybrid Monte Carlo, or both.
	dState, dW bool
	jacobian   []T // left by the forward operation
	grad       []T // of the parameters

	scored bool // it takes a score along
}

func newLayerOp[T kernel.Float](l *kernel.Layer[T], rows int, inverse bool) *layerOp[T] {
	return &layerOp[T]{l: l, rows: rows, inverse: inverse}
}

// apply adds the operation. A score that the forward operation leaves for a second one to hand out
// is in scores.
func (o *layerOp[T]) apply(p Packed, w *gorgonia.Node, scores func() *[]T) (out Packed, err error) {
	in, fixed := []*gorgonia.Node{p.State, w}, []int(nil)
	if o.scored = p.Score != nil; o.scored {
		in, fixed = append(in, p.Score), []int{2}
	}
	out.State, err = Apply(Spec{
		Name: "layer", Shape: p.State.Shape(), Fixed: fixed,
		Run: func(out any, in []any) error {
			state, w := in[0].([]T), in[1].([]T)
			if !o.scored {
				o.l.RunJacobian(out.([]T), o.left(), state, w, o.rows, o.inverse)
				return nil
			}
			score := scores()
			*score = room(*score, len(state))
			o.l.Push(out.([]T), *score, state, in[2].([]T), w, o.rows, o.inverse)
			p.room.layer = o
			return nil
		},
		Diff: func(in gorgonia.Nodes, out, grad *gorgonia.Node) (gorgonia.Nodes, error) {
			d, err := o.diff(in[0], in[1], out, grad)
			return append(d, make(gorgonia.Nodes, len(in)-len(d))...), err
		},
	}, in...)
	if err != nil || !o.scored {
		return out, err
	}
	size := p.Score.Shape().TotalSize()
	handOut := part[T](0, size)
	out.room = p.room
	out.Score, err = Apply(Spec{
		Name: "score of layer", Shape: p.Score.Shape(),
		Run: func(out any, _ []any) error {
			if p.room.layer != any(o) {
				return errors.New("it is that of another layer")
			}
			return handOut(out.([]T), [][]T{*scores()})
		},
	}, out.State)
	return out, err
}

// left is what the forward operation leaves for the gradient: the Jacobian of
// every tile if nothing but the gradient of the state is wanted, else nothing.
func (o *layerOp[T]) left() []T {
	if !o.dState || o.dW || o.scored {
		return nil
	}
	if o.jacobian == nil {
		o.jacobian = make([]T, o.l.JacobianLen(o.rows))
	}
	if len(o.jacobian) == 0 {
		return nil
	}
	return o.jacobian
}

// diff is one operation that returns the gradient of the state and leaves the
// gradient of the parameters for a second one to hand out; if nobody uses that
// one, it is not computed. Taking out as an input makes the first run after the
// Jacobians have been left.
//
// The gradient of the state alone goes from the image of the layer, where running the opposite map
// from there costs less than running the layer again, which solves for roots of splines.
func (o *layerOp[T]) diff(state, w, out, dOut *gorgonia.Node) (gorgonia.Nodes, error) {
	o.dState, o.dW = true, true
	dState, err := Apply(Spec{
		Name: "gradient of layer", Shape: state.Shape(),
		Unused: func() { o.dState = false },
		Run: func(d any, in []any) error {
			din, state, w, dout := d.([]T), in[0].([]T), in[1].([]T), in[2].([]T)
			switch jac := o.left(); {
			case jac != nil:
				o.l.GradJacobian(din, jac, dout, o.rows)
			case o.dW:
				o.grad = room(o.grad, o.l.Params())
				o.l.Grad(din, o.grad, state, w, dout, o.rows, o.inverse)
			case o.l.FromImage(o.inverse):
				o.l.GradFromImage(din, state, in[3].([]T), w, dout, o.rows, o.inverse)
			default:
				o.l.Grad(din, nil, state, w, dout, o.rows, o.inverse)
			}
			return nil
		},
	}, state, w, dOut, out)
	if err != nil {
		return nil, err
	}
	dW, err := Apply(Spec{
		Name: "gradient of layer parameters", Shape: w.Shape(), Dtype: w.Dtype(),
		Unused: func() { o.dW = false },
		Run:    func(out any, _ []any) error { copy(out.([]T), o.grad); return nil },
	}, dState)
	return gorgonia.Nodes{dState, dW}, err
}
