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
		Run: func(out any, in []any) error { c.run(out, in[0]); return nil },
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

// converter copies between slices of any two precisions.
type converter struct {
	dst, src any
	part     func(from, to int) // convert: making it anew would allocate
}

func newConverter() *converter {
	c := &converter{}
	c.part = c.convert
	return c
}

func (c *converter) run(dst, src any) {
	c.dst, c.src = dst, src
	n := 0
	switch d := dst.(type) {
	case []float64:
		n = len(d)
	case []float32:
		n = len(d)
	}
	kernel.Pass(n, n, c.part)
	c.dst, c.src = nil, nil
}

func (c *converter) convert(from, to int) {
	switch d := c.dst.(type) {
	case []float64:
		switch s := c.src.(type) {
		case []float64:
			copy(d[from:to], s[from:to])
		case []float32:
			convert(d[from:to], s[from:to])
		}
	case []float32:
		switch s := c.src.(type) {
		case []float32:
			copy(d[from:to], s[from:to])
		case []float64:
			convert(d[from:to], s[from:to])
		}
	}
}

func convert[D, S kernel.Float](dst []D, src []S) {
	for i, v := range src {
		dst[i] = D(v)
	}
}
