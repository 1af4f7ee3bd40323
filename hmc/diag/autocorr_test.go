package diag

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat/distuv"
)

// autoregressive is x_{k+1} = φ x_k + noise, whose τ is ½(1+φ)/(1−φ).
func autoregressive(phi float64, steps, chains int, seed uint64) *mat.Dense {
	rnd := rand.New(rand.NewPCG(seed, 7))
	x := mat.NewDense(steps, chains, nil)
	for c := range chains {
		v := rnd.NormFloat64()
		for k := range steps {
			x.Set(k, c, v)
			v = phi*v + math.Sqrt(1-phi*phi)*rnd.NormFloat64()
		}
	}
	return x
}

// exactTime is τ of autoregressive.
func exactTime(phi float64) float64 { return 0.5 * (1 + phi) / (1 - phi) }

// coverage counts how often estimates of τ were right.
type coverage struct {
	runs, answers, one, two int
	pull, claim, spread     float64 // means of (tau − τ)/stdErr, stdErr/tau and (tau/τ − 1)²
}

func (c *coverage) count(t *testing.T, x *mat.Dense, want float64) {
	c.runs++
	tau, stdErr, err := AutocorrTime(x)
	if err != nil {
		if !errors.Is(err, ErrWindow) {
			t.Error(err)
		}
		return
	}
	if !(tau > 0 && stdErr > 0) {
		t.Errorf("τ = %v ± %v", tau, stdErr)
	}
	c.answers++
	pull := (tau - want) / stdErr
	if math.Abs(pull) < 1 {
		c.one++
	}
	if math.Abs(pull) < 2 {
		c.two++
	}
	c.pull += pull
	c.claim += stdErr / tau
	c.spread += (tau/want - 1) * (tau/want - 1)
}

func (c *coverage) add(d coverage) {
	c.runs, c.answers, c.one, c.two = c.runs+d.runs, c.answers+d.answers, c.one+d.one, c.two+d.two
	c.pull += d.pull
}

func (c *coverage) String() string {
	n := float64(c.answers)
	return fmt.Sprintf("%3.0f %% answered, %2.0f %% within 1, %3.0f %% within 2 stdErr, "+
		"mean pull %+.2f, stdErr %2.0f %%, spread %2.0f %%",
		100*n/float64(c.runs), 100*float64(c.one)/n, 100*float64(c.two)/n,
		c.pull/n, 100*c.claim/n, 100*math.Sqrt(c.spread/n))
}

// The error covers τ at its stated rate: 68 % within one and 95 % within two
// standard errors, for measurements that repel, ignore or follow each other, in
// short and long runs of few and many chains.
func TestAutocorrTimeCoverage(t *testing.T) {
	type shape struct{ steps, chains, seeds int }
	shapes := []shape{{1000, 1, 60}, {1000, 8, 60}, {120, 60, 60}}
	if !testing.Short() {
		shapes = append(shapes, shape{200, 200, 20}, shape{10000, 1, 20}, shape{5000, 4, 20}, shape{1000, 50, 20})
	}
	var all coverage
	for _, phi := range []float64{-0.9, -0.3, 0, 0.5, 0.9, 0.99} {
		for _, s := range shapes {
			var c coverage
			for seed := range uint64(s.seeds) {
				c.count(t, autoregressive(phi, s.steps, s.chains, 1000+seed), exactTime(phi))
			}
			t.Logf("ρ %+5.2f, τ %7.4f, %5d × %3d: %v", phi, exactTime(phi), s.steps, s.chains, &c)
			// Cases with few answers tell little of coverage, but must not be wrong.
			fair := 0.05 * float64(c.runs)
			if wrong := c.answers - c.two; float64(wrong) > fair+3*math.Sqrt(fair) {
				t.Errorf("ρ = %v, %+v: %d of %d runs are beyond two standard errors", phi, s, wrong, c.runs)
			}
			if 10*c.answers > 9*c.runs {
				all.add(c)
			}
			if phi < 0.5 && s.steps >= 1000 && 10*c.answers < 9*c.runs {
				t.Errorf("ρ = %v, %+v: only %d of %d runs are answered", phi, s, c.answers, c.runs)
			}
		}
	}
	n := float64(all.answers)
	one, two := float64(all.one)/n, float64(all.two)/n
	t.Logf("cases with answers in nine of ten runs: %d answers, %.1f %% within 1, %.1f %% within 2 stdErr, "+
		"mean pull %+.2f", all.answers, 100*one, 100*two, all.pull/n)
	// Binomial errors are .014 and .006. The distribution is that of χ², not
	// normal, and a slope of the spectrum too small to be found is a bias.
	if one < 0.61 || one > 0.75 || two < 0.92 || two > 0.98 || math.Abs(all.pull/n) > 0.25 {
		t.Errorf("coverage %.3f and %.3f, mean pull %.2f", one, two, all.pull/n)
	}
}

