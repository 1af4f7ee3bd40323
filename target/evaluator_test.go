package target

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"sync"
	"testing"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// everyDensity returns a density of each kind on 9 values.
func everyDensity(t *testing.T) map[string]Density {
	return map[string]Density{
		"Ising":  isingOf(t, []int{3, 3}, criticalT, byRule),
		"Normal": NewNormal(9),
		"Func":   quarticFunc(9),
		"nodes":  quarticNodes(9),
		"Phi4":   phi4Of(t, []int{3, 3}, -4, 6, 1),
		"O(3)":   phi4Of(t, []int{3}, -4, 6, 3),
		"Local":  quarticLocal(t, phi4Of(t, []int{3}, -4, 6, 3)),
	}
}

// evaluate returns ln π and its gradient at x. It checks that LogProbs returns the same
// bits and that x does not change.
func evaluate(t *testing.T, e *Evaluator, x *mat.Dense) ([]float64, *mat.Dense) {
	t.Helper()
	rows, cols := x.Dims()
	keep := mat.DenseCopyOf(x)
	logp, only, grad := make([]float64, rows), make([]float64, rows), mat.NewDense(rows, cols, nil)
	if err := errors.Join(e.LogProbGrad(logp, grad, x), e.LogProbs(only, x)); err != nil {
		t.Fatal(err)
	}
	checkSameBits(t, "LogProb and LogProbGrad", only, logp)
	checkSameBits(t, "x before and after", keep.RawMatrix().Data, mat.DenseCopyOf(x).RawMatrix().Data)
	return logp, grad
}

// checkError fails unless err wraps want and says all texts. A nil want stands for any
// error.
func checkError(t *testing.T, what string, err, want error, texts ...string) {
	t.Helper()
	ok := err != nil && (want == nil || errors.Is(err, want))
	for _, text := range texts {
		ok = ok && strings.Contains(err.Error(), text)
	}
	if !ok {
		t.Errorf("%s: error %v, want %v with %q", what, err, want, texts)
	}
}

// Extents that do not fit are ErrShape, with the extents in the message.
func TestEvaluatorShapes(t *testing.T) {
	dense := func(r, c int) *mat.Dense { return mat.NewDense(r, c, nil) }
	for name, d := range everyDensity(t) {
		e := NewEvaluator(d)
		if e.Dim() != 9 || d.Dim() != 9 {
			t.Errorf("%s: Dim is %d and %d, want 9", name, e.Dim(), d.Dim())
		}
		for _, c := range []struct {
			logp    int
			grad, x *mat.Dense
			text    string
		}{
			{4, dense(4, 9), dense(4, 8), "x is (4, 8), want (rows, 9)"},
			{4, dense(4, 9), dense(9, 4), "x is (9, 4)"},
			{3, dense(4, 9), dense(4, 9), "room for 3 log-densities of 4 rows"},
			{5, dense(4, 9), dense(4, 9), "room for 5"},
			{0, dense(4, 9), dense(4, 9), "room for 0"},
			{0, dense(4, 9), &mat.Dense{}, "x is (0, 0)"},
		} {
			logp := make([]float64, c.logp)
			checkError(t, name+", LogProbs", e.LogProbs(logp, c.x), ErrShape, c.text)
			checkError(t, name+", LogProbGrad", e.LogProbGrad(logp, c.grad, c.x), ErrShape, c.text)
		}
		for _, grad := range []*mat.Dense{dense(4, 8), dense(4, 10), dense(3, 9), dense(5, 9), dense(9, 4), {}} {
			r, c := grad.Dims()
			text := fmt.Sprintf("gradient is (%d, %d), want (4, 9)", r, c)
			checkError(t, name, e.LogProbGrad(make([]float64, 4), grad, dense(4, 9)), ErrShape, text)
		}
	}
}

