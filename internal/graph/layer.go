package graph

import (
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
// precisions, to tiles of sites of rows of n values.
func NewLayer(t64 kernel.Transform[float64], t32 kernel.Transform[float32], n int, tiles [][]int) *Layer {
	return &Layer{n, kernel.NewLayer(t64, n, tiles), kernel.NewLayer(t32, n, tiles)}
}

// State packs x, (rows, n), and log-determinants of zero into one vector, the
// form in which a chain of layers passes a batch on: the values row by row,
// then the log-determinants.
func State(x *gorgonia.Node) (*gorgonia.Node, error) {
	s := x.Shape()
	return place(x, 0, tensor.Shape{s[0] * (s[1] + 1)})
}

// Unstate unpacks a state of rows of n values.
func Unstate(state *gorgonia.Node, n int) (x, logDet *gorgonia.Node, err error) {
	rows := state.Shape()[0] / (n + 1)
	if x, err = Part(state, 0, tensor.Shape{rows, n}); err != nil {
		return nil, nil, err
	}
	logDet, err = Part(state, rows*n, tensor.Shape{rows})
	return x, logDet, err
}

// Apply adds the layer to the graph: state to state, with the parameters w.
func (l *Layer) Apply(state, w *gorgonia.Node, inverse bool) (*gorgonia.Node, error) {
	rows := state.Shape()[0] / (l.n + 1)
	return Apply(Spec{
		Name: "layer", Shape: state.Shape(),
		Run: Generic(
			func(out []float64, in [][]float64) error { l.f64.Run(out, in[0], in[1], rows, inverse); return nil },
			func(out []float32, in [][]float32) error { l.f32.Run(out, in[0], in[1], rows, inverse); return nil }),
		Diff: func(in gorgonia.Nodes, out, grad *gorgonia.Node) (gorgonia.Nodes, error) {
			return l.grad(in[0], in[1], grad, rows, inverse)
		},
	}, state, w)
}

// grad is one operation that returns the gradient of the state and leaves the
// gradient of the parameters for a second one to hand out; if nobody uses that
// one, it is not computed.
func (l *Layer) grad(state, w, dOut *gorgonia.Node, rows int, inverse bool) (gorgonia.Nodes, error) {
	var dw64 []float64
	var dw32 []float32
	if w.Dtype() == tensor.Float64 {
		dw64 = make([]float64, l.f64.Params())
	} else {
		dw32 = make([]float32, l.f32.Params())
	}
	dState, err := Apply(Spec{
		Name: "gradient of layer", Shape: state.Shape(),
		Run: Generic(
			func(out []float64, in [][]float64) error {
				l.f64.Grad(out, dw64, in[0], in[1], in[2], rows, inverse)
				return nil
			},
			func(out []float32, in [][]float32) error {
				l.f32.Grad(out, dw32, in[0], in[1], in[2], rows, inverse)
				return nil
			}),
	}, state, w, dOut)
	if err != nil {
		return nil, err
	}
	dW, err := Apply(Spec{
		Name: "gradient of layer parameters", Shape: w.Shape(), Dtype: w.Dtype(),
		Unused: func() { dw64, dw32 = nil, nil },
		Run: Generic(
			func(out []float64, _ [][]float64) error { copy(out, dw64); return nil },
			func(out []float32, _ [][]float32) error { copy(out, dw32); return nil }),
	}, dState)
	return gorgonia.Nodes{dState, dW}, err
}