// The width covers 68 % and 95 % of the exact distribution.
func TestLikely(t *testing.T) {
	for _, freedom := range []float64{leastFreedom, 50, 200, 1e4} {
		chi := distuv.ChiSquared{K: freedom}
		mean, width := likely(1, freedom)
		for k, want := range map[float64]float64{1: 0.6827, 2: 0.9545} {
			// The estimate is the true value times χ²/freedom.
			covered := chi.CDF(freedom/max(mean-k*width, 1e-9)) - chi.CDF(freedom/(mean+k*width))
			if covered < want-0.01 || covered > want+0.04 {
				t.Errorf("%v degrees of freedom: %v widths cover %.4f", freedom, k, covered)
			}
		}
	}
}

// In short chains, too, the estimates are right on average and the error is
// their spread. The first cases have chains of 30 steps, whose means carry one
// part in thirty of the variance; in the last τ comes from the means of chains
// 20 τ long.
func TestAutocorrTimeOfShortChains(t *testing.T) {
	for _, c := range []struct {
		phi           float64
		chains, seeds int
	}{{0, 60, 200}, {0, 600, 80}, {0.5, 600, 80}} {
		var sum, square, n float64
		for seed := range uint64(c.seeds) {
			tau, stdErr, err := AutocorrTime(autoregressive(c.phi, 30, c.chains, seed))
			if err != nil {
				continue // 1 in 100 shows a slope where there is none
			}
			pull := (tau - exactTime(c.phi)) / stdErr
			sum, square, n = sum+pull, square+pull*pull, n+1
		}
		t.Logf("%+v, %v answers: mean pull %.2f, mean square %.2f", c, n, sum/n, square/n)
		// The errors of the means are at most .11 and .16; stdErr is a little too large.
		if math.Abs(sum/n) > 0.4 || square/n < 0.66 || square/n > 1.4 || n < 0.95*float64(c.seeds) {
			t.Errorf("%+v, %v answers: mean pull %.2f, mean square %.2f", c, n, sum/n, square/n)
		}
	}
}

// A power of two that scales all measurements changes nothing, to the bit. Any
// other factor, or a shift, changes no more than rounding does.
func TestAutocorrTimeInvariance(t *testing.T) {
	x := autoregressive(0.8, 600, 3, 1)
	want, wantErr, err := AutocorrTime(x)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []func(v float64) float64{
		func(v float64) float64 { return math.Ldexp(v, 900) },
		func(v float64) float64 { return math.Ldexp(v, -900) },
		func(v float64) float64 { return 1e155 * v },
		func(v float64) float64 { return 1e200 * v },
		func(v float64) float64 { return 1e-170 * v },
		func(v float64) float64 { return 1e307 * v },
		func(v float64) float64 { return 1000*v + 77 },
		func(v float64) float64 { return v - 1e6 },
	} {
		y := mat.DenseCopyOf(x)
		y.Apply(func(_, _ int, v float64) float64 { return f(v) }, y)
		got, gotErr, err := AutocorrTime(y)
		tolerance := 1e-9
		if frac, _ := math.Frexp(f(1)); frac == 0.5 {
			tolerance = 0
		}
		if err != nil || math.Abs(got-want) > tolerance || math.Abs(gotErr-wantErr) > tolerance {
			t.Errorf("scaled by %g: %v ± %v, %v, want %v ± %v", f(1)-f(0), got, gotErr, err, want, wantErr)
		}
	}
}