// x and the gradient may be parts of wider matrices. The elements around the gradient do
// not change.
func TestEvaluatorStrided(t *testing.T) {
	const n, wide = 9, 14
	for name, d := range everyDensity(t) {
		for _, rows := range []int{1, 2, 7} {
			e := NewEvaluator(d)
			around := mat.NewDense(rows+2, wide, normalRows(1, (rows+2)*wide))
			x := around.Slice(1, rows+1, 3, 3+n).(*mat.Dense)
			want, wantGrad := evaluate(t, e, mat.DenseCopyOf(x))
			got, gotGrad := evaluate(t, e, x)
			checkSameBits(t, name+": ln π", got, want)
			checkSameBits(t, name+": gradient", gotGrad.RawMatrix().Data, wantGrad.RawMatrix().Data)

			filled := mat.NewDense(rows+2, wide, nil)
			filled.Apply(func(i, j int, _ float64) float64 { return float64(100*i + j) }, filled)
			if err := e.LogProbGrad(got, filled.Slice(1, rows+1, 2, 2+n).(*mat.Dense), x); err != nil {
				t.Fatal(err)
			}
			for i := range rows + 2 {
				for j := range wide {
					want := float64(100*i + j)
					if i >= 1 && i <= rows && j >= 2 && j < 2+n {
						want = wantGrad.At(i-1, j-2)
					}
					if filled.At(i, j) != want {
						t.Errorf("%s: strided gradient at (%d, %d) is %v, want %v", name, i, j, filled.At(i, j), want)
					}
				}
			}

			// The gradient may overwrite x.
			inPlace := mat.DenseCopyOf(x)
			if err := e.LogProbGrad(got, inPlace, inPlace); err != nil {
				t.Fatal(err)
			}
			checkSameBits(t, name+": ln π in place", got, want)
			checkSameBits(t, name+": gradient in place", inPlace.RawMatrix().Data, wantGrad.RawMatrix().Data)
		}
	}
}

// Float32 computes in float32: its results are float32 numbers near those of float64.
// Float64 returns to the bits of the first evaluator.
func TestEvaluatorPrecisions(t *testing.T) {
	const rows, n = 6, 9
	field, err := NewFreeField([]int{3, 3}, 0.7)
	if err != nil {
		t.Fatal(err)
	}
	densities := everyDensity(t)
	densities["free field"] = field
	for name, d := range densities {
		x := mat.NewDense(rows, n, normalRows(12, rows*n))
		logp, grad := evaluate(t, NewEvaluator(d), x)
		single := NewEvaluator(d).Float32()
		double := single.Float64()
		sameLogp, sameGrad := evaluate(t, double, x)
		checkSameBits(t, name+": ln π converted back", sameLogp, logp)
		checkSameBits(t, name+": gradient converted back", sameGrad.RawMatrix().Data, grad.RawMatrix().Data)
		logp32, grad32 := evaluate(t, single, x)
		for what, pair := range map[string][2][]float64{
			"ln π": {logp32, logp}, "gradient": {grad32.RawMatrix().Data, grad.RawMatrix().Data},
		} {
			got, want := pair[0], pair[1]
			for i, v := range got {
				if v != float64(float32(v)) {
					t.Fatalf("%s: %s %d is %v, which is no float32", name, what, i, v)
				}
				if !(math.Abs(v-want[i]) <= 1e-4*(1+math.Abs(want[i]))) {
					t.Errorf("%s: %s %d is %v, in float64 %v", name, what, i, v, want[i])
				}
			}
			if floats.Equal(got, want) {
				t.Errorf("%s: %s is the same to the bit in both precisions", name, what)
			}
		}
	}
}

// ln π of a finite configuration is neither NaN nor +Inf, even if terms overflow. It may
// be −Inf.
func TestFiniteConfigurationsHaveADensity(t *testing.T) {
	field, err := NewFreeField([]int{3, 3}, 1e-300)
	if err != nil {
		t.Fatal(err)
	}
	for name, d := range map[string]Density{
		"Normal": NewNormal(9), "free field": field,
		"Ising": isingOf(t, []int{3, 3}, criticalT, byRule), "cold Ising": isingOf(t, []int{9}, 1e-6, byRule),
		"large Ising": isingOf(t, []int{300}, criticalT, byRule), // by fast Fourier transforms
	} {
		e := NewEvaluator(d)
		for _, magnitude := range []float64{
			5e-324, 1e-160, 1, 1e100, 1e153, 1e154, 1e155, 1e200, 1e300, 1e307, 1.7e308,
		} {
			x := mat.NewDense(8, d.Dim(), normalRows(13, 8*d.Dim()))
			x.Apply(func(_, _ int, v float64) float64 {
				return magnitude * math.Max(-1, math.Min(1, v))
			}, x)
			logp := make([]float64, 8)
			if err := e.LogProbs(logp, x); err != nil {
				t.Fatal(err)
			}
			for r, v := range logp {
				if math.IsNaN(v) || math.IsInf(v, 1) {
					t.Errorf("%s, x of %g: ln π of row %d is %g", name, magnitude, r, v)
				}
			}
		}
	}
}

