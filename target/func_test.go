package target

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/internal/graph"
)

// nodes is a density built from Gorgonia nodes.
type nodes struct {
	dim   int
	build func(x *gorgonia.Node) (*gorgonia.Node, error)
}

func (d *nodes) Dim() int                                         { return d.dim }
func (d *nodes) LogProb(x *gorgonia.Node) (*gorgonia.Node, error) { return d.build(x) }

// quarticNodes returns the density Σ tanh x_i − x_i⁴ made of Gorgonia's operations.
func quarticNodes(dim int) Density {
	return &nodes{dim, func(x *gorgonia.Node) (*gorgonia.Node, error) {
		square := gorgonia.Must(gorgonia.Square(x))
		quartic := gorgonia.Must(gorgonia.Square(square))
		site := gorgonia.Must(gorgonia.Sub(gorgonia.Must(gorgonia.Tanh(x)), quartic))
		return gorgonia.Sum(site, 1)
	}}
}

// quarticFunc returns the density of quarticNodes as a plain function.
func quarticFunc(dim int) Density {
	return Func(dim, func(grad, x []float64) float64 {
		sum := 0.0
		for i, v := range x {
			th := math.Tanh(v)
			sum += th - v*v*v*v
			if grad != nil {
				grad[i] = 1 - th*th - 4*v*v*v
			}
		}
		return sum
	})
}

// A plain function and the same density of nodes have the same values and gradients.
func TestFuncEqualsNodes(t *testing.T) {
	for _, dim := range []int{1, 2, 5} {
		for _, rows := range []int{1, 2, 40} {
			x, weight := mat.NewDense(rows, dim, normalRows(1, rows*dim)), normalRows(2, rows)
			for dt, eps := range map[tensor.Dtype]float64{tensor.Float64: 1e-14, tensor.Float32: 2e-6} {
				what := fmt.Sprintf("%v, %d rows of %d", dt, rows, dim)
				want, wantGrad := inPrecision(t, tensor.Float64, quarticNodes(dim), x, weight)
				for name, d := range map[string]Density{"Func": quarticFunc(dim), "nodes": quarticNodes(dim)} {
					got, gotGrad := inPrecision(t, dt, d, x, weight)
					for r := range rows {
						tol := eps * float64(dim) * math.Pow(1+mat.Norm(x.RowView(r), math.Inf(1)), 4)
						if !(math.Abs(got[r]-want[r]) <= tol) {
							t.Errorf("%s, %s: row %d: %v, want %v", what, name, r, got[r], want[r])
						}
						for i := range dim {
							if !(math.Abs(gotGrad.At(r, i)-wantGrad.At(r, i)) <= tol*(1+math.Abs(weight[r]))) {
								t.Errorf("%s, %s: gradient (%d, %d): %v, want %v",
									what, name, r, i, gotGrad.At(r, i), wantGrad.At(r, i))
							}
						}
					}
				}
			}
		}
	}
}

// A graph that needs only the gradient runs the function, too.
func TestFuncGradientAlone(t *testing.T) {
	const rows, dim = 4, 3
	x := mat.NewDense(rows, dim, normalRows(9, rows*dim))
	_, want := evaluate(t, NewEvaluator(quarticNodes(dim)), x)
	inputs := []graph.Input{{Name: "x", Cols: dim}}
	p := graph.NewProgram(tensor.Float64, inputs, nil, func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
		logp, err := quarticFunc(dim).LogProb(in[0])
		if err != nil {
			return nil, err
		}
		total, err := graph.Total(1, logp)
		if err != nil {
			return nil, err
		}
		return graph.Grad(total, in[0])
	})
	got := mat.NewDense(rows, dim, nil)
	for range 2 {
		got.Zero()
		if err := p.Run(rows, [][]float64{x.RawMatrix().Data}, [][]float64{got.RawMatrix().Data}); err != nil {
			t.Fatal(err)
		}
		if !mat.EqualApprox(got, want, 1e-13) {
			t.Errorf("gradient %v, want %v", mat.Formatted(got), mat.Formatted(want))
		}
	}
}

