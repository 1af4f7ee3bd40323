package hmc

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// A trajectory is accepted if and only if its uniform is below e^−ΔH. The test
// computes both again, from the documented order of the draws.
func TestAcceptanceIsMetropolis(t *testing.T) {
	const chains, eps = 20_000, 1.1
	start := tabulate(skewed).quantiles(chains)
	s := mustNew(t, &pointwise{dim: 1, f: skewed}, start,
		&Settings{Kernel: HMC{StepSize: eps, Steps: 1, Jitter: -1}, Src: rand.NewPCG(7, 8)})
	mustRun(t, s, 1, nil)

	rnd := rand.New(rand.NewPCG(7, 8))
	rnd.Float64() // jitter
	rise, end := make([]float64, chains), make([]float64, chains)
	g := make([]float64, 1)
	for i := range rise {
		x, v := start.At(i, 0), rnd.NormFloat64()
		logp := skewed(g, []float64{x})
		half := v + eps/2*g[0]
		end[i] = x + eps*half
		after := skewed(g, []float64{end[i]})
		w := half + eps/2*g[0]
		rise[i] = (w*w-v*v)/2 + logp - after
	}
	accepted, now := 0, s.X()
	for i := range rise {
		u := rnd.Float64()
		if p := math.Exp(-rise[i]); math.Abs(u-p) > 1e-9 {
			if moved := now.At(i, 0) != start.At(i, 0); moved != (u < p) {
				t.Fatalf("chain %d: ΔH = %v, u = %v, accepted is %v", i, rise[i], u, moved)
			}
		}
		if now.At(i, 0) == end[i] {
			accepted++
		}
	}
	if rate := s.AcceptRate(); rate < 0.3 || rate > 0.9 || math.Abs(rate-float64(accepted)/chains) > 1e-12 {
		t.Errorf("acceptance %v, %d of %d moved", rate, accepted, chains)
	}
}

// A large constant in the log-density changes nothing, if the sum is exact in
// float64.
func TestLargeConstantInLogDensity(t *testing.T) {
	shifted := func(constant float64) *mat.Dense {
		d := &pointwise{dim: 2, f: func(grad, x []float64) float64 {
			return math.Round(256*anharmonic(grad, x))/256 + constant
		}}
		s := mustNew(t, d, randn(1, 500, 2, 1), &Settings{Kernel: HMC{StepSize: 0.7, Steps: 2}, Src: rand.NewPCG(3, 4)})
		mustRun(t, s, 20, nil)
		return s.X()
	}
	if !mat.Equal(shifted(0), shifted(1<<44)) {
		t.Error("2^44 nats decide which trajectories are accepted")
	}
}

// failing returns a density that fails at the calls from, …, to−1.
func failing(from, to int) *pointwise {
	return &pointwise{dim: 2, f: anharmonic, before: func(call int) error {
		if call >= from && call < to {
			return errors.New("broken")
		}
		return nil
	}}
}

// A sweep that fails draws as much as any other: one uniform, all
// velocities, one uniform per chain.
func TestFailedSweepDrawsAsMany(t *testing.T) {
	const chains, dim, leapfrog = 3, 2, 4
	for step := range leapfrog {
		src := rand.NewPCG(5, 6)
		d := failing(2+step, 3+step)
		s := mustNew(t, d, randn(1, chains, dim, 1), &Settings{Kernel: HMC{Steps: leapfrog}, MaxFaults: 1, Src: src})
		mustRun(t, s, 1, nil)
		if s.Divergent() != chains {
			t.Fatalf("step %d: %d divergent", step, s.Divergent())
		}
		want := rand.NewPCG(5, 6)
		rnd := rand.New(want)
		rnd.Float64()
		for range chains * dim {
			rnd.NormFloat64()
		}
		for range chains {
			rnd.Float64()
		}
		if *src != *want {
			t.Errorf("step %d: the source is elsewhere", step)
		}
	}
}

