package graph

import (
	"fmt"
	"math"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/internal/errs"
	"github.com/neuralrg/neuralrg/internal/kernel"
)

// LogAddExp is ln(exp a + exp b), element by element, for nodes of equal
// shape.
func LogAddExp(a, b *gorgonia.Node) (*gorgonia.Node, error) {
	if !a.Shape().Eq(b.Shape()) {
		return nil, fmt.Errorf("log-sum-exp: %w: %v and %v", errs.ErrShape, a.Shape(), b.Shape())
	}
	return Apply(Spec{
		Name: "log-sum-exp", Shape: a.Shape(),
		Run: Generic(logAddExp[float64], logAddExp[float32]),
		Diff: func(in gorgonia.Nodes, out, grad *gorgonia.Node) (gorgonia.Nodes, error) {
			var d gorgonia.Nodes
			for _, x := range in {
				n, err := Apply(Spec{
					Name: "gradient of log-sum-exp", Shape: x.Shape(),
					Run: Generic(softmax[float64], softmax[float32]),
				}, grad, x, out)
				if err != nil {
					return nil, err
				}
				d = append(d, n)
			}
			return d, nil
		},
	}, a, b)
}

func logAddExp[T kernel.Float](out []T, in [][]T) error {
	for i, a := range in[0] {
		out[i] = T(LogAddExpOf(float64(a), float64(in[1][i])))
	}
	return nil
}

// LogAddExpOf returns ln(exp a + exp b).
func LogAddExpOf(a, b float64) float64 {
	if a < b {
		a, b = b, a
	}
	if a == b { // equal infinities included
		return a + math.Ln2
	}
	return a + math.Log1p(math.Exp(b-a))
}

func softmax[T kernel.Float](out []T, in [][]T) error {
	for i, d := range in[0] {
		out[i] = d * T(math.Exp(float64(in[1][i]-in[2][i])))
	}
	return nil
}

// LogSumExpTiles is SumTiles for logarithms: the logarithm of the sum of the
// exponentials of the values of the tiles of each row, (rows·tiles) to (rows).
func LogSumExpTiles(v *gorgonia.Node, tiles int) (*gorgonia.Node, error) {
	if tiles == 1 {
		return v, nil
	}
	return Apply(Spec{
		Name: "log-sum-exp over tiles", Shape: tensor.Shape{v.Shape()[0] / tiles},
		Run: Generic(logSumExpTiles[float64](tiles), logSumExpTiles[float32](tiles)),
		Diff: func(in gorgonia.Nodes, out, grad *gorgonia.Node) (gorgonia.Nodes, error) {
			d, err := Apply(Spec{
				Name: "gradient of log-sum-exp over tiles", Shape: v.Shape(),
				Run: Generic(softmaxTiles[float64](tiles), softmaxTiles[float32](tiles)),
			}, grad, in[0], out)
			return gorgonia.Nodes{d}, err
		},
	}, v)
}

func logSumExpTiles[T kernel.Float](tiles int) func(out []T, in [][]T) error {
	return func(out []T, in [][]T) error {
		for r := range out {
			values := in[0][r*tiles : (r+1)*tiles]
			high := math.Inf(-1)
			for _, v := range values {
				high = max(high, float64(v)) // NaN if one is
			}
			if out[r] = T(high); math.IsInf(high, 0) {
				continue
			}
			sum := 0.0
			for _, v := range values {
				sum += math.Exp(float64(v) - high)
			}
			out[r] = T(high + math.Log(sum))
		}
		return nil
	}
}

func softmaxTiles[T kernel.Float](tiles int) func(out []T, in [][]T) error {
	return func(out []T, in [][]T) error {
		d, v, sum := in[0], in[1], in[2]
		for i := range out {
			r := i / tiles
			out[i] = d[r] * T(math.Exp(float64(v[i]-sum[r])))
		}
		return nil
	}
}