// A run calls the function once per row, with slices of length and capacity dim.
func TestFuncIsCalledOncePerRow(t *testing.T) {
	const rows, dim = 5, 3
	var plain, withGrad int
	e := NewEvaluator(Func(dim, func(grad, x []float64) float64 {
		if len(x) != dim || cap(x) != dim {
			t.Errorf("x has length %d and capacity %d, want %d", len(x), cap(x), dim)
		}
		if grad == nil {
			plain++
			return x[0]
		}
		withGrad++
		if len(grad) != dim || cap(grad) != dim {
			t.Errorf("grad has length %d and capacity %d, want %d", len(grad), cap(grad), dim)
		}
		copy(grad, []float64{1, 0, 0})
		return x[0]
	}))
	x := mat.NewDense(rows, dim, normalRows(3, rows*dim))
	logp, grad := make([]float64, rows), mat.NewDense(rows, dim, nil)
	for run := 1; run <= 2; run++ {
		if err := e.LogProbs(logp, x); err != nil {
			t.Fatal(err)
		}
		if plain != run*rows || withGrad != (run-1)*rows {
			t.Errorf("run %d: after LogProb %d calls without and %d with gradient", run, plain, withGrad)
		}
		if err := e.LogProbGrad(logp, grad, x); err != nil {
			t.Fatal(err)
		}
		if plain != run*rows || withGrad != run*rows {
			t.Errorf("run %d: after LogProbGrad %d calls without and %d with gradient", run, plain, withGrad)
		}
	}
}

// A function may write to its x: neither the caller nor the rest of the graph sees it,
// in both precisions.
func TestFuncMayWriteToItsInput(t *testing.T) {
	const rows, dim = 4, 3
	writer := Func(dim, func(grad, x []float64) float64 {
		sum := 0.0
		for i, v := range x {
			sum += v
			x[i] = math.NaN()
			if grad != nil {
				grad[i] = 1
			}
		}
		return sum
	})
	both := &nodes{dim, func(x *gorgonia.Node) (*gorgonia.Node, error) {
		before := gorgonia.Must(quarticNodes(dim).LogProb(x))
		sum := gorgonia.Must(writer.LogProb(x))
		after := gorgonia.Must(NewNormal(dim).LogProb(x))
		return graph.Combine(0, []float64{1, 1, 1}, before, sum, after)
	}}
	x, weight := mat.NewDense(rows, dim, normalRows(4, rows*dim)), normalRows(5, rows)
	for dt, eps := range map[tensor.Dtype]float64{tensor.Float64: 1e-13, tensor.Float32: 1e-4} {
		logp, grad := inPrecision(t, dt, both, x, weight)
		for r := range rows {
			want := -0.5 * dim * math.Log(2*math.Pi)
			for i, v := range x.RawRowView(r) {
				want += math.Tanh(v) - v*v*v*v + v - v*v/2
				slope := 1 - math.Tanh(v)*math.Tanh(v) - 4*v*v*v + 1 - v
				if want := weight[r] * slope; !(math.Abs(grad.At(r, i)-want) <= eps*(1+math.Abs(want))) {
					t.Errorf("%v: gradient (%d, %d): %v, want %v", dt, r, i, grad.At(r, i), want)
				}
			}
			checkRelative(t, fmt.Sprint(dt, " row ", r), logp[r], want, eps)
		}
	}
}

// In a float32 graph the function gets x rounded to float32, and computes in float64.
func TestFuncArithmeticIsFloat64(t *testing.T) {
	var seen []float64
	d := Func(2, func(grad, x []float64) float64 {
		seen = append([]float64(nil), x...)
		copy(grad, []float64{0, 0})
		return (1e10 + x[0]) - 1e10 // 0.125 is lost in float32
	})
	logp, _ := inPrecision(t, tensor.Float32, d, mat.NewDense(1, 2, []float64{0.125, 0.1}), []float64{1})
	checkSameBits(t, "x", seen, []float64{0.125, float64(float32(0.1))})
	if logp[0] != 0.125 {
		t.Errorf("ln π = %v, want 0.125", logp[0])
	}
}

