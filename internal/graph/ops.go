package graph

import (
	"fmt"
	"math"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/internal/errs"
	"github.com/neuralrg/neuralrg/internal/kernel"
)

// Elementwise is a function of one element with its derivative as a function
// of the element and the value.
func Elementwise(name string, x *gorgonia.Node, f func(x float64) float64,
	slope func(x, y float64) float64) (*gorgonia.Node, error) {
	return Apply(Spec{
		Name: name, Shape: x.Shape(),
		Run: Generic(mapTo[float64](f), mapTo[float32](f)),
		Diff: func(in gorgonia.Nodes, out, grad *gorgonia.Node) (gorgonia.Nodes, error) {
			d, err := Apply(Spec{
				Name: "gradient of " + name, Shape: x.Shape(),
				Run: Generic(mapBack[float64](slope), mapBack[float32](slope)),
			}, grad, in[0], out)
			return gorgonia.Nodes{d}, err
		},
	}, x)
}

func mapTo[T kernel.Float](f func(float64) float64) func(out []T, in [][]T) error {
	return func(out []T, in [][]T) error {
		for i, x := range in[0] {
			out[i] = T(f(float64(x)))
		}
		return nil
	}
}

func mapBack[T kernel.Float](slope func(x, y float64) float64) func(out []T, in [][]T) error {
	return func(out []T, in [][]T) error {
		d, x, y := in[0], in[1], in[2]
		for i := range out {
			out[i] = d[i] * T(slope(float64(x[i]), float64(y[i])))
		}
		return nil
	}
}

// ELU is the exponential linear unit: x for x > 0, exp(x) − 1 otherwise.
func ELU(x *gorgonia.Node) (*gorgonia.Node, error) {
	return Elementwise("ELU", x,
		func(x float64) float64 {
			if x > 0 {
				return x
			}
			return math.Expm1(x)
		},
		func(x, y float64) float64 { return math.Min(y, 0) + 1 })
}

// LnCosh is ln cosh x, element by element, without overflow.
func LnCosh(x *gorgonia.Node) (*gorgonia.Node, error) {
	return Elementwise("ln cosh", x, LnCoshOf, func(x, _ float64) float64 { return math.Tanh(x) })
}

// LnCoshOf returns ln cosh x.
func LnCoshOf(x float64) float64 {
	x = math.Abs(x)
	return x + math.Log1p(math.Exp(-2*x)) - math.Ln2
}

// Combine is the sum of nodes of equal shape with constant coefficients, plus a
// constant: c + Σ a_i x_i.
func Combine(c float64, a []float64, x ...*gorgonia.Node) (*gorgonia.Node, error) {
	for _, y := range x[1:] {
		if !y.Shape().Eq(x[0].Shape()) {
			return nil, fmt.Errorf("sum: %w: %v and %v", errs.ErrShape, x[0].Shape(), y.Shape())
		}
	}
	return Apply(Spec{
		Name: "sum", Shape: x[0].Shape(),
		Run: Generic(combine[float64](c, a), combine[float32](c, a)),
		Diff: func(in gorgonia.Nodes, out, grad *gorgonia.Node) (gorgonia.Nodes, error) {
			var d gorgonia.Nodes
			for k := range a {
				n, err := Combine(0, a[k:k+1], grad)
				if err != nil {
					return nil, err
				}
				d = append(d, n)
			}
			return d, nil
		},
	}, x...)
}

func combine[T kernel.Float](c float64, a []float64) func(out []T, in [][]T) error {
	return func(out []T, in [][]T) error {
		for i := range out {
			out[i] = T(c)
		}
		for k, x := range in {
			f := T(a[k])
			for i, v := range x {
				out[i] += f * v
			}
		}
		return nil
	}
}

