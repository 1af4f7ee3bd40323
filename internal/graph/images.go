package graph

import (
	"fmt"

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
