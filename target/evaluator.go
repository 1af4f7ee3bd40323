package target

import (
	"fmt"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/internal/graph"
)

// Evaluator computes ln π and its gradient on plain slices. Its arithmetic is float64
// unless Float32 is called. It implements hmc.LogDensity.
//
// An Evaluator compiles the density once per number of rows. It sees later changes of
// the parameters of the density. It is safe for concurrent use. Evaluations of the same
// kind and the same number of rows take turns.
//
// A density may call an Evaluator, also its own, while it is evaluated. It must do so
// on the goroutine that called it. The inner evaluation does not wait for the outer
// one. More than 16 nested evaluations fail with ErrSettings.
type Evaluator struct {
	d           Density
	dim         int
	err         error // of d.Dim
	value, grad *graph.Program
}

// NewEvaluator returns an evaluator of d in float64. If d is nil or d.Dim panics, the
// evaluator has Dim 0 and every evaluation fails with ErrShape.
func NewEvaluator(d Density) *Evaluator {
	return newEvaluator(d, tensor.Float64)
}

func newEvaluator(d Density, dt tensor.Dtype) *Evaluator {
	e := &Evaluator{d: d}
	if d == nil {
		return e
	}
	if e.err = graph.Guard(func() error { e.dim = d.Dim(); return nil }); e.err != nil {
		return e
	}
	in := []graph.Input{{Name: "x", Cols: e.dim}}
	e.value = graph.NewProgram(dt, in, []string{"ln π"}, func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
		p, err := graph.LogProb(d, in[0])
		return []*gorgonia.Node{p}, err
	})
	outputs := []string{"ln π", "gradient"}
	e.grad = graph.NewProgram(dt, in, outputs, func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
		p, err := graph.LogProb(d, in[0])
		if err != nil {
			return nil, err
		}
		// Rows are independent: the gradient of the sum is that of each row.
		total, err := graph.Total(1, p)
		if err != nil {
			return nil, err
		}
		g, err := graph.Grad(total, in[0])
		if err != nil {
			return nil, err
		}
		return []*gorgonia.Node{p, g[0]}, nil
	})
	return e
}

// Float32 returns an evaluator of the same density with float32 arithmetic. It is nearly
// twice as fast. Its gradients can serve as forces in hybrid Monte Carlo
// (hmc.HMC.Force). The energies of hybrid Monte Carlo should stay in float64.
func (e *Evaluator) Float32() *Evaluator { return newEvaluator(e.d, tensor.Float32) }

// Float64 returns an evaluator of the same density with float64 arithmetic.
func (e *Evaluator) Float64() *Evaluator { return newEvaluator(e.d, tensor.Float64) }

// Dim returns the number of values of one configuration.
func (e *Evaluator) Dim() int { return e.dim }

// LogProbs stores ln π of every row of x, (rows, Dim), in logp, (rows), in nats. It
// fails with ErrShape for other extents and with the errors of the density. Values that
// are not finite are no errors: see Density.
func (e *Evaluator) LogProbs(logp []float64, x *mat.Dense) error {
	rows, err := e.rows(logp, x)
	if err != nil {
		return err
	}
	return e.value.Run(rows, [][]float64{graph.Contiguous(x)}, [][]float64{logp})
}

// LogProbGrad stores ln π of every row of x, (rows, Dim), in logp, (rows), in nats. It
// stores the gradients ∂ ln π/∂x in grad, (rows, Dim), unless grad is nil. grad may be
// x. It fails as LogProbs does.
func (e *Evaluator) LogProbGrad(logp []float64, grad, x *mat.Dense) error {
	if grad == nil {
		return e.LogProbs(logp, x)
	}
	rows, err := e.rows(logp, x)
	if err != nil {
		return err
	}
	if r, c := grad.Dims(); r != rows || c != e.Dim() {
		return fmt.Errorf("target: %w: gradient is (%d, %d), want (%d, %d)", ErrShape, r, c, rows, e.Dim())
	}
	out := graph.Contiguous(grad)
	if err := e.grad.Run(rows, [][]float64{graph.Contiguous(x)}, [][]float64{logp, out}); err != nil {
		return err
	}
	graph.Restore(grad, out)
	return nil
}

// rows returns the number of rows of x, or an error if x or logp do not fit.
func (e *Evaluator) rows(logp []float64, x *mat.Dense) (int, error) {
	if e.d == nil || x == nil {
		return 0, fmt.Errorf("target: Evaluator: %w: nil density or matrix", ErrShape)
	}
	if e.err != nil {
		return 0, fmt.Errorf("target: Evaluator: %w: Dim of the density: %w", ErrShape, e.err)
	}
	rows, cols := x.Dims()
	if cols != e.Dim() || rows == 0 {
		return 0, fmt.Errorf("target: Evaluator: %w: x is (%d, %d), want (rows, %d)", ErrShape, rows, cols, e.Dim())
	}
	if len(logp) != rows {
		return 0, fmt.Errorf("target: Evaluator: %w: room for %d log-densities of %d rows", ErrShape, len(logp), rows)
	}
	return rows, nil
}
