package graph

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/internal/errs"
)

// opCase is one operation on inputs of the given numbers of columns.
type opCase struct {
	name  string
	cols  []int
	build func(in []*gorgonia.Node) (*gorgonia.Node, error)
}

func vec(x *gorgonia.Node) (*gorgonia.Node, error) {
	return Part(x, 0, tensor.Shape{x.Shape()[0]})
}

var opCases = []opCase{
	{"ELU", []int{3}, func(in []*gorgonia.Node) (*gorgonia.Node, error) { return ELU(in[0]) }},
	{"LnCosh", []int{3}, func(in []*gorgonia.Node) (*gorgonia.Node, error) { return LnCosh(in[0]) }},
	{"LogAddExp", []int{3, 3}, func(in []*gorgonia.Node) (*gorgonia.Node, error) { return LogAddExp(in[0], in[1]) }},
	{"Combine", []int{2, 2}, func(in []*gorgonia.Node) (*gorgonia.Node, error) {
		return Combine(0.3, []float64{-1.5, 2}, in[0], in[1])
	}},
	{"Gather", []int{7}, func(in []*gorgonia.Node) (*gorgonia.Node,
		error) {
		return Gather(in[0], [][]int{{6, 0}, {3, 2}})
	}},
	{"Scatter", []int{5, 4}, func(in []*gorgonia.Node) (*gorgonia.Node, error) {
		y, err := Gather(in[1], [][]int{{0, 1}, {3, 2}})
		if err != nil {
			return nil, err
		}
		return Scatter(in[0], y, [][]int{{4, 0}, {1, 3}})
	}},
	{"SumTiles", []int{3}, func(in []*gorgonia.Node) (*gorgonia.Node, error) {
		v, err := Gather(in[0], [][]int{{0}, {1}, {2}})
		if err != nil {
			return nil, err
		}
		w, err := Part(v, 0, tensor.Shape{3 * in[0].Shape()[0]})
		if err != nil {
			return nil, err
		}
		return SumTiles(w, 3)
	}},
	{"Permute", []int{4}, func(in []*gorgonia.Node) (*gorgonia.Node, error) {
		return Permute(in[0], []int{2, 0, 3, 1}, []float64{1, -1, -1, 1})
	}},
	{"Images", []int{4}, func(in []*gorgonia.Node) (*gorgonia.Node, error) { return reordered.Of(in[0], nil) }},
	{"chosen Images", []int{4}, func(in []*gorgonia.Node) (*gorgonia.Node, error) {
		rows := in[0].Shape()[0]
		chosen := make([]int, 2*rows)
		for k := range chosen {
			chosen[k] = k * k % 3
		}
		s := &Images{N: 2, Element: reordered.Element}
		return s.Of(in[0], gorgonia.NewMatrix(in[0].Graph(), tensor.Int, gorgonia.WithShape(rows, 2),
			gorgonia.WithName("chosen"),
			gorgonia.WithValue(tensor.New(tensor.WithShape(rows, 2), tensor.WithBacking(chosen)))))
	}},
	{"Scale", []int{3}, func(in []*gorgonia.Node) (*gorgonia.Node, error) {
		f, err := Total(1, gorgonia.Must(Combine(0.1, []float64{0}, in[0])))
		if err != nil {
			return nil, err
		}
		return Scale(f, in[0])
	}},
	{"LogSumExpTiles", []int{6}, func(in []*gorgonia.Node) (*gorgonia.Node, error) {
		v, err := Part(in[0], 0, tensor.Shape{6 * in[0].Shape()[0]})
		if err != nil {
			return nil, err
		}
		return LogSumExpTiles(v, 3)
	}},
	{"State", []int{4}, func(in []*gorgonia.Node) (*gorgonia.Node, error) {
		s, err := packState(in[0])
		if err != nil {
			return nil, err
		}
		x, ld, err := unpackState(s, 4)
		if err != nil {
			return nil, err
		}
		xv, err := vec(x)
		if err != nil {
			return nil, err
		}
		return Combine(0, []float64{1, 1}, xv, ld)
	}},
	{"PerRow", []int{3}, func(in []*gorgonia.Node) (*gorgonia.Node, error) { return PerRow("cubic", in[0], 3, cubic) }},
	{"shared input", []int{2}, func(in []*gorgonia.Node) (*gorgonia.Node, error) {
		a, err := ELU(in[0])
		if err != nil {
			return nil, err
		}
		b, err := LnCosh(in[0])
		if err != nil {
			return nil, err
		}
		c, err := gorgonia.HadamardProd(a, b)
		if err != nil {
			return nil, err
		}
		return LogAddExp(c, in[0])
	}},
}

