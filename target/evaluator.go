package target

import (
	"fmt"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/internal/graph"
)

// Evaluator evaluates a density and its gradient on plain slices, in float64.
// It compiles the density once per number of rows and sees later changes of
// its parameters. It is safe for concurrent use; evaluations of one kind and
// number of rows take turns. It meets hmc.LogDensity.
type Evaluator struct {
	d           Density
	value, grad *graph.Program
}

// NewEvaluator returns an evaluator of d.
func NewEvaluator(d Density) *Evaluator {
	e := &Evaluator{d: d}
	cols := []int{d.Dim()}
	e.value = graph.NewProgram(tensor.Float64, cols, func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
		p, err := logProb(d, in[0])
		return []*gorgonia.Node{p}, err
	})
	e.grad = graph.NewProgram(tensor.Float64, cols, func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
		p, err := logProb(d, in[0])
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

func logProb(d Density, x *gorgonia.Node) (*gorgonia.Node, error) {
	p, err := d.LogProb(x)
	if err != nil {
		return nil, err
	}
	if rows := x.Shape()[0]; p == nil || !p.IsVector() || p.Shape()[0] != rows {
		return nil, fmt.Errorf("target: %T: %w: log-density must be a (%d) vector", d, ErrShape, rows)
	}
	return p, nil
}

// Dim returns the number of values per row.
func (e *Evaluator) Dim() int { return e.d.Dim() }

// LogProb stores ln π of every row of x, (rows, Dim), in logp, (rows). It
// fails with ErrShape if the extents do not fit, and with the density's own
// errors.
func (e *Evaluator) LogProb(logp []float64, x *mat.Dense) error {
	rows, err := e.rows(logp, x)
	if err != nil {
		return err
	}
	return e.value.Run(rows, [][]float64{graph.Contiguous(x)}, [][]float64{logp})
}

// LogProbGrad stores ln π of every row of x, (rows, Dim), in logp, (rows), and
// its gradients with respect to the rows in grad, (rows, Dim). It fails as
// LogProb does.
func (e *Evaluator) LogProbGrad(logp []float64, grad, x *mat.Dense) error {
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

func (e *Evaluator) rows(logp []float64, x *mat.Dense) (int, error) {
	rows, cols := x.Dims()
	if cols != e.Dim() || rows == 0 || len(logp) != rows {
		return 0, fmt.Errorf("target: %w: x is (%d, %d) with room for %d log-densities, want (rows, %d) and rows", ErrShape, rows, cols, len(logp), e.Dim())
	}
	return rows, nil
}
