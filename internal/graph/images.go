package graph

import (
	"fmt"
	"math"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/internal/errs"
	"github.com/neuralrg/neuralrg/internal/kernel"
)

// Images says which images of its rows a batch is taken to: they are data of a
// program, not part of it, and cost no node each.
type Images struct {
	N       int                                      // images of a row
	Element func(k int) (perm []int, sign []float64) // signed permutation k, as Permute takes it
	Chosen  []int                                    // elements, those of row r at r·N, as every run finds them; nil: 0 … N−1 for every row
}

// element is the k-th of row r.
func (s *Images) element(r, k int) ([]int, []float64) {
	if s.Chosen != nil {
		k = s.Chosen[r*s.N+k]
	}
	return s.Element(k)
}

// Of maps x, (rows, n), to its images, (rows·N, n): row r·N+k is image k of row
// r.
func (s *Images) Of(x *gorgonia.Node) (*gorgonia.Node, error) {
	rows, n := x.Shape()[0], x.Shape()[1]
	checked := func(run func(any, []any) error) func(any, []any) error {
		return func(out any, in []any) error {
			if s.Chosen != nil && len(s.Chosen) != rows*s.N {
				return fmt.Errorf("%w: %d elements for %d images of %d rows", errs.ErrShape, len(s.Chosen), s.N, rows)
			}
			return run(out, in)
		}
	}
	return Apply(Spec{
		Name: "images", Shape: tensor.Shape{rows * s.N, n},
		Run: checked(Generic(imagesOf[float64](s, n), imagesOf[float32](s, n))),
		Diff: func(in gorgonia.Nodes, out, grad *gorgonia.Node) (gorgonia.Nodes, error) {
			d, err := Apply(Spec{
				Name: "gradient of images", Shape: x.Shape(),
				Run: checked(Generic(sumOfImages[float64](s, n), sumOfImages[float32](s, n))),
			}, grad)
			return gorgonia.Nodes{d}, err
		},
	}, x)
}

func imagesOf[T kernel.Float](s *Images, n int) func(out []T, in [][]T) error {
	var images, x []T
	part := func(from, to int) {
		for r := from; r < to; r++ {
			row := x[r*n : (r+1)*n]
			for k := range s.N {
				perm, sign := s.element(r, k)
				y := images[(r*s.N+k)*n:][:n]
				for i, p := range perm {
					y[i] = T(sign[i]) * row[p]
				}
			}
		}
	}
	return func(out []T, in [][]T) error {
		images, x = out, in[0]
		kernel.Pass(len(x)/n, len(out), part)
		return nil
	}
}

// sumOfImages is the transpose of imagesOf.
func sumOfImages[T kernel.Float](s *Images, n int) func(out []T, in [][]T) error {
	var sum, images []T
	part := func(from, to int) {
		clear(sum[from*n : to*n])
		for r := from; r < to; r++ {
			row := sum[r*n : (r+1)*n]
			for k := range s.N {
				perm, sign := s.element(r, k)
				y := images[(r*s.N+k)*n:][:n]
				for i, p := range perm {
					row[p] += T(sign[i]) * y[i]
				}
			}
		}
	}
	return func(out []T, in [][]T) error {
		sum, images = out, in[0]
		kernel.Pass(len(out)/n, len(images), part)
		return nil
	}
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
