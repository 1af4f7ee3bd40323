package hmc

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"
)

func anharmonicSampler(t *testing.T, start uint64, s Settings) *Sampler {
	t.Helper()
	if s.Src == nil {
		s.Src = rand.NewPCG(4, 5)
	}
	s.Leapfrog, s.Jitter = 5, 0.2
	return mustNew(t, &pointwise{dim: 2, f: anharmonic}, randn(start, 6, 2, 1), &s)
}

func saveSampler(t *testing.T, s *Sampler) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := s.Save(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A sampler that is restored goes on as if it had never stopped.
func TestResume(t *testing.T) {
	for name, src := range map[string]func() rand.Source{
		"PCG":     func() rand.Source { return rand.NewPCG(4, 5) },
		"ChaCha8": func() rand.Source { return rand.NewChaCha8([32]byte{7}) },
	} {
		s := anharmonicSampler(t, 1, Settings{Src: src()})
		mustRun(t, s, 7, nil)
		data := saveSampler(t, s)
		mustRun(t, s, 9, nil)
		r := anharmonicSampler(t, 2, Settings{Src: src()})
		mustRun(t, r, 3, nil) // whatever it did before
		if err := r.Restore(bytes.NewReader(data)); err != nil {
			t.Fatal(err)
		}
		mustRun(t, r, 9, nil)
		if !mat.Equal(s.X(), r.X()) || !slices.Equal(s.LogProb(), r.LogProb()) || s.Sweeps() != r.Sweeps() ||
			s.AcceptRate() != r.AcceptRate() || s.Divergent() != r.Divergent() {
			t.Errorf("%s: other chains or counts", name)
		}
		if !bytes.Equal(saveSampler(t, s), saveSampler(t, r)) {
			t.Errorf("%s: saved again it is another file", name)
		}
	}
}

func TestRestoreRefuses(t *testing.T) {
	s := anharmonicSampler(t, 1, Settings{})
	mustRun(t, s, 2, nil)
	data := saveSampler(t, s)
	fewer := mustNew(t, &pointwise{dim: 2, f: anharmonic}, randn(1, 5, 2, 1), &Settings{Leapfrog: 5, Jitter: 0.2, Src: rand.NewPCG(1, 1)})
	other := anharmonicSampler(t, 1, Settings{StepSize: 0.3})
	chacha := anharmonicSampler(t, 1, Settings{Src: rand.NewChaCha8([32]byte{})})
	for name, c := range map[string]struct {
		s    *Sampler
		data []byte
		text string
	}{
		"fewer chains":   {fewer, data, ""},
		"other settings": {other, data, "StepSize"},
		"other source":   {chacha, data, "ChaCha8"},
		"cut short":      {s, data[:len(data)-3], ""},
		"nothing":        {s, nil, ""},
	} {
		before := mat.DenseCopyOf(c.s.X())
		err := c.s.Restore(bytes.NewReader(c.data))
		if !errors.Is(err, ErrCheckpoint) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v", name, err)
		}
		if !mat.Equal(before, c.s.X()) {
			t.Errorf("%s: the chains have moved", name)
		}
	}
	for k := range data {
		bad := bytes.Clone(data)
		bad[k] ^= 1 << (k % 8)
		if err := s.Restore(bytes.NewReader(bad)); !errors.Is(err, ErrCheckpoint) {
			t.Errorf("byte %d: %v", k, err)
		}
	}
	opaque := anharmonicSampler(t, 1, Settings{Src: struct{ rand.Source }{rand.NewPCG(1, 1)}})
	if err := opaque.Save(&bytes.Buffer{}); !errors.Is(err, ErrSettings) {
		t.Errorf("source without a state: %v", err)
	}
	if err := opaque.Restore(bytes.NewReader(data)); !errors.Is(err, ErrCheckpoint) {
		t.Errorf("source without a state: %v", err)
	}
}

// A density that fails now and then costs sweeps, not truth.
func TestFaultsAreRejections(t *testing.T) {
	rnd := rand.New(rand.NewPCG(9, 9))
	broken := errors.New("broken")
	d := &pointwise{dim: 2, f: func(grad, x []float64) float64 {
		for i, v := range x {
			grad[i] = -v
		}
		return -0.5 * (x[0]*x[0] + x[1]*x[1])
	}, before: func(call int) error {
		switch {
		case call == 1 || rnd.Float64() > 0.02:
			return nil
		case rnd.IntN(2) == 0:
			panic("bad luck")
		}
		return broken
	}}
	s := mustNew(t, d, randn(3, 400, 2, 1), &Settings{StepSize: 0.4, Leapfrog: 5, MaxFaults: 20, Src: rand.NewPCG(1, 2)})
	means := chainMeans(t, s, 300, func(x []float64) float64 { return x[0] * x[0] })
	wantMean(t, "⟨x²⟩", means, 1, 0.02)
	if s.Divergent() < 400*10 || s.Divergent()%400 != 0 {
		t.Errorf("%d divergent trajectories", s.Divergent())
	}
	// But not for ever.
	calls := 0
	always := mustNew(t, &pointwise{dim: 2, f: anharmonic, before: func(call int) error {
		if calls = call; call > 1 {
			return broken
		}
		return nil
	}}, randn(3, 4, 2, 1), &Settings{MaxFaults: 3, Src: rand.NewPCG(1, 2)})
	if err := always.Run(t.Context(), 10, nil); !errors.Is(err, broken) || always.Sweeps() != 3 || calls != 5 {
		t.Errorf("%v after %d sweeps and %d calls", err, always.Sweeps(), calls)
	}
	if _, err := New(d, randn(3, 4, 2, 1), &Settings{MaxFaults: -1, Src: rand.NewPCG(1, 2)}); !errors.Is(err, ErrSettings) {
		t.Errorf("negative: %v", err)
	}
	if math.IsNaN(always.AcceptRate()) {
		t.Error("no acceptance rate")
	}
}
