package diag

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// plainGamma is Gamma by plain sums, after the program of U. Wolff: Γ for every pair of
// measurements of a chain, a search for the window by his condition on g(W), and
// corrections of the bias as he makes them, Γ by Γ.
func plainGamma(x *mat.Dense) (g GammaEstimate, found bool) {
	const s = 1.5
	steps, chains := x.Dims()
	size := float64(steps * chains)
	g.Mean = mat.Sum(x) / size
	gamma := make([]float64, steps/2+1)
	for t := range gamma {
		for c := range chains {
			for k := range steps - t {
				gamma[t] += (x.At(k, c) - g.Mean) * (x.At(k+t, c) - g.Mean)
			}
		}
		gamma[t] /= size - float64(chains*t)
	}
	var sum float64
	for t := 1; t < len(gamma) && !found; t++ {
		sum += gamma[t] / gamma[0]
		tau, rest := 0.5+sum, 0.0
		if tau > 0.5 {
			decay := s / math.Log((2*tau+1)/(2*tau-1))
			rest = math.Exp(-float64(t)/decay) - decay/math.Sqrt(float64(t)*size)
		}
		if rest < 0 || tau <= 0.5 {
			g.Window, found = t, true
		}
	}
	sigma := func() float64 {
		v := gamma[0]
		for t := 1; t <= g.Window; t++ {
			v += 2 * gamma[t]
		}
		return v
	}
	bias := sigma() / size
	for t := range gamma {
		gamma[t] += bias
	}
	w := float64(g.Window)
	g.Tau = sigma() / gamma[0] / 2
	g.TauError = 2 * g.Tau * math.Sqrt((w+0.5-g.Tau)/size)
	g.StdErr = math.Sqrt(sigma() / size)
	g.StdErrError = g.StdErr * math.Sqrt((w+0.5)/size)
	return g, found
}

func TestGammaAgainstPlainSums(t *testing.T) {
	for i, phi := range []float64{-0.7, -0.2, 0, 0.3, 0.8, 0.95} {
		for _, shape := range [][2]int{{600, 1}, {501, 3}, {160, 20}} {
			x := autoregressive(phi, shape[0], shape[1], uint64(i))
			x.Apply(func(_, _ int, v float64) float64 { return 1e5 * (3 + v) }, x)
			want, found := plainGamma(x)
			got, err := Gamma(x)
			if !found || want.Tau <= 0 || 10*want.Tau > float64(shape[0]) {
				if !errors.Is(err, ErrWindow) {
					t.Errorf("φ = %v, %v: %+v, %v, want ErrWindow", phi, shape, got, err)
				}
				continue
			}
			if err != nil {
				t.Errorf("φ = %v, %v: %v", phi, shape, err)
			}
			for _, c := range [][2]float64{
				{got.Mean, want.Mean}, {got.StdErr, want.StdErr}, {got.StdErrError, want.StdErrError},
				{got.Tau, want.Tau}, {got.TauError, want.TauError}, {float64(got.Window), float64(want.Window)},
			} {
				if !(math.Abs(c[0]-c[1]) <= 1e-9*math.Abs(c[1])) {
					t.Errorf("φ = %v, %v: %+v, want %+v", phi, shape, got, want)
					break
				}
			}
		}
	}
}

// In about 68 % of all runs the mean and τ are within one standard error of the exact
// ones. The shares of 200 runs have an error of 3.3 %,
// and Wolff's error of τ is a little too large.
func TestGammaErrorsCover(t *testing.T) {
	const runs = 200
	for _, c := range []struct {
		phi           float64
		steps, chains int
	}{{0, 1000, 1}, {0.5, 500, 4}, {0.9, 4000, 1}, {0.9, 500, 8}} {
		mean, tau := 0.0, 0.0
		for seed := range uint64(runs) {
			g, err := Gamma(autoregressive(c.phi, c.steps, c.chains, seed))
			if err != nil {
				t.Fatal(err)
			}
			if math.Abs(g.Mean) < g.StdErr {
				mean += 1. / runs
			}
			if math.Abs(g.Tau-exactTime(c.phi)) < g.TauError {
				tau += 1. / runs
			}
		}
		t.Logf("%+v: %.2f of the means, %.2f of the times", c, mean, tau)
		if math.Abs(mean-0.68) > 0.13 || math.Abs(tau-0.7) > 0.13 {
			t.Errorf("%+v: within one error are %.2f of the means, %.2f of the times", c, mean, tau)
		}
	}
}

// A power of two that scales all measurements scales the result, to the bit.
func TestGammaInUnits(t *testing.T) {
	x := autoregressive(0.8, 600, 3, 1)
	want, err := Gamma(x)
	if err != nil {
		t.Fatal(err)
	}
	for _, exponent := range []int{900, -900} {
		y := mat.DenseCopyOf(x)
		y.Apply(func(_, _ int, v float64) float64 { return math.Ldexp(v, exponent) }, y)
		got, err := Gamma(y)
		scaled := want
		for _, p := range []*float64{&scaled.Mean, &scaled.StdErr, &scaled.StdErrError} {
			*p = math.Ldexp(*p, exponent)
		}
		if err != nil || got != scaled {
			t.Errorf("%+v, %v, want %+v", got, err, scaled)
		}
	}
}

func TestGammaErrors(t *testing.T) {
	rnd := rand.New(rand.NewPCG(2, 3))
	fill := func(steps, chains int, f func(k, c int) float64) *mat.Dense {
		x := mat.NewDense(steps, chains, nil)
		x.Apply(func(k, c int, _ float64) float64 { return f(k, c) }, x)
		return x
	}
	for _, c := range []struct {
		name string
		x    *mat.Dense
		is   error
		text string
	}{
		{"nil", nil, ErrShape, "no measurements"},
		{"short", autoregressive(0, 3, 5, 1), ErrShape, "3 steps"},
		{"infinite", fill(10, 2, func(k, c int) float64 { return math.Log(float64(2 - k*c)) }), ErrNotFinite,
			"step 2 of chain 1"},
		{"constant", fill(10, 2, func(_, _ int) float64 { return 0.1 }), ErrSettings, "constant"},
		{"two modes", fill(1000, 2, func(_, c int) float64 { return float64(9*c) + rnd.NormFloat64() }), ErrWindow,
			"too few"},
		{"modes that overlap", fill(1000, 2, func(_, c int) float64 { return float64(c) + rnd.NormFloat64() }),
			ErrWindow, "differ"},
		{"frozen chains", fill(100, 4, func(_, c int) float64 { return float64(c) }), ErrWindow, "too few"},
		{"0 1 0 1", fill(1000, 1, func(k, _ int) float64 { return float64(k % 2) }), ErrWindow, "window 1"},
	} {
		g, err := Gamma(c.x)
		wantError(t, c.name, err, c.is, c.text)
		if g != (GammaEstimate{}) {
			t.Errorf("%s: %+v", c.name, g)
		}
	}
}

func ExampleGamma() {
	// Measurements that follow one another with correlation 0.8.
	g, err := Gamma(autoregressive(0.8, 10000, 8, 1))
	if err != nil {
		panic(err)
	}
	fmt.Printf("mean %.4f ± %.4f, exact 0\n", g.Mean, g.StdErr)
	fmt.Printf("τ = %.2f ± %.2f, exact 4.5\n", g.Tau, g.TauError)
	// Output:
	// mean -0.0056 ± 0.0105, exact 0
	// τ = 4.43 ± 0.18, exact 4.5
}