// A component that the function does not set is ErrGradient, also if an earlier run set it.
func TestFuncMustSetEveryComponent(t *testing.T) {
	const rows = 3
	forgetful := Func(3, func(grad, x []float64) float64 {
		if grad != nil {
			grad[0], grad[1] = 1, 2
			if x[0] < 10 { // else the value of the earlier run must not be used
				grad[2] = 3
			}
		}
		return x[0] + 2*x[1] + 3*x[2]
	})
	e := NewEvaluator(forgetful)
	x := mat.NewDense(rows, 3, normalRows(6, 3*rows))
	logp, grad := make([]float64, rows), mat.NewDense(rows, 3, nil)
	if err := errors.Join(CheckGrad(forgetful, x, 1e-6), e.LogProbGrad(logp, grad, x)); err != nil {
		t.Fatal(err)
	}
	x.Set(1, 0, 20)
	const text = "component 2 is not set"
	checkError(t, "LogProbGrad", e.LogProbGrad(logp, grad, x), ErrGradient, "row 1: ", text)
	checkError(t, "CheckGrad", CheckGrad(forgetful, x, 1e-6), ErrGradient, "row 1: ", text)
	if err := e.LogProbs(logp, x); err != nil {
		t.Errorf("without the gradient: %v", err)
	}
}

// A function that adds to its gradient fails with ErrGradient. A function that computes
// NaN does not fail, nor does one that sets no gradient where its value is not finite.
func TestFuncMustNotAddToGradient(t *testing.T) {
	zero := 0.0
	for name, c := range map[string]struct {
		value float64
		set   func(grad []float64)
		bad   bool
	}{
		"adds":           {1, func(g []float64) { g[0] = 1; g[1] += 2 }, true},
		"subtracts":      {1, func(g []float64) { g[0] = 1; g[1] -= 2 }, true},
		"adds twice":     {1, func(g []float64) { g[0] = 1; g[1] += 2; g[1] += zero }, true},
		"scales":         {1, func(g []float64) { g[0] = 1; g[1] *= -3 }, true},
		"changes sign":   {1, func(g []float64) { g[0] = 1; g[1] = -g[1] }, true},
		"nothing":        {1, func(g []float64) {}, true},
		"sets":           {1, func(g []float64) { g[0], g[1] = 1, 2 }, false},
		"NaN":            {1, func(g []float64) { g[0], g[1] = 1, math.NaN() }, false},
		"0/0":            {1, func(g []float64) { g[0], g[1] = 1, zero/zero }, false},
		"∞ − ∞":          {1, func(g []float64) { g[0], g[1] = 1, math.Inf(1)*(1+zero)-math.Inf(1) }, false},
		"weight zero":    {math.Inf(-1), func(g []float64) {}, false},
		"infinite":       {math.Inf(1), func(g []float64) {}, false},
		"not a number":   {math.NaN(), func(g []float64) {}, false},
		"a huge number":  {-math.MaxFloat64, func(g []float64) {}, true},
		"weight zero, +": {math.Inf(-1), func(g []float64) { g[0] += 1 }, false},
	} {
		d := Func(2, func(grad, x []float64) float64 {
			if x[0] > 5 {
				if grad != nil {
					c.set(grad)
				}
				return c.value
			}
			copy(grad, []float64{0, 0})
			return 0
		})
		logp, grad := make([]float64, 3), mat.NewDense(3, 2, nil)
		err := NewEvaluator(d).LogProbGrad(logp, grad, mat.NewDense(3, 2, []float64{1, 1, 2, 2, 6, 6}))
		switch {
		case !c.bad && err != nil:
			t.Errorf("%s: error %v", name, err)
		case c.bad:
			checkError(t, name, err, ErrGradient,
				"target: Func: row 2: ", "logp must set every component, not add to it")
		case math.Float64bits(logp[2]) != math.Float64bits(c.value):
			t.Errorf("%s: ln π is %g, want %g", name, logp[2], c.value)
		}
	}
}

