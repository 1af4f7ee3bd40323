package flow

import (
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/neuralrg/neuralrg/target"
)

// Training on ln π at inverse temperature β is training on β ln π, but for the
// loss that is reported, which is that of π itself.
func TestAnneal(t *testing.T) {
	quartic := func(beta float64) target.Density {
		return target.Func(16, func(grad, x []float64) float64 {
			sum := 0.0
			for i, v := range x {
				sum += beta * (v*v/2 - v*v*v*v/4)
				if grad != nil {
					grad[i] = beta * (v - v*v*v)
				}
			}
			return sum
		})
	}
	cool := func(step int) float64 { return []float64{0.3, 0.7, 1}[min(step, 3)-1] }
	for _, path := range []bool{false, true} {
		annealed, scaled := variants(t, 3)["float64"], variants(t, 3)["float64"]
		var reports []Report
		tr, err := NewTrainer(annealed, quartic(1), &Settings{Batch: 16, Objective: ReverseKL{PathGradient: path},
			Anneal: cool, Recorder: keep(&reports), Src: rand.NewPCG(1, 2)})
		if err != nil {
			t.Fatal(err)
		}
		z := rand.NewPCG(1, 2)
		for step := 1; step <= 4; step++ {
			one, err := NewTrainer(scaled, quartic(cool(step)),
				&Settings{Batch: 16, Objective: ReverseKL{PathGradient: path}, Src: z})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tr.Step(); err != nil {
				t.Fatal(err)
			}
			if _, err := one.Step(); err != nil {
				t.Fatal(err)
			}
			for i, p := range tr.gradient {
				if math.Abs(p-one.gradient[i]) > 1e-12*(1+math.Abs(p)) {
					t.Fatalf("path %v, step %d: gradient %d is %g, of the scaled target %g", path, step, i, p,
						one.gradient[i])
				}
			}
			for i, p := range tr.params {
				copy(one.params[i], p)
			}
			got, want := reports[step-1].Loss, mean(tr.logq)-mean(tr.logpi)
			if math.Abs(got-want) > 1e-12*math.Abs(want) {
				t.Errorf("path %v, step %d: loss %g, want %g", path, step, got, want)
			}
			if b := cool(step); math.Abs(mean(one.logpi)-b*mean(tr.logpi)) > 1e-12 {
				t.Errorf("path %v, step %d: ln π %g at β = %g, %g at 1", path, step, mean(one.logpi), b, mean(tr.logpi))
			}
		}
	}
}

// An inverse temperature that is none is an error of its step.
func TestAnnealErrors(t *testing.T) {
	for _, beta := range []float64{math.NaN(), -1, math.Inf(1)} {
		tr, err := NewTrainer(variants(t, 3)["float64"], ising(t, 4),
			&Settings{Batch: 4, Anneal: func(int) float64 { return beta }, Src: rand.NewPCG(1, 2)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tr.Step(); !errors.Is(err, ErrSettings) || !strings.Contains(err.Error(), "inverse temperature") {
			t.Errorf("β = %v: %v", beta, err)
		}
	}
}

func mean(v []float64) float64 {
	s := 0.0
	for _, e := range v {
		s += e
	}
	return s / float64(len(v))
}

func TestRamp(t *testing.T) {
	r := Ramp(0.5, 100)
	for step, want := range map[int]float64{0: 0.5, 1: 0.505, 50: 0.75, 100: 1, 101: 1, 1000: 1} {
		if got := r(step); math.Abs(got-want) > 1e-15 {
			t.Errorf("step %d: %g, want %g", step, got, want)
		}
	}
	if Ramp(0.5, 0)(1) != 1 {
		t.Error("a ramp of no steps")
	}
}
