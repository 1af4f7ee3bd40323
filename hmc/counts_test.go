package hmc

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/hmc/diag"
)

// Two chains start where no trajectory is accepted. The rate of all chains hides
// them, the rates of each chain do not.
func TestStuck(t *testing.T) {
	d := &pointwise{dim: 1, f: func(grad, x []float64) float64 {
		if x[0] == 100 {
			grad[0] = 0
			return 1e6 // at this position alone
		}
		return normal(grad, x)
	}}
	start := mat.NewDense(6, 1, []float64{0, 100, 1, -1, 100, 0.5})
	s := mustNew(t, d, start, &Settings{Kernel: HMC{StepSize: 0.5, MaxEnergyError: 1e9}, Src: rand.NewPCG(1, 2)})
	if s.Stuck() != nil {
		t.Errorf("%v stuck before the first sweep", s.Stuck())
	}
	moves := make([]int, 6)
	count := func(sweeps int) {
		before := mat.DenseCopyOf(s.X())
		mustRun(t, s, sweeps, func(int) error {
			now := s.X()
			for i := range moves {
				if now.At(i, 0) != before.At(i, 0) {
					moves[i]++
				}
			}
			before.Copy(now)
			return nil
		})
	}
	countAndCheck := func(sweeps int) {
		t.Helper()
		count(sweeps)
		sum := 0
		for i, rate := range s.ChainAcceptRates() {
			if want := float64(moves[i]) / float64(sweeps); rate != want {
				t.Errorf("chain %d: accepted %v, moved %v", i, rate, want)
			}
			sum += moves[i]
		}
		if want := float64(sum) / float64(6*sweeps); s.AcceptRate() != want {
			t.Errorf("accepted %v, moved %v", s.AcceptRate(), want)
		}
		if got := s.Stuck(); !slices.Equal(got, []int{1, 4}) {
			t.Errorf("stuck: %v, want 1 and 4", got)
		}
	}
	countAndCheck(40)

	s.ResetCounts()
	rates := s.ChainAcceptRates()
	if !math.IsNaN(s.AcceptRate()) || !math.IsNaN(rates[0]) || s.Divergent() != 0 || s.Stuck() != nil {
		t.Errorf("after the reset: %v, %v, %d divergent, stuck %v", s.AcceptRate(), rates, s.Divergent(), s.Stuck())
	}
	if s.Sweeps() != 40 {
		t.Errorf("after the reset: %d sweeps, want 40", s.Sweeps())
	}
	clear(moves)
	countAndCheck(25)
}

func TestChainAcceptRatesIsACopy(t *testing.T) {
	s := anharmonicSampler(t, 1, Settings{})
	mustRun(t, s, 1, nil)
	s.ChainAcceptRates()[0] = 7
	if s.ChainAcceptRates()[0] == 7 {
		t.Error("the rates are not a copy")
	}
}

// A reset removes the counts of burn-in; a file keeps those of a run.
func TestCountsResume(t *testing.T) {
	wild := Settings{Kernel: HMC{StepSize: 1.5}}
	s := anharmonicSampler(t, 1, wild)
	mustRun(t, s, 30, nil)
	if s.Divergent() == 0 {
		t.Fatal("no divergent trajectory tests nothing")
	}
	burnt := s.Divergent()
	s.ResetCounts()
	mustRun(t, s, 20, nil)
	if s.Divergent() == 0 || s.Divergent() >= burnt {
		t.Fatalf("%d divergent in burn-in, %d after it", burnt, s.Divergent())
	}
	r := anharmonicSampler(t, 2, wild)
	mustRun(t, r, 3, nil)
	data := saveSampler(t, s)
	if err := r.Restore(bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if r.AcceptRate() != s.AcceptRate() || !slices.Equal(r.ChainAcceptRates(), s.ChainAcceptRates()) ||
			r.Divergent() != s.Divergent() || r.Sweeps() != s.Sweeps() {
			t.Errorf("accepted %v and %v, divergent %d, want %v and %v, %d",
				r.AcceptRate(), r.ChainAcceptRates(), r.Divergent(),
				s.AcceptRate(), s.ChainAcceptRates(), s.Divergent())
		}
		mustRun(t, r, 5, nil)
		mustRun(t, s, 5, nil)
	}
	if !bytes.Equal(saveSampler(t, r), saveSampler(t, s)) {
		t.Error("saved again it is another file")
	}
}

// Files of the first version have no counts per chain: the rates are then NaN.
func TestCountsOfOldFile(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("testdata", "v1.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	s := anharmonicSampler(t, 2, Settings{})
	if err := s.Restore(bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	mustRun(t, s, 2, nil)
	for i, rate := range s.ChainAcceptRates() {
		if !math.IsNaN(rate) {
			t.Errorf("chain %d: %v", i, rate)
		}
	}
	if !(s.AcceptRate() > 0) || s.Stuck() != nil {
		t.Errorf("accepted %v, stuck %v", s.AcceptRate(), s.Stuck())
	}
	s.ResetCounts()
	mustRun(t, s, 2, nil)
	if rates := s.ChainAcceptRates(); !(rates[0] >= 0) {
		t.Errorf("after the reset: %v", rates)
	}
}

// A trajectory of one period of a harmonic oscillator ends where it began. Without
// jitter a chain keeps its energy, by default it does not.
func TestJitterBreaksResonance(t *testing.T) {
	const sweeps, chains, leapfrog = 1000, 8, 40
	// A leapfrog step turns the oscillator by 2 asin(ε/2).
	period := 2 * math.Sin(math.Pi/leapfrog)
	run := func(jitter float64) (float64, error) {
		s := mustNew(t, &pointwise{dim: 1, f: normal}, randn(3, chains, 1, 1),
			&Settings{Kernel: HMC{StepSize: period, Steps: leapfrog, Jitter: jitter}, Src: rand.NewPCG(1, 1)})
		series := mat.NewDense(sweeps, chains, nil)
		mustRun(t, s, sweeps, func(k int) error {
			for c := range chains {
				x := s.X().At(c, 0)
				series.Set(k, c, x*x)
			}
			return nil
		})
		tau, _, err := diag.AutocorrTime(series)
		return tau, err
	}
	if tau, err := run(-1); err == nil {
		t.Errorf("without jitter: τ = %v", tau)
	}
	tau, err := run(0)
	t.Logf("τ of x² by default: %.2f sweeps", tau)
	// A turn by 2π(1+0.2u) multiplies the deviation from ⟨x²⟩ by ⟨cos²⟩.
	cos2 := 0.5 + math.Sin(0.8*math.Pi)/(1.6*math.Pi)
	if want := 0.5 * (1 + cos2) / (1 - cos2); err != nil || math.Abs(tau-want) > 0.2*want {
		t.Errorf("by default: τ = %v, %v, want %v", tau, err, want)
	}
	_, err = New(&pointwise{dim: 1, f: normal}, mat.NewDense(1, 1, nil),
		&Settings{Kernel: HMC{Jitter: math.Inf(1)}, Src: rand.NewPCG(1, 1)})
	if !errors.Is(err, ErrSettings) {
		t.Errorf("infinite jitter: %v", err)
	}
}
