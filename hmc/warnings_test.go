package hmc

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// Warnings name chains that are stuck, kernels whose proposals diverge, and an acceptance
// that is not what WarmUp tuned it to.
func TestWarnings(t *testing.T) {
	start := mat.NewDense(6, 1, []float64{0, 100, 1, -1, 100, 0.5})
	s := mustNew(t, Func(1, func(grad, x []float64) float64 {
		if grad == nil {
			grad = make([]float64, 1)
		}
		if x[0] == 100 {
			grad[0] = 0
			return 1e6 // at this position alone
		}
		return normal(grad, x)
	}), start, &Settings{Kernel: HMC{StepSize: 0.5}, Src: rand.NewPCG(1, 2)})
	if list := s.Warnings(); list != nil {
		t.Errorf("before the first sweep: %q", list)
	}
	mustRun(t, s, 20, nil)
	wantWarnings(t, s, "stuck: 2 of 6 chains never moved: 1 4", "divergent: 33 % of the proposals of HMC")

	// The acceptance is tuned where the density is flat, and measured where it is not.
	narrow := false
	d := &pointwise{dim: 2, f: func(grad, x []float64) float64 {
		w := 1.0
		if narrow {
			w = 25
		}
		grad[0], grad[1] = -w*x[0], -w*x[1]
		return -w * (x[0]*x[0] + x[1]*x[1]) / 2
	}}
	for _, k := range []Kernel{HMC{}, Microcanonical{}, RandomWalk{}, CrankNicolson{TargetAccept: 0.9}} {
		narrow = false
		mix := Mix{{Kernel: k}, {Kernel: Windows{Sites: [][]int{{0}}}}}
		s := mustNew(t, d, randn(1, 64, 2, 1), &Settings{Kernel: mix, Src: rand.NewPCG(3, 4)})
		if err := s.WarmUp(t.Context(), 400, nil); err != nil {
			t.Fatal(err)
		}
		mustRun(t, s, 200, nil)
		if _, ok := k.(CrankNicolson); !ok { // which accepts all
			wantWarnings(t, s)
		}
		narrow = true
		mustRun(t, s, 100, nil)
		s.ResetCounts()
		mustRun(t, s, 200, nil)
		found := false
		for _, w := range s.Warnings() {
			found = found || strings.HasPrefix(w, "acceptance of "+kernelName(k)+" is 0.")
		}
		if !found {
			t.Errorf("%s: %q", kernelName(k), s.Warnings())
		}
	}
	if a := targetAccept(Gibbs{}); !math.IsNaN(a) {
		t.Errorf("target acceptance of Gibbs is %v", a)
	}
}

// wantWarnings fails unless the warnings begin with the texts.
func wantWarnings(t *testing.T, s *Sampler, texts ...string) {
	t.Helper()
	list := s.Warnings()
	if len(list) != len(texts) {
		t.Errorf("%q, want %q", list, texts)
		return
	}
	for i, text := range texts {
		if !strings.HasPrefix(list[i], text) {
			t.Errorf("%q, want %q", list[i], text)
		}
	}
}

// A sweep of a warm-up accepts a fall by more than MaxEnergyError, so that a chain which
// starts far from the others comes to them. A sweep of a run rejects it.
func TestWarmUpFallsByAnyAmount(t *testing.T) {
	s := mustNew(t, Func(20, steep), randn(1, 8, 20, 1),
		&Settings{Kernel: HMC{StepSize: 0.0195, Steps: 3, Jitter: -1}, Src: rand.NewPCG(1, 2)})
	mustRun(t, s, 20, nil)
	if len(s.Stuck()) != 8 || s.Divergent() != 8*20 {
		t.Errorf("in a run: %v stuck, %d divergent", s.Stuck(), s.Divergent())
	}
	s.tuning = true
	mustRun(t, s, 1, nil)
	if s.Stuck() != nil || s.Divergent() != 8*20 {
		t.Errorf("in a warm-up: %v stuck, %d divergent", s.Stuck(), s.Divergent()-8*20)
	}
}
