package bijectortest

import (
	"fmt"
	"math"
	"slices"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/internal/graph"
)

// gradients checks the gradient of the cost Σ w_i y_i + Σ v_r d_r, with random weights w
// and v, with respect to the inputs and all parameters. The library may compute that of the inputs
// alone in another way.
func (c *checker) gradients(x []float64) {
	c.t.Helper()
	w := make([]float64, rows*c.b.Dim()+rows)
	for i := range w {
		w[i] = c.rnd.NormFloat64()
	}
	values := [][]float64{slices.Clone(x)}
	for _, p := range c.b.Params() {
		values = append(values, p.Value().Float64s())
	}
	value, program := c.cost(w, none), c.cost(w, all)
	cost := func(at *float64) valueFunc {
		return func(by float64) []float64 {
			keep, out := *at, []float64{math.NaN()}
			*at += by
			if err := value.Run(rows, values[:1], [][]float64{out}); err != nil {
				out[0] = math.NaN()
			}
			*at = keep
			return out
		}
	}
	grads := [][]float64{nil}
	for _, v := range values {
		grads = append(grads, make([]float64, len(v)))
	}
	for run := range 2 {
		if err := program.Run(rows, values[:1], grads); err != nil {
			c.errorf("gradient: %v", err)
			return
		}
		for k, v := range values {
			for _, i := range c.rnd.Perm(len(v))[:min(len(v), sampled)] {
				got, want := grads[1+k][i], slopeNear(cost(&v[i]), grads[1+k][i])
				if !near(got, want, slope) {
					c.errorf("run %d: gradient of %s [%d] is %g, by differences %g", run, c.name(k), i, got, want)
				}
			}
		}
	}
	alone := make([]float64, len(x))
	if err := c.cost(w, inputs).Run(rows, values[:1], [][]float64{nil, alone}); err != nil {
		c.errorf("gradient of the input alone: %v", err)
		return
	}
	for i, want := range grads[1] {
		if !near(alone[i], want, slope) {
			c.errorf("gradient of input [%d] is %g alone, %g with those of the parameters", i, alone[i], want)
			return
		}
	}
}

// What a cost is differentiated with respect to.
const (
	none = iota
	inputs
	all // inputs and parameters
)

// cost returns the program of the cost and of its gradients.
func (c *checker) cost(w []float64, wrt int) *graph.Program {
	x := []graph.Input{{Name: "x", Cols: c.b.Dim()}}
	return graph.NewProgram(tensor.Float64, x, nil, func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
		y, d, err := c.apply(in[0], c.inverse)
		if err != nil {
			return nil, err
		}
		cost, err := weigh(y, d, w)
		if err != nil || wrt == none {
			return []*gorgonia.Node{cost}, err
		}
		// One Grad per graph: inputs and parameters together.
		noders := []graph.Noder{input{in[0]}}
		if wrt == all {
			for _, p := range c.b.Params() {
				noders = append(noders, p)
			}
		}
		g, err := graph.ParamGrad(cost, in[0], noders)
		if err != nil {
			return nil, err
		}
		for i, n := range g {
			if n == nil {
				return nil, fmt.Errorf("parameter %d takes no part", i-1)
			}
		}
		return append([]*gorgonia.Node{cost}, g...), nil
	})
}

// slopeNear returns the derivative of f, which has one component. It is the central
// difference if that is near got, and otherwise derivative, which allows for kinks.
func slopeNear(f valueFunc, got float64) float64 {
	if d := differences(f, central, step)[0]; near(got, d, slope) {
		return d
	}
	return derivative(f)[0]
}

// name returns the name of the input, 0, or of parameter k−1.
func (c *checker) name(k int) string {
	if k == 0 {
		return "input"
	}
	return "parameter " + c.b.Params()[k-1].Name()
}

// input makes an input node a graph.Noder.
type input struct{ n *gorgonia.Node }

func (i input) Node(*gorgonia.Node) *gorgonia.Node { return i.n }

// weigh returns the scalar Σ w_i y_i + Σ v_r d_r. w holds the weights of y first, then v.
func weigh(y, d *gorgonia.Node, w []float64) (*gorgonia.Node, error) {
	size := y.Shape().TotalSize()
	var sums []*gorgonia.Node
	for _, part := range []struct {
		x *gorgonia.Node
		w []float64
	}{{y, w[:size]}, {d, w[size:]}} {
		flat, err := graph.Flatten(part.x)
		if err != nil {
			return nil, err
		}
		s, err := graph.Dot(flat, part.w)
		if err != nil {
			return nil, err
		}
		sums = append(sums, s)
	}
	return graph.Combine(0, []float64{1, 1}, sums...)
}
