package graph

import (
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/internal/kernel"
)

// Cast converts a node to another precision.
func Cast(x *gorgonia.Node, dt tensor.Dtype) (*gorgonia.Node, error) {
	c := newConverter()
	return Apply(Spec{
		Name: castName, Shape: x.Shape(), Dtype: dt,
		Run: func(out any, in []any) error { c.run(valuesOf(out), valuesOf(in[0])); return nil },
		Diff: func(in gorgonia.Nodes, out, grad *gorgonia.Node) (gorgonia.Nodes, error) {
			d, err := Cast(grad, in[0].Dtype())
			return gorgonia.Nodes{d}, err
		},
	}, x)
}

const castName = "cast"

// uncast is the node that n is a cast of, or n: gradients are taken with
// respect to inputs.
func uncast(n *gorgonia.Node) *gorgonia.Node {
	if o, ok := n.Op().(*op); ok && o.spec.Name == castName {
		if from := n.Graph().From(n.ID()); from.Next() {
			return from.Node().(*gorgonia.Node)
		}
	}
	return n
}

// values is a slice in one of two precisions: as an interface it would have to
// be allocated.
type values struct {
	f64 []float64
	f32 []float32
}

func valuesOf(x any) values {
	switch x := x.(type) {
	case []float64:
		return values{f64: x}
	case []float32:
		return values{f32: x}
	}
	return values{}
}

// converter copies between slices of any two precisions.
type converter struct {
	dst, src values
	part     func(from, to int) // convert: making it anew would allocate
}

func newConverter() *converter {
	c := &converter{}
	c.part = c.convert
	return c
}

func (c *converter) run(dst, src values) {
	c.dst, c.src = dst, src
	n := len(dst.f64) + len(dst.f32)
	kernel.Pass(n, n, c.part)
	c.dst, c.src = values{}, values{}
}

func (c *converter) convert(from, to int) {
	switch d, s := c.dst, c.src; {
	case d.f64 != nil && s.f64 != nil:
		copy(d.f64[from:to], s.f64[from:to])
	case d.f64 != nil:
		convert(d.f64[from:to], s.f32[from:to])
	case s.f32 != nil:
		copy(d.f32[from:to], s.f32[from:to])
	default:
		convert(d.f32[from:to], s.f64[from:to])
	}
}

func convert[D, S kernel.Float](dst []D, src []S) {
	for i, v := range src {
		dst[i] = D(v)
	}
}
