package flow

import (
	"errors"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/internal/graph"
	"github.com/neuralrg/neuralrg/target"
)

// latentPoints is Latent of a model, and keeps the configurations of its last evaluation.
type latentPoints struct {
	program *graph.Program
	grad    *target.Evaluator
	x       *mat.Dense
	whole   bool // x is of the last evaluation
}

func newLatentPoints(m *Model, t target.Density, chains int) *latentPoints {
	return &latentPoints{
		program: latentProgram(m, t), grad: target.NewEvaluator(Latent(m, t)), x: mat.NewDense(chains, m.Dim(), nil),
	}
}

// Dim returns the number of latent variables.
func (l *latentPoints) Dim() int { return l.grad.Dim() }

// LogProbGrad keeps the configurations if no gradient is asked for.
func (l *latentPoints) LogProbGrad(logp []float64, grad, z *mat.Dense) error {
	if l.whole = grad == nil; !l.whole {
		return l.grad.LogProbGrad(logp, grad, z)
	}
	rows, _ := z.Dims()
	if rows != len(logp) {
		return errors.New("rows and numbers differ")
	}
	return l.program.Run(rows, [][]float64{graph.Contiguous(z)}, [][]float64{logp, l.x.RawMatrix().Data})
}
