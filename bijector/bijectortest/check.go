// Package bijectortest checks that a bijector keeps its promises.
package bijectortest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/internal/graph"
	"github.com/neuralrg/neuralrg/internal/num"
)

// TB is the part of testing.TB that Check uses.
type TB interface {
	Helper() // as in testing.TB
	Errorf(format string, args ...any)
}

const (
	roundTrip = 1e-12 // of a value, relative beyond 1
	slope     = 1e-6  // of a derivative or log-determinant, relative beyond 1, against differences
	single    = 2e-3  // of float32 against float64, relative beyond 1
	step      = 1e-5  // of the differences, and a tenth of it
	noise     = 0.1   // standard deviation of what is added to parameters
	rows      = 3
	sampled   = 24 // coordinates whose derivatives are checked, of each kind

	amplified  = 16    // roundings of a value that an ill-conditioned map makes larger
	difference = 1e-10 // errors of differences that it makes larger
	worst      = 1e6   // condition number beyond which nothing more is forgiven
)

// Check reports through t every law that b breaks, in both directions, on
// random configurations and with random weights:
//
//   - images are (rows, Dim), log-determinants (rows), and Params lists each
//     parameter once;
//   - Inverse undoes Forward and Forward undoes Inverse, to 1e-12 of a value;
//   - the log-determinant is that of the numerical Jacobian matrix, to 1e-6;
//   - the gradients of inputs and parameters agree with finite differences,
//     to 1e-6, on two consecutive runs of one graph;
//   - a row's image does not depend on the other rows or their number;
//   - inputs and parameters are left alone;
//   - float32 agrees with float64 to single precision.
//
// A map may have kinks, as splines have at their knots: differences are taken on the
// side where there is none. A map that is ill-conditioned may lose as many digits as
// the condition number of its Jacobian matrix says, up to 1e6.
//
// Normal deviates of size 0.1 are added to the parameters while Check runs;
// their values are restored afterwards, so b must not be in use elsewhere. Its
// Dim should be small: the work grows as its third power. The configurations
// are standard normal.
func Check(t TB, b bijector.Bijector) {
	t.Helper()
	c := &checker{t: t, b: b, rnd: rand.New(rand.NewPCG(2018, 1802))}
	seen := map[*bijector.Param]bool{}
	for _, p := range b.Params() {
		if seen[p] {
			t.Errorf("%T.Params: parameter %s listed twice", b, p.Name())
		}
		seen[p] = true
		v := p.Value().Float64s()
		keep := slices.Clone(v)
		defer copy(v, keep)
		for i := range v {
			v[i] += noise * c.rnd.NormFloat64()
		}
	}
	for _, inverse := range []bool{false, true} {
		c.direction(inverse)
	}
}

type checker struct {
	t       TB
	b       bijector.Bijector
	rnd     *rand.Rand
	inverse bool
}

func (c *checker) errorf(format string, args ...any) {
	c.t.Helper()
	name := "Forward"
	if c.inverse {
		name = "Inverse"
	}
	c.t.Errorf("%T.%s: %s", c.b, name, fmt.Sprintf(format, args...))
}

// image is the program of one direction: the image, the log-determinants, and
// the input as it is once these are known.
func (c *checker) image(dt tensor.Dtype, inverse bool) *graph.Program {
	return graph.NewProgram(dt, []int{c.b.Dim()}, func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
		y, d, err := c.apply(in[0], inverse)
		if err != nil {
			return nil, err
		}
		x, err := graph.Apply(graph.Spec{
			Name: "input", Shape: in[0].Shape(),
			Run: graph.Generic(
				func(out []float64, in [][]float64) error { copy(out, in[0]); return nil },
				func(out []float32, in [][]float32) error { copy(out, in[0]); return nil }),
		}, in[0], y, d)
		return []*gorgonia.Node{y, d, x}, err
	})
}

// apply is b.Forward or b.Inverse, with the shapes of the result checked.
func (c *checker) apply(x *gorgonia.Node, inverse bool) (y, d *gorgonia.Node, err error) {
	if inverse {
		y, d, err = c.b.Inverse(x)
	} else {
		y, d, err = c.b.Forward(x)
	}
	if err != nil {
		return nil, nil, err
	}
	rows := x.Shape()[0]
	if r, err := graph.Rows(y, c.b.Dim()); err != nil || r != rows {
		return nil, nil, fmt.Errorf("image %v is not (%d, %d)", y, rows, c.b.Dim())
	}
	if d == nil || !d.IsVector() || d.Shape().TotalSize() != rows {
		return nil, nil, fmt.Errorf("log-determinant %v is not (%d)", d, rows)
	}
	return y, d, nil
}

