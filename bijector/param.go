package bijector

import (
	"fmt"
	"slices"
	"unicode/utf8"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/internal/graph"
)

// Param is a named parameter whose values are shared by every graph that uses
// it: a change of Value is seen by all of them at their next run. Values are
// float64; a float32 graph sees them rounded.
//
// A Param is safe for concurrent use, except that its values must not be
// changed while a graph that uses it runs.
type Param struct {
	name  string
	shape []int
	data  []float64
}

// NewParam returns a parameter of the given name and shape, with the given
// values, row-major, which it takes over. It fails with ErrShape if there are
// not as many values as the shape asks for, and with ErrSettings for a name that is
// empty or not valid UTF-8, which files cannot hold.
func NewParam(name string, values []float64, shape ...int) (*Param, error) {
	if name == "" || !utf8.ValidString(name) {
		return nil, fmt.Errorf("bijector: %w: a parameter named %q, want a name in valid UTF-8", ErrSettings, name)
	}
	rest := len(values) // each value must be one of the shape's
	for _, s := range shape {
		if s < 1 || rest%s != 0 {
			rest = 0
			break
		}
		rest /= s
	}
	if len(shape) == 0 || rest != 1 {
		return nil, fmt.Errorf("bijector: %w: parameter %q has %d values for shape %v",
			ErrShape, name, len(values), shape)
	}
	return &Param{name, slices.Clone(shape), values}, nil
}

// Name returns the name given at construction.
func (p *Param) Name() string { return p.name }

// Value returns the parameter's values, float64; writing to them changes the
// parameter. Each call returns a tensor of its own over the same values, since
// Gorgonia transposes tensors in place.
func (p *Param) Value() *tensor.Dense {
	return tensor.New(tensor.WithShape(p.shape...), tensor.WithBacking(p.data))
}

// Node returns the parameter as a node of x's graph in x's precision, the
// same node at every call. It is for the Forward and Inverse methods of a
// Bijector.
func (p *Param) Node(x *gorgonia.Node) *gorgonia.Node {
	// Equal names must not merge.
	key := fmt.Sprintf("%s@%p", p.name, p)
	var in *gorgonia.Node
	if found := x.Graph().ByName(key); len(found) > 0 {
		in = found[0]
	} else {
		v := p.Value()
		in = gorgonia.NewTensor(x.Graph(), tensor.Float64, v.Dims(),
			gorgonia.WithName(key), gorgonia.WithShape(v.Shape()...), gorgonia.WithValue(v))
	}
	if x.Dtype() == tensor.Float64 {
		return in
	}
	key += "/" + x.Dtype().String()
	if found := x.Graph().ByName(key); len(found) > 0 {
		return found[0]
	}
	c, err := graph.Cast(in, x.Dtype())
	if err != nil {
		panic(err) // caught where graphs are built
	}
	gorgonia.WithName(key)(c)
	return c
}
