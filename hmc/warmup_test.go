package hmc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/neuralrg/neuralrg/hmc/diag"
	"gonum.org/v1/gonum/mat"
)

// scales are the standard deviations of a normal density with independent coordinates.
var scales = []float64{0.01, 0.1, 1, 10, 100}

func scaled(grad, x []float64) float64 {
	var sum float64
	for j, v := range x {
		w := scales[j] * scales[j]
		if grad != nil {
			grad[j] = -v / w
		}
		sum -= v * v / w / 2
	}
	return sum
}

// WarmUp finds the scales of a normal density from starts that are far from it, and the
// wanted acceptance. The tuned kernel then measures all variances. Seed 3, four standard
// errors.
func TestWarmUpTunesHMC(t *testing.T) {
	for _, chains := range []int{1, 4, 64} {
		s := mustNew(t, Func(5, scaled), randn(1, chains, 5, 1), &Settings{Src: rand.NewPCG(3, 4)})
		if err := s.WarmUp(t.Context(), 500, nil); err != nil {
			t.Fatal(err)
		}
		h := s.Kernel().(HMC)
		for j, m := range h.InverseMass {
			if ratio := m / (scales[j] * scales[j]); ratio < 0.7 || ratio > 1.4 {
				t.Errorf("%d chains: inverse mass %d is %g, want %g", chains, j, m, scales[j]*scales[j])
			}
		}
		if length := h.StepSize * float64(h.Steps); length < 0.5 || length > 3 {
			t.Errorf("%d chains: trajectories of length %g, a quarter of a period is 1.57", chains, length)
		}
		if !math.IsNaN(s.AcceptRate()) || s.Sweeps() != 500 {
			t.Errorf("acceptance %v after the warm-up, %d sweeps", s.AcceptRate(), s.Sweeps())
		}
		if chains < 64 {
			continue
		}
		means := make([][]float64, 5)
		for j := range means {
			means[j] = make([]float64, chains)
		}
		mustRun(t, s, 500, func(int) error {
			x := s.X()
			for j := range means {
				for i := range chains {
					v := x.At(i, j) / scales[j]
					means[j][i] += v * v / 500
				}
			}
			return nil
		})
		for j := range means {
			wantMean(t, "variance", means[j], 1, 0.02)
		}
		if rate := s.AcceptRate(); rate < 0.7 || rate > 0.92 {
			t.Errorf("acceptance %v, want 0.8", rate)
		}
		if !reflect.DeepEqual(s.Kernel(), h) {
			t.Error("the kernel changes after the warm-up")
		}
	}
}

