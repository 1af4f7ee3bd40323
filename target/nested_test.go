package target

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/gorgonia"
)

// within fails if f takes so long that it must be waiting for itself.
func within(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("deadlock")
	}
}

// halving is −x² plus ln π of x/2 where |x| > 1, evaluated by its own evaluator: the
// gradient follows by the chain rule.
func halving() *Evaluator {
	var e *Evaluator
	e = NewEvaluator(Func(1, func(grad, x []float64) float64 {
		logp, slope := []float64{0}, mat.NewDense(1, 1, nil)
		if math.Abs(x[0]) > 1 {
			half := mat.NewDense(1, 1, []float64{x[0] / 2})
			var err error
			if grad == nil {
				err = e.LogProbs(logp, half)
			} else {
				err = e.LogProbGrad(logp, slope, half)
			}
			if err != nil {
				panic(err)
			}
		}
		if grad != nil {
			grad[0] = -2*x[0] + slope.At(0, 0)/2
		}
		return logp[0] - x[0]*x[0]
	}))
	return e
}

func TestEvaluatorInsideItself(t *testing.T) {
	within(t, func() {
		e := halving()
		for range 2 {
			for _, v := range []float64{0.5, 1.5, 7, -30} {
				want, slope := 0.0, 0.0
				for k := 1.0; ; k *= 2 {
					want -= v / k * v / k
					slope -= 2 * v / k / k
					if math.Abs(v/k) <= 1 {
						break
					}
				}
				logp, grad := evaluate(t, e, mat.NewDense(1, 1, []float64{v}))
				checkRelative(t, fmt.Sprint("ln π at ", v), logp[0], want, 1e-14)
				checkRelative(t, fmt.Sprint("gradient at ", v), grad.At(0, 0), slope, 1e-14)
			}
		}
	})
}

// Without an end it is an error, and the evaluator survives it.
func TestEvaluatorInsideItselfWithoutEnd(t *testing.T) {
	within(t, func() {
		endless := true
		var e *Evaluator
		e = NewEvaluator(Func(1, func(grad, x []float64) float64 {
			copy(grad, []float64{1})
			if endless {
				if err := e.LogProbGrad([]float64{0}, mat.NewDense(1, 1, nil), mat.NewDense(1, 1, nil)); err != nil {
					panic(err)
				}
			}
			return x[0]
		}))
		logp, grad, x := []float64{0}, mat.NewDense(1, 1, nil), mat.NewDense(1, 1, []float64{3})
		for range 2 {
			if err := e.LogProbGrad(logp, grad, x); !errors.Is(err, ErrSettings) || !strings.Contains(err.Error(), "evaluates itself") {
				t.Errorf("error %v", err)
			}
		}
		endless = false
		if err := e.LogProbGrad(logp, grad, x); err != nil || logp[0] != 3 {
			t.Errorf("afterwards: %v, %v", logp, err)
		}
	})
}

// The same while the graph is built.
func TestEvaluatorInsideItsBuilder(t *testing.T) {
	within(t, func() {
		var e *Evaluator
		e = NewEvaluator(&nodes{1, func(x *gorgonia.Node) (*gorgonia.Node, error) {
			if err := e.LogProbs([]float64{0}, mat.NewDense(1, 1, nil)); err != nil {
				return nil, err
			}
			return gorgonia.Sum(x, 1)
		}})
		if err := e.LogProbs([]float64{0}, mat.NewDense(1, 1, nil)); !errors.Is(err, ErrSettings) {
			t.Errorf("error %v", err)
		}
	})
}

// Two densities that evaluate one another, on many goroutines.
func TestEvaluatorsInsideOneAnother(t *testing.T) {
	within(t, func() {
		var es [2]*Evaluator
		for i := range es {
			es[i] = NewEvaluator(Func(1, func(grad, x []float64) float64 {
				copy(grad, []float64{0})
				if x[0] < 1 {
					return x[0]
				}
				logp := []float64{0}
				if err := es[1-i].LogProbGrad(logp, mat.NewDense(1, 1, nil), mat.NewDense(1, 1, []float64{x[0] - 1})); err != nil {
					panic(err)
				}
				return 10 + logp[0]
			}))
		}
		var wg sync.WaitGroup
		for g := range 6 {
			wg.Go(func() {
				for k := range 40 {
					logp := []float64{0}
					if err := es[(g+k)%2].LogProbGrad(logp, mat.NewDense(1, 1, nil), mat.NewDense(1, 1, []float64{3.5})); err != nil || logp[0] != 30.5 {
						t.Errorf("ln π is %v, %v", logp, err)
						return
					}
				}
			})
		}
		wg.Wait()
	})
}