func (c *checker) direction(inverse bool) {
	c.t.Helper()
	c.inverse = inverse
	dim := c.b.Dim()
	x := make([]float64, rows*dim)
	for i := range x {
		x[i] = c.rnd.NormFloat64()
	}
	there, back := c.image(tensor.Float64, inverse), c.image(tensor.Float64, !inverse)
	var params []float64
	for _, p := range c.b.Params() {
		params = append(params, p.Value().Float64s()...)
	}

	y, d, ok := c.eval(there, rows, x)
	if !ok {
		return
	}
	cond, ok := c.jacobian(there, x, d)
	if !ok {
		return
	}
	c.undone(back, x, y, d, cond)
	c.independence(there, x, y, d)
	c.precision(x, y, d, cond)
	c.gradients(x)

	at := 0
	for _, p := range c.b.Params() {
		v := p.Value().Float64s()
		if !slices.Equal(v, params[at:at+len(v)]) {
			c.errorf("parameter %s changed", p.Name())
		}
		at += len(v)
	}
}

// eval runs a program on x and checks that the input node is left alone.
func (c *checker) eval(p *graph.Program, rows int, x []float64) (y, d []float64, ok bool) {
	c.t.Helper()
	y, d = make([]float64, len(x)), make([]float64, rows)
	after := make([]float64, len(x))
	if err := p.Run(rows, [][]float64{x}, [][]float64{y, d, after}); err != nil {
		c.errorf("%d rows: %v", rows, err)
		return nil, nil, false
	}
	for i, v := range after {
		if v != x[i] && v != float64(float32(x[i])) && !math.IsNaN(x[i]) { // a float32 graph rounds it
			c.errorf("input %d changed from %g to %g", i, x[i], v)
		}
	}
	return y, d, true
}

func (c *checker) undone(back *graph.Program, x, y, d, cond []float64) {
	c.t.Helper()
	for range 2 {
		x2, d2, ok := c.eval(back, rows, y)
		if !ok {
			return
		}
		dim := c.b.Dim()
		for i := range x {
			if !near(x2[i], x[i], roundTrip+amplified*0x1p-52*cond[i/dim]) {
				c.errorf("value %d comes back as %g from %g (off by %.2g)", i, x2[i], x[i], x2[i]-x[i])
			}
		}
		for r := range d {
			if !near(d2[r], -d[r], (roundTrip+amplified*0x1p-52*cond[r])*float64(dim)) {
				c.errorf("row %d: log-determinant %g, of the way back %g", r, d[r], d2[r])
			}
		}
	}
}

// jacobian compares log-determinants with those of numerical Jacobian matrices: of
// central differences, and where these disagree, of those that kinks do not spoil.
// It returns the condition numbers of the matrices.
func (c *checker) jacobian(there *graph.Program, x, d []float64) (cond []float64, ok bool) {
	c.t.Helper()
	m, ok := c.matrices(there, x, func(f func(float64) []float64) []float64 { return differences(f, central, step) })
	if !ok {
		return nil, false
	}
	for k := range 2 {
		cond = nil
		var reports []string
		for r := range rows {
			cond = append(cond, condition(m[r]))
			want, _ := mat.LogDet(m[r])
			if !near(d[r], want, slope+difference*float64(c.b.Dim())*cond[r]) {
				reports = append(reports, fmt.Sprintf("row %d: log-determinant %g, of the numerical Jacobian %g", r, d[r], want))
			}
		}
		if k == 0 && len(reports) > 0 {
			if m, ok = c.matrices(there, x, derivative); !ok {
				return nil, false
			}
			continue
		}
		for _, s := range reports {
			c.errorf("%s", s)
		}
		break
	}
	return cond, true
}

// condition is the condition number of m, 1 if that is not finite in all its elements,
// of which there are other reports.
func condition(m *mat.Dense) float64 {
	if sum := mat.Sum(m); !num.Finite(sum) {
		return 1
	}
	return min(mat.Cond(m, 1), worst)
}

