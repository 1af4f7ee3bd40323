package graph

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/internal/errs"
	"github.com/neuralrg/neuralrg/internal/kernel"
)

// Scored returns x with its score, a node of the same shape: the gradient ∂ ln q/∂x of the density
// of x. A bijector that maps a scored node may return its image scored, with
//
//	∂ ln q/∂y = (∂x/∂y)ᵀ ∂ ln q/∂x + ∂/∂y ln |det ∂x/∂y|,
//
// which is known on the way from x to y, without an inverse pass (Vaitl, Winkler, Richter and Kessel,
// arXiv:2403.15881). The score is a constant to whoever differentiates.
func Scored(x, score *gorgonia.Node) (*gorgonia.Node, error) {
	if !score.Shape().Eq(x.Shape()) || score.Dtype() != x.Dtype() {
		return nil, fmt.Errorf("score: %w: %v of %v for %v of %v", errs.ErrShape, score.Shape(), score.Dtype(),
			x.Shape(), x.Dtype())
	}
	size := x.Shape().TotalSize()
	return Apply(Spec{
		Name: "scored", Shape: x.Shape(), score: score,
		Run: Generic(part[float64](0, size), part[float32](0, size)),
		Diff: func(_ gorgonia.Nodes, _, grad *gorgonia.Node) (gorgonia.Nodes, error) {
			return gorgonia.Nodes{grad}, nil
		},
	}, x)
}

// ScoreOf returns the score of x, nil if it has none.
func ScoreOf(x *gorgonia.Node) *gorgonia.Node {
	if o, ok := x.Op().(*op); ok {
		return o.spec.score
	}
	return nil
}

// scoreState packs a score as packState packs x, with a gradient of 1 for all log-determinants.
func scoreState(score *gorgonia.Node) (*gorgonia.Node, error) {
	rows, n := score.Shape()[0], score.Shape()[1]
	return Apply(Spec{
		Name: "state of score", Shape: tensor.Shape{rows * (n + 1)},
		Run: Generic(packedWith[float64](rows, n, 1), packedWith[float32](rows, n, 1)),
	}, score)
}

// Known returns a node of a value for every row of x, (rows, n), that has the given gradient with
// respect to x, (rows, n). Values and gradient are constants to whoever differentiates.
func Known(x, values, gradient *gorgonia.Node) (*gorgonia.Node, error) {
	rows, n := x.Shape()[0], x.Shape()[1]
	return Apply(Spec{
		Name: "known", Shape: tensor.Shape{rows}, Fixed: []int{1, 2},
		Run: Generic(known[float64], known[float32]),
		Diff: func(in gorgonia.Nodes, _, grad *gorgonia.Node) (gorgonia.Nodes, error) {
			d, err := Apply(Spec{
				Name: "gradient of known", Shape: x.Shape(),
				Run: Generic(scaledRows[float64](n), scaledRows[float32](n)),
			}, grad, in[2])
			return gorgonia.Nodes{d, nil, nil}, err
		},
	}, x, values, gradient)
}

func known[T kernel.Float](out []T, in [][]T) error {
	copy(out, in[1])
	return nil
}

// scaledRows multiplies the rows of the second argument by the numbers of the first.
func scaledRows[T kernel.Float](n int) func(out []T, in [][]T) error {
	var x []T
	scale := scaleRows[T](&x, n)
	return func(out []T, in [][]T) error {
		x = in[1]
		scale(out, in[0])
		return nil
	}
}
