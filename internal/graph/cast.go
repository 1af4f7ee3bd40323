package graph

import (
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Cast converts a node to another precision.
func Cast(x *gorgonia.Node, dt tensor.Dtype) (*gorgonia.Node, error) {
	return Apply(Spec{
		Name: castName, Shape: x.Shape(), Dtype: dt,
		Run: func(out any, in []any) error { convert(out, in[0]); return nil },
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

// convert copies between slices of any two precisions.
func convert(dst, src any) {
	switch d := dst.(type) {
	case []float64:
		switch s := src.(type) {
		case []float64:
			copy(d, s)
		case []float32:
			for i, v := range s {
				d[i] = float64(v)
			}
		}
	case []float32:
		switch s := src.(type) {
		case []float32:
			copy(d, s)
		case []float64:
			for i, v := range s {
				d[i] = float32(v)
			}
		}
	}
}
