package target

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/graph"
)

type function struct {
	dim  int
	logp func(grad, x []float64) float64
}

// Func returns the density of a plain Go function: logp returns ln π(x) for
// one configuration x and, unless grad is nil, stores the gradient
// ∂ ln π/∂x_i in it. The arithmetic is float64 whatever the graph's.
//
// logp is called row after row, by one goroutine at a time for each graph that
// is running; densities evaluated concurrently must allow for it. A panic in
// logp comes back as an error. CheckGrad compares the gradient with finite
// differences.
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
						g[i] = math.NaN() // shows what logp forgets to set
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
	return graph.Guard(func() error {
		*val = f.logp(grad, x)
		return nil
	})
}

// CheckGrad compares the gradient of d with central differences of its value
// at every row of x, (rows, Dim), and returns ErrGradient, naming row and
// coordinate, where they differ by more than tol relative to the larger of
// one and the gradient's largest component in the row. 1e-6 suits a smooth density
// of order one.
func CheckGrad(d Density, x *mat.Dense, tol float64) error {
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
	shifted := mat.DenseCopyOf(x)
	up, down := make([]float64, rows), make([]float64, rows)
	var worst error
	for i := range dim {
		step := func(logp []float64, by float64) error {
			for r := range rows {
				shifted.Set(r, i, x.At(r, i)+by*scale(x.At(r, i)))
			}
			return e.LogProb(logp, shifted)
		}
		const h = 1e-5
		if err := errors.Join(step(up, h), step(down, -h)); err != nil {
			return err
		}
		for r := range rows {
			shifted.Set(r, i, x.At(r, i))
			want := (up[r] - down[r]) / (2 * h * scale(x.At(r, i)))
			largest := 1.0
			for _, g := range grad.RawRowView(r) {
				// Neither infinity nor NaN may decide what passes elsewhere.
				if a := math.Abs(g); a > largest && !math.IsInf(a, 1) {
					largest = a
				}
			}
			if !(math.Abs(grad.At(r, i)-want) <= tol*largest) && worst == nil {
				worst = fmt.Errorf("target: %w: row %d, coordinate %d: %g, by finite differences %g", ErrGradient, r, i, grad.At(r, i), want)
			}
		}
	}
	return worst
}

// scale is the magnitude at which to take steps around v.
func scale(v float64) float64 { return math.Max(1, math.Abs(v)) }