// Scale is f·x with a factor that is a node of one element, such as an input of
// the program. It is not differentiated with respect to the factor.
func Scale(f, x *gorgonia.Node) (*gorgonia.Node, error) {
	if f.Shape().TotalSize() != 1 {
		return nil, fmt.Errorf("scale: %w: factor of shape %v", errs.ErrShape, f.Shape())
	}
	return Apply(Spec{
		Name: "scale", Shape: x.Shape(), Dtype: x.Dtype(), Fixed: []int{0},
		Run: Generic(scale[float64], scale[float32]),
		Diff: func(in gorgonia.Nodes, out, grad *gorgonia.Node) (gorgonia.Nodes, error) {
			d, err := Scale(in[0], grad)
			return gorgonia.Nodes{nil, d}, err
		},
	}, f, x)
}

func scale[T kernel.Float](out []T, in [][]T) error {
	f := in[0][0]
	for i, v := range in[1] {
		out[i] = f * v
	}
	return nil
}

// Total is the sum of all elements times a constant, a scalar.
func Total(factor float64, x *gorgonia.Node) (*gorgonia.Node, error) {
	w := make([]float64, x.Shape().TotalSize())
	for i := range w {
		w[i] = factor
	}
	return Dot(x, w)
}

// Dot is the scalar Σ w_i x_i over all elements of x, with constant weights.
func Dot(x *gorgonia.Node, w []float64) (*gorgonia.Node, error) {
	return Apply(Spec{
		Name: "dot",
		Run:  Generic(dot[float64](w), dot[float32](w)),
		Diff: func(in gorgonia.Nodes, out, grad *gorgonia.Node) (gorgonia.Nodes, error) {
			d, err := Apply(Spec{
				Name: "gradient of dot", Shape: x.Shape(),
				Run: Generic(spread[float64](w), spread[float32](w)),
			}, grad)
			return gorgonia.Nodes{d}, err
		},
	}, x)
}

func dot[T kernel.Float](w []float64) func(out []T, in [][]T) error {
	return func(out []T, in [][]T) error {
		s := 0.0
		for i, v := range in[0] {
			s += w[i] * float64(v)
		}
		out[0] = T(s)
		return nil
	}
}

func spread[T kernel.Float](w []float64) func(out []T, in [][]T) error {
	return func(out []T, in [][]T) error {
		for i := range out {
			out[i] = T(w[i]) * in[0][0]
		}
		return nil
	}
}

// Part is the range of a vector that starts at from, in the given shape.
func Part(x *gorgonia.Node, from int, shape tensor.Shape) (*gorgonia.Node, error) {
	size := shape.TotalSize()
	return Apply(Spec{
		Name: "part", Shape: shape,
		Run: Generic(part[float64](from, size), part[float32](from, size)),
		Diff: func(in gorgonia.Nodes, out, grad *gorgonia.Node) (gorgonia.Nodes, error) {
			d, err := place(grad, from, in[0].Shape())
			return gorgonia.Nodes{d}, err
		},
	}, x)
}

func part[T kernel.Float](from, size int) func(out []T, in [][]T) error {
	var dst, src []T
	pass := func(first, last int) { copy(dst[first:last], src[first:last]) }
	return func(out []T, in [][]T) error {
		dst, src = out, in[0][from:from+size]
		kernel.Pass(size, size, pass)
		return nil
	}
}

// place is the opposite of Part: zeros in the given shape with the elements of
// x in their place.
func place(x *gorgonia.Node, from int, shape tensor.Shape) (*gorgonia.Node, error) {
	return Apply(Spec{
		Name: "place", Shape: shape,
		Run: Generic(placed[float64](from), placed[float32](from)),
		Diff: func(in gorgonia.Nodes, out, grad *gorgonia.Node) (gorgonia.Nodes, error) {
			d, err := Part(grad, from, in[0].Shape())
			return gorgonia.Nodes{d}, err
		},
	}, x)
}

func placed[T kernel.Float](from int) func(out []T, in [][]T) error {
	var dst, src []T
	pass := func(first, last int) { copy(dst[first:last], src[first:last]) }
	return func(out []T, in [][]T) error {
		dst, src = out[from:], in[0]
		clear(out[:from])
		kernel.Pass(len(src), len(src), pass)
		clear(dst[len(src):])
		return nil
	}
}

// Flatten is a matrix as a vector, row by row.
func Flatten(x *gorgonia.Node) (*gorgonia.Node, error) {
	return Part(x, 0, tensor.Shape{x.Shape().TotalSize()})
}