// The result of a row has the same bits at every place in a batch and beside any other
// rows.
func TestEvaluatorRowsIndependent(t *testing.T) {
	const rows, n = 37, 9
	for name, d := range everyDensity(t) {
		e := NewEvaluator(d)
		x := mat.NewDense(rows, n, normalRows(2, rows*n))
		logp, grad := evaluate(t, e, x)
		for _, r := range []int{0, 1, 17, rows - 1} {
			alone, aloneGrad := evaluate(t, e, mat.DenseCopyOf(x.Slice(r, r+1, 0, n)))
			checkSameBits(t, name+": ln π alone", alone, logp[r:r+1])
			checkSameBits(t, name+": gradient alone", aloneGrad.RawRowView(0), grad.RawRowView(r))
		}
		turned := mat.NewDense(rows, n, nil)
		for r := range rows {
			turned.SetRow(rows-1-r, x.RawRowView(r))
		}
		for i, spoilt := range []float64{math.NaN(), math.Inf(1), 1e300} {
			turned.Set(10*i, i, spoilt)
		}
		turnedLogp, turnedGrad := evaluate(t, e, turned)
		for r := range rows {
			if at := rows - 1 - r; at != 0 && at != 10 && at != 20 {
				checkSameBits(t, name+": ln π reversed", turnedLogp[at:at+1], logp[r:r+1])
				checkSameBits(t, name+": gradient reversed", turnedGrad.RawRowView(at), grad.RawRowView(r))
			}
		}
		if !math.IsNaN(turnedLogp[0]) {
			t.Errorf("%s: ln π of a row with NaN is %v", name, turnedLogp[0])
		}
	}
}

func TestEvaluatorSameBitsOnAnyNumberOfProcessors(t *testing.T) {
	procs := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(procs)
	densities := everyDensity(t)
	densities["Ising 16×16"] = isingOf(t, []int{16, 16}, criticalT, byRule)
	for name, d := range densities {
		for _, rows := range []int{1, 5, 50} {
			x := mat.NewDense(rows, d.Dim(), normalRows(3, rows*d.Dim()))
			runtime.GOMAXPROCS(1)
			want, wantGrad := evaluate(t, NewEvaluator(d), x)
			for _, n := range []int{2, 3, 7} {
				runtime.GOMAXPROCS(n)
				got, gotGrad := evaluate(t, NewEvaluator(d), x)
				checkSameBits(t, fmt.Sprint(name, " ln π, processors ", n), got, want)
				checkSameBits(t, fmt.Sprint(name, " gradient, processors ", n), gotGrad.RawMatrix().Data,
					wantGrad.RawMatrix().Data)
			}
		}
	}
}

// Many goroutines may use one evaluator, with more row counts than it keeps compiled.
func TestEvaluatorConcurrent(t *testing.T) {
	const most, n = 11, 9
	for name, d := range everyDensity(t) {
		x := mat.NewDense(most, n, normalRows(4, most*n))
		want, wantGrad := evaluate(t, NewEvaluator(d), x)
		e := NewEvaluator(d)
		var wg sync.WaitGroup
		for worker := range 6 {
			wg.Go(func() {
				for turn := range 2 * most {
					rows := 1 + (worker+turn)%most
					first := (worker * turn) % (most - rows + 1)
					part := x.Slice(first, first+rows, 0, n).(*mat.Dense)
					logp, grad := make([]float64, rows), mat.NewDense(rows, n, nil)
					var err error
					if (worker+turn)%3 == 0 {
						err = e.LogProbs(logp, part)
					} else {
						err = e.LogProbGrad(logp, grad, part)
						checkSameBits(t, name+": gradient", grad.RawMatrix().Data,
							wantGrad.RawMatrix().Data[first*n:(first+rows)*n])
					}
					if err != nil {
						t.Error(err)
						return
					}
					checkSameBits(t, name+": ln π", logp, want[first:first+rows])
				}
			})
		}
		wg.Wait()
	}
}

// The same input gives the same bits again after a run with another input.
func TestEvaluatorRepeats(t *testing.T) {
	const rows, n = 3, 9
	for name, d := range everyDensity(t) {
		e := NewEvaluator(d)
		a, b := mat.NewDense(rows, n, normalRows(5, rows*n)), mat.NewDense(rows, n, normalRows(6, rows*n))
		first, firstGrad := evaluate(t, e, a)
		if other, _ := evaluate(t, e, b); other[0] == first[0] {
			t.Errorf("%s: another x gives the same ln π", name)
		}
		again, againGrad := evaluate(t, e, a)
		checkSameBits(t, name+": ln π", again, first)
		checkSameBits(t, name+": gradient", againGrad.RawMatrix().Data, firstGrad.RawMatrix().Data)
	}
}

