package target

import (
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/gorgonia"
)

// checkEnds fails if f does not return within 20 s: it is then waiting for itself.
func checkEnds(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("deadlock")
	}
}

// selfEvaluating returns an evaluator of a density that calls it:
// ln π(x) = −x² + ln π(x/2) where |x| > 1, and −x² elsewhere.
func selfEvaluating() *Evaluator {
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

// A density may evaluate itself: the values are those of the recursion.
func TestEvaluatorOfItself(t *testing.T) {
	checkEnds(t, func() {
		e := selfEvaluating()
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

// An endless recursion is an error. The evaluator works again afterwards.
func TestEvaluatorRefusesEndlessRecursion(t *testing.T) {
	checkEnds(t, func() {
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
			checkError(t, "endless", e.LogProbGrad(logp, grad, x), ErrSettings, "evaluates itself")
		}
		endless = false
		if err := e.LogProbGrad(logp, grad, x); err != nil || logp[0] != 3 {
			t.Errorf("afterwards: %v, %v", logp, err)
		}
	})
}

// A density that evaluates itself while its graph is built is an endless recursion, too.
func TestEvaluatorRefusesRecursionOfItsBuilder(t *testing.T) {
	checkEnds(t, func() {
		var e *Evaluator
		e = NewEvaluator(&nodes{1, func(x *gorgonia.Node) (*gorgonia.Node, error) {
			if err := e.LogProbs([]float64{0}, mat.NewDense(1, 1, nil)); err != nil {
				return nil, err
			}
			return gorgonia.Sum(x, 1)
		}})
		checkError(t, "in the builder", e.LogProbs([]float64{0}, mat.NewDense(1, 1, nil)), ErrSettings)
	})
}

// Two densities that evaluate each other on many goroutines do not block one another.
func TestEvaluatorsOfEachOther(t *testing.T) {
	checkEnds(t, func() {
		var es [2]*Evaluator
		for i := range es {
			es[i] = NewEvaluator(Func(1, func(grad, x []float64) float64 {
				copy(grad, []float64{0})
				if x[0] < 1 {
					return x[0]
				}
				logp, before := []float64{0}, mat.NewDense(1, 1, []float64{x[0] - 1})
				if err := es[1-i].LogProbGrad(logp, mat.NewDense(1, 1, nil), before); err != nil {
					panic(err)
				}
				return 10 + logp[0]
			}))
		}
		var wg sync.WaitGroup
		for g := range 6 {
			wg.Go(func() {
				for k := range 40 {
					logp, x := []float64{0}, mat.NewDense(1, 1, []float64{3.5})
					err := es[(g+k)%2].LogProbGrad(logp, mat.NewDense(1, 1, nil), x)
					if err != nil || logp[0] != 30.5 {
						t.Errorf("ln π is %v, %v", logp, err)
						return
					}
				}
			})
		}
		wg.Wait()
	})
}
