package graph

import (
	"errors"
	"fmt"
	"sync"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/internal/errs"
	"github.com/neuralrg/neuralrg/internal/kernel"
)

// machine is a program compiled for one number of rows: the operations its
// results need, in an order in which they can run.
//
// It does the work of Gorgonia's tape machine, but on the caller's goroutine,
// where the panic of a built-in operation can be recovered, without allocating,
// and without overwriting an input in place, which is where the tape machine
// goes wrong silently.
type machine struct {
	rows int

	mu    sync.Mutex
	in    []*argument
	out   []*result
	steps []step

	convert *converter
}

// argument is the data of an input: real values or indices.
type argument struct {
	Input
	values  values
	indices []int
}

// set copies x to the input. Indices are checked.
func (a *argument) set(x []float64, convert *converter) error {
	if a.indices == nil {
		convert.run(a.values, values{f64: x})
		return nil
	}
	for i, v := range x {
		k := int(v)
		if float64(k) != v || k < 0 || k >= a.Below {
			return fmt.Errorf("input %q: %w: value %d is %g, want an index below %d",
				a.Name, errs.ErrShape, i, v, a.Below)
		}
		a.indices[i] = k
	}
	return nil
}

// result is where an output of the graph is caught.
type result struct {
	name string
	size int
	dst  []float64 // for the run under way, or nil
}

// catch adds the operation to the graph that copies n to where it is wanted.
func (r *result) catch(n *gorgonia.Node) (*gorgonia.Node, error) {
	conv := newConverter()
	return Apply(Spec{Name: "output " + r.name, Run: func(_ any, in []any) error {
		if r.dst != nil {
			conv.run(values{f64: r.dst}, valuesOf(in[0]))
		}
		return nil
	}}, n)
}

// step is one node: a value that is given, or an operation on those of
// earlier steps.
type step struct {
	node  *gorgonia.Node
	op    gorgonia.Op // nil: given
	args  []int
	in    []gorgonia.Value
	value gorgonia.Value
}

// newMachine orders the nodes that the roots depend on, and tells those of our
// operations that no root depends on.
func newMachine(rows int, g *gorgonia.ExprGraph, roots gorgonia.Nodes) (*machine, error) {
	sub := g.ExactSubgraphRoots(roots...)
	sorted, err := gorgonia.Sort(sub) // results first
	if err != nil {
		return nil, err
	}
	m := &machine{rows: rows, convert: newConverter()}
	at := make(map[*gorgonia.Node]int, len(sorted))
	for i := len(sorted) - 1; i >= 0; i-- {
		n := sorted[i]
		s := step{node: n}
		if from := sub.From(n.ID()); n.Op() != nil && from.Len() > 0 {
			for from.Next() {
				k, ok := at[from.Node().(*gorgonia.Node)]
				if !ok {
					return nil, fmt.Errorf("node %v is used before it is computed", from.Node())
				}
				s.args = append(s.args, k)
			}
			s.in = make([]gorgonia.Value, len(s.args))
			s.op = m.operation(n, s.args)
		} else if s.value = n.Value(); s.value == nil {
			return nil, fmt.Errorf("input %v has no value", n)
		} else {
			s.value = reheaded(s.value)
		}
		at[n] = len(m.steps)
		m.steps = append(m.steps, s)
	}
	for _, n := range g.AllNodes() {
		if _, used := at[n]; used {
			continue
		}
		if o, ok := n.Op().(*op); ok && o.spec.Unused != nil {
			o.spec.Unused()
		}
	}
	m.shareBuffers()
	return m, nil
}

// reheaded returns the same elements under a header of their own: built-in
// operations transpose headers in place while they run, and a user may have
// put one tensor into several graphs.
func reheaded(v gorgonia.Value) gorgonia.Value {
	d, ok := v.(*tensor.Dense)
	if !ok || d.IsScalar() || d.IsMaterializable() {
		return v
	}
	return tensor.New(tensor.Of(d.Dtype()), tensor.WithShape(d.Shape().Clone()...), tensor.WithBacking(d.Data()))
}

// run needs m.mu.
func (m *machine) run(in, out [][]float64) (err error) {
	if len(out) != len(m.out) {
		return fmt.Errorf("%w: %d outputs, want %d", errs.ErrShape, len(out), len(m.out))
	}
	for i, r := range m.out {
		if out[i] != nil && len(out[i]) != r.size {
			return fmt.Errorf("output %q: %w: room for %d values, want %d", r.name, errs.ErrShape, len(out[i]), r.size)
		}
	}
	defer recovered(&err)
	for i, x := range in {
		if err := m.in[i].set(x, m.convert); err != nil {
			return err
		}
	}
	for i, r := range m.out {
		r.dst = out[i]
	}
	defer func() {
		for _, r := range m.out {
			r.dst = nil
		}
	}()
	for i := range m.steps {
		s := &m.steps[i]
		if s.op == nil {
			continue
		}
		for k, a := range s.args {
			s.in[k] = m.steps[a].value
		}
		var err error
		if s.value, err = s.op.Do(s.in...); err != nil {
			return unbury(err)
		}
	}
	return nil
}

// operation returns the operation of the node. In place of the built-in sum of
// two tensors of one shape, by which Gorgonia adds up gradients, it returns one
// that writes to the same place at every run.
func (m *machine) operation(n *gorgonia.Node, args []int) gorgonia.Op {
	if n.Op().String() != "+ false" || len(args) != 2 || n.IsScalar() {
		return n.Op()
	}
	for _, k := range args {
		if x := m.steps[k].node; !x.Shape().Eq(n.Shape()) || x.Dtype() != n.Dtype() {
			return n.Op()
		}
	}
	s := Spec{Name: "sum", Shape: n.Shape(), Dtype: n.Dtype(), Run: Generic(sum[float64](), sum[float32]())}
	return &op{spec: s, arity: 2}
}

func sum[T kernel.Float]() func(out []T, in [][]T) error {
	var z, x, y []T
	part := func(from, to int) {
		z, x, y := z[from:to], x[from:to], y[from:to]
		for i, v := range x {
			z[i] = v + y[i]
		}
	}
	return func(out []T, in [][]T) error {
		z, x, y = out, in[0], in[1]
		kernel.Pass(len(z), len(z), part)
		return nil
	}
}

// unbury returns the error of one of our operations as it was, should it have
// been wrapped.
func unbury(err error) error {
	var f *fault
	if errors.As(err, &f) {
		return f.error
	}
	return err
}