// reordered are three images of a row of 4 values.
var reordered = &Images{N: 3, Element: func(k int) ([]int, []float64) {
	return [][]int{{2, 0, 3, 1}, {0, 1, 2, 3}, {1, 0, 2, 3}}[k],
		[][]float64{{1, -1, -1, 1}, {-1, -1, -1, -1}, {1, 1, 1, -1}}[k]
}}

// cubic is Σ i·x_i³ with its gradient; it scribbles on x, as a user might.
func cubic() RowsFunc {
	return func(val, grad, x []float64) error {
		d := len(x) / len(val)
		for r := range val {
			val[r] = 0
			for i := range d {
				v := x[r*d+i]
				val[r] += float64(i+1) * v * v * v
				if grad != nil {
					grad[r*d+i] = float64(i+1) * 3 * v * v
				}
				x[r*d+i] = math.NaN()
			}
		}
		return nil
	}
}

// Every operation: value finite, gradient equal to finite differences of the
// value, at one row and several, on two consecutive runs, inputs unchanged;
// float32 agrees with float64.
func TestOpGradients(t *testing.T) {
	for _, c := range opCases {
		for _, rows := range []int{1, 2, 5} {
			t.Run(fmt.Sprintf("%s/rows=%d", c.name, rows), func(t *testing.T) { checkOp(t, c, rows) })
		}
	}
}

// inputs are inputs of so many columns.
func inputs(cols []int) []Input {
	var in []Input
	for i, n := range cols {
		in = append(in, Input{Name: fmt.Sprint("x", i), Cols: n})
	}
	return in
}

func checkOp(t *testing.T, c opCase, rows int) {
	rnd := rand.New(rand.NewPCG(7, uint64(rows)))
	var keep [][]float64
	in := make([][]float64, len(c.cols))
	for i, n := range c.cols {
		in[i] = make([]float64, rows*n)
		for k := range in[i] {
			in[i][k] = rnd.NormFloat64()
		}
		keep = append(keep, slices.Clone(in[i]))
	}
	cost := weighedBy(rnd, c.build)
	program := func(dt tensor.Dtype, grad bool) *Program {
		return NewProgram(dt, inputs(c.cols), nil, func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
			v, err := cost(in)
			if err != nil || !grad {
				return []*gorgonia.Node{v}, err
			}
			d, err := Grad(v, in...)
			return append([]*gorgonia.Node{v}, d...), err
		})
	}
	value := program(tensor.Float64, false)
	eval := func() float64 {
		out := make([]float64, 1)
		if err := value.Run(rows, in, [][]float64{out}); err != nil {
			t.Fatal(err)
		}
		return out[0]
	}
	for dt, tol := range map[tensor.Dtype]float64{tensor.Float64: 1e-7, tensor.Float32: 1e-3} {
		p := program(dt, true)
		for run := range 2 {
			out := [][]float64{make([]float64, 1)}
			for i := range in {
				out = append(out, make([]float64, len(in[i])))
			}
			if err := p.Run(rows, in, out); err != nil {
				t.Fatal(err)
			}
			for i := range in {
				if !slices.Equal(in[i], keep[i]) {
					t.Fatalf("input %d changed", i)
				}
			}
			if want := eval(); !(math.Abs(out[0][0]-want) <= tol*(1+math.Abs(want))) {
				t.Errorf("%v run %d: value %g, want %g", dt, run, out[0][0], want)
			}
			for i := range in {
				for k := range in[i] {
					want := slope(&in[i][k], eval)
					if got := out[1+i][k]; !(math.Abs(got-want) <= tol*(1+math.Abs(want))) {
						t.Errorf("%v run %d: d/dinput%d[%d] = %g, want %g", dt, run, i, k, got, want)
					}
				}
			}
		}
	}
}

