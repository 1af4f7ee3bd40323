package graph

import (
	"errors"
	"fmt"
	"hash"
	"hash/fnv"
	"io"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/internal/errs"
	"github.com/neuralrg/neuralrg/internal/kernel"
)

// Spec describes one custom operation in one graph.
type Spec struct {
	Name  string       // for messages
	Shape tensor.Shape // of the result; empty means a scalar
	Dtype tensor.Dtype // of the result; zero means that of the first input

	// Run computes the result. out and in are []float64 or []float32, as
	// their nodes are; every element of out must be written.
	Run func(out any, in []any) error

	// Diff returns the gradients with respect to the inputs, given the inputs,
	// the result and its gradient. nil means not differentiable.
	Diff func(in gorgonia.Nodes, out, grad *gorgonia.Node) (gorgonia.Nodes, error)
	// Fixed names inputs that are not to be differentiated.
	Fixed []int

	// Unused, if not nil, is called when a program leaves the operation out.
	// Whoever runs the graph by other means never calls it.
	Unused func()

	score *gorgonia.Node // see Scored
}

// Apply adds the operation to the graph of its inputs and returns its result.
func Apply(s Spec, in ...*gorgonia.Node) (n *gorgonia.Node, err error) {
	defer func() {
		if err != nil {
			n, err = nil, fmt.Errorf("%s: %w", s.Name, err)
		}
	}()
	defer recovered(&err)
	if len(in) == 0 || in[0] == nil {
		return nil, fmt.Errorf("%w: no input node", errs.ErrShape)
	}
	if s.Dtype == (tensor.Dtype{}) {
		s.Dtype = in[0].Dtype()
	}
	o := &op{spec: s, id: len(in[0].Graph().AllNodes()), arity: len(in)}
	for _, x := range in {
		o.in = append(o.in, x.Type())
	}
	if n, err = gorgonia.ApplyOp(o, in...); err != nil {
		return nil, err
	}
	if n.Op() != gorgonia.Op(o) {
		return nil, errors.New("merged with another operation")
	}
	return n, nil
}

// op makes a Spec a gorgonia.SDOp.
type op struct {
	spec  Spec
	id    int // the number of nodes in the graph before it: unique there
	arity int
	in    hm.Types

	out  gorgonia.Value // owned, rewritten at each run
	data any
	args []any
	from []source // of args
}

// source is where the elements of an argument were in the last run: at the
// next one they are most often there again.
type source struct {
	value gorgonia.Value
	at    uintptr
}

func (o *op) Arity() int           { return o.arity }
func (o *op) ReturnsPtr() bool     { return true }
func (o *op) CallsExtern() bool    { return false }
func (o *op) OverwritesInput() int { return -1 }
func (o *op) String() string       { return fmt.Sprintf("%s#%d", o.spec.Name, o.id) }

func (o *op) Type() hm.Type {
	// A fresh type at each call: Gorgonia returns function types to a pool.
	var out hm.Type = o.spec.Dtype
	if d := len(o.spec.Shape); d > 0 {
		out = gorgonia.TensorType{Dims: d, Of: o.spec.Dtype}
	}
	return hm.NewFnType(append(append(hm.Types{}, o.in...), out)...)
}

func (o *op) InferShape(...gorgonia.DimSizer) (tensor.Shape, error) {
	return o.spec.Shape.Clone(), nil
}

func (o *op) WriteHash(h hash.Hash) { io.WriteString(h, o.String()) }

func (o *op) Hashcode() uint32 {
	h := fnv.New32a()
	o.WriteHash(h)
	return h.Sum32()
}