// matrices are the Jacobian matrices of the rows by the given kind of difference.
func (c *checker) matrices(there *graph.Program, x []float64, derivative func(func(float64) []float64) []float64) (m []*mat.Dense, ok bool) {
	c.t.Helper()
	dim := c.b.Dim()
	for range rows {
		m = append(m, mat.NewDense(dim, dim, nil))
	}
	shifted := slices.Clone(x)
	for j := range dim {
		dy := derivative(func(by float64) []float64 {
			for r := range rows {
				shifted[r*dim+j] = x[r*dim+j] + by
			}
			y, _, _ := c.eval(there, rows, shifted)
			for r := range rows {
				shifted[r*dim+j] = x[r*dim+j]
			}
			return y
		})
		if dy == nil {
			return nil, false
		}
		for r := range rows {
			m[r].SetCol(j, dy[r*dim:(r+1)*dim])
		}
	}
	return m, true
}

func (c *checker) independence(there *graph.Program, x, y, d []float64) {
	c.t.Helper()
	dim := c.b.Dim()
	for r := range rows {
		y1, d1, ok := c.eval(there, 1, x[r*dim:(r+1)*dim])
		if ok && (!slices.Equal(y1, y[r*dim:(r+1)*dim]) || d1[0] != d[r]) {
			c.errorf("row %d has another image when it is alone", r)
		}
	}
}

func (c *checker) precision(x, y, d, cond []float64) {
	c.t.Helper()
	y32, d32, ok := c.eval(c.image(tensor.Float32, c.inverse), rows, x)
	if !ok {
		return
	}
	for i := range y {
		if !near(y32[i], y[i], single+amplified*0x1p-23*cond[i/c.b.Dim()]) {
			c.errorf("value %d is %g in float32, %g in float64", i, y32[i], y[i])
		}
	}
	for r := range d {
		if !near(d32[r], d[r], single+amplified*0x1p-23*cond[r]) {
			c.errorf("row %d: log-determinant %g in float32, %g in float64", r, d32[r], d[r])
		}
	}
}

// gradients checks the gradient of the cost Σ w_i y_i + v_r d_r with random
// weights w and v.
func (c *checker) gradients(x []float64) {
	c.t.Helper()
	dim := c.b.Dim()
	w := make([]float64, rows*dim+rows)
	for i := range w {
		w[i] = c.rnd.NormFloat64()
	}
	build := func(grad bool) *graph.Program {
		return graph.NewProgram(tensor.Float64, []int{dim}, func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
			y, d, err := c.apply(in[0], c.inverse)
			if err != nil {
				return nil, err
			}
			cost, err := weigh(y, d, w)
			if err != nil || !grad {
				return []*gorgonia.Node{cost}, err
			}
			// One Grad per graph: inputs and parameters together.
			noders := []graph.Noder{input{in[0]}}
			for _, p := range c.b.Params() {
				noders = append(noders, p)
			}
			g, err := graph.ParamGrad(cost, in[0], noders)
			if err != nil {
				return nil, err
			}
			out := []*gorgonia.Node{cost}
			for i, n := range g {
				if n == nil {
					return nil, fmt.Errorf("parameter %d takes no part", i-1)
				}
				out = append(out, n)
			}
			return out, nil
		})
	}
	values := [][]float64{slices.Clone(x)}
	for _, p := range c.b.Params() {
		values = append(values, p.Value().Float64s())
	}
	value, program := build(false), build(true)
	cost := func(at *float64) func(by float64) []float64 {
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
				f := cost(&v[i])
				want := differences(f, central, step)[0]
				if !near(grads[1+k][i], want, slope) {
					want = derivative(f)[0]
				}
				if !near(grads[1+k][i], want, slope) {
					name := "input"
					if k > 0 {
						name = "parameter " + c.b.Params()[k-1].Name()
					}
					c.errorf("run %d: gradient of %s [%d] is %g, by differences %g", run, name, i, grads[1+k][i], want)
				}
			}
		}
	}
}

// input makes an input node a graph.Noder.
type input struct{ n *gorgonia.Node }

func (i input) Node(*gorgonia.Node) *gorgonia.Node { return i.n }

// weigh is the scalar Σ w_i y_i + v_r d_r.
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

// near compares relative to values beyond 1. It is false for NaN.
func near(got, want, tol float64) bool {
	return math.Abs(got-want) <= tol*(1+math.Abs(want))
}
