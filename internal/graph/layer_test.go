package graph

import (
	"math"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/internal/kernel"
)

// counted counts the ways in which a block is evaluated.
type counted[T kernel.Float] struct {
	*kernel.Couplings[T]
	runs, jacobians, grads *atomic.Int64
}

func (c counted[T]) Run(x, logDet, w []T, inverse bool, scratch []T) {
	c.runs.Add(1)
	c.Couplings.Run(x, logDet, w, inverse, scratch)
}

func (c counted[T]) RunJacobian(x, logDet, j, w []T, inverse bool, scratch []T) {
	c.jacobians.Add(1)
	c.Couplings.RunJacobian(x, logDet, j, w, inverse, scratch)
}

func (c counted[T]) Grad(dw, dx, x, dLogDet, w []T, inverse bool, scratch []T) {
	c.grads.Add(1)
	c.Couplings.Grad(dw, dx, x, dLogDet, w, inverse, scratch)
}

// layerCosts are programs on two layers of one block: of their input, (rows,
// 6), and, repeated in every row, their parameters.
type layerCosts struct {
	runs, jacobians, grads atomic.Int64
	params                 int
	layer                  *Layer
}

func newLayerCosts() *layerCosts {
	net := kernel.NewNet(2, []int{5, 3}, 2)
	cs := []kernel.Coupling{
		{Keep: []int{0, 1}, Move: []int{2, 3}, S: net, T: net},
		{Keep: []int{2, 3}, Move: []int{0, 1}, S: net, T: net},
		{Keep: []int{0, 3}, Move: []int{1, 2}, S: net, T: net},
	}
	b64, b32 := kernel.NewAffine[float64](4, cs), kernel.NewAffine[float32](4, cs)
	c := &layerCosts{params: b64.Params()}
	c.layer = NewLayer(counted[float64]{b64, &c.runs, &c.jacobians, &c.grads},
		counted[float32]{b32, &c.runs, &c.jacobians, &c.grads}, 6, [][]int{{4, 0, 1, 3}})
	return c
}

// program returns the cost and the gradients of the input and of the
// parameters, if they are wanted.
func (c *layerCosts) program(dt tensor.Dtype, inverse, dx, dw bool) *Program {
	return NewProgram(dt, []Input{{Name: "x", Cols: 6}, {Name: "w", Cols: c.params}}, nil,
		func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
			w, err := Part(in[1], 0, tensor.Shape{c.params})
			if err != nil {
				return nil, err
			}
			s, err := State(in[0])
			if err != nil {
				return nil, err
			}
			for range 2 {
				if s, err = c.layer.Apply(s, w, inverse); err != nil {
					return nil, err
				}
			}
			squares, err := gorgonia.Square(s)
			if err != nil {
				return nil, err
			}
			cost, err := Total(0.5, squares)
			if err != nil || !dx && !dw {
				return []*gorgonia.Node{cost}, err
			}
			d, err := Grad(cost, in...)
			out := []*gorgonia.Node{cost}
			if dx {
				out = append(out, d[0])
			}
			if dw {
				out = append(out, d[1])
			}
			return out, err
		})
}

// A program that wants the gradient of its input alone takes Jacobians along and
// never computes a net twice; the others do without. All agree.
func TestLayerJacobian(t *testing.T) {
	for _, dt := range []tensor.Dtype{tensor.Float64, tensor.Float32} {
		for _, inverse := range []bool{false, true} {
			c := newLayerCosts()
			rnd := rand.New(rand.NewPCG(1, 2))
			const rows = 70 // two tiles, and thus four for both layers
			x, w := make([]float64, rows*6), make([]float64, rows*c.params)
			for i := range x {
				x[i] = rnd.NormFloat64()
			}
			for i := range w {
				w[i] = 0.5 * rnd.NormFloat64()
			}
			run := func(dx, dw bool, runs, jacobians, grads int64) (v float64, dX, dW []float64) {
				t.Helper()
				p, out := c.program(dt, inverse, dx, dw), [][]float64{make([]float64, 1)}
				if dx {
					dX = make([]float64, len(x))
					out = append(out, dX)
				}
				if dw {
					dW = make([]float64, len(w))
					out = append(out, dW)
				}
				for range 2 {
					c.runs.Store(0)
					c.jacobians.Store(0)
					c.grads.Store(0)
					if err := p.Run(rows, [][]float64{x, w}, out); err != nil {
						t.Fatal(err)
					}
					if c.runs.Load() != runs || c.jacobians.Load() != jacobians || c.grads.Load() != grads {
						t.Errorf("gradients of input %v and of parameters %v:"+
							" %d runs, %d with a Jacobian, %d gradients, want %d, %d, %d",
							dx, dw, c.runs.Load(), c.jacobians.Load(), c.grads.Load(), runs, jacobians, grads)
					}
				}
				return out[0][0], dX, dW
			}
			value, _, _ := run(false, false, 4, 0, 0)
			v1, short, _ := run(true, false, 0, 4, 0)
			v2, long, dW := run(true, true, 4, 0, 4)
			v3, _, alone := run(false, true, 4, 0, 4)
			if value != v1 || value != v2 || value != v3 {
				t.Errorf("costs %g, %g, %g, %g", value, v1, v2, v3)
			}
			tol := 1e-12
			if dt == tensor.Float32 {
				tol = 1e-3
			}
			for i, want := range long {
				if !(math.Abs(short[i]-want) <= tol*(1+math.Abs(want))) {
					t.Fatalf("%v, inverse %v: gradient of input %d is %g with Jacobians, %g without", dt, inverse, i,
						short[i], want)
				}
			}
			for i, want := range dW {
				if alone[i] != want {
					t.Fatalf("%v: gradient of parameter %d changes with that of the input", dt, i)
				}
			}
		}
	}
}

// A chain of layers works in a few buffers, however long it is, and its gradient
// in a few more beside the states that it needs again.
func TestBuffersAreShared(t *testing.T) {
	c := newLayerCosts()
	const rows, layers = 5, 20
	for _, grad := range []bool{false, true} {
		p := NewProgram(tensor.Float64, []Input{{Name: "x", Cols: 6}, {Name: "w", Cols: c.params}}, nil,
			func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
				w, err := Part(in[1], 0, tensor.Shape{c.params})
				if err != nil {
					return nil, err
				}
				s, err := State(in[0])
				for k := 0; k < layers && err == nil; k++ {
					s, err = c.layer.Apply(s, w, k%2 == 1)
				}
				if err != nil {
					return nil, err
				}
				cost, err := Total(1, s)
				if err != nil || !grad {
					return []*gorgonia.Node{cost}, err
				}
				d, err := Grad(cost, in...)
				return append([]*gorgonia.Node{cost}, d...), err
			})
		out := [][]float64{make([]float64, 1)}
		if grad {
			out = append(out, make([]float64, rows*6), make([]float64, rows*c.params))
		}
		if err := p.Run(rows, [][]float64{make([]float64, rows*6), make([]float64, rows*c.params)}, out); err != nil {
			t.Fatal(err)
		}
		states := map[*float64]bool{}
		for _, s := range p.compiled[0].steps {
			if o, ok := s.op.(*op); ok && o.spec.Shape.TotalSize() == rows*7 {
				states[&o.data.([]float64)[0]] = true
			}
		}
		if want := map[bool]int{false: 2, true: layers + 4}[grad]; len(states) > want {
			t.Errorf("gradient %v: %d layers work in %d states, want %d", grad, layers, len(states), want)
		}
	}
}
