package hmc

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
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

// Over many series the estimate is right within its own error, and the
// error is the spread of the estimates.
func TestAutocorrTime(t *testing.T) {
	for _, phi := range []float64{0, 0.5, 0.9, 0.97} {
		want := 0.5 * (1 + phi) / (1 - phi)
		var taus, errs []float64
		for seed := range uint64(100) {
			tau, stdErr, err := AutocorrTime(autoregressive(phi, 4000, 1+int(seed%4), seed))
			if err != nil {
				t.Fatal(err)
			}
			taus, errs = append(taus, tau), append(errs, stdErr)
		}
		mean, spread := stat.MeanStdDev(taus, nil)
		claimed := stat.Mean(errs, nil)
		t.Logf("φ = %g: τ = %.4f ± %.4f, exact %.4f, claimed error %.4f", phi, mean, spread, want, claimed)
		// The window's systematic error is a fraction of the statistical one.
		if math.Abs(mean-want) > 4*spread/10+0.35*spread {
			t.Errorf("φ = %g: mean τ %.4f, want %.4f", phi, mean, want)
		}
		if claimed < 0.6*spread || claimed > 1.7*spread {
			t.Errorf("φ = %g: claimed error %.4f, spread %.4f", phi, claimed, spread)
		}
	}
}

func TestAutocorrTimeInvariance(t *testing.T) {
	x := autoregressive(0.8, 500, 3, 1)
	want, _, err := AutocorrTime(x)
	if err != nil {
		t.Fatal(err)
	}
	x.Apply(func(_, _ int, v float64) float64 { return 1000*v + 77 }, x)
	if got, _, err := AutocorrTime(x); err != nil || math.Abs(got-want) > 1e-9 {
		t.Errorf("scaled and shifted: %v, %v, want %v", got, err, want)
	}
}

func TestAutocovariance(t *testing.T) {
	x := autoregressive(0.6, 37, 2, 3)
	got := autocovariance(x, 0.25)
	for lag := range 37 {
		want := 0.0
		for c := range 2 {
			for k := range 37 - lag {
				want += (x.At(k, c) - 0.25) * (x.At(k+lag, c) - 0.25) / float64(2*(37-lag))
			}
		}
		if math.Abs(got[lag]-want) > 1e-12 {
			t.Errorf("lag %d: %v, want %v", lag, got[lag], want)
		}
	}
}

func TestAutocorrTimeErrors(t *testing.T) {
	bad := autoregressive(0.5, 10, 2, 1)
	bad.Set(3, 1, math.NaN())
	constant := mat.NewDense(10, 2, nil)
	constant.Apply(func(_, _ int, _ float64) float64 { return 0.1 }, constant)
	ramp := mat.NewDense(50, 1, nil)
	ramp.Apply(func(i, _ int, _ float64) float64 { return float64(i / 25) }, ramp)
	for _, c := range []struct {
		name string
		x    *mat.Dense
		want error
	}{
		{"nil", nil, ErrShape},
		{"empty", &mat.Dense{}, ErrShape},
		{"short", autoregressive(0, 3, 5, 1), ErrShape},
		{"NaN", bad, ErrNotFinite},
		{"constant", constant, ErrSettings},
		{"one jump", ramp, nil},
	} {
		tau, _, err := AutocorrTime(c.x)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if c.want == nil && !(tau > 5) {
			t.Errorf("%s: τ = %v", c.name, tau)
		}
	}
	// Nothing of the first half returns in the second: no window can be told.
	slow := mat.NewDense(4, 200, nil)
	slow.Apply(func(_, j int, _ float64) float64 { return float64(j % 2) }, slow)
	if _, _, err := AutocorrTime(slow); !errors.Is(err, ErrWindow) {
		t.Errorf("frozen chains: %v", err)
	}
}

func ExampleAutocorrTime() {
	// Measurements that follow one another with correlation 0.8.
	tau, stdErr, err := AutocorrTime(autoregressive(0.8, 10000, 8, 1))
	if err != nil {
		panic(err)
	}
	fmt.Printf("τ = %.2f ± %.2f, exact 4.5\n", tau, stdErr)
	// Output: τ = 4.44 ± 0.18, exact 4.5
}