func TestEvaluatorOfBuiltInOperations(t *testing.T) {
	quartic := func(x *gorgonia.Node) (*gorgonia.Node, error) {
		fourth := gorgonia.Must(gorgonia.Square(gorgonia.Must(gorgonia.Square(x))))
		return gorgonia.Sum(gorgonia.Must(gorgonia.Neg(fourth)), 1)
	}
	for _, dim := range []int{1, 2, 6} {
		for _, rows := range []int{1, 2, 20} {
			d := &nodes{dim, quartic}
			x := mat.NewDense(rows, dim, normalRows(7, rows*dim))
			logp, grad := evaluate(t, NewEvaluator(d), x)
			for r := range rows {
				want := 0.0
				for i, v := range x.RawRowView(r) {
					want -= v * v * v * v
					checkRelative(t, fmt.Sprintf("%d rows of %d: gradient (%d, %d)", rows, dim, r, i),
						grad.At(r, i), -4*v*v*v, 1e-14)
				}
				checkRelative(t, fmt.Sprintf("%d rows of %d: ln π of row %d", rows, dim, r), logp[r], want, 1e-14)
			}
			if err := CheckGrad(d, x, 1e-6); err != nil {
				t.Error(err)
			}
		}
	}
}

var errBuild = errors.New("not today")

// A broken density makes every call of its evaluator fail. Other evaluators still work.
func TestEvaluatorOfBrokenDensities(t *testing.T) {
	for _, c := range []struct {
		name  string
		build func(x *gorgonia.Node) (*gorgonia.Node, error)
		want  error
		text  string
	}{
		{"matrix", func(x *gorgonia.Node) (*gorgonia.Node, error) { return x, nil }, ErrShape, "vector"},
		{"scalar", func(x *gorgonia.Node) (*gorgonia.Node, error) { return gorgonia.Sum(x) }, ErrShape, "vector"},
		{"sum over rows", func(x *gorgonia.Node) (*gorgonia.Node, error) { return gorgonia.Sum(x, 0) }, ErrShape,
			"(2) vector"},
		{"column", func(x *gorgonia.Node) (*gorgonia.Node, error) {
			return gorgonia.Mul(x, gorgonia.NewConstant(tensor.Ones(tensor.Float64, 3, 1)))
		}, ErrShape, "vector"},
		{"nil", func(x *gorgonia.Node) (*gorgonia.Node, error) { return nil, nil }, ErrShape, "vector"},
		{"error", func(x *gorgonia.Node) (*gorgonia.Node, error) { return nil, errBuild }, errBuild, ""},
		{"error with a node", func(x *gorgonia.Node) (*gorgonia.Node, error) {
			p, _ := NewNormal(3).LogProb(x)
			return p, errBuild
		}, errBuild, ""},
		{"panic", func(x *gorgonia.Node) (*gorgonia.Node, error) { panic(errBuild) }, errBuild, "panic"},
		{"text panic", func(x *gorgonia.Node) (*gorgonia.Node, error) { panic("oh no") }, nil, "oh no"},
		{"misuse", func(x *gorgonia.Node) (*gorgonia.Node, error) {
			return gorgonia.Must(gorgonia.Mul(x, x)), nil // (2, 3) by (2, 3)
		}, nil, ""},
		{"other width", func(x *gorgonia.Node) (*gorgonia.Node, error) { return NewNormal(4).LogProb(x) }, ErrShape,
			"(rows, 4)"},
	} {
		d := &nodes{3, c.build}
		e := NewEvaluator(d)
		logp, x := make([]float64, 2), mat.NewDense(2, 3, normalRows(8, 6))
		for range 2 {
			for method, err := range map[string]error{
				"LogProbs":    e.LogProbs(logp, x),
				"LogProbGrad": e.LogProbGrad(logp, mat.NewDense(2, 3, nil), x),
				"CheckGrad":   CheckGrad(d, x, 1e-6),
			} {
				checkError(t, c.name+", "+method, err, c.want, c.text)
			}
		}
	}
	evaluate(t, NewEvaluator(NewNormal(3)), mat.NewDense(2, 3, nil))
}
