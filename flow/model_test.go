package flow

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/target"
)

// logistic is a prior that is no normal density.
type logistic struct{ target.Density }

func newLogistic(dim int) logistic {
	return logistic{target.Func(dim, func(grad, x []float64) float64 {
		sum := 0.0
		for i, v := range x {
			sum -= 2*math.Log(2) + 2*math.Log(math.Cosh(v/2))
			if grad != nil {
				grad[i] = -math.Tanh(v / 2)
			}
		}
		return sum
	})}
}

func (logistic) Rand(dst []float64, rnd *rand.Rand) {
	for i := range dst {
		u := rnd.Float64()
		dst[i] = math.Log(u / (1 - u))
	}
}

// pair is a scrambled model of two values, far from normal and from even.
func pair(t testing.TB, p target.Prior) *Model {
	t.Helper()
	b := must(bijector.NewRealNVP(2, &bijector.RealNVPSettings{Couplings: 4, Hidden: []int{6, 5},
		Src: rand.NewPCG(7, 1)}))
	scramble(b, 7, 0.5)
	m, err := New(p, b)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// models are a plain model and symmetrised ones, scrambled.
func models(t *testing.T) map[string]*Model {
	plain := mera(t, 4, 1)
	odd, err := New(newLogistic(16), plain.Bijector())
	if err != nil {
		t.Fatal(err)
	}
	return map[string]*Model{
		"plain":                 plain,
		"inversion":             symmetrize(t, plain, Inversion(16)),
		"inversion, rotation":   symmetrize(t, plain, Inversion(16), rotation(4)),
		"no symmetry":           symmetrize(t, plain),
		"logistic prior":        odd,
		"logistic, translation": symmetrize(t, odd, translation(4, 1, 2)),
	}
}

// ln q of a fresh sample is the density of the model there.
func TestSampleLogProb(t *testing.T) {
	for name, m := range models(t) {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(2) {
				x, logq := sample(t, m, 130, seed)
				wantClose(t, "ln q", logProbs(t, m, x), logq, 1e-10)
			}
		})
	}
}

// ln q is the change of variables, by way of Encode.
func TestChangeOfVariables(t *testing.T) {
	for _, m := range []*Model{mera(t, 4, 2), pair(t, newLogistic(2))} {
		const rows = 5
		x := randn(3, rows, m.Dim())
		z, logDet, want := mat.NewDense(rows, m.Dim(), nil), make([]float64, rows), make([]float64, rows)
		if err := m.Encode(z, logDet, x); err != nil {
			t.Fatal(err)
		}
		if err := target.NewEvaluator(m.Prior()).LogProbs(want, z); err != nil {
			t.Fatal(err)
		}
		for r := range want {
			want[r] += logDet[r]
		}
		wantClose(t, "ln q", logProbs(t, m, x), want, 1e-12)
	}
}

func TestEncodeDecode(t *testing.T) {
	for name, m := range models(t) {
		t.Run(name, func(t *testing.T) {
			const rows = 70
			start := randn(5, rows, 16)
			there, back := mat.NewDense(rows, 16, nil), mat.NewDense(rows, 16, nil)
			d1, d2 := make([]float64, rows), make([]float64, rows)
			for range 2 {
				for _, way := range []struct {
					name   string
					do, un func(dst *mat.Dense, logDet []float64, src *mat.Dense) error
				}{{"Encode after Decode", m.Decode, m.Encode}, {"Decode after Encode", m.Encode, m.Decode}} {
					if err := way.do(there, d1, start); err != nil {
						t.Fatal(err)
					}
					if err := way.un(back, d2, there); err != nil {
						t.Fatal(err)
					}
					if mat.EqualApprox(there, start, 0.1) {
						t.Errorf("%s: nothing moved", way.name)
					}
					wantClose(t, way.name, back.RawMatrix().Data, start.RawMatrix().Data, 1e-12)
					negate(d2)
					wantClose(t, way.name+": log-determinant", d2, d1, 1e-12)

					if err := way.do(there, nil, start); err != nil { // without, and in place
						t.Fatal(err)
					}
					copied := mat.DenseCopyOf(start)
					if err := way.do(copied, nil, copied); err != nil {
						t.Fatal(err)
					}
					wantSame(t, way.name+": in place", copied.RawMatrix().Data, there.RawMatrix().Data)
				}
			}
		})
	}
}