func (o *op) Do(in ...gorgonia.Value) (v gorgonia.Value, err error) {
	defer func() {
		if err != nil {
			v, err = nil, &fault{fmt.Errorf("%s: %w", o.spec.Name, err)}
		}
	}()
	defer recovered(&err)
	if o.out == nil {
		if len(o.spec.Shape) == 0 {
			o.out, o.data = newScalar(o.spec.Dtype)
		} else if n := o.spec.Shape.TotalSize(); o.spec.Dtype == tensor.Float32 {
			o.lay(make([]float32, n))
		} else {
			o.lay(make([]float64, n))
		}
	}
	if o.args == nil {
		o.args, o.from = make([]any, len(in)), make([]source, len(in))
	}
	for i, x := range in {
		if d, ok := x.(*tensor.Dense); ok && !d.IsMaterializable() {
			if s := (source{x, d.Uintptr()}); s != o.from[i] {
				o.args[i], o.from[i] = flat(x), s
			}
		} else if !refill(o.args[i], x) {
			o.args[i], o.from[i] = flat(x), source{}
		}
	}
	if err := o.spec.Run(o.data, o.args); err != nil {
		return nil, err
	}
	if len(o.spec.Shape) == 0 {
		setScalar(o.out, o.data)
	}
	return o.out, nil
}

// lay makes the slice, of as many elements as the result has, its place.
func (o *op) lay(data any) {
	o.out = tensor.New(tensor.WithShape(o.spec.Shape.Clone()...), tensor.WithBacking(data))
	o.data = data
}

func (o *op) DiffWRT(inputs int) []bool {
	d := make([]bool, inputs)
	for i := range d {
		d[i] = o.spec.Diff != nil
	}
	for _, i := range o.spec.Fixed {
		d[i] = false
	}
	return d
}

func (o *op) SymDiff(in gorgonia.Nodes, out, grad *gorgonia.Node) (d gorgonia.Nodes, err error) {
	defer recovered(&err)
	if o.spec.Diff == nil {
		return nil, fmt.Errorf("%s: not differentiable", o.spec.Name)
	}
	if d, err = o.spec.Diff(in, out, grad); err == nil && len(d) != len(in) {
		err = fmt.Errorf("%s: %d gradients for %d inputs", o.spec.Name, len(d), len(in))
	}
	return d, err
}

// fault marks the error of an operation, which Gorgonia buries in layers of
// its own.
type fault struct{ error }

// flat returns the elements of a value as a slice; those of a tensor are
// shared.
func flat(v gorgonia.Value) any {
	switch v := v.(type) {
	case *gorgonia.F64:
		return []float64{float64(*v)}
	case *gorgonia.F32:
		return []float32{float32(*v)}
	case *tensor.Dense:
		if v.IsMaterializable() { // a lazy transpose or slice: elements are not in order
			v = v.Materialize().(*tensor.Dense)
		}
		switch d := v.Data().(type) {
		case float64: // a tensor of one element hands out the element
			return []float64{d}
		case float32:
			return []float32{d}
		default:
			return d
		}
	}
	return v.Data()
}

// refill puts a scalar into the slice of one element that the last one was in,
// if there is one.
func refill(arg any, v gorgonia.Value) bool {
	switch v := v.(type) {
	case *gorgonia.F64:
		if s, ok := arg.([]float64); ok && len(s) == 1 {
			s[0] = float64(*v)
			return true
		}
	case *gorgonia.F32:
		if s, ok := arg.([]float32); ok && len(s) == 1 {
			s[0] = float32(*v)
			return true
		}
	}
	return false
}

func newScalar(dt tensor.Dtype) (gorgonia.Value, any) {
	if dt == tensor.Float32 {
		return gorgonia.NewF32(0), make([]float32, 1)
	}
	return gorgonia.NewF64(0), make([]float64, 1)
}

func setScalar(v gorgonia.Value, data any) {
	switch v := v.(type) {
	case *gorgonia.F64:
		*v = gorgonia.F64(data.([]float64)[0])
	case *gorgonia.F32:
		*v = gorgonia.F32(data.([]float32)[0])
	}
}

// Generic makes the Run function of an operation whose inputs and output
// share one precision, from its two instances.
func Generic(f64 func(out []float64, in [][]float64) error, f32 func(out []float32, in [][]float32) error) func(any,
	[]any) error {
	var in64 [][]float64
	var in32 [][]float32
	return func(out any, in []any) error {
		if o, ok := out.([]float64); ok {
			return f64(o, typed(&in64, in))
		}
		return f32(out.([]float32), typed(&in32, in))
	}
}

func typed[T kernel.Float](buf *[][]T, in []any) [][]T {
	*buf = (*buf)[:0]
	for _, x := range in {
		*buf = append(*buf, x.([]T))
	}
	return *buf
}
