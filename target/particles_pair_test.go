package target

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
)

// u has its exact values, is continuous at core and cut-off, and w is −u'/r everywhere.
func TestLennardJones(t *testing.T) {
	for _, c := range []struct {
		wca bool
		s   *LennardJonesSettings
	}{
		{true, nil}, {false, nil}, {true, &LennardJonesSettings{Sigma: 1.2, Epsilon: 0.5, Core: 0.9}},
		{false, &LennardJonesSettings{Sigma: 2, Epsilon: 3, Cutoff: 7, Core: -1}},
	} {
		p := pairOf(t, c.wca, c.s)
		s := p.Settings()
		u := func(r float64) float64 { u, _ := p.Pair(r * r); return u }
		bare := func(r float64) float64 {
			return 4 * s.Epsilon * (math.Pow(s.Sigma/r, 12) - math.Pow(s.Sigma/r, 6))
		}
		near := func(what string, got, want float64) {
			t.Helper()
			if !(math.Abs(got-want) <= 1e-6*math.Max(1, math.Abs(want))) {
				t.Errorf("%+v, %s: %.12g, want %.12g", s, what, got, want)
			}
		}
		for _, x := range []float64{0.05, 0.3, 0.5, 0.7, 0.74, 0.76, 0.9, 1, 1.05, 1.1, 1.3, 2, 2.4, 3} {
			r := x * s.Sigma
			const h = 1e-6
			_, w := p.Pair(r * r)
			near(fmt.Sprintf("w(%g)", r), w*r*r, -(u(r*(1+h))-u(r*(1-h)))/(2*h))
			switch {
			case r >= s.Cutoff:
				near(fmt.Sprintf("u(%g)", r), u(r), 0)
			case r >= s.Core:
				near(fmt.Sprintf("u(%g)", r), u(r), bare(r)-bare(s.Cutoff))
			default:
				near(fmt.Sprintf("u(%g)", r), u(r), u(s.Core)-(s.Core-r)*(u(s.Core)-u(s.Core*(1-1e-4)))/(s.Core*1e-4))
			}
		}
		near("cut-off", u(s.Cutoff*(1-1e-12)), 0)
		if s.Core > 0 {
			near("core", u(s.Core*(1-1e-12)), u(s.Core*(1+1e-12)))
			near("centre", u(0), 2*u(s.Core/2)-u(s.Core))
		}
	}
	u, w := pairOf(t, false, &LennardJonesSettings{Core: -1}).Pair(0)
	if !math.IsInf(u, 1) || !math.IsInf(w, 1) {
		t.Errorf("without a softened core u(0) is %g, w %g", u, w)
	}
	if u, _ := pairOf(t, true, nil).Pair(1); !(math.Abs(u-1) < 1e-12) {
		t.Errorf("u(σ) of WCA is %g, want 1", u)
	}
}

func TestLennardJonesRejects(t *testing.T) {
	for _, c := range []struct {
		s    LennardJonesSettings
		text string
	}{
		{LennardJonesSettings{Sigma: -1}, "σ = -1"},
		{LennardJonesSettings{Epsilon: math.NaN()}, "ε = NaN"},
		{LennardJonesSettings{Core: 1.2}, "core of 1.2"},
		{LennardJonesSettings{Core: math.NaN()}, "core of NaN"},
		{LennardJonesSettings{Cutoff: 0.7}, "cut-off at 0.7"},
		{LennardJonesSettings{Cutoff: math.Inf(1)}, "cut-off at +Inf"},
		{LennardJonesSettings{Core: 1e-20}, "energies up to"},
		{LennardJonesSettings{Core: -1, Cutoff: 1e-40}, "energies up to"},
	} {
		p, err := NewLennardJones(&c.s)
		if p != nil || !errors.Is(err, ErrSettings) || !strings.Contains(fmt.Sprint(err), c.text) {
			t.Errorf("%+v: %v, want an error with %q", c.s, err, c.text)
		}
	}
}
