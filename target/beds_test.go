package target

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat/distuv"
)

var (
	_ Prior = (*Mixture)(nil)
	_ Prior = (*Funnel)(nil)
)

// must returns v, or stops the test.
func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// mixture2 is a mixture of three components in the plane.
func mixture2(t testing.TB) *Mixture {
	return must[*Mixture](t)(NewMixture([]float64{1, 2, 5}, mat.NewDense(3, 2, []float64{0, 0, 3, 1, -2, 2}), 0.7))
}

func TestBedsLaws(t *testing.T) {
	for _, d := range []Density{
		mixture2(t),
		must[*Mixture](t)(NewMixture([]float64{1e-9, 1}, mat.NewDense(2, 1, []float64{-30, 30}), 0.1)),
		must[*Funnel](t)(NewFunnel(10)),
		must[*Funnel](t)(NewFunnel(2)),
		must[*Ring](t)(NewRing(2, 0.3)),
		must[*DoubleWell](t)(NewDoubleWell(1, 5, 0)),
		must[*DoubleWell](t)(NewDoubleWell(4, 3, -1.5)),
	} {
		x := mat.NewDense(19, d.Dim(), normalRows(7, 19*d.Dim()))
		checkLaws(t, fmt.Sprintf("%T of %d", d, d.Dim()), d, x, 1e-6)
	}
}

// plane returns ln of the integral of a density of two values over a square of half-width
// end, from a grid of points × points values.
func plane(t *testing.T, d Density, end float64, points int) float64 {
	t.Helper()
	x, logp, step := mat.NewDense(points*points, 2, nil), make([]float64, points*points), 2*end/float64(points)
	for k := range logp {
		x.SetRow(k, []float64{(float64(k/points)+0.5)*step - end, (float64(k%points)+0.5)*step - end})
	}
	if err := NewEvaluator(d).LogProbs(logp, x); err != nil {
		t.Fatal(err)
	}
	return floats.LogSumExp(logp) + 2*math.Log(step)
}

// ln Z is that of a sum over a grid.
func TestBedsLogZ(t *testing.T) {
	ring, well := must[*Ring](t)(NewRing(2, 0.3)), must[*DoubleWell](t)(NewDoubleWell(2, 4, 1))
	small := must[*Ring](t)(NewRing(0.2, 0.5))
	for _, c := range []struct {
		what           string
		d              Density
		end, want, tol float64
	}{
		{"mixture", mixture2(t), 9, 0, 1e-12},
		{"ring", ring, 6, ring.LogZ(), 1e-5}, // the density has a kink at the centre
		{"small ring", small, 6, small.LogZ(), 1e-3},
		{"double well", well, 9, well.LogZ(), 1e-12},
	} {
		if got := plane(t, c.d, c.end, 300); !(math.Abs(got-c.want) < c.tol) {
			t.Errorf("%s: ln Z is %.15g on a grid, want %.15g", c.what, got, c.want)
		}
	}
}

// ln Z of a double well is the known integral. For t = 0 it is, with a = h/2,
//
//	Z = (π/2) e^(−a) [I_{−1/4}(a) + I_{1/4}(a)].
//
// For a high barrier Z is that of two Gaussians.
func TestDoubleWellLogZ(t *testing.T) {
	for _, h := range []float64{1e-3, 0.5, 2, 10} {
		a := h / 2
		bessel := func(order float64) float64 { // by its power series
			sum := 0.0
			for k := range 100 {
				n := float64(k)
				g1, _ := math.Lgamma(n + 1)
				g2, _ := math.Lgamma(n + 1 + order)
				sum += math.Exp((2*n+order)*math.Log(a/2) - g1 - g2)
			}
			return sum
		}
		want := math.Log(math.Pi/2) - a + math.Log(bessel(-0.25)+bessel(0.25))
		got := must[*DoubleWell](t)(NewDoubleWell(1, h, 0)).LogZ()
		if !(math.Abs(got-want) < 1e-12) {
			t.Errorf("h = %g: ln Z is %.15g, want %.15g", h, got, want)
		}
		other := must[*DoubleWell](t)(NewDoubleWell(3, h, 0)).LogZ()
		if !(math.Abs(other-got-math.Log(2*math.Pi)) < 1e-12) {
			t.Errorf("h = %g: ln Z of three values is %.15g, of one %.15g", h, other, got)
		}
		left, right := must[*DoubleWell](t)(NewDoubleWell(1, h, -h)), must[*DoubleWell](t)(NewDoubleWell(1, h, h))
		if l, r := left.LogZ(), right.LogZ(); !(math.Abs(l-r) < 1e-12) {
			t.Errorf("h = %g: ln Z is %.15g with one tilt and %.15g with the other", h, l, r)
		}
	}
	// Two Gaussians of variance 1/8h: Z = √(π/h), with corrections of the order of 1/h.
	got := must[*DoubleWell](t)(NewDoubleWell(1, 1e4, 0)).LogZ()
	if want := 0.5 * math.Log(math.Pi/1e4); !(math.Abs(got-want) < 1e-4) {
		t.Errorf("high barrier: ln Z is %.15g, want %.15g", got, want)
	}
}