// weighedBy makes of the result of build a random linear function of it, always the
// same.
func weighedBy(rnd *rand.Rand, build func([]*gorgonia.Node) (*gorgonia.Node, error)) func([]*gorgonia.Node) (
	*gorgonia.Node, error) {
	var weights []float64
	return func(in []*gorgonia.Node) (*gorgonia.Node, error) {
		y, err := build(in)
		if err != nil {
			return nil, err
		}
		size := y.Shape().TotalSize()
		for len(weights) < size {
			weights = append(weights, rnd.NormFloat64())
		}
		flatY, err := Part(y, 0, tensor.Shape{size})
		if err != nil {
			return nil, err
		}
		return Dot(flatY, weights[:size])
	}
}

// slope is the derivative of f with respect to x, by finite differences.
func slope(x *float64, f func() float64) float64 {
	const h = 1e-5
	v := *x
	*x = v + h
	up := f()
	*x = v - h
	down := f()
	*x = v
	return (up - down) / (2 * h)
}

func TestLogAddExpExtremes(t *testing.T) {
	p := NewProgram(tensor.Float64, []Input{{Name: "x", Cols: 1}, {Name: "w", Cols: 1}}, nil,
		func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
			y, err := LogAddExp(in[0], in[1])
			return []*gorgonia.Node{y}, err
		})
	inf := math.Inf(1)
	a := []float64{-1000, 1000, 0, -inf, 5}
	b := []float64{-1001, -1000, 0, -inf, -inf}
	want := []float64{-1000 + math.Log1p(math.Exp(-1)), 1000, math.Ln2, -inf, 5}
	got := make([]float64, 5)
	if err := p.Run(5, [][]float64{a, b}, [][]float64{got}); err != nil {
		t.Fatal(err)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("ln(e^%g + e^%g) = %g, want %g", a[i], b[i], got[i], want[i])
		}
	}
	if v := LnCoshOf(-800); math.Abs(v-(800-math.Ln2)) > 1e-12 {
		t.Errorf("ln cosh(-800) = %g", v)
	}
}

func TestLogSumExpTilesExtremes(t *testing.T) {
	p := NewProgram(tensor.Float64, []Input{{Name: "x", Cols: 2}}, nil,
		func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
			v, err := Flatten(in[0])
			if err != nil {
				return nil, err
			}
			y, err := LogSumExpTiles(v, 2)
			return []*gorgonia.Node{y}, err
		})
	inf, nan := math.Inf(1), math.NaN()
	in := []float64{-1000, -1001, 1000, -1000, -inf, -inf, -inf, 5, inf, 0, nan, 0, inf, nan}
	want := []float64{-1000 + math.Log1p(math.Exp(-1)), 1000, -inf, 5, inf, nan, nan}
	got := make([]float64, len(want))
	if err := p.Run(len(want), [][]float64{in}, [][]float64{got}); err != nil {
		t.Fatal(err)
	}
	for i := range want {
		if got[i] != want[i] && !(math.IsNaN(got[i]) && math.IsNaN(want[i])) {
			t.Errorf("row %d: %g, want %g", i, got[i], want[i])
		}
	}
}

func TestProgramConcurrent(t *testing.T) {
	prog := NewProgram(tensor.Float64, []Input{{Name: "x", Cols: 2}}, nil,
		func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
			sq, err := gorgonia.Square(in[0])
			if err != nil {
				return nil, err
			}
			y, err := Total(2, sq)
			return []*gorgonia.Node{y}, err
		})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for rows := 1; rows <= 12; rows++ { // more row counts than are kept
				x := make([]float64, 2*rows)
				want := 0.0
				for k := range x {
					x[k] = float64(i + k)
					want += 2 * x[k] * x[k]
				}
				cost := make([]float64, 1)
				if err := prog.Run(rows, [][]float64{x}, [][]float64{cost}); err != nil || cost[0] != want {
					t.Errorf("rows %d: %g (%v), want %g", rows, cost[0], err, want)
				}
			}
		})
	}
	wg.Wait()
}

