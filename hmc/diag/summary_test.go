package diag

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// change applies f to every number.
func change(x *mat.Dense, f func(k, c int, v float64) float64) *mat.Dense {
	x.Apply(f, x)
	return x
}

// Every fault is named, and the worst comes first.
func TestWarnings(t *testing.T) {
	for _, c := range []struct {
		text string
		f    func(k, c int, v float64) float64
	}{
		{"stuck: 1 of 4 chains never moved: 2", func(_, c int, v float64) float64 {
			if c == 2 {
				return 0.5
			}
			return v
		}},
		{"stuck: 4 of 4", func(_, _ int, _ float64) float64 { return 7 }},
		{"stuck: 4 of 4", func(_, c int, _ float64) float64 { return float64(c) }},
		{"a mode seen by some chains only: 2 of 4", func(_, c int, v float64) float64 { return v + 20*float64(c%2) }},
		{"a mode seen by some chains only: 3 of 4", func(k, c int, v float64) float64 {
			if c == 3 && k > 200 {
				return v + 20
			}
			return v
		}},
		{"unmixed: R̂", func(_, c int, v float64) float64 { return v * float64(1+c) }},
		{"unmixed: R̂", func(_, c int, v float64) float64 { return v + 0.5*float64(c) }},
		{"drifting", func(k, _ int, v float64) float64 { return v + float64(k)/1000 }},
	} {
		for seed := range uint64(5) {
			s, err := Summarize([]Named{{"x", change(autoregressive(0.3, 1000, 4, seed), c.f)}})
			if err != nil {
				t.Fatal(err)
			}
			if s.OK() || !strings.Contains(strings.Join(s.Warnings, "\n"), c.text) {
				t.Errorf("want %q, got %q", c.text, s.Warnings)
			}
			if strings.Contains(c.text, "stuck") && !strings.HasPrefix(s.Warnings[0], "x: stuck") {
				t.Errorf("stuck is not first: %q", s.Warnings)
			}
		}
	}
	s, err := Summarize([]Named{{"x", autoregressive(0.99, 300, 4, 1)}})
	if err != nil || !strings.Contains(s.String(), "too short") {
		t.Errorf("%v, %v", s, err)
	}
}

// Good chains raise an alarm in at most 5 % of all runs.
func TestFalseAlarms(t *testing.T) {
	const seeds = 100
	for _, c := range []struct {
		phi           float64
		steps, chains int
	}{{0, 1000, 4}, {0.5, 2000, 1}, {0.8, 3000, 4}, {-0.5, 1000, 2}, {0.5, 200, 64}} {
		alarms := map[string]int{}
		wrong := 0
		for seed := range uint64(seeds) {
			s, err := Summarize([]Named{{"x", autoregressive(c.phi, c.steps, c.chains, seed)}})
			if err != nil {
				t.Fatal(err)
			}
			if !s.OK() {
				wrong++
				alarms[strings.SplitN(s.Warnings[0], ":", 3)[1]]++
			}
		}
		t.Logf("φ = %v, %d steps, %d chains: %d alarms in %d runs", c.phi, c.steps, c.chains, wrong, seeds)
		if wrong > seeds/20 {
			t.Errorf("%v: %d of %d runs: %v", c, wrong, seeds, alarms)
		}
	}
}

// Bad input is named.
func TestBadSeries(t *testing.T) {
	x := autoregressive(0, 10, 3, 1)
	x.Set(7, 2, math.NaN())
	for name, f := range map[string]func(*mat.Dense) error{
		"RHat":    func(x *mat.Dense) error { _, err := RHat(x); return err },
		"ESS":     func(x *mat.Dense) error { _, err := ESS(x); return err },
		"ESSTail": func(x *mat.Dense) error { _, err := ESSTail(x); return err },
		"ESSMean": func(x *mat.Dense) error { _, err := ESSMean(x); return err },
		"MCSE":    func(x *mat.Dense) error { _, err := MCSE(x); return err },
		"MCSEStd": func(x *mat.Dense) error { _, err := MCSEStd(x); return err },
		"EBFMI":   func(x *mat.Dense) error { _, err := EBFMI(x); return err },
		"Quantile": func(x *mat.Dense) error {
			_, err := MCSEQuantile(x, 0.5)
			return err
		},
		"Summarize": func(x *mat.Dense) error { _, err := Summarize([]Named{{"a", x}}); return err },
	} {
		wantError(t, name, f(nil), ErrShape, name)
		wantError(t, name, f(mat.NewDense(3, 2, nil)), ErrShape, "3 steps")
		wantError(t, name, f(x), ErrNotFinite, "step 7 of chain 2 is NaN")
		if name != "Summarize" {
			wantError(t, name, f(mat.NewDense(9, 2, nil)), ErrSettings, "constant")
		}
	}
	_, err := Summarize(nil)
	wantError(t, "Summarize", err, ErrShape, "no series")
	_, err = MCSEQuantile(autoregressive(0, 10, 1, 1), 1)
	wantError(t, "MCSEQuantile", err, ErrSettings, "quantile 1")
	if r, err := RHat(autoregressive(0, 1000, 1, 1)); err != nil || math.Abs(r-1) > 0.01 {
		t.Errorf("one chain: %v, %v", r, err)
	}
}

func ExampleSummarize() {
	rnd := rand.New(rand.NewPCG(1, 2))
	good, bad := mat.NewDense(1000, 4, nil), mat.NewDense(1000, 4, nil)
	for k := range 1000 {
		for c := range 4 {
			good.Set(k, c, rnd.NormFloat64())
			bad.Set(k, c, float64(min(c, 1))*rnd.NormFloat64())
		}
	}
	s, err := Summarize([]Named{{"good", good}})
	if err != nil {
		panic(err)
	}
	fmt.Println(s.Verdict())
	s, err = Summarize([]Named{{"good", good}, {"bad", bad}})
	if err != nil {
		panic(err)
	}
	fmt.Println(s.OK(), s.Warnings[0])
	// Output:
	// ok
	// false bad: stuck: 1 of 4 chains never moved: 0
}
