package graph

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/internal/kernel"
)

// RowsFunc computes a value per row of x, row-major, and, unless grad is nil,
// its gradient with respect to the row. It is called by one goroutine at a
// time.
type RowsFunc func(val, grad, x []float64) error

// PerRow is the node of a plain Go function with an analytic gradient: from
// (rows, dim) to (rows). newFunc is called once, so that every graph has
// scratch space of its own. The arithmetic is float64 whatever the graph's.
func PerRow(name string, x *gorgonia.Node, dim int, newFunc func() RowsFunc) (*gorgonia.Node, error) {
	rows, err := Rows(x, dim)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	f := newFunc()
	wanted := false
	var val, grad, x64 []float64
	return Apply(Spec{
		Name: name, Shape: tensor.Shape{rows},
		Run: func(out any, in []any) error {
			val = room(val, rows)
			if wanted {
				grad = room(grad, rows*dim)
			}
			if x64 == nil {
				x64 = make([]float64, rows*dim)
			}
			// A copy even in float64: f is given away, and must not be able
			// to change the machine's values.
			convert(x64, in[0])
			if err := f(val, grad, x64); err != nil {
				return err
			}
			convert(out, val)
			return nil
		},
		Diff: func(in gorgonia.Nodes, out, dOut *gorgonia.Node) (gorgonia.Nodes, error) {
			wanted = true
			// Taking out as an input makes this run after f has left grad.
			d, err := Apply(Spec{
				Name: "gradient of " + name, Shape: in[0].Shape(), Unused: func() { wanted = false },
				Run: func(dx any, in []any) error {
					if d, ok := dx.([]float64); ok {
						scaleRows(d, in[0].([]float64), grad, dim)
					} else {
						scaleRows(dx.([]float32), in[0].([]float32), grad, dim)
					}
					return nil
				},
			}, dOut, out)
			return gorgonia.Nodes{d}, err
		},
	}, x)
}

func scaleRows[T kernel.Float](dx, d []T, grad []float64, dim int) {
	for r, f := range d {
		for i, v := range grad[r*dim : (r+1)*dim] {
			dx[r*dim+i] = f * T(v)
		}
	}
}

func room[T kernel.Float](s []T, n int) []T {
	if s == nil {
		return make([]T, n)
	}
	return s
}
