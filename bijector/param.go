package bijector

import (
	"fmt"
	"slices"
	"unicode/utf8"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/internal/graph"
)

// Param is a named parameter. All graphs that use it share its values: a change of Value
// has effect at their next run. Values are float64; a float32 graph reads them rounded.
//
// A Param is safe for concurrent use, except that its values must not be
// changed while a graph that uses it runs.
type Param struct {
	name  string
	shape []int
	data  []float64
	fixed bool // no block lists it among its parameters
}

// NewParam returns a parameter of the given name and shape. values are row-major; the
// parameter uses this slice and makes no copy. It fails with ErrShape if the number of
// values does not fit the shape, and with ErrSettings if the name is empty or not valid
// UTF-8, which files cannot hold.
func NewParam(name string, values []float64, shape ...int) (*Param, error) {
	if name == "" || !utf8.ValidString(name) {
		return nil, fmt.Errorf("bijector: %w: a parameter named %q, want a name in valid UTF-8", ErrSettings, name)
	}
	rest := len(values) // number of values over the product of the extents so far
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
	return &Param{name: name, shape: slices.Clone(shape), data: values}, nil
}

// Name returns the name given at construction.
func (p *Param) Name() string { return p.name }

// Value returns the values of the parameter as a float64 tensor. Writing to it changes the
// parameter. Each call returns a new tensor over the same values, because Gorgonia
// transposes tensors in place.
func (p *Param) Value() *tensor.Dense {
	return tensor.New(tensor.WithShape(p.shape...), tensor.WithBacking(p.data))
}

// Node returns the parameter as a node in the graph and the precision of x. Every call for
// one graph returns the same node. Use it in the Forward and Inverse methods of a Bijector.
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
