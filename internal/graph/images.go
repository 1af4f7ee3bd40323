package graph

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/internal/errs"
	"github.com/neuralrg/neuralrg/internal/kernel"
)

// Images are signed permutations of the values of a row. A batch is taken to its
// images by one operation, whatever their number.
type Images struct {
	N       int                                      // images of a row
	Element func(k int) (perm []int, sign []float64) // signed permutation k, as Permute takes it
}

// Of maps x, (rows, n), to its images, (rows·N, n): row r·N+k is image k of row
// r. That is the one under the element chosen[r, k]; chosen is a (rows, N) node of
// indices, or nil for the elements 0 … N−1 for every row.
func (s *Images) Of(x, chosen *gorgonia.Node) (*gorgonia.Node, error) {
	rows, n := x.Shape()[0], x.Shape()[1]
	in := []*gorgonia.Node{x}
	if chosen != nil {
		if !chosen.Shape().Eq(tensor.Shape{rows, s.N}) {
			return nil, fmt.Errorf("images: %w: elements of shape %v, want (%d, %d)",
				errs.ErrShape, chosen.Shape(), rows, s.N)
		}
		in = append(in, chosen)
	}
	return Apply(Spec{
		Name: "images", Shape: tensor.Shape{rows * s.N, n}, Fixed: []int{1}[:len(in)-1],
		Run: s.run(imagesOf[float64](s, n), imagesOf[float32](s, n)),
		Diff: func(_ gorgonia.Nodes, out, grad *gorgonia.Node) (gorgonia.Nodes, error) {
			d, err := Apply(Spec{
				Name: "gradient of images", Shape: x.Shape(),
				Run: s.run(sumOfImages[float64](s, n), sumOfImages[float32](s, n)),
			}, append([]*gorgonia.Node{grad}, in[1:]...)...)
			return gorgonia.Nodes{d, nil}[:len(in)], err
		},
	}, in...)
}

// imagesFunc maps rows to images, or back. chosen is as in Of, row after row.
type imagesFunc[T kernel.Float] func(out, in []T, chosen []int)

// run is the Run function of one of the two, in both precisions.
func (s *Images) run(f64 imagesFunc[float64], f32 imagesFunc[float32]) func(any, []any) error {
	return func(out any, in []any) error {
		var chosen []int
		if len(in) > 1 {
			chosen = in[1].([]int)
		}
		if o, ok := out.([]float64); ok {
			f64(o, in[0].([]float64), chosen)
		} else {
			f32(out.([]float32), in[0].([]float32), chosen)
		}
		return nil
	}
}

// element is the k-th of row r.
func (s *Images) element(r, k int, chosen []int) ([]int, []float64) {
	if chosen != nil {
		k = chosen[r*s.N+k]
	}
	return s.Element(k)
}

func imagesOf[T kernel.Float](s *Images, n int) imagesFunc[T] {
	var images, x []T
	var chosen []int
	part := func(from, to int) {
		for r := from; r < to; r++ {
			row := x[r*n : (r+1)*n]
			for k := range s.N {
				perm, sign := s.element(r, k, chosen)
				y := images[(r*s.N+k)*n:][:n]
				for i, p := range perm {
					y[i] = T(sign[i]) * row[p]
				}
			}
		}
	}
	return func(out, in []T, elements []int) {
		images, x, chosen = out, in, elements
		kernel.Pass(len(x)/n, len(out), part)
	}
}

// sumOfImages is the transpose of imagesOf.
func sumOfImages[T kernel.Float](s *Images, n int) imagesFunc[T] {
	var sum, images []T
	var chosen []int
	part := func(from, to int) {
		clear(sum[from*n : to*n])
		for r := from; r < to; r++ {
			row := sum[r*n : (r+1)*n]
			for k := range s.N {
				perm, sign := s.element(r, k, chosen)
				y := images[(r*s.N+k)*n:][:n]
				for i, p := range perm {
					row[p] += T(sign[i]) * y[i]
				}
			}
		}
	}
	return func(out, in []T, elements []int) {
		sum, images, chosen = out, in, elements
		kernel.Pass(len(out)/n, len(images), part)
	}
}
