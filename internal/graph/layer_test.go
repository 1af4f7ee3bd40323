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

// counted is a block that counts how often it is evaluated in each way.
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

// layerCosts makes programs on two layers of one block. Their inputs are x, (rows, 6),
// and the parameters, which are repeated in every row.
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

// program computes the cost and, if they are wanted, its gradients with respect to
// the input and to the parameters.
func (c *layerCosts) program(dt tensor.Dtype, inverse, dx, dw bool) *Program {
	return NewProgram(dt, []Input{{Name: "x", Cols: 6}, {Name: "w", Cols: c.params}}, nil,
		func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
			w, err := Part(in[1], 0, tensor.Shape{c.params})
			if err != nil {
				return nil, err
			}
			s, err := packState(in[0])
			if err != nil {
				return nil, err
			}
			p := Packed{State: s}
			for range 2 {
				if p, err = c.layer.Apply(p, w, inverse); err != nil {
					return nil, err
				}
			}
			squares, err := gorgonia.Square(p.State)
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

// evaluations are numbers of evaluations of blocks: without a Jacobian, with one, and
// of gradients.
type evaluations struct{ runs, jacobians, grads int64 }

// counts returns what was counted since the last call.
func (c *layerCosts) counts() evaluations {
	return evaluations{c.runs.Swap(0), c.jacobians.Swap(0), c.grads.Swap(0)}
}

// layerCase is a program on layerCosts in one precision and one direction, with its
// input x and its parameters w.
type layerCase struct {
	*layerCosts
	dt      tensor.Dtype
	inverse bool
	x, w    []float64
}

// run evaluates the cost and the gradients that are wanted, twice, and checks how
// often the blocks were evaluated.
func (c *layerCase) run(t *testing.T, dx, dw bool, want evaluations) (v float64, dX, dW []float64) {
	t.Helper()
	p, out := c.program(c.dt, c.inverse, dx, dw), [][]float64{make([]float64, 1)}
	if dx {
		dX = make([]float64, len(c.x))
		out = append(out, dX)
	}
	if dw {
		dW = make([]float64, len(c.w))
		out = append(out, dW)
	}
	for range 2 {
		c.counts()
		if err := p.Run(len(c.x)/6, [][]float64{c.x, c.w}, out); err != nil {
			t.Fatal(err)
		}
		if got := c.counts(); got != want {
			t.Errorf("gradients of input %v and of parameters %v: evaluations %+v, want %+v", dx, dw, got, want)
		}
	}
	return out[0][0], dX, dW
}

// A program that needs only the gradient of its input computes Jacobians and
// evaluates every net once. Other programs compute no Jacobians. All agree.
func TestLayerJacobian(t *testing.T) {
	const rows = 70 // two tiles, and thus four for both layers
	for _, dt := range []tensor.Dtype{tensor.Float64, tensor.Float32} {
		for _, inverse := range []bool{false, true} {
			costs := newLayerCosts()
			c := &layerCase{costs, dt, inverse, make([]float64, rows*6), make([]float64, rows*costs.params)}
			rnd := rand.New(rand.NewPCG(1, 2))
			for i := range c.x {
				c.x[i] = rnd.NormFloat64()
			}
			for i := range c.w {
				c.w[i] = 0.5 * rnd.NormFloat64()
			}
			c.check(t)
		}
	}
}

// check compares the programs that want none, one or both of the gradients.
func (c *layerCase) check(t *testing.T) {
	t.Helper()
	value, _, _ := c.run(t, false, false, evaluations{runs: 4})
	v1, short, _ := c.run(t, true, false, evaluations{jacobians: 4})
	v2, long, dW := c.run(t, true, true, evaluations{runs: 4, grads: 4})
	v3, _, alone := c.run(t, false, true, evaluations{runs: 4, grads: 4})
	if value != v1 || value != v2 || value != v3 {
		t.Errorf("costs %g, %g, %g, %g", value, v1, v2, v3)
	}
	tol := 1e-12
	if c.dt == tensor.Float32 {
		tol = 1e-3
	}
	for i, want := range long {
		if !(math.Abs(short[i]-want) <= tol*(1+math.Abs(want))) {
			t.Fatalf("%v, inverse %v: gradient of input %d is %g with Jacobians, %g without",
				c.dt, c.inverse, i, short[i], want)
		}
	}
	for i, want := range dW {
		if alone[i] != want {
			t.Fatalf("%v: gradient of parameter %d changes with that of the input", c.dt, i)
		}
	}
}

// A chain of layers of any length works in a few buffers. Its gradient keeps the
// states that it needs again and works in a few buffers more.
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
				s, err := Pack(in[0])
				for k := 0; k < layers && err == nil; k++ {
					s, err = c.layer.Apply(s, w, k%2 == 1)
				}
				if err != nil {
					return nil, err
				}
				cost, err := Total(1, s.State)
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
