package hmc

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/internal/num"
	"github.com/neuralrg/neuralrg/internal/safetensors"
)

func anharmonicSampler(t *testing.T, start uint64, s Settings) *Sampler {
	t.Helper()
	if s.Src == nil {
		s.Src = rand.NewPCG(4, 5)
	}
	h, _ := s.Kernel.(HMC)
	h.Steps, h.Jitter = 5, 0.2
	s.Kernel = h
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

// A sampler that is restored goes on like one that was not stopped.
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
		mustRun(t, r, 3, nil) // these sweeps are forgotten
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

// The file of version 1 in testdata gives the chains and counts with which it was
// written, and the same sweeps follow.
func TestGoldenCheckpoint(t *testing.T) {
	name := filepath.Join("testdata", "v1.safetensors")
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatalf("%v: write it with os.WriteFile(name, saveSampler(t, s), 0o666) of a sampler after five sweeps", err)
	}
	s := anharmonicSampler(t, 1, Settings{})
	mustRun(t, s, 5, nil)
	r := anharmonicSampler(t, 2, Settings{})
	if err := r.Restore(bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	if r.Sweeps() != 5 || !mat.EqualApprox(r.X(), s.X(), 1e-9) || r.AcceptRate() != s.AcceptRate() {
		t.Errorf("%d sweeps, acceptance %g, or other chains", r.Sweeps(), r.AcceptRate())
	}
	if !bytes.Equal(saveSampler(t, r), data) {
		t.Error("it is written differently now: is it another version?")
	}
	mustRun(t, s, 3, nil)
	mustRun(t, r, 3, nil)
	if !mat.EqualApprox(r.X(), s.X(), 1e-9) {
		t.Error("it goes on differently")
	}
}

// seal corrects the digest of a file, if it has one.
func seal(data []byte) {
	key := []byte(`"sha256":"`)
	at := bytes.Index(data, key)
	if at < 0 || at+len(key)+64 > len(data) {
		return
	}
	digits := data[at+len(key) : at+len(key)+64]
	for i := range digits {
		digits[i] = '0'
	}
	sum := sha256.Sum256(data)
	hex.Encode(digits, sum[:])
}

// restoreCost returns the bytes that Restore allocates, and how many it may.
func restoreCost(s *Sampler, data []byte) (used, allowed int, err error) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err = s.Restore(bytes.NewReader(data))
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc), 4*len(data) + 16<<20, err
}

// From any file a sampler takes a state in which it can go on, or none.
func FuzzRestore(f *testing.F) {
	minimizeBriefly()
	newSampler := func(t testing.TB) *Sampler {
		s, err := New(&pointwise{dim: 2, f: anharmonic}, randn(1, 3, 2, 1),
			&Settings{Kernel: HMC{Steps: 2, Jitter: -1}, Src: rand.NewPCG(4, 5)})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := newSampler(f)
	for range 2 {
		var b bytes.Buffer
		if err := errors.Join(s.Save(&b), s.Sweep()); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		data = bytes.Clone(data)
		seal(data)
		s := newSampler(t)
		before := mat.DenseCopyOf(s.X())
		used, allowed, err := restoreCost(s, data)
		if used > allowed {
			t.Errorf("%d bytes allocated for a file of %d", used, len(data))
		}
		if err != nil {
			if !errors.Is(err, ErrCheckpoint) {
				t.Errorf("%v", err)
			}
			if !mat.Equal(before, s.X()) || s.Sweeps() != 0 {
				t.Error("the sampler has changed")
			}
			return
		}
		if err := s.Sweep(); err != nil {
			t.Errorf("%v", err)
		}
		if s.Sweeps() > 0 && !(s.AcceptRate() >= 0 && s.AcceptRate() <= 1) || s.Divergent() < 0 {
			t.Errorf("%d sweeps, acceptance %g, %d divergent", s.Sweeps(), s.AcceptRate(), s.Divergent())
		}
		for _, v := range s.X().RawMatrix().Data {
			if !num.Finite(v) {
				t.Errorf("a position is %g", v)
			}
		}
	})
}