// The funnel is the product of its conditional densities.
func TestFunnelDefinition(t *testing.T) {
	f := must[*Funnel](t)(NewFunnel(10))
	x, logp := mat.NewDense(5, 10, normalRows(1, 50)), make([]float64, 5)
	if err := NewEvaluator(f).LogProbs(logp, x); err != nil {
		t.Fatal(err)
	}
	for r, got := range logp {
		row := x.RawRowView(r)
		want := distuv.Normal{Mu: 0, Sigma: 3}.LogProb(row[0])
		for _, v := range row[1:] {
			want += distuv.Normal{Mu: 0, Sigma: math.Exp(row[0] / 2)}.LogProb(v)
		}
		if !(math.Abs(got-want) < 1e-12*math.Abs(want)) {
			t.Errorf("ln π is %.15g, want %.15g", got, want)
		}
	}
}

// Draws have the distribution of the density: Stein's identity ⟨f'(x_i) + f(x_i) ∂_i ln π⟩ = 0
// holds for f = 1, x_i and tanh x_i within 4 standard errors, and a component has its share
// of the draws. The score of the funnel, exp(−v/2) times a normal number, has such tails that
// f = 1 is left out there.
func TestBedsDraws(t *testing.T) {
	const rows = 20000
	for k, p := range []Prior{mixture2(t), must[*Funnel](t)(NewFunnel(3))} {
		rnd, n := rand.New(rand.NewPCG(3, uint64(k))), p.Dim()
		x, grad := mat.NewDense(rows, n, nil), mat.NewDense(rows, n, nil)
		for r := range rows {
			p.Rand(x.RawRowView(r), rnd)
		}
		if err := NewEvaluator(p).LogProbGrad(make([]float64, rows), grad, x); err != nil {
			t.Fatal(err)
		}
		first, tails, score := make([]float64, rows), make([]float64, rows), make([]float64, rows)
		for i := range n {
			for r := range rows {
				v, g := x.At(r, i), grad.At(r, i)
				score[r] = g
				first[r] = 1 + v*g
				bounded := math.Tanh(v)
				tails[r] = 1 - bounded*bounded + bounded*g
			}
			what := fmt.Sprintf("%T, coordinate %d", p, i)
			if _, funnel := p.(*Funnel); !funnel || i == 0 {
				checkMean(t, what+": score", score, 0)
			}
			checkMean(t, what+": Stein's identity", first, 0)
			checkMean(t, what+": Stein's identity of tanh", tails, 0)
		}
	}
	counts := make([]float64, rows)
	rnd, x := rand.New(rand.NewPCG(9, 9)), make([]float64, 2)
	far := must[*Mixture](t)(NewMixture([]float64{1, 3}, mat.NewDense(2, 2, []float64{-50, 0, 50, 0}), 1))
	for r := range rows {
		far.Rand(x, rnd)
		if x[0] > 0 {
			counts[r] = 1
		}
	}
	checkMean(t, "share of a component", counts, 0.75)
}

// Far from all modes, and where numbers overflow, ln π is a number or −Inf.
func TestBedsFarAway(t *testing.T) {
	funnel := must[*Funnel](t)(NewFunnel(2))
	for _, d := range []Density{mixture2(t), funnel, must[*Ring](t)(NewRing(1, 0.1)),
		must[*DoubleWell](t)(NewDoubleWell(2, 1, 0.5))} {
		x := mat.NewDense(8, 2, []float64{
			1e3, -1e3, 1e150, 1, 1e200, -1e200, 1e308, 1e308, -1e3, 0, -1e3, 1, -1e308, 1e-308, 0, 0,
		})
		logp, grad := make([]float64, 8), mat.NewDense(8, 2, nil)
		if err := NewEvaluator(d).LogProbGrad(logp, grad, x); err != nil {
			t.Fatal(err)
		}
		for r, v := range logp {
			if !(v < math.Inf(1)) {
				t.Errorf("%T: ln π of %v is %g", d, x.RawRowView(r), v)
			}
			if g := grad.RawRowView(r); !math.IsInf(v, -1) && floats.HasNaN(g) {
				t.Errorf("%T: the gradient at %v is %v", d, x.RawRowView(r), g)
			}
		}
		if v := logp[7]; math.IsInf(v, 0) {
			t.Errorf("%T: ln π of the origin is %g", d, v)
		}
	}
}

