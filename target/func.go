package target

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/graph"
	"github.com/neuralrg/neuralrg/internal/num"
)

type function struct {
	dim  int
	logp func(grad, x []float64) float64
}

// Func returns the density of a plain Go function: logp returns ln π(x) for
// one configuration x and, unless grad is nil, stores the gradient
// ∂ ln π/∂x_i in it. The arithmetic is float64 whatever the graph's.
//
// grad comes filled with NaN: logp must set every component, not add to it. If
// logp returns a finite value and leaves a component unset, the evaluation fails
// with ErrGradient and names row and component. Where logp returns −Inf, which
// means weight zero, as beyond a hard wall, the gradient may be anything. See
// Density for NaN and +Inf.
//
// logp is called row after row, by one goroutine at a time for each graph that
// is running; densities evaluated concurrently must allow for it. A panic in
// logp comes back as an error. CheckGrad compares the gradient with finite
// differences. A nil logp fails with ErrSettings when it is evaluated, a dim below 1
// with ErrShape.
func Func(dim int, logp func(grad, x []float64) float64) Density {
	return &function{dim, logp}
}

func (f *function) Dim() int { return f.dim }

func (f *function) LogProb(x *gorgonia.Node) (*gorgonia.Node, error) {
	if f.logp == nil {
		return nil, fmt.Errorf("target: Func: %w: nil function", ErrSettings)
	}
	return graph.PerRow("target: Func", x, f.dim, func() graph.RowsFunc {
		return func(val, grad, x []float64) error {
			for r := range val {
				var g []float64
				if grad != nil {
					g = grad[r*f.dim : (r+1)*f.dim : (r+1)*f.dim]
					for i := range g {
						g[i] = math.Float64frombits(unset)
					}
				}
				if err := f.row(&val[r], g, x[r*f.dim:(r+1)*f.dim:(r+1)*f.dim]); err != nil {
					return fmt.Errorf("row %d: %w", r, err)
				}
			}
			return nil
		}
	})
}

func (f *function) row(val *float64, grad, x []float64) error {
	err := graph.Guard(func() error {
		*val = f.logp(grad, x)
		return nil
	})
	if err != nil || !num.Finite(*val) {
		return err
	}
	for i, g := range grad {
		if math.Float64bits(math.Abs(g)) == unset {
			return fmt.Errorf("%w: component %d is not set: logp must set every component, not add to it", ErrGradient, i)
		}
	}
	return nil
}

// unset are the bits of a NaN unlike those that arithmetic makes. On most processors
// a sum with it has the same bits.
const unset = 0x7ff8_0000_7365_7421

// CheckGrad compares the gradient of d with central differences of its value
// at every row of x, (rows, Dim), and returns ErrGradient, naming row and
// coordinate, where they differ by more than tol relative to the larger of
// one and the gradient's largest component in the row. 1e-6 suits a smooth density
// of order one.
//
// A row where ln π is −Inf has no gradient and is left out, and so is a coordinate
// with a hard wall within the step of 1e-5 max(1, |x|). CheckGrad fails with
// ErrNotFinite, naming the row, where ln π is NaN or +Inf, and also if nothing is left
// to compare; with ErrShape if x is nil or does not fit; and with ErrSettings for
// a tol that is not positive and finite.
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
	if c.worst == nil && c.compared == 0 {
		return fmt.Errorf("target: CheckGrad: %w: ln π is −Inf at or beside every row of x", ErrNotFinite)
	}
	return c.worst
}

// gradCheck is what CheckGrad knows.
type gradCheck struct {
	e       *Evaluator
	x, grad *mat.Dense
	logp    []float64
	tol     float64

	shifted  *mat.Dense // x but for one column
	compared int        // components
	worst    error      // the first difference found
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
			// Neither infinity nor NaN may decide what passes elsewhere.
			if a := math.Abs(g); a > largest && !math.IsInf(a, 1) {
				largest = a
			}
		}
		if got := c.grad.At(r, i); !(math.Abs(got-want) <= c.tol*largest) && c.worst == nil {
			c.worst = fmt.Errorf("target: %w: row %d, coordinate %d: %g, by finite differences %g",
				ErrGradient, r, i, got, want)
		}
	}
	return nil
}

// shift stores ln π at all rows with one coordinate moved.
func (c *gradCheck) shift(logp []float64, i int, by float64) error {
	for r := range logp {
		c.shifted.Set(r, i, c.x.At(r, i)+by*scale(c.x.At(r, i)))
	}
	return c.e.LogProbs(logp, c.shifted)
}

// scale is the magnitude at which to take steps around v.
func scale(v float64) float64 { return math.Max(1, math.Abs(v)) }
