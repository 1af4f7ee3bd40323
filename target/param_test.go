package target_test

import (
	"testing"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/target"
)

// weighted is the density −Σ w_i x_i² with parameters w.
type weighted struct{ w *bijector.Param }

func (d *weighted) Dim() int { return d.w.Value().Size() }

func (d *weighted) LogProb(x *gorgonia.Node) (*gorgonia.Node, error) {
	sum, err := gorgonia.Mul(gorgonia.Must(gorgonia.Square(x)), d.w.Node(x))
	if err != nil {
		return nil, err
	}
	return gorgonia.Neg(sum)
}

// Compiled evaluators see a change of a parameter at their next run, also if several share
// the parameter.
func TestEvaluatorSeesParametersChange(t *testing.T) {
	w, err := bijector.NewParam("w", []float64{1, 2, 4}, 3)
	if err != nil {
		t.Fatal(err)
	}
	d := &weighted{w}
	evaluators := []*target.Evaluator{target.NewEvaluator(d), target.NewEvaluator(d)}
	check := func(rows int, w ...float64) {
		t.Helper()
		x, grad := mat.NewDense(rows, 3, nil), mat.NewDense(rows, 3, nil)
		x.Apply(func(i, j int, _ float64) float64 { return float64(i + 2*j - 3) }, x)
		logp, only := make([]float64, rows), make([]float64, rows)
		for k, e := range evaluators {
			if err := e.LogProbGrad(logp, grad, x); err != nil {
				t.Fatal(err)
			}
			if err := e.LogProbs(only, x); err != nil {
				t.Fatal(err)
			}
			for r := range rows {
				want := 0.0
				for i, v := range x.RawRowView(r) {
					want -= w[i] * v * v
					if got := grad.At(r, i); got != -2*w[i]*v {
						t.Errorf("evaluator %d, w = %v: gradient (%d, %d) is %v, want %v", k, w, r, i, got, -2*w[i]*v)
					}
				}
				if logp[r] != want || only[r] != want {
					t.Errorf("evaluator %d, w = %v: ln π of row %d is %v and %v, want %v",
						k, w, r, logp[r], only[r], want)
				}
			}
		}
	}
	check(1, 1, 2, 4)
	check(4, 1, 2, 4)
	copy(w.Value().Data().([]float64), []float64{3, 0.5, -1})
	check(4, 3, 0.5, -1)
	check(1, 3, 0.5, -1)
	check(2, 3, 0.5, -1)
	w.Value().Data().([]float64)[1] = 8
	check(2, 3, 8, -1)
	check(4, 3, 8, -1)
	if got := w.Value().Data().([]float64); got[0] != 3 || got[1] != 8 || got[2] != -1 {
		t.Errorf("the parameter was changed to %v", got)
	}
}