// A file costs less than four times its size and 16 MB, whatever it says.
func TestRestoreAllocates(t *testing.T) {
	s := anharmonicSampler(t, 1, Settings{})
	forge := func(meta map[string]string, arrays ...safetensors.Array) []byte {
		var b bytes.Buffer
		if err := safetensors.Save(&b, samplerKey, &safetensors.File{Meta: meta, Arrays: arrays}); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	text, err := json.Marshal(s.state())
	if err != nil {
		t.Fatal(err)
	}
	const n = 3000000
	for name, data := range map[string][]byte{
		"more arrays": forge(map[string]string{samplerKey: string(text)},
			safetensors.Array{Name: "a", Shape: []int{n}, Values: make([]float64, n)}),
		"more chains": forge(map[string]string{samplerKey: string(text)},
			safetensors.Array{Name: "x", Shape: []int{n / 2, 2}, Values: make([]float64, n)}),
		"a source": forge(map[string]string{samplerKey: string(text)},
			safetensors.Array{Name: "x", Shape: []int{6, 2}, Values: make([]float64, 12)},
			safetensors.Array{Name: "grad", Shape: []int{6, 2}, Values: make([]float64, 12)},
			safetensors.Array{Name: "logp", Shape: []int{6}, Values: make([]float64, 6)},
			safetensors.Array{Name: "source", Shape: []int{8 * n}, Values: make([]byte, 8*n)}),
		"a text": forge(map[string]string{samplerKey: string(text) + strings.Repeat(" ", 1<<22)}),
	} {
		used, allowed, err := restoreCost(s, data)
		t.Logf("%-12s %5.1f MB, allocates %5.1f MB of %5.1f: %.80v", name,
			float64(len(data))/1e6, float64(used)/1e6, float64(allowed)/1e6, err)
		if used > allowed || !errors.Is(err, ErrCheckpoint) {
			t.Errorf("%s: %d bytes allocated for a file of %d, %.200v", name, used, len(data), err)
		}
	}
	// Counts that no run can have.
	for name, change := range map[string]func(s *samplerState){
		"accepted": func(s *samplerState) { s.Sweeps, s.Accepted = 1, 7 },
		"overflow": func(s *samplerState) { s.Sweeps, s.Accepted, s.Divergent = 1, math.MaxInt, math.MaxInt },
		"sweeps":   func(s *samplerState) { s.Sweeps = math.MaxInt / 2 },
		"negative": func(s *samplerState) { s.Sweeps = -1 },
		"failed":   func(s *samplerState) { s.Failed = 1 },
	} {
		state := s.state()
		change(&state)
		text, err := json.Marshal(state)
		if err != nil {
			t.Fatal(err)
		}
		err = s.Restore(bytes.NewReader(forge(map[string]string{samplerKey: string(text)})))
		if !errors.Is(err, ErrCheckpoint) || !strings.Contains(err.Error(), "proposals") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRestoreRefuses(t *testing.T) {
	s := anharmonicSampler(t, 1, Settings{})
	mustRun(t, s, 2, nil)
	data := saveSampler(t, s)
	fewer := mustNew(t, &pointwise{dim: 2, f: anharmonic}, randn(1, 5, 2, 1),
		&Settings{Kernel: HMC{Steps: 5, Jitter: 0.2}, Src: rand.NewPCG(1, 1)})
	other := anharmonicSampler(t, 1, Settings{Kernel: HMC{StepSize: 0.3}})
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

// A density that fails now and then costs sweeps and gives no wrong result.
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
	s := mustNew(t, d, randn(3, 400, 2, 1),
		&Settings{Kernel: HMC{StepSize: 0.4, Steps: 5}, MaxFaults: 20, Src: rand.NewPCG(1, 2)})
	means := chainMeans(t, s, 300, func(x []float64) float64 { return x[0] * x[0] })
	wantMean(t, "⟨x²⟩", means, 1, 0.02)
	if s.Divergent() < 400*10 || s.Divergent()%400 != 0 {
		t.Errorf("%d divergent trajectories", s.Divergent())
	}
	// A density that always fails ends the run.
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
	_, err := New(d, randn(3, 4, 2, 1), &Settings{MaxFaults: -1, Src: rand.NewPCG(1, 2)})
	wantError(t, "negative MaxFaults", err, ErrSettings, "MaxFaults -1")
	if math.IsNaN(always.AcceptRate()) {
		t.Error("no acceptance rate")
	}
}

// minimizeBriefly shortens the minimisation of fuzzed inputs, which by default
// takes a minute for each input that reaches new code.
func minimizeBriefly() {
	const name = "test.fuzzminimizetime"
	if f := flag.Lookup(name); f.Value.String() == f.DefValue {
		flag.Set(name, "10x")
	}
}
