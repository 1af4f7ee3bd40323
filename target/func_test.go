package target

import (
	"errors"
	"fmt"
	"math"
	"strings"
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

// quarticNodes is Σ tanh x_i − x_i⁴ out of Gorgonia's own operations.
func quarticNodes(dim int) Density {
	return &nodes{dim, func(x *gorgonia.Node) (*gorgonia.Node, error) {
		square := gorgonia.Must(gorgonia.Square(x))
		quartic := gorgonia.Must(gorgonia.Square(square))
		site := gorgonia.Must(gorgonia.Sub(gorgonia.Must(gorgonia.Tanh(x)), quartic))
		return gorgonia.Sum(site, 1)
	}}
}

// quarticFunc is the same as a plain function.
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

// A graph that asks for the gradient but not for the value runs the function first.
func TestFuncGradientAlone(t *testing.T) {
	const rows, dim = 4, 3
	x := mat.NewDense(rows, dim, normalRows(9, rows*dim))
	_, want := evaluate(t, NewEvaluator(quarticNodes(dim)), x)
	p := graph.NewProgram(tensor.Float64, []int{dim}, func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
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

func TestFuncCalls(t *testing.T) {
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

// What the function does to its x harms neither the caller nor other parts of the
// graph, whatever the precision.
func TestFuncMayScribble(t *testing.T) {
	const rows, dim = 4, 3
	scribbler := Func(dim, func(grad, x []float64) float64 {
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
		sum := gorgonia.Must(scribbler.LogProb(x))
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

// float32 graphs hand over x in float64, as rounded.
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

func TestFuncForgottenGradient(t *testing.T) {
	const rows = 3
	forgetful := Func(3, func(grad, x []float64) float64 {
		if grad != nil {
			grad[0], grad[1] = 1, 2
			if x[0] < 10 { // else the value of an earlier run must not stand in
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
	for method, err := range map[string]error{"LogProbGrad": e.LogProbGrad(logp, grad, x), "CheckGrad": CheckGrad(forgetful, x, 1e-6)} {
		if !errors.Is(err, ErrGradient) || !strings.Contains(err.Error(), "row 1: ") || !strings.Contains(err.Error(), "component 2 is not set") {
			t.Errorf("%s: error %v", method, err)
		}
	}
	if err := e.LogProbs(logp, x); err != nil {
		t.Errorf("without the gradient: %v", err)
	}
}

// A function that adds to its gradient is told so; one that computes NaN, or has no
// gradient to give because the value is not finite, is not.
func TestFuncAddsToGradient(t *testing.T) {
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
		case c.bad && (!errors.Is(err, ErrGradient) || !strings.Contains(err.Error(), "target: Func: row 2: ") ||
			!strings.Contains(err.Error(), "logp must set every component, not add to it")):
			t.Errorf("%s: error %v", name, err)
		case !c.bad && math.Float64bits(logp[2]) != math.Float64bits(c.value):
			t.Errorf("%s: ln π is %g, want %g", name, logp[2], c.value)
		}
	}
}

// walled is a normal density of the first value cut at |x_0| < 1; beyond the walls it
// returns at once.
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

// What is not finite reaches the caller as it is, with and without gradient, in both
// precisions, and leaves the other rows alone.
func TestWallsPassThrough(t *testing.T) {
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

// CheckGrad compares within the walls only, and tells when it has compared nothing.
func TestCheckGradAtWalls(t *testing.T) {
	wall := walled(math.Inf(-1))
	within := []float64{0.5, 1, -1 + 1e-7, 2, 5, 0}
	if err := CheckGrad(wall, mat.NewDense(3, 2, within), 1e-6); err != nil {
		t.Error(err)
	}
	bad := Func(2, func(grad, x []float64) float64 {
		if !(math.Abs(x[0]) < 1) {
			return math.Inf(-1)
		}
		if grad != nil {
			grad[0], grad[1] = -x[0], -1.1*x[1]
		}
		return -0.5 * (x[0]*x[0] + x[1]*x[1])
	})
	if err := CheckGrad(bad, mat.NewDense(3, 2, within), 1e-6); !errors.Is(err, ErrGradient) || !strings.Contains(err.Error(), "row 0, coordinate 1") {
		t.Errorf("error %v", err)
	}
	if err := CheckGrad(bad, mat.NewDense(1, 2, within[2:4]), 1e-6); !errors.Is(err, ErrGradient) || !strings.Contains(err.Error(), "coordinate 1") {
		t.Errorf("beside a wall: error %v", err)
	}
	if err := CheckGrad(wall, mat.NewDense(2, 2, []float64{3, 0, -4, 1}), 1e-6); !errors.Is(err, ErrNotFinite) {
		t.Errorf("beyond the walls alone: error %v", err)
	}
	for _, beyond := range []float64{math.Inf(1), math.NaN()} {
		err := CheckGrad(walled(beyond), mat.NewDense(3, 2, within), 1e-6)
		if !errors.Is(err, ErrNotFinite) || !strings.Contains(err.Error(), "row 2") {
			t.Errorf("ln π of %g: error %v", beyond, err)
		}
	}
}

// The tolerance is relative to the larger of one and the largest component, and no
// laxer or stricter than that.
func TestCheckGradTolerance(t *testing.T) {
	for _, slope := range []float64{0.01, 1, 300} { // of the largest component
		for _, tol := range []float64{1e-6, 1e-3} {
			for _, off := range []float64{-1.02, -0.98, 0.98, 1.02} { // in units of the tolerance
				d := Func(2, func(grad, x []float64) float64 {
					if grad != nil {
						grad[0], grad[1] = slope, 0.3*slope+off*tol*math.Max(1, slope)
					}
					return slope*x[0] + 0.3*slope*x[1]
				})
				err := CheckGrad(d, mat.NewDense(1, 2, nil), tol)
				if errors.Is(err, ErrGradient) != (math.Abs(off) > 1) || err != nil && !errors.Is(err, ErrGradient) {
					t.Errorf("slope %g, tolerance %g, off by %g of it: error %v", slope, tol, off, err)
				}
			}
		}
	}
	x := mat.NewDense(1, 3, nil)
	for _, tol := range []float64{0, -1, math.NaN(), math.Inf(1)} {
		if err := CheckGrad(NewNormal(3), x, tol); !errors.Is(err, ErrSettings) {
			t.Errorf("tolerance %g: error %v", tol, err)
		}
	}
	for name, err := range map[string]error{
		"nil matrix":  CheckGrad(NewNormal(3), nil, 1e-6),
		"nil density": CheckGrad(nil, x, 1e-6),
	} {
		if !errors.Is(err, ErrShape) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestFuncFaults(t *testing.T) {
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
		for _, c := range []struct{ mode, text string }{{"", ""}, {"text", "no such site"}, {"", ""}, {"error", "out of memory"}, {"index", "index out of range"}, {"", ""}} {
			mode = c.mode
			err := call()
			if c.text == "" {
				if err != nil || name != "CheckGrad" && (logp[0] != 3 || logp[1] != 7) {
					t.Errorf("%s, not at fault: ln π = %v, error %v", name, logp, err)
				}
				clear(logp)
				continue
			}
			if err == nil || !strings.Contains(err.Error(), "target: Func: row 0: panic: ") || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%s, %s: error %v, want one with %q", name, c.mode, err, c.text)
			}
		}
	}

	none := Func(2, nil)
	for name, err := range map[string]error{
		"LogProb":     NewEvaluator(none).LogProbs(logp, x),
		"LogProbGrad": NewEvaluator(none).LogProbGrad(logp, grad, x),
		"CheckGrad":   CheckGrad(none, x, 1e-6),
	} {
		if !errors.Is(err, ErrSettings) || !strings.Contains(err.Error(), "Func") || !strings.Contains(err.Error(), "nil function") {
			t.Errorf("%s of a nil function: error %v", name, err)
		}
	}
}

// faulty is Σ x_i² + x_0 x_1 with its gradient, times factor at one coordinate where
// x_0 exceeds 5.
func faulty(coordinate int, factor float64) Density {
	return Func(3, func(grad, x []float64) float64 {
		if grad != nil {
			grad[0], grad[1], grad[2] = 2*x[0]+x[1], 2*x[1]+x[0], 2*x[2]
			if x[0] > 5 {
				grad[coordinate] *= factor
			}
		}
		return x[0]*x[0] + x[1]*x[1] + x[2]*x[2] + x[0]*x[1]
	})
}

func TestCheckGrad(t *testing.T) {
	wide := mat.NewDense(4, 5, normalRows(7, 20))
	x := wide.Slice(0, 4, 1, 4).(*mat.Dense) // strided
	x.SetRow(2, []float64{6, -1, 3})
	keep := mat.DenseCopyOf(wide)
	for _, d := range []Density{faulty(1, 1), quarticFunc(3), quarticNodes(3), NewNormal(3)} {
		if err := CheckGrad(d, x, 1e-6); err != nil {
			t.Error(err)
		}
	}
	for coordinate := range 3 {
		for _, factor := range []float64{0, -1, 1 + 1e-4, 1e9, math.Inf(1), math.Inf(-1), math.NaN()} {
			err := CheckGrad(faulty(coordinate, factor), x, 1e-6)
			if !errors.Is(err, ErrGradient) || !strings.Contains(err.Error(), fmt.Sprintf("row 2, coordinate %d: ", coordinate)) {
				t.Errorf("coordinate %d times %g: error %v", coordinate, factor, err)
			}
		}
		if err := CheckGrad(faulty(coordinate, 1+1e-4), x, 1e-2); err != nil {
			t.Errorf("within the tolerance: %v", err)
		}
	}
	if !mat.Equal(wide, keep) {
		t.Error("x changed")
	}
	if err := CheckGrad(NewNormal(3), mat.NewDense(2, 4, nil), 1e-6); !errors.Is(err, ErrShape) {
		t.Errorf("x of 4 columns for 3 values: error %v", err)
	}
	if err := CheckGrad(NewNormal(3), &mat.Dense{}, 1e-6); !errors.Is(err, ErrShape) {
		t.Errorf("empty x: error %v", err)
	}
}

// Steps follow the magnitude of x, and the tolerance that of the gradient.
func TestCheckGradScales(t *testing.T) {
	steep := Func(2, func(grad, x []float64) float64 {
		if grad != nil {
			grad[0], grad[1] = 2e8*x[0], 1e-3
		}
		return 1e8*x[0]*x[0] + 1e-3*x[1]
	})
	for _, v := range []float64{0, 1e-9, 1, -1e6} {
		if err := CheckGrad(steep, mat.NewDense(1, 2, []float64{v, v}), 1e-6); err != nil {
			t.Errorf("at %g: %v", v, err)
		}
	}
}
