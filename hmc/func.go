package hmc

import (
	"errors"
	"fmt"
	"runtime"
	"sync"

	"gonum.org/v1/gonum/mat"
)

// function is a plain Go function as a LogDensity.
type function struct {
	dim  int
	logp func(grad, x []float64) float64
}

// Func returns the density of a plain Go function on dim coordinates. logp
// returns ln π(x) of one position x in nats, up to a constant, and −Inf outside
// the support. Unless grad is nil, logp sets every component of grad to
// ∂ ln π/∂x_i. It must set them, not add to them: grad holds NaN when logp is
// called.
//
// The chains are divided among all processors, so logp must be safe for
// concurrent use. The result does not depend on the number of processors. A
// panic of logp becomes an error that names the chain. LogProbGrad fails with
// ErrSettings if logp is nil, and with ErrShape if x does not have dim columns.
func Func(dim int, logp func(grad, x []float64) float64) LogDensity {
	return &function{dim, logp}
}

func (f *function) Dim() int { return f.dim }

func (f *function) LogProbGrad(logp []float64, grad, x *mat.Dense) error {
	if f.logp == nil {
		return fmt.Errorf("hmc: Func: %w: nil function", ErrSettings)
	}
	rows, cols := x.Dims()
	if cols != f.dim || len(logp) != rows {
		return fmt.Errorf("hmc: Func: %w: %d positions of %d coordinates, want %d of %d",
			ErrShape, rows, cols, len(logp), f.dim)
	}
	workers := min(runtime.GOMAXPROCS(0), rows)
	if workers == 1 {
		return f.part(logp, grad, x, 0, rows)
	}
	faults := make([]error, workers)
	var wg sync.WaitGroup
	for k := range workers {
		wg.Go(func() { faults[k] = f.part(logp, grad, x, rows*k/workers, rows*(k+1)/workers) })
	}
	wg.Wait()
	return errors.Join(faults...)
}

// part evaluates the chains from, from+1, …, to−1.
func (f *function) part(logp []float64, grad, x *mat.Dense, from, to int) (err error) {
	chain := from
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("chain %d: log-density panicked: %v", chain, r)
		}
	}()
	for ; chain < to; chain++ {
		var g []float64
		if grad != nil {
			g = grad.RawRowView(chain)
		}
		logp[chain] = f.logp(g, x.RawRowView(chain))
	}
	return nil
}