func TestAutocorrTimeErrors(t *testing.T) {
	bad := autoregressive(0.5, 10, 2, 1)
	bad.Set(3, 1, math.NaN())
	fill := func(steps, chains int, f func(k, c int) float64) *mat.Dense {
		x := mat.NewDense(steps, chains, nil)
		x.Apply(func(k, c int, _ float64) float64 { return f(k, c) }, x)
		return x
	}
	rnd := rand.New(rand.NewPCG(2, 3))
	modes := func(k, c int) float64 { return float64(4*(c%2)-2) + rnd.NormFloat64() }
	for _, c := range []struct {
		name string
		x    *mat.Dense
		want error
	}{
		{"nil", nil, ErrShape},
		{"empty", &mat.Dense{}, ErrShape},
		{"short", autoregressive(0, 3, 5, 1), ErrShape},
		{"NaN", bad, ErrNotFinite},
		{"infinite", fill(10, 1, func(k, _ int) float64 { return math.Inf(k - 5) }), ErrNotFinite},
		{"zero", mat.NewDense(10, 2, nil), ErrSettings},
		{"constant", fill(10, 2, func(_, _ int) float64 { return 0.1 }), ErrSettings},
		{"constant of 1e300", fill(10, 2, func(_, _ int) float64 { return 1e300 }), ErrSettings},
		{"one jump", fill(50, 1, func(k, _ int) float64 { return float64(k / 25) }), ErrWindow},
		{"a drift", fill(1000, 4, func(k, _ int) float64 { return float64(k)/200 + rnd.NormFloat64() }), ErrWindow},
		{"0 1 0 1", mat.NewDense(4, 1, []float64{0, 1, 0, 1}), ErrWindow},
		{"500 times 0 1", fill(1000, 1, func(k, _ int) float64 { return float64(k % 2) }), ErrWindow},
		{"cosine", fill(1000, 3, func(k, _ int) float64 { return math.Cos(float64(k)) }), ErrWindow},
		// No chain moves; one does not; each stays in a mode.
		{"frozen chains", fill(4, 200, func(_, c int) float64 { return float64(c % 2) }), ErrWindow},
		{"a frozen chain",
			fill(1000, 100, func(_, c int) float64 { return math.Min(1, float64(c)) * rnd.NormFloat64() }), ErrWindow},
		{"two modes, short", fill(100, 2, modes), ErrWindow},
		{"two modes, long", fill(20000, 2, modes), ErrWindow},
		{"two modes, eight chains", fill(1000, 8, modes), ErrWindow},
		{"a hundred chains in modes that overlap",
			fill(200, 100, func(k, c int) float64 { return 0.3*float64(c%2) + 0.5*rnd.NormFloat64() }), ErrWindow},
		{"a hundred chains, slow", autoregressive(0.9999, 1000, 100, 1), ErrWindow},
		{"a hundred chains of six τ", autoregressive(0.9, 60, 100, 1), ErrWindow},
		{"slow", autoregressive(0.9999, 1000, 8, 1), ErrWindow},
		{"slow, one chain", autoregressive(0.9999, 1000, 1, 1), ErrWindow},
	} {
		tau, stdErr, err := AutocorrTime(c.x)
		if !errors.Is(err, c.want) || tau != 0 || stdErr != 0 {
			t.Errorf("%s: %v ± %v, %v, want %v", c.name, tau, stdErr, err, c.want)
		}
	}
}

func ExampleAutocorrTime() {
	// Measurements that follow one another with correlation 0.8.
	tau, stdErr, err := AutocorrTime(autoregressive(0.8, 10000, 8, 1))
	if err != nil {
		panic(err)
	}
	fmt.Printf("τ = %.2f ± %.2f, exact 4.5\n", tau, stdErr)
	// Output: τ = 4.32 ± 0.30, exact 4.5
}