// Failures in a row are counted on across Save and Restore.
func TestFailuresInARowResume(t *testing.T) {
	settings := func() *Settings {
		return &Settings{Kernel: HMC{Steps: 1}, MaxFaults: 3, Src: rand.NewPCG(1, 2)}
	}
	for done := range 4 {
		s := mustNew(t, failing(2, 1000), randn(1, 4, 2, 1), settings())
		mustRun(t, s, done, nil)
		r := mustNew(t, failing(2, 1000), randn(1, 4, 2, 1), settings())
		if err := r.Restore(bytes.NewReader(saveSampler(t, s))); err != nil {
			t.Fatal(err)
		}
		if err := r.Run(t.Context(), 10, nil); err == nil || r.Sweeps() != 3 {
			t.Errorf("%d failures, a file, and the run ends after %d sweeps, want 3: %v", done, r.Sweeps(), err)
		}
	}
	// A sweep that succeeds sets the count to zero.
	s := mustNew(t, failing(4, 6), randn(1, 4, 2, 1), settings())
	mustRun(t, s, 6, nil)
	if s.failed != 0 {
		t.Errorf("%d failures in a row", s.failed)
	}
}

// Restore fails for a sampler with another value in one field of its settings, and
// the error names the field.
func TestRestoreRefusesOtherSettings(t *testing.T) {
	other := map[string]func(s *Settings){
		"StepSize":       func(s *Settings) { s.Kernel = HMC{StepSize: 0.3} },
		"Steps":          func(s *Settings) { s.Kernel = HMC{Steps: 6} },
		"Jitter":         func(s *Settings) { s.Kernel = HMC{Jitter: -1} },
		"MaxEnergyError": func(s *Settings) { s.Kernel = HMC{MaxEnergyError: 10} },
		"Force":          func(s *Settings) { s.Kernel = HMC{Force: &pointwise{dim: 2, f: anharmonic}} },
		"MaxFaults":      func(s *Settings) { s.MaxFaults = 2 },
		"Src":            func(s *Settings) { s.Src = rand.NewChaCha8([32]byte{}) },
	}
	sampler := func(change func(s *Settings)) *Sampler {
		settings := &Settings{Src: rand.NewPCG(1, 2)}
		change(settings)
		return mustNew(t, &pointwise{dim: 2, f: anharmonic}, randn(1, 3, 2, 1), settings)
	}
	plain := sampler(func(*Settings) {})
	for name, change := range other {
		changed := sampler(change)
		said := strings.Replace(name, "Src", "Source", 1)
		for _, pair := range [][2]*Sampler{{plain, changed}, {changed, plain}} {
			err := pair[1].Restore(bytes.NewReader(saveSampler(t, pair[0])))
			if !errors.Is(err, ErrCheckpoint) || !strings.Contains(err.Error(), "saved with "+said+" ") {
				t.Errorf("another %s: %v", name, err)
			}
		}
	}
}

// A sampler without jitter restores a file without jitter.
func TestRestoreWithoutJitter(t *testing.T) {
	without := func(seed uint64) *Sampler {
		return mustNew(t, &pointwise{dim: 2, f: anharmonic}, randn(seed, 3, 2, 1),
			&Settings{Kernel: HMC{Jitter: -0.5}, Src: rand.NewPCG(1, 2)})
	}
	s, r := without(1), without(2)
	mustRun(t, s, 2, nil)
	if err := r.Restore(bytes.NewReader(saveSampler(t, s))); err != nil || !mat.Equal(r.X(), s.X()) {
		t.Error(err)
	}
}

func TestNilReaderAndWriter(t *testing.T) {
	s := anharmonicSampler(t, 1, Settings{})
	wantError(t, "Save", s.Save(nil), ErrSettings, "nil writer")
	wantError(t, "Restore", s.Restore(nil), ErrSettings, "nil reader")
}