// A program keeps the graphs of the last eight numbers of rows, and no more: the
// others are built again when they are asked for.
func TestProgramForgets(t *testing.T) {
	built := map[int]int{}
	p := NewProgram(tensor.Float64, []Input{{Name: "x", Cols: 1}}, nil,
		func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
			built[in[0].Shape()[0]]++
			y, err := Total(1, in[0])
			return []*gorgonia.Node{y}, err
		})
	run := func(rows, want int) {
		t.Helper()
		out := []float64{0}
		if err := p.Run(rows, [][]float64{slices.Repeat([]float64{1}, rows)}, [][]float64{out}); err != nil ||
			out[0] != float64(rows) {
			t.Fatalf("%d rows: %g, %v", rows, out[0], err)
		}
		if built[rows] != want {
			t.Errorf("%d rows: built %d times, want %d", rows, built[rows], want)
		}
		if len(p.compiled) > maxCompiled {
			t.Fatalf("%d graphs are kept", len(p.compiled))
		}
	}
	for rows := 1; rows <= maxCompiled; rows++ {
		run(rows, 1)
	}
	run(1, 1)             // is known, and the last one used now
	run(maxCompiled+1, 1) // takes the place of 2
	run(1, 1)
	run(3, 1)
	run(2, 2) // takes that of 4
	run(4, 2)
	for rows := 100; rows < 140; rows++ {
		run(rows, 1)
	}
	run(1, 2)
}

// Sums over a batch are those of float64, rounded once, in a graph of either
// precision: added up in float32 they would lose two digits.
func TestSumsInDouble(t *testing.T) {
	const rows = 1 << 17
	x, w := make([]float64, rows), make([]float64, rows)
	rnd := rand.New(rand.NewPCG(5, 5))
	total, dot := 0.0, 0.0
	for i := range x {
		x[i], w[i] = float64(float32(1+rnd.Float64())), float64(float32(rnd.Float64()))
		total, dot = total+0.125*x[i], dot+w[i]*x[i]
	}
	for dt, eps := range map[tensor.Dtype]float64{tensor.Float64: 1e-12, tensor.Float32: 1.5 * 0x1p-24} {
		p := NewProgram(dt, []Input{{Name: "x", Cols: 1}}, nil, func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
			a, err := Total(0.125, in[0])
			if err != nil {
				return nil, err
			}
			b, err := Dot(in[0], w)
			return []*gorgonia.Node{a, b}, err
		})
		a, b := []float64{0}, []float64{0}
		if err := p.Run(rows, [][]float64{x}, [][]float64{a, b}); err != nil {
			t.Fatal(err)
		}
		if !(math.Abs(a[0]/total-1) <= eps && math.Abs(b[0]/dot-1) <= eps) {
			t.Errorf("%v: total %.9g and product %.9g, want %.9g and %.9g", dt, a[0], b[0], total, dot)
		}
	}
}

// What goes wrong comes back as an error that says what, and the next run is
// unharmed.
func TestProgramErrors(t *testing.T) {
	fail := errors.New("broken")
	mode := "" // what the operation does next
	prog := NewProgram(tensor.Float64, []Input{{Name: "x", Cols: 2}}, nil,
		func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
			y, err := PerRow("moody", in[0], 2, func() RowsFunc {
				return func(val, grad, x []float64) error {
					switch mode {
					case "error":
						return fail
					case "panic":
						panic(fail)
					case "index":
						_ = x[len(x)+len(val)]
					}
					for i := range val {
						val[i] = x[2*i]
					}
					return nil
				}
			})
			return []*gorgonia.Node{y}, err
		})
	for _, c := range []struct{ mode, text string }{{"", ""}, {"error", "moody: broken"}, {"", ""},
		{"panic", "moody: panic: broken"}, {"index", "index out of range"}, {"", ""}} {
		mode = c.mode
		y := make([]float64, 2)
		err := prog.Run(2, [][]float64{{1, 2, 3, 4}}, [][]float64{y})
		if c.text == "" {
			if err != nil || y[0] != 1 || y[1] != 3 {
				t.Errorf("after a fault: %v, %v", y, err)
			}
		} else if err == nil || !strings.Contains(err.Error(), c.text) || !strings.HasPrefix(err.Error(), "moody: ") {
			t.Errorf("mode %q: error %v, want %q", c.mode, err, c.text)
		} else if c.mode != "index" && !errors.Is(err, fail) {
			t.Errorf("mode %q: error %v does not wrap its cause", c.mode, err)
		}
	}
	for _, c := range []struct {
		rows    int
		in, out [][]float64
	}{
		{0, [][]float64{{}}, nil}, {1, nil, nil}, {1, [][]float64{{1}}, nil}, {1, [][]float64{{1, 2}}, nil},
		{1, [][]float64{{1, 2}}, [][]float64{{1, 2}}},
	} {
		if err := prog.Run(c.rows, c.in, c.out); !errors.Is(err, errs.ErrShape) {
			t.Errorf("Run(%v): error %v, want errs.ErrShape", c, err)
		}
	}
	panics := NewProgram(tensor.Float64, []Input{{Name: "x", Cols: 2}}, nil,
		func(in []*gorgonia.Node) ([]*gorgonia.Node, error) { panic("while building") })
	if err := panics.Run(1, [][]float64{{1, 2}}, nil); err == nil || !strings.Contains(err.Error(), "while building") {
		t.Errorf("panic while building: %v", err)
	}
	if _, err := Rows(nil, 3); !errors.Is(err, errs.ErrShape) {
		t.Errorf("Rows(nil): %v", err)
	}
}