// Near walls of −Inf the trajectories become short, and not the steps very small: with more
// coordinates, and where the force points to the wall or away from it. The means are right
// within four standard errors. 32 chains, 300 sweeps of warm-up and 600 of sampling.
func TestWarmUpNearWalls(t *testing.T) {
	half := func(grad, x []float64) float64 { // N(0, 1) with x[0] above −1/2
		v := normal(grad, x)
		if x[0] < -0.5 {
			return math.Inf(-1)
		}
		return v
	}
	for _, c := range []struct {
		name string
		dim  int
		f    func(grad, x []float64) float64
		mean float64
	}{
		{"Laplace", 2, laplace, -1},
		{"Laplace", 10, laplace, -1},
		{"half", 10, half, math.Exp(-0.125) / math.Sqrt(2*math.Pi) / (math.Erfc(-0.5/math.Sqrt2) / 2)},
	} {
		for _, k := range []Kernel{HMC{}, Microcanonical{}} {
			x0 := randn(1, 32, c.dim, 1)
			x0.Apply(func(_, _ int, v float64) float64 { return math.Copysign(v, c.mean) }, x0)
			s := mustNew(t, Func(c.dim, c.f), x0, &Settings{Kernel: k, Src: rand.NewPCG(1, 2)})
			steps := 0
			if err := s.WarmUp(t.Context(), 300, func(int) error {
				steps += s.kernels[0].(*hmcMover).Steps
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			m := s.kernels[0].(*hmcMover)
			means := chainMeans(t, s, 600, func(x []float64) float64 { return x[0] })
			mean, stdErr := diag.MeanStdErr(means)
			t.Logf("%s %d, %s: %d steps of the warm-up, then %d of %.2g: acceptance %.2f, mean %.3f ± %.3f, exact %.3f",
				c.name, c.dim, kernelName(k), steps, m.Steps, m.StepSize, s.AcceptRate(), mean, stdErr, c.mean)
			if m.Steps > 30 || steps > 9000 {
				t.Errorf("%s %d, %s: %d steps of %.2g, %d in the warm-up",
					c.name, c.dim, kernelName(k), m.Steps, m.StepSize, steps)
			}
			wantMean(t, c.name, means, c.mean, 0.2)
		}
	}
}

// Every kernel of a mix reaches its own acceptance.
func TestWarmUpTunesMix(t *testing.T) {
	s := mustNew(t, Func(2, correlated), randn(1, 64, 2, 1), &Settings{
		Kernel: Mix{{Kernel: RandomWalk{TargetAccept: 0.3}}, {Kernel: CrankNicolson{TargetAccept: 0.9}},
			{Kernel: Windows{Sites: [][]int{{0}}}}, {Kernel: HMC{Rotate: true, TargetAccept: 0.95}}},
		Src: rand.NewPCG(3, 4),
	})
	if err := s.WarmUp(t.Context(), 1200, nil); err != nil {
		t.Fatal(err)
	}
	mustRun(t, s, 800, nil)
	for k, want := range []float64{0.3, 0.9, 0, 0.95} {
		stats := s.Stats()[k]
		if want > 0 && math.Abs(stats.AcceptRate-want) > 0.05 {
			t.Errorf("%+v: acceptance %v, want %v", stats.Kernel, stats.AcceptRate, want)
		}
	}
	if beta := s.Kernel().(Mix)[1].Kernel.(CrankNicolson).Beta; beta > 1 {
		t.Errorf("Beta %v", beta)
	}
}

// A tuned sampler is restored to the bit by one that was made with the same settings, and
// goes on as one that was made with the tuned kernel.
func TestTunedSamplerResumes(t *testing.T) {
	for name, k := range everyKernel(updateCorrelated) {
		sampler := func(seed uint64) *Sampler {
			return mustNew(t, &quiet{}, randn(seed, 8, 2, 1), &Settings{Kernel: k, Src: rand.NewPCG(seed, 2)})
		}
		s, r := sampler(1), sampler(7)
		if err := s.WarmUp(t.Context(), 120, nil); err != nil {
			t.Fatal(err)
		}
		mustRun(t, s, 3, nil)
		data := saveSampler(t, s)
		if err := r.Restore(bytes.NewReader(data)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if name != "Mix" && name != "Gibbs" && !reflect.DeepEqual(s.Kernel(), r.Kernel()) {
			t.Errorf("%s: %v, want %v", name, r.Kernel(), s.Kernel())
		}
		mustRun(t, r, 9, nil)
		mustRun(t, s, 9, nil)
		if !mat.Equal(s.X(), r.X()) || !bytes.Equal(saveSampler(t, s), saveSampler(t, r)) {
			t.Errorf("%s: other chains or another file", name)
		}
		// A file of a sampler that was not warmed up gives back the kernel as it was made.
		if err := r.Restore(bytes.NewReader(saveSampler(t, sampler(1)))); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, want := fmt.Sprint(r.Kernel()), fmt.Sprint(sampler(1).Kernel()); name != "Mix" && got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	s := mustNew(t, Func(5, scaled), randn(1, 8, 5, 1), &Settings{Src: rand.NewPCG(3, 4)})
	if err := s.WarmUp(t.Context(), 100, nil); err != nil {
		t.Fatal(err)
	}
	again := mustNew(t, Func(5, scaled), s.X(), &Settings{Kernel: s.Kernel(), Src: rand.NewPCG(5, 6)})
	if !reflect.DeepEqual(again.Kernel(), s.Kernel()) {
		t.Errorf("%v, want %v", again.Kernel(), s.Kernel())
	}
}

// A warm-up that stops leaves the kernels as they were, cannot be saved, and can be made
// again.
func TestWarmUpStops(t *testing.T) {
	s := mustNew(t, Func(2, correlated), randn(1, 8, 2, 1), &Settings{Src: rand.NewPCG(3, 4)})
	before := s.Kernel()
	enough := errors.New("enough")
	err := s.WarmUp(t.Context(), 100, func(k int) error {
		if k < 50 {
			return nil
		}
		wantError(t, "Save", s.Save(&bytes.Buffer{}), ErrSettings, "warm-up is not complete")
		wantError(t, "WarmUp", s.WarmUp(t.Context(), 1, nil), ErrSettings, "a warm-up in the visit")
		return enough
	})
	wantError(t, "visit", err, enough, "visit after sweep 50 of the warm-up")
	if !reflect.DeepEqual(s.Kernel(), before) || s.Sweeps() != 51 {
		t.Errorf("%v after %d sweeps, want %v", s.Kernel(), s.Sweeps(), before)
	}
	saveSampler(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wantError(t, "cancelled", s.WarmUp(ctx, 10, nil), context.Canceled, "warm-up")
	var none context.Context
	wantError(t, "nil context", s.WarmUp(none, 10, nil), ErrSettings, "nil context")
	wantError(t, "negative", s.WarmUp(t.Context(), -1, nil), ErrSettings, "warm-up of -1 sweeps")
	for _, sweeps := range []int{0, 1, 2, 100} {
		if err := s.WarmUp(t.Context(), sweeps, nil); err != nil {
			t.Fatal(err)
		}
		mustRun(t, s, 1, nil)
	}
}

// Warm-up survives flat, narrow and failing densities: the kernel stays usable.
func TestWarmUpOfHardDensities(t *testing.T) {
	for name, f := range map[string]func(grad, x []float64) float64{
		"flat": func(grad, x []float64) float64 {
			if grad != nil {
				clear(grad)
			}
			return 0
		},
		"wall": laplace,
		"point": func(grad, x []float64) float64 {
			if x[0] == -1 && x[1] == -1 {
				if grad != nil {
					clear(grad)
				}
				return 0
			}
			return math.NaN()
		},
	} {
		for kernel, k := range everyKernel(func(*mat.Dense, *rand.Rand) error { return nil }) {
			start := mat.NewDense(4, 2, []float64{-1, -1, -1, -1, -1, -1, -1, -1})
			s := mustNew(t, Func(2, f), start, &Settings{Kernel: k, Src: rand.NewPCG(3, 4)})
			if err := s.WarmUp(t.Context(), 200, nil); err != nil {
				t.Errorf("%s, %s: %v", name, kernel, err)
			}
			if _, err := s.Kernel().withDefaults(2); err != nil {
				t.Errorf("%s, %s: %v", name, kernel, err)
			}
			mustRun(t, s, 5, nil)
		}
	}
}
