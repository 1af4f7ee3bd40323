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
	o := &rowsOp{name: name, rows: rows, dim: dim, columns: 1}
	o.eval = func(val, grad []float64, in [][]float64) error { return f(val, grad, in[0]) }
	return o.apply(x)
}

// Call adds p to the graph of x as one operation. The inputs of p are x, (rows,
// dim), and others. Its outputs are values per row, (rows) each, and, last, the
// gradient of the first of these with respect to x, (rows, dim). Call returns the
// nodes of all outputs but the gradient. Only the first can be differentiated,
// and with respect to x alone.
func Call(name string, p *Program, x *gorgonia.Node, others ...*gorgonia.Node) ([]*gorgonia.Node, error) {
	rows, dim := x.Shape()[0], x.Shape()[1]
	o := &rowsOp{name: name, rows: rows, dim: dim, columns: len(p.out) - 1}
	out := make([][]float64, len(p.out))
	o.eval = func(val, grad []float64, in [][]float64) error {
		for k := range o.columns {
			out[k] = val[k*rows : (k+1)*rows]
		}
		out[o.columns] = grad
		return p.Run(rows, in, out)
	}
	all, err := o.apply(x, others...)
	if err != nil {
		return nil, err
	}
	var columns []*gorgonia.Node
	for k := range o.columns {
		c, err := o.column(all, k)
		if err != nil {
			return nil, err
		}
		columns = append(columns, c)
	}
	return columns, nil
}

// rowsOp is an operation on (rows, dim) that is computed in float64, together
// with its gradient. The result is columns of values per row, one after the
// other in a vector. The gradient is that of the first column.
type rowsOp struct {
	name               string
	rows, dim, columns int
	eval               func(val, grad []float64, in [][]float64) error // grad is nil if nobody wants it

	wanted    bool // the gradient
	val, grad []float64
	in        [][]float64
}

func (o *rowsOp) apply(x *gorgonia.Node, others ...*gorgonia.Node) (*gorgonia.Node, error) {
	nodes := append([]*gorgonia.Node{x}, others...)
	var fixed []int
	for i := range others {
		fixed = append(fixed, i+1)
	}
	argument, result := newConverter(), newConverter()
	return Apply(Spec{
		Name: o.name, Shape: tensor.Shape{o.columns * o.rows}, Fixed: fixed,
		Run: func(out any, in []any) error {
			o.val = room(o.val, o.columns*o.rows)
			if o.wanted {
				o.grad = room(o.grad, o.rows*o.dim)
			}
			o.copyIn(in, argument)
			if err := o.eval(o.val, o.grad, o.in); err != nil {
				return err
			}
			result.run(valuesOf(out), values{f64: o.val})
			return nil
		},
		Diff: func(in gorgonia.Nodes, out, dOut *gorgonia.Node) (gorgonia.Nodes, error) {
			d, err := o.diff(in[0], out, dOut)
			return append(gorgonia.Nodes{d}, make(gorgonia.Nodes, len(others))...), err
		},
	}, nodes...)
}

// copyIn converts the arguments to float64. It copies even what is float64: eval
// gives its arguments away, and whoever gets them must not be able to change the
// machine's values.
func (o *rowsOp) copyIn(in []any, c *converter) {
	if o.in == nil {
		o.in = make([][]float64, len(in))
	}
	for i, x := range in {
		if indices, ok := x.([]int); ok {
			o.in[i] = room(o.in[i], len(indices))
			for j, k := range indices {
				o.in[i][j] = float64(k)
			}
			continue
		}
		v := valuesOf(x)
		o.in[i] = room(o.in[i], len(v.f64)+len(v.f32))
		c.run(values{f64: o.in[i]}, v)
	}
}

// diff is the gradient of x. It takes out as an input so that it runs after eval
// has left its gradient.
func (o *rowsOp) diff(x, out, dOut *gorgonia.Node) (*gorgonia.Node, error) {
	o.wanted = true
	scale64, scale32 := scaleRows[float64](&o.grad, o.dim), scaleRows[float32](&o.grad, o.dim)
	return Apply(Spec{
		Name: "gradient of " + o.name, Shape: x.Shape(), Unused: func() { o.wanted = false },
		Run: func(dx any, in []any) error {
			if d, ok := dx.([]float64); ok {
				scale64(d, in[0].([]float64)[:o.rows])
			} else {
				scale32(dx.([]float32), in[0].([]float32)[:o.rows])
			}
			return nil
		},
	}, dOut, out)
}

// column is one column of the result. All but the first are constants to
// whoever differentiates.
func (o *rowsOp) column(all *gorgonia.Node, k int) (*gorgonia.Node, error) {
	if k == 0 {
		return Part(all, 0, tensor.Shape{o.rows})
	}
	return Apply(Spec{
		Name: o.name, Shape: tensor.Shape{o.rows},
		Run: Generic(part[float64](k*o.rows, o.rows), part[float32](k*o.rows, o.rows)),
	}, all)
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
func scaleRows[T, G kernel.Float](grad *[]G, dim int) func(dx, d []T) {
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