// exp(ln q) integrates to one.
func TestNormalised(t *testing.T) {
	swap := Symmetry{Perm: []int{1, 0}}
	for name, m := range map[string]*Model{
		"plain":           pair(t, target.NewNormal(2)),
		"inversion":       symmetrize(t, pair(t, target.NewNormal(2)), Inversion(2)),
		"inversion, swap": symmetrize(t, pair(t, target.NewNormal(2)), Inversion(2), swap),
		"logistic":        pair(t, newLogistic(2)),
	} {
		t.Run(name, func(t *testing.T) {
			h, half := 0.05, 12.0
			if name == "logistic" {
				h, half = 0.1, 35 // its tails fall as exp(−|z|) only
			}
			n := int(2*half/h) + 1
			x, logq := mat.NewDense(n, 2, nil), make([]float64, n)
			sum, edge := 0.0, 0.0
			for i := range n {
				for j := range n {
					x.SetRow(j, []float64{-half + float64(i)*h, -half + float64(j)*h})
				}
				if err := m.LogProbs(logq, x); err != nil {
					t.Fatal(err)
				}
				for j, v := range logq {
					q := math.Exp(v) * h * h
					sum += q
					if i == 0 || j == 0 || i == n-1 || j == n-1 {
						edge += q
					}
				}
			}
			t.Logf("∫q = 1 %+.1e, at the edge %.1e", sum-1, edge)
			if math.Abs(sum-1) > 1e-6 {
				t.Errorf("∫q = %.9f", sum)
			}
		})
	}
}

// The fraction of samples in a box is the integral of q over it.
func TestSampleFollowsDensity(t *testing.T) {
	for name, m := range map[string]*Model{
		"plain":     pair(t, newLogistic(2)),
		"inversion": symmetrize(t, pair(t, newLogistic(2)), Inversion(2)),
	} {
		const samples, n = 40000, 150
		x, _ := sample(t, m, samples, 4)
		for _, box := range [][4]float64{{0, 1, 0, 1}, {-1, 0, -1, 0}, {-3, 0, 0, 2}} {
			inside, p := 0, 0.0
			for r := range samples {
				if a, b := x.At(r, 0), x.At(r, 1); a > box[0] && a < box[1] && b > box[2] && b < box[3] {
					inside++
				}
			}
			points, logq := mat.NewDense(n, 2, nil), make([]float64, n)
			area := (box[1] - box[0]) * (box[3] - box[2]) / (n * n)
			for i := range n {
				for j := range n {
					points.SetRow(j, []float64{
						box[0] + (float64(i)+0.5)/n*(box[1]-box[0]),
						box[2] + (float64(j)+0.5)/n*(box[3]-box[2])})
				}
				if err := m.LogProbs(logq, points); err != nil {
					t.Fatal(err)
				}
				for _, v := range logq {
					p += math.Exp(v) * area
				}
			}
			got := float64(inside) / samples
			if sigma := math.Sqrt(p * (1 - p) / samples); p < 0.01 || math.Abs(got-p) > 4*sigma {
				t.Errorf("%s: a fraction %.4f of samples in %v, want %.4f ± %.4f", name, got, box, p, sigma)
			}
		}
	}
}

func TestPrecisions(t *testing.T) {
	for name, m := range models(t) {
		t.Run(name, func(t *testing.T) {
			single := m.Float32()
			double := single.Float64()
			if m.Bits() != 64 || single.Bits() != 32 || double.Bits() != 64 {
				t.Errorf("%d, %d and %d bits", m.Bits(), single.Bits(), double.Bits())
			}
			for k, p := range m.Params() {
				if single.Params()[k] != p {
					t.Errorf("parameter %d is not shared", k)
				}
			}
			for round := range uint64(2) {
				x, logq := sample(t, m, 20, 6)
				x1, logq1 := sample(t, single, 20, 6)
				x2, logq2 := sample(t, double, 20, 6)
				wantSame(t, "there and back", x2.RawMatrix().Data, x.RawMatrix().Data)
				wantSame(t, "there and back: ln q", logq2, logq)
				wantClose(t, "float32", x1.RawMatrix().Data, x.RawMatrix().Data, 2e-5)
				wantClose(t, "float32: ln q", logq1, logq, 2e-5)
				wantClose(t, "float32: ln q again", logProbs(t, single, x), logq, 2e-5)
				if mat.Equal(x1, x) {
					t.Error("float32 is float64")
				}
				scramble(m, 50+round, 0.3) // both must see it
			}
		})
	}
	m := mera(t, 4, 1)
	if s := symmetrize(t, m.Float32(), Inversion(16)); s.Bits() != 32 || s.Prior() != m.Prior() ||
		s.Bijector() != m.Bijector() {
		t.Error("Symmetrize changes more than the density")
	}
}