func TestBedsReject(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	two := mat.NewDense(2, 1, []float64{0, 1})
	mixture := func(w []float64, m *mat.Dense, std float64) error {
		_, err := NewMixture(w, m, std)
		return err
	}
	funnel := func(dim int) error { _, err := NewFunnel(dim); return err }
	ring := func(r, s float64) error { _, err := NewRing(r, s); return err }
	well := func(dim int, h, tilt float64) error { _, err := NewDoubleWell(dim, h, tilt); return err }
	for _, c := range []struct {
		err, is error
		text    string
	}{
		{mixture([]float64{1, 1}, nil, 1), ErrShape, "no means"},
		{mixture(nil, &mat.Dense{}, 1), ErrShape, "no means"},
		{mixture([]float64{1}, two, 1), ErrShape, "1 weights of 2 means"},
		{mixture([]float64{1, 0}, two, 1), ErrSettings, "weight 1 is 0"},
		{mixture([]float64{1, -1}, two, 1), ErrSettings, "weight"},
		{mixture([]float64{1, nan}, two, 1), ErrSettings, "weight"},
		{mixture([]float64{1e308, 1e308}, two, 1), ErrSettings, "sum of weights +Inf"},
		{mixture([]float64{1e-320, 1e300}, two, 1), ErrSettings, "weight 0"},
		{mixture([]float64{1, 1}, mat.NewDense(2, 1, []float64{0, inf}), 1), ErrNotFinite, "mean 1 is [+Inf]"},
		{mixture([]float64{1, 1}, two, 0), ErrSettings, "standard deviation 0"},
		{mixture([]float64{1, 1}, two, nan), ErrSettings, "standard deviation NaN"},
		{mixture([]float64{1, 1}, two, 1e-200), ErrSettings, "standard deviation 1e-200"},
		{mixture([]float64{1, 1}, two, inf), ErrSettings, "standard deviation +Inf"},
		{funnel(1), ErrSettings, "1 values"},
		{funnel(-5), ErrSettings, "-5 values"},
		{ring(0, 1), ErrSettings, "radius 0"},
		{ring(1, -1), ErrSettings, "width -1"},
		{ring(nan, 1), ErrSettings, "radius NaN"},
		{ring(1e60, 1e-60), ErrSettings, "radius 1e+60"},
		{well(0, 1, 0), ErrSettings, "0 values"},
		{well(1, 0, 0), ErrSettings, "barrier 0"},
		{well(1, nan, 0), ErrSettings, "barrier NaN"},
		{well(1, 1, 1.1), ErrSettings, "tilt 1.1"},
		{well(1, 1, nan), ErrSettings, "tilt NaN"},
	} {
		if !errors.Is(c.err, c.is) || !strings.Contains(fmt.Sprint(c.err), c.text) {
			t.Errorf("%v, want an error with %q", c.err, c.text)
		}
	}
}

// For any arguments nothing panics: an error of the package, or finite ln Z.
func FuzzBeds(f *testing.F) {
	minimizeBriefly()
	f.Add(3, 1.0, 2.0, 0.5)
	f.Add(-1, math.NaN(), math.Inf(1), 1e308)
	f.Add(2, 1e-300, 1e300, 1e-160)
	f.Add(1, 1e4, -1e4, 1e150)
	f.Add(9, 1e-3, 1e-3, -5e-324)
	f.Fuzz(func(t *testing.T, dim int, a, b, c float64) {
		if dim > 40 {
			return
		}
		h := &hostile{rows: 3, value: c}
		if m, err := NewMixture([]float64{a, b}, mat.NewDense(2, 2, []float64{a, b, c, float64(dim)}), c); err != nil {
			known(t, "mixture", err)
		} else {
			h.density(t, m)
		}
		if m, err := NewFunnel(dim); err != nil {
			known(t, "funnel", err)
		} else {
			h.density(t, m)
		}
		if m, err := NewRing(a, b); err != nil {
			known(t, "ring", err)
		} else {
			allFinite(t, "ln Z of a ring", m.LogZ())
			h.density(t, m)
		}
		if m, err := NewDoubleWell(dim, a, b); err != nil {
			known(t, "double well", err)
		} else {
			allFinite(t, "ln Z of a double well", m.LogZ())
			h.density(t, m)
		}
		for _, d := range []Density{(*Mixture)(nil), (*Funnel)(nil), (*DoubleWell)(nil)} {
			h.density(t, d)
		}
	})
}
