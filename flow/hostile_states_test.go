package flow

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/neuralrg/neuralrg/internal/safetensors"
	"github.com/neuralrg/neuralrg/target"
)

// costOf is what a call allocates in all, which is never less than what it holds
// at any time.
func costOf(call func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	call()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

// allowed is what may be allocated for a file.
func allowed(size int) int { return 4*size + 16<<20 }

// wantCheap reads a file. It requires that reading allocates no more than is allowed,
// and that the file is read if it is sound, and refused otherwise. extra bytes are allowed on
// top.
func wantCheap(t *testing.T, name string, data []byte, sound bool, extra int, read func(data []byte) error) {
	t.Helper()
	var err error
	allowed := func(size int) int { return allowed(size) + extra }
	used := costOf(func() { err = read(data) })
	t.Logf("%-42s %5.1f MB, allocates %6.1f MB of %6.1f: %.90v", name, float64(len(data))/1e6, float64(used)/1e6,
		float64(allowed(len(data)))/1e6, err)
	if used > allowed(len(data)) {
		t.Errorf("%s: %d bytes allocated for a file of %d", name, used, len(data))
	}
	if sound != (err == nil) || err != nil && !errors.Is(err, ErrCheckpoint) {
		t.Errorf("%s: %.300v", name, err)
	}
}

// trainerFile is the file of a trainer after a change, with a correct digest.
func trainerFile(t *testing.T, tr *Trainer, change func(f *safetensors.File)) []byte {
	t.Helper()
	f, err := tr.m.file()
	if err == nil {
		err = tr.addTo(f)
	}
	if err != nil {
		t.Fatal(err)
	}
	change(f)
	return forge(t, "trainer", f)
}

// authorsFile is a file of the authors' code for the 2×2 lattice, with the networks of
// at most one coupling and the masks of all.
func authorsFile(t *testing.T, hidden, couplings int) []byte {
	t.Helper()
	f := &safetensors.File{Meta: map[string]string{}}
	add := func(name string, shape ...int) {
		f.Arrays = append(f.Arrays, safetensors.Array{Name: name, Shape: shape,
			Values: make([]float32, volumeOf(shape))})
	}
	for k := range 2 {
		for c := range min(couplings, 1) {
			for _, net := range []string{"s", "t"} {
				sizes := []int{4, hidden, hidden, 4}
				for i := range len(sizes) - 1 {
					add(fmt.Sprintf("layerList.%d.%sList.%d.layerList.%d.weight", k, net, c, 2*i),
						sizes[i+1], sizes[i])
					add(fmt.Sprintf("layerList.%d.%sList.%d.layerList.%d.bias", k, net, c, 2*i), sizes[i+1])
				}
			}
			add(fmt.Sprintf("layerList.%d.sList.%d.layerList.5.scale", k, c), 4)
		}
		masks := make([]float32, 4*couplings)
		for i := range couplings {
			masks[4*i] = 1
		}
		f.Arrays = append(f.Arrays, safetensors.Array{Name: fmt.Sprintf("layerList.%d.maskList", k),
			Shape: []int{couplings, 1, 2, 2}, Values: masks})
	}
	var b bytes.Buffer
	if err := safetensors.Write(&b, f); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// The law of TestHostileFiles holds for files of the authors' code and for states of
// trainers.
func TestHostileStates(t *testing.T) {
	if testing.Short() {
		t.Skip("files of up to 40 MB")
	}
	state := func(change func(f *safetensors.File)) []byte {
		_, tr := observed(t, 1)
		return trainerFile(t, tr, change)
	}
	_, tr := observed(t, 1)
	load := func(L int) func(data []byte) error {
		return func(data []byte) error { _, err := LoadPaper(bytes.NewReader(data), L); return err }
	}
	restore := func(data []byte) error { return tr.Restore(bytes.NewReader(data)) }
	for _, c := range []struct {
		name string
		data []byte
		read func(data []byte) error
		ok   bool
	}{
		{"authors' model of many units", authorsFile(t, 1200, 1), load(2), true},
		{"authors' model on a large lattice", authorsFile(t, 10, 1), load(1 << 20), false},
		{"masks", authorsFile(t, 10, 700000), load(2), false},
		{"trainer with more arrays", state(func(f *safetensors.File) {
			f.Arrays = append(f.Arrays, blank("a", 3000000))
		}), restore, true},
		{"window", state(func(f *safetensors.File) {
			for i := range f.Arrays {
				if f.Arrays[i].Name == windowArray {
					f.Arrays[i] = blank(windowArray, 500000, windowFields)
				}
			}
			var s trainerState
			if err := json.Unmarshal([]byte(f.Meta[trainerKey]), &s); err != nil {
				t.Fatal(err)
			}
			s.Step = 500000
			text, _ := json.Marshal(s)
			f.Meta[trainerKey] = string(text)
		}), restore, false},
		{"sources", state(func(f *safetensors.File) {
			for i := range f.Arrays {
				if name := f.Arrays[i].Name; name == sourceArray || name == heldArray {
					f.Arrays[i] = octets(name, 12000000)
				}
			}
		}), restore, false},
		{"average", state(func(f *safetensors.File) {
			for i := range f.Arrays {
				if f.Arrays[i].Name == averageArray {
					f.Arrays[i] = blank(averageArray, 3000000)
				}
			}
		}), restore, false},
		{"text", state(func(f *safetensors.File) {
			f.Meta[trainerKey] += strings.Repeat(" ", 4000000)
		}), restore, false},
		{"architecture", state(func(f *safetensors.File) {
			f.Meta[archKey] = strings.Repeat(`"`, 4000000)
		}), restore, false},
	} {
		wantCheap(t, c.name, c.data, c.ok, 0, c.read)
	}
}

// A trainer takes over no state that it could not have.
func TestRestoreTrainerValidates(t *testing.T) {
	_, saved := observed(t, 1)
	if err := saved.Run(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(tr *Trainer){
		"m is NaN":            func(tr *Trainer) { tr.adam.m[0][3] = math.NaN() },
		"m is ∞":              func(tr *Trainer) { tr.adam.m[0][3] = math.Inf(-1) },
		"v is ∞":              func(tr *Trainer) { tr.adam.v[1][0] = math.Inf(1) },
		"v is negative":       func(tr *Trainer) { tr.adam.v[1][0] = -1e-300 },
		"loss is NaN":         func(tr *Trainer) { tr.window[1].mean = math.NaN() },
		"other batches":       func(tr *Trainer) { tr.window[1].n++ },
		"variance":            func(tr *Trainer) { tr.window[1].m2 = -1 },
		"weights":             func(tr *Trainer) { tr.window[1].lw2 = math.Inf(1) },
		"factor":              func(tr *Trainer) { tr.shrink = 1e-9 },
		"steps":               func(tr *Trainer) { tr.step = 2 },
		"steps that are none": func(tr *Trainer) { tr.step = -1 },
		"faults":              func(tr *Trainer) { tr.faults = -1 },
		"average is NaN":      func(tr *Trainer) { tr.averages[0][3] = math.NaN() },
		"average is ∞":        func(tr *Trainer) { tr.averages[1][0] = math.Inf(-1) },
		"plateau":             func(tr *Trainer) { tr.plateau.Factor = 2 },
		"plateau's steps":     func(tr *Trainer) { tr.plateau.Since = 4 },
	} {
		_, tr := observed(t, 1)
		if err := tr.Run(t.Context(), 3); err != nil {
			t.Fatal(err)
		}
		change(tr)
		var b bytes.Buffer
		if err := tr.Save(&b); err != nil {
			t.Fatal(err)
		}
		m, other := observed(t, 2)
		before := params(m)
		if err := other.Restore(&b); !errors.Is(err, ErrCheckpoint) {
			t.Errorf("%s: %v", name, err)
		}
		if !slices.Equal(before, params(m)) || other.step != 0 ||
			slices.ContainsFunc(slices.Concat(other.adam.m...), func(v float64) bool { return v != 0 }) {
			t.Errorf("%s: the trainer has changed", name)
		}
	}
	// As it was, it is taken over.
	var b bytes.Buffer
	if err := saved.Save(&b); err != nil {
		t.Fatal(err)
	}
	_, other := observed(t, 2)
	if err := other.Restore(&b); err != nil {
		t.Error(err)
	}
}

// Whatever is moved from a finite gradient by a finite factor, it stays finite.
func TestNoStepIntoNothing(t *testing.T) {
	for name, c := range map[string]struct {
		gradient float64
		schedule Schedule
		s        Settings
	}{
		"gradient whose square is ∞": {1e200, nil, Settings{Faults: FaultSettings{Policy: FaultSkip, Max: 3}}},
		"gradient whose norm is ∞": {1.7e308, nil,
			Settings{Faults: FaultSettings{Policy: FaultSkip, Max: 3}, Optimizer: OptimizerSettings{ClipNorm: 1}}},
		"factor of the learning rate": {1, func(int) float64 { return math.MaxFloat64 },
			Settings{Faults: FaultSettings{Policy: FaultSkip, Max: 3}, Optimizer: OptimizerSettings{LearnRate: 1e9}}},
		"factor that shrinking spares": {1, func(int) float64 { return math.MaxFloat64 },
			Settings{Faults: FaultSettings{Policy: FaultShrink, Max: 3}, Optimizer: OptimizerSettings{LearnRate: 1e9}}},
		"stop": {1e200, nil, Settings{}},
	} {
		m := mera(t, 2, 1)
		before := params(m)
		c.s.Batch, c.s.Optimizer.Schedule, c.s.Src = 4, c.schedule, rand.NewPCG(1, 1)
		tr, err := NewTrainer(m, steep(c.gradient), &c.s)
		if err != nil {
			t.Fatal(err)
		}
		if err := tr.Run(t.Context(), 5); !errors.Is(err, ErrNotFinite) {
			t.Errorf("%s: %v", name, err)
		}
		if res := tr.Result(); res.Steps != 0 || res.Faults != c.s.Faults.Max%100 {
			t.Errorf("%s: %d steps, %d faults", name, res.Steps, res.Faults)
		}
		if !slices.Equal(before, params(m)) || tr.adam.step != 0 {
			t.Errorf("%s: parameters have changed", name)
		}
		if err := tr.Save(&bytes.Buffer{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// What clipping makes good is no fault.
	m := mera(t, 2, 1)
	tr, err := NewTrainer(m, steep(1e200), &Settings{Batch: 4, Optimizer: OptimizerSettings{ClipNorm: 10},
		Src: rand.NewPCG(1, 1)})
	if err != nil {
		t.Fatal(err)
	}
	if err := tr.Run(t.Context(), 5); err != nil {
		t.Error(err)
	}
}

// steep is a density that says of its gradient what it pleases.
func steep(gradient float64) target.Density {
	return target.Func(4, func(grad, x []float64) float64 {
		for i := range grad {
			grad[i] = gradient
		}
		return x[0]
	})
}