// The same seed gives the same bits, whatever the number of processors, in a
// batch of any size and in models built anew.
func TestSameSeedSameBits(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for name := range models(t) {
		var want []float64
		for run := range 3 {
			runtime.GOMAXPROCS(1 + run%2)
			m := models(t)[name]
			x, logq := sample(t, m, 200, 8)
			got := append(logq, x.RawMatrix().Data...)
			got = append(got, logProbs(t, m, x)...)
			if run == 0 {
				want = got
			}
			wantSame(t, fmt.Sprintf("%s, run %d", name, run), got, want)
		}
	}
	plain := mera(t, 4, 1)
	x, logq := sample(t, plain, 200, 8)
	few, logqFew := sample(t, plain, 70, 8)
	wantSame(t, "first rows", few.RawMatrix().Data, x.RawMatrix().Data[:70*16])
	wantSame(t, "first ln q", logqFew, logq[:70])
	if other, _ := sample(t, plain, 200, 9); mat.Equal(x, other) {
		t.Error("another seed gives the same samples")
	}
}

// A view of a larger matrix is filled, and nothing around it.
func TestStridedMatrices(t *testing.T) {
	for name, m := range models(t) {
		t.Run(name, func(t *testing.T) {
			const rows = 6
			strided := func() (whole, view *mat.Dense) {
				whole = mat.NewDense(rows+2, 16+5, nil)
				whole.Apply(func(i, j int, _ float64) float64 { return float64(100*i + j) }, whole)
				return whole, whole.Slice(1, 1+rows, 2, 2+16).(*mat.Dense)
			}
			around := func(what string, whole *mat.Dense) {
				t.Helper()
				whole.Apply(func(i, j int, v float64) float64 {
					if (i < 1 || i >= 1+rows || j < 2 || j >= 2+16) && v != float64(100*i+j) {
						t.Errorf("%s: (%d, %d) was overwritten", what, i, j)
					}
					return v
				}, whole)
			}
			x, logq := sample(t, m, rows, 10)
			whole, view := strided()
			got := make([]float64, rows)
			if err := m.Sample(view, got, rand.NewPCG(10, 3)); err != nil {
				t.Fatal(err)
			}
			if !mat.Equal(view, x) {
				t.Error("Sample: another result")
			}
			wantSame(t, "Sample: ln q", got, logq)
			around("Sample", whole)
			wantSame(t, "LogProbs", logProbs(t, m, view), logProbs(t, m, x))

			for what, f := range map[string]func(*mat.Dense, []float64, *mat.Dense) error{"Encode": m.Encode,
				"Decode": m.Decode} {
				want := mat.NewDense(rows, 16, nil)
				if err := f(want, nil, x); err != nil {
					t.Fatal(err)
				}
				_, src := strided()
				src.Copy(x)
				whole, dst := strided()
				if err := f(dst, got, src); err != nil {
					t.Fatal(err)
				}
				if !mat.Equal(dst, want) {
					t.Errorf("%s: another result", what)
				}
				if !mat.Equal(src, x) {
					t.Errorf("%s: changes its source", what)
				}
				around(what, whole)
			}
		})
	}
}

func TestModelErrors(t *testing.T) {
	h := must(bijector.NewTree([]int{4, 4}, blocks(4, 1, 3), nil))
	for _, c := range []struct {
		name  string
		p     target.Prior
		b     bijector.Bijector
		is    error
		texts []string
	}{
		{"nil prior", nil, h, ErrSettings, []string{"flow: "}},
		{"nil bijector", target.NewNormal(16), nil, ErrSettings, []string{"flow: "}},
		{"dimensions differ", target.NewNormal(15), h, ErrShape,
			[]string{"prior of dimension 15", "bijector of dimension 16"}},
	} {
		m, err := New(c.p, c.b)
		wantError(t, c.name, err, c.is, c.texts...)
		if m != nil {
			t.Errorf("%s: a model beside the error", c.name)
		}
	}

	src := rand.NewPCG(1, 2)
	for name, m := range models(t) {
		x, y := mat.NewDense(3, 16, nil), mat.NewDense(3, 16, nil)
		wide, short := mat.NewDense(3, 17, nil), mat.NewDense(2, 16, nil)
		empty := &mat.Dense{}
		three, two := make([]float64, 3), make([]float64, 2)
		for _, c := range []struct {
			what string
			err  error
			is   error
		}{
			{"Sample: columns", m.Sample(wide, three, src), ErrShape},
			{"Sample: ln q", m.Sample(x, two, src), ErrShape},
			{"Sample: nil matrix", m.Sample(nil, three, src), ErrShape},
			{"Encode: nil matrix", m.Encode(nil, three, x), ErrShape},
			{"Decode: nil matrix", m.Decode(x, three, nil), ErrShape},
			{"LogProbs: nil matrix", m.LogProbs(three, nil), ErrShape},
			{"Sample: no rows", m.Sample(empty, nil, src), ErrShape},
			{"Sample: nil source", m.Sample(x, three, nil), ErrSettings},
			{"LogProbs: columns", m.LogProbs(three, wide), ErrShape},
			{"LogProbs: ln q", m.LogProbs(two, x), ErrShape},
			{"LogProbs: no rows", m.LogProbs(nil, empty), ErrShape},
			{"Encode: columns", m.Encode(wide, nil, wide), ErrShape},
			{"Encode: columns of z", m.Encode(wide, three, x), ErrShape},
			{"Encode: rows of z", m.Encode(short, three, x), ErrShape},
			{"Encode: log-determinants", m.Encode(y, two, x), ErrShape},
			{"Encode: no rows", m.Encode(empty, nil, empty), ErrShape},
			{"Decode: columns", m.Decode(wide, three, wide), ErrShape},
			{"Decode: columns of x", m.Decode(wide, nil, x), ErrShape},
			{"Decode: rows of x", m.Decode(short, nil, x), ErrShape},
			{"Decode: log-determinants", m.Decode(y, two, x), ErrShape},
			{"Decode: no rows", m.Decode(empty, nil, empty), ErrShape},
		} {
			wantError(t, name+": "+c.what, c.err, c.is, "flow: "+c.what[:6])
		}
		if mat.Norm(x, 1) != 0 || mat.Norm(y, 1) != 0 {
			t.Errorf("%s: a failing call wrote to its arguments", name)
		}
	}
}

