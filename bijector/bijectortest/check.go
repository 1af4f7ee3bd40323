// Package bijectortest checks the laws of a bijector x = f(z) with the log-determinant
// d = ln |det ∂x/∂z|:
//
//	f⁻¹(f(z)) = z, d(f⁻¹(x)) = −d(z), d = ln |det J| of the numerical Jacobian J,
//
// and the gradients of x and d. A batch of inputs or images has shape (rows, Dim), and the
// log-determinants have shape (rows), in nats. Check tests both directions on random inputs
// and with random parameters.
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

// TB is the part of testing.TB that Check uses. A *testing.T is one.
type TB interface {
	// Helper marks the calling function as a test helper, as in testing.TB.
	Helper()
	// Errorf reports an error and lets the test go on, as in testing.TB.
	Errorf(format string, args ...any)
}

// Tolerances are relative to values beyond 1, see near.
const (
	roundTrip = 1e-12 // of a value that comes back
	slope     = 1e-6  // of a derivative or log-determinant against differences
	single    = 2e-3  // of float32 against float64

	step    = 1e-5 // of the differences; a tenth of it near kinks
	noise   = 0.1  // standard deviation of the numbers added to the parameters
	rows    = 3    // of the batches
	sampled = 24   // derivatives compared per input or parameter

	amplified  = 16    // rounding errors that are multiplied by the condition number
	difference = 1e-10 // errors of differences that are multiplied by the condition number
	worst      = 1e6   // largest condition number that raises a tolerance
)

// Check reports through t every law that b breaks, in both directions:
//
//   - Images have shape (rows, Dim), log-determinants (rows). Params lists each parameter
//     once.
//   - Inverse undoes Forward and Forward undoes Inverse, to 1e-12 of a value.
//   - The log-determinant is that of the numerical Jacobian matrix, to 1e-6.
//   - The gradients of inputs and parameters agree with finite differences, to 1e-6, in two
//     consecutive runs of one graph.
//   - The image of a row does not depend on the other rows or their number.
//   - Inputs and parameters do not change.
//   - float32 agrees with float64 to single precision.
//
// Tolerances are relative to values beyond 1. They grow with the condition number of the
// Jacobian matrix, up to 1e6, because an ill-conditioned map loses digits. The map may have
// kinks, as a spline has at its knots: Check then uses differences on one side.
//
// The inputs are standard normal. While Check runs, normal deviates of size 0.1 are added to
// the parameters; afterwards their values are restored. b must not be in use elsewhere at the
// same time. Dim should be small, because the work grows as its third power. An error or a
// panic of b is reported, too.
func Check(t TB, b bijector.Bijector) {
	t.Helper()
	check(&checker{t: t, b: b})
}

// CheckAngles is Check for a map of angles, such as bijector.CircularSpline. The inputs are
// uniform on (−π, π]. Values that come back are compared modulo 2π.
func CheckAngles(t TB, b bijector.Bijector) {
	t.Helper()
	check(&checker{t: t, b: b, angles: true})
}

func check(c *checker) {
	t, b := c.t, c.b
	t.Helper()
	c.rnd = rand.New(rand.NewPCG(2018, 1802))
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

// checker is the state of one call of Check.
type checker struct {
	t       TB
	b       bijector.Bijector
	rnd     *rand.Rand
	inverse bool // direction under test
	angles  bool // values are angles, taken modulo 2π
}

// errorf reports with the type of the bijector and the direction under test.
func (c *checker) errorf(format string, args ...any) {
	c.t.Helper()
	name := "Forward"
	if c.inverse {
		name = "Inverse"
	}
	c.t.Errorf("%T.%s: %s", c.b, name, fmt.Sprintf(format, args...))
}

// image returns the program of one direction. Its outputs are the image, the
// log-determinants, and the input after both have been computed.
func (c *checker) image(dt tensor.Dtype, inverse bool) *graph.Program {
	inputs := []graph.Input{{Name: "x", Cols: c.b.Dim()}}
	return graph.NewProgram(dt, inputs, nil, func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
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

// apply calls b.Forward or b.Inverse and checks the shapes of the results.
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

// direction checks one direction.
func (c *checker) direction(inverse bool) {
	c.t.Helper()
	c.inverse = inverse
	dim := c.b.Dim()
	x := make([]float64, rows*dim)
	for i := range x {
		if x[i] = c.rnd.NormFloat64(); c.angles {
			x[i] = math.Pi * (1 - 2*c.rnd.Float64())
		}
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

// eval runs a program of image on x and checks that the input does not change.
func (c *checker) eval(p *graph.Program, rows int, x []float64) (y, d []float64, ok bool) {
	c.t.Helper()
	y, d = make([]float64, len(x)), make([]float64, rows)
	after := make([]float64, len(x))
	if err := p.Run(rows, [][]float64{x}, [][]float64{y, d, after}); err != nil {
		c.errorf("%d rows: %v", rows, err)
		return nil, nil, false
	}
	for i, v := range after {
		if v != x[i] && v != float64(float32(x[i])) && !math.IsNaN(x[i]) { // a float32 graph rounds x
			c.errorf("input %d changed from %g to %g", i, x[i], v)
		}
	}
	return y, d, true
}

// undone checks that the other direction maps y back to x, with log-determinants −d.
func (c *checker) undone(back *graph.Program, x, y, d, cond []float64) {
	c.t.Helper()
	for range 2 {
		x2, d2, ok := c.eval(back, rows, y)
		if !ok {
			return
		}
		dim := c.b.Dim()
		for i := range x {
			if turns := math.Round((x2[i] - x[i]) / (2 * math.Pi)); c.angles {
				x2[i] -= 2 * math.Pi * turns
			}
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

// jacobian compares log-determinants with those of numerical Jacobian matrices. It takes
// central differences first. If they disagree, it takes derivative, which allows for kinks.
// It returns the condition numbers of the matrices.
func (c *checker) jacobian(there *graph.Program, x, d []float64) (cond []float64, ok bool) {
	c.t.Helper()
	m, ok := c.matrices(there, x, func(f valueFunc) []float64 { return differences(f, central, step) })
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
				const text = "row %d: log-determinant %g, of the numerical Jacobian %g"
				reports = append(reports, fmt.Sprintf(text, r, d[r], want))
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

// condition returns the condition number of m, at most worst. It returns 1 if an element of m
// is not finite; other checks report that.
func condition(m *mat.Dense) float64 {
	if sum := mat.Sum(m); !num.Finite(sum) {
		return 1
	}
	return min(mat.Cond(m, 1), worst)
}

// matrices returns the Jacobian matrix of every row, with the given kind of derivative.
func (c *checker) matrices(
	there *graph.Program, x []float64, derivative func(valueFunc) []float64,
) (m []*mat.Dense, ok bool) {
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

// independence checks that every row has the same image when it is alone.
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

// precision compares float32 with float64.
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

// near reports whether |got − want| ≤ tol·(1 + |want|). It is false for NaN.
func near(got, want, tol float64) bool {
	return math.Abs(got-want) <= tol*(1+math.Abs(want))
}