// Two nodes of one hash, an accident that depends on names, are not the
// caller's concern: the graph is built again with other names.
func TestProgramRetriesHashes(t *testing.T) {
	names := map[string]bool{}
	prog := NewProgram(tensor.Float64, []Input{{Name: "x", Cols: 1}}, nil,
		func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
			if names[in[0].Name()] = true; len(names) < 3 {
				return nil, errHash
			}
			return in, nil
		})
	y := make([]float64, 1)
	if err := prog.Run(1, [][]float64{{7}}, [][]float64{y}); err != nil || y[0] != 7 || len(names) != 3 {
		t.Errorf("%v after %d attempts: %v", y, len(names), err)
	}
	hopeless := NewProgram(tensor.Float64, []Input{{Name: "x", Cols: 1}}, nil,
		func(in []*gorgonia.Node) ([]*gorgonia.Node, error) { return nil, errHash })
	if err := hopeless.Run(1, [][]float64{{7}}, nil); !errors.Is(err, errHash) {
		t.Errorf("hopeless: %v", err)
	}
}

// Programs may be built at the same time, also in a process that has built
// none, and one within another.
func TestBuildsConcurrently(t *testing.T) {
	inner := NewProgram(tensor.Float64, []Input{{Name: "x", Cols: 1}}, nil,
		func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
			y, err := gorgonia.Square(in[0])
			return []*gorgonia.Node{y}, err
		})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			p := NewProgram(tensor.Float64, []Input{{Name: "x", Cols: 3}}, nil,
				func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
					if err := inner.Run(2, [][]float64{{1, 2}}, [][]float64{nil}); err != nil {
						return nil, err
					}
					e := gorgonia.Must(gorgonia.Exp(in[0]))
					y := gorgonia.Must(gorgonia.Mul(in[0], gorgonia.Must(gorgonia.Transpose(e))))
					for _, f := range []func(*gorgonia.Node) (*gorgonia.Node, error){gorgonia.Square, gorgonia.Cube,
						gorgonia.Log2, gorgonia.Tanh, gorgonia.Sigmoid} {
						y = gorgonia.Must(gorgonia.Add(y, gorgonia.Must(f(y))))
					}
					cost := gorgonia.Must(gorgonia.Sum(gorgonia.Must(gorgonia.Square(y))))
					d, err := Grad(cost, in[0])
					return append(d, cost), err
				})
			for rows := 1; rows < 4; rows++ {
				if err := p.Run(rows, [][]float64{make([]float64, 3*rows)}, [][]float64{nil, nil}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// One tensor of a user's may sit in graphs that run at the same time.
func TestSharedTensor(t *testing.T) {
	w := tensor.New(tensor.WithShape(3, 2), tensor.WithBacking([]float64{1, 2, 3, 4, 5, 6}))
	p := NewProgram(tensor.Float64, []Input{{Name: "x", Cols: 3}}, nil,
		func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
			y := gorgonia.Must(gorgonia.Mul(in[0], gorgonia.NewConstant(w)))
			cost := gorgonia.Must(gorgonia.Sum(gorgonia.Must(gorgonia.Square(y))))
			return Grad(cost, in[0])
		})
	x := []float64{1, -1, 2}
	want := make([]float64, 3)
	for i := range 3 {
		for k := range 2 {
			y := x[0]*float64(k+1) + x[1]*float64(k+3) + x[2]*float64(k+5)
			want[i] += 2 * y * float64(2*i+k+1)
		}
	}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for range 50 {
				rows := g + 1
				d := make([]float64, 3*rows)
				if err := p.Run(rows, [][]float64{slices.Repeat(x, rows)}, [][]float64{d}); err != nil ||
					!slices.Equal(d, slices.Repeat(want, rows)) {
					t.Errorf("%v (%v), want rows of %v", d, err, want)
					return
				}
			}
		})
	}
	wg.Wait()
}