// One model serves many goroutines, with the results of one.
func TestModelConcurrently(t *testing.T) {
	plain := mera(t, 4, 1)
	for name, m := range map[string]*Model{
		"plain": plain, "inversion": symmetrize(t, plain, Inversion(16)), "float32": plain.Float32(),
	} {
		t.Run(name, func(t *testing.T) {
			work := func(m *Model, k int) ([]float64, error) {
				rows := 3 + k%3 // some goroutines share a program, some do not
				x, logq := mat.NewDense(rows, 16, nil), make([]float64, rows)
				if err := m.Sample(x, logq, rand.NewPCG(uint64(k), 3)); err != nil {
					return nil, err
				}
				again, z, d := make([]float64, rows), mat.NewDense(rows, 16, nil), make([]float64, rows)
				if err := m.LogProbs(again, x); err != nil {
					return nil, err
				}
				if err := m.Encode(z, d, x); err != nil {
					return nil, err
				}
				back := mat.NewDense(rows, 16, nil)
				if err := m.Decode(back, nil, z); err != nil {
					return nil, err
				}
				var all []float64
				for _, v := range [][]float64{logq, x.RawMatrix().Data, again, z.RawMatrix().Data, d,
					back.RawMatrix().Data} {
					all = append(all, v...)
				}
				return all, nil
			}
			const goroutines = 12
			got := make([][]float64, goroutines)
			errs := make([]error, goroutines)
			var wg sync.WaitGroup
			for k := range goroutines {
				wg.Go(func() { got[k], errs[k] = work(m, k) })
			}
			wg.Wait()
			alone := m.as(m.dtype) // with programs of its own
			for k := range goroutines {
				if errs[k] != nil {
					t.Fatal(errs[k])
				}
				wantSame(t, fmt.Sprintf("goroutine %d", k), got[k], must(work(alone, k)))
			}
		})
	}
}

// A copy computes the same to the bit, in the same precision and with the same symmetry, and
// keeps its parameters when the model is trained.
func TestModelCopy(t *testing.T) {
	m := symmetrize(t, mera(t, 4, 1), Inversion(16)).Float32()
	c := must(m.Copy())
	x := randn(2, 3, 16)
	values := func(m *Model) []float64 {
		v := make([]float64, 3)
		if err := m.LogProbs(v, x); err != nil {
			t.Fatal(err)
		}
		return v
	}
	before := values(m)
	wantSame(t, "ln q of the copy", values(c), before)
	if c.Bits() != 32 || len(c.Symmetries()) != 2 {
		t.Errorf("%d bits, %d symmetries", c.Bits(), len(c.Symmetries()))
	}
	must(Train(t.Context(), m, ising(t, 4), &Settings{Steps: 2, Batch: 8, Src: rand.NewPCG(1, 1)}))
	wantSame(t, "ln q of the copy after training", values(c), before)
	if slices.Equal(values(m), before) {
		t.Error("training has changed nothing")
	}
	if _, err := must(New(target.NewNormal(2), noKind(t))).Copy(); !errors.Is(err, bijector.ErrKind) {
		t.Errorf("%v, want ErrKind", err)
	}
}

// noKind is a bijector of two values that no Kind builds.
func noKind(t *testing.T) bijector.Bijector {
	t.Helper()
	return must(must(bijector.Disentangler(must(bijector.NewActNorm(1)), [][]int{{0}, {1}})).On(2))
}
