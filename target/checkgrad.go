package target

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
)

// CheckGrad compares the gradient of d with central differences of ln π at every row of
// x, (rows, Dim). It returns ErrGradient with row and coordinate if the two differ by
// more than tol·max(1, g), where g is the largest magnitude in the row of the gradient.
// The step of the differences is 1e-5·max(1, |x|). A tol of 1e-6 suits a smooth density
// of order one.
//
// Rows with ln π = −Inf are left out. So are coordinates with ln π = −Inf one step
// away, at a hard wall. CheckGrad fails with
//
//   - ErrNotFinite if ln π of a row is NaN or +Inf, or if every row is left out;
//   - ErrShape if d or x is nil or the extents do not fit;
//   - ErrSettings unless tol is positive and finite;
//   - the errors of d.
func CheckGrad(d Density, x *mat.Dense, tol float64) error {
	if x == nil {
		return fmt.Errorf("target: CheckGrad: %w: nil matrix", ErrShape)
	}
	if !(tol > 0) || math.IsInf(tol, 1) {
		return fmt.Errorf("target: CheckGrad: %w: tolerance %g, want a positive one", ErrSettings, tol)
	}
	rows, dim := x.Dims()
	e := NewEvaluator(d)
	logp := make([]float64, rows)
	if _, err := e.rows(logp, x); err != nil {
		return err
	}
	grad := mat.NewDense(rows, dim, nil)
	if err := e.LogProbGrad(logp, grad, x); err != nil {
		return err
	}
	for r, v := range logp {
		if math.IsNaN(v) || math.IsInf(v, 1) {
			return fmt.Errorf("target: CheckGrad: row %d: %w: ln π is %g", r, ErrNotFinite, v)
		}
	}
	c := &gradCheck{e: e, x: x, grad: grad, logp: logp, tol: tol, shifted: mat.DenseCopyOf(x)}
	for i := range dim {
		if err := c.coordinate(i); err != nil {
			return err
		}
	}
	if c.first == nil && c.compared == 0 {
		return fmt.Errorf("target: CheckGrad: %w: ln π is −Inf at or beside every row of x", ErrNotFinite)
	}
	return c.first
}

// gradCheck is the state of one call of CheckGrad.
type gradCheck struct {
	e       *Evaluator
	x, grad *mat.Dense
	logp    []float64
	tol     float64

	shifted  *mat.Dense // x with one column moved
	compared int        // number of components compared so far
	first    error      // first difference found
}

// coordinate compares one column of the gradient.
func (c *gradCheck) coordinate(i int) error {
	const h = 1e-5
	up, down := make([]float64, len(c.logp)), make([]float64, len(c.logp))
	if err := errors.Join(c.shift(up, i, h), c.shift(down, i, -h)); err != nil {
		return err
	}
	for r := range c.logp {
		c.shifted.Set(r, i, c.x.At(r, i))
		if math.IsInf(c.logp[r], -1) || math.IsInf(up[r], -1) || math.IsInf(down[r], -1) {
			continue
		}
		c.compared++
		want := (up[r] - down[r]) / (2 * h * scale(c.x.At(r, i)))
		largest := 1.0
		for _, g := range c.grad.RawRowView(r) {
			// Infinity and NaN must not loosen the tolerance of the other components.
			if a := math.Abs(g); a > largest && !math.IsInf(a, 1) {
				largest = a
			}
		}
		if got := c.grad.At(r, i); !(math.Abs(got-want) <= c.tol*largest) && c.first == nil {
			c.first = fmt.Errorf("target: %w: row %d, coordinate %d: %g, by finite differences %g",
				ErrGradient, r, i, got, want)
		}
	}
	return nil
}

// shift moves coordinate i of every row by by·scale(x_i) and stores ln π in logp.
func (c *gradCheck) shift(logp []float64, i int, by float64) error {
	for r := range logp {
		c.shifted.Set(r, i, c.x.At(r, i)+by*scale(c.x.At(r, i)))
	}
	return c.e.LogProbs(logp, c.shifted)
}

// scale returns the unit of the steps around v.
func scale(v float64) float64 { return math.Max(1, math.Abs(v)) }