// walled returns a normal density within the walls |x_0| < 1. Beyond them ln π is the
// given value, and no gradient is set.
func walled(beyond float64) Density {
	return Func(2, func(grad, x []float64) float64 {
		if !(math.Abs(x[0]) < 1) {
			return beyond
		}
		if grad != nil {
			grad[0], grad[1] = -x[0], -x[1]
		}
		return -0.5 * (x[0]*x[0] + x[1]*x[1])
	})
}

// Values that are not finite reach the caller unchanged, with and without gradient, in
// both precisions. They do not change the other rows.
func TestFuncReturnsNonFiniteValues(t *testing.T) {
	x := mat.NewDense(3, 2, []float64{0.5, 1, 2, 0, 0, 3})
	for _, beyond := range []float64{math.Inf(-1), math.Inf(1), math.NaN()} {
		for _, e := range []*Evaluator{NewEvaluator(walled(beyond)), NewEvaluator(walled(beyond)).Float32()} {
			only, logp, grad := make([]float64, 3), make([]float64, 3), mat.NewDense(3, 2, nil)
			if err := errors.Join(e.LogProbs(only, x), e.LogProbGrad(logp, grad, x)); err != nil {
				t.Errorf("%v beyond the walls: %v", beyond, err)
			}
			for _, got := range [][]float64{only, logp} {
				same := got[1] == beyond || math.IsNaN(got[1]) && math.IsNaN(beyond)
				if got[0] != -0.625 || !same || got[2] != -4.5 {
					t.Errorf("%v beyond the walls: ln π is %v", beyond, got)
				}
			}
			for _, r := range []int{0, 2} {
				for i, g := range grad.RawRowView(r) {
					if g != -x.At(r, i) {
						t.Errorf("%v beyond the walls: gradient (%d, %d) is %g", beyond, r, i, g)
					}
				}
			}
		}
	}
}

// A panic of the function is an error of this call only. A nil function is ErrSettings.
func TestFuncPanicIsError(t *testing.T) {
	mode := ""
	d := Func(2, func(grad, x []float64) float64 {
		switch mode {
		case "text":
			panic("no such site")
		case "error":
			panic(errors.New("out of memory"))
		case "index":
			return x[len(x)]
		}
		copy(grad, []float64{1, 1})
		return x[0] + x[1]
	})
	e := NewEvaluator(d)
	x := mat.NewDense(2, 2, []float64{1, 2, 3, 4})
	logp, grad := make([]float64, 2), mat.NewDense(2, 2, nil)
	calls := map[string]func() error{
		"LogProb":     func() error { return e.LogProbs(logp, x) },
		"LogProbGrad": func() error { return e.LogProbGrad(logp, grad, x) },
		"CheckGrad":   func() error { return CheckGrad(d, x, 1e-6) },
	}
	for name, call := range calls {
		for _, c := range []struct{ mode, text string }{
			{"", ""},
			{"text", "no such site"},
			{"", ""},
			{"error", "out of memory"},
			{"index", "index out of range"},
			{"", ""},
		} {
			mode = c.mode
			err := call()
			if c.text == "" {
				if err != nil || name != "CheckGrad" && (logp[0] != 3 || logp[1] != 7) {
					t.Errorf("%s, not at fault: ln π = %v, error %v", name, logp, err)
				}
				clear(logp)
				continue
			}
			checkError(t, name+", "+c.mode, err, nil, "target: Func: row 0: panic: ", c.text)
		}
	}

	none := Func(2, nil)
	for name, err := range map[string]error{
		"LogProb":     NewEvaluator(none).LogProbs(logp, x),
		"LogProbGrad": NewEvaluator(none).LogProbGrad(logp, grad, x),
		"CheckGrad":   CheckGrad(none, x, 1e-6),
	} {
		checkError(t, name+" of a nil function", err, ErrSettings, "Func", "nil function")
	}
}
