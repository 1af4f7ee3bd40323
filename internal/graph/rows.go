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
	argument, result := newConverter(), newConverter()
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
			argument.run(values{f64: x64}, valuesOf(in[0]))
			if err := f(val, grad, x64); err != nil {
				return err
			}
			result.run(valuesOf(out), values{f64: val})
			return nil
		},
		Diff: func(in gorgonia.Nodes, out, dOut *gorgonia.Node) (gorgonia.Nodes, error) {
			wanted = true
			// Taking out as an input makes this run after f has left grad.
			scale64, scale32 := scaleRows[float64](&grad, dim), scaleRows[float32](&grad, dim)
			d, err := Apply(Spec{
				Name: "gradient of " + name, Shape: in[0].Shape(), Unused: func() { wanted = false },
				Run: func(dx any, in []any) error {
					if d, ok := dx.([]float64); ok {
						scale64(d, in[0].([]float64))
					} else {
						scale32(dx.([]float32), in[0].([]float32))
					}
					return nil
				},
			}, dOut, out)
			return gorgonia.Nodes{d}, err
		},
	}, x)
}

// InParallel returns the RowsFunc that calls f on as many goroutines as there
// are processors, each time with some of the rows.
func InParallel(dim int, f func(val, grad, x []float64)) RowsFunc {
	var val, grad, x []float64
	part := func(from, to int) {
		var g []float64
		if grad != nil {
			g = grad[from*dim : to*dim]
		}
		f(val[from:to], g, x[from*dim:to*dim])
	}
	return func(v, g, rows []float64) error {
		val, grad, x = v, g, rows
		kernel.Rows(len(val), part)
		return nil
	}
}

// scaleRows returns the function that multiplies every row of grad by a number.
func scaleRows[T kernel.Float](grad *[]float64, dim int) func(dx, d []T) {
	var dx, d []T
	part := func(from, to int) {
		for r := from; r < to; r++ {
			row, f := dx[r*dim:(r+1)*dim], d[r]
			for i, v := range (*grad)[r*dim : (r+1)*dim] {
				row[i] = f * T(v)
			}
		}
	}
	return func(out, factors []T) {
		dx, d = out, factors
		kernel.Pass(len(d), len(dx), part)
	}
}

func room[T kernel.Float](s []T, n int) []T {
	if s == nil {
		return make([]T, n)
	}
	return s
}
