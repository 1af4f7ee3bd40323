package flow

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/internal/safetensors"
	"github.com/neuralrg/neuralrg/target"
)

// numberedData draws configurations that depend on how often it was asked alone,
// and can be told how often that was.
type numberedData struct{ calls int }

func (d *numberedData) Sample(x *mat.Dense) error {
	d.calls++
	x.Copy(randn(uint64(d.calls), x.RawMatrix().Rows, x.RawMatrix().Cols))
	return nil
}

// fussy is a normal density that is NaN where a coordinate is large: whether a
// batch fails depends on the batch alone.
func fussy(n int, bound float64) target.Density {
	return target.Func(n, func(grad, x []float64) float64 {
		sum := 0.0
		for i, v := range x {
			sum -= 0.5 * v * v
			if grad != nil {
				grad[i] = -v
			}
		}
		if math.Abs(x[0]) > bound {
			return math.NaN()
		}
		return sum
	})
}

// Whatever the settings are, a trainer that is restored goes on as if it had
// never stopped: with path gradients, with data, with the penalty, after faults.
func TestResumeLaw(t *testing.T) {
	const steps = 12
	for name, c := range map[string]struct {
		s         Settings
		symmetric bool
		target    target.Density
		faults    bool
	}{
		"path gradient": {Settings{Objective: ReverseKL{PathGradient: true}}, true, ising(t, 4), false},
		"data": {Settings{Data: &DataSettings{Source: &numberedData{}, Weight: 0.3}}, true,
			ising(t, 4), false},
		"path gradient and data": {Settings{Objective: ReverseKL{PathGradient: true},
			Data: &DataSettings{Source: &numberedData{}}}, true, ising(t, 4), false},
		"penalty": {Settings{Objective: ReverseKL{InversionKL: 0.7}}, false, ising(t, 4), false},
		"images":  {Settings{Images: 3}, true, ising(t, 4), false},
		"images along the path": {Settings{Images: 5, Objective: ReverseKL{PathGradient: true},
			Data: &DataSettings{Source: &numberedData{}}}, true, ising(t, 4), false},
		"images and faults": {Settings{Images: 2, Faults: FaultSettings{Policy: FaultSkip}}, true,
			fussy(16, 1.8), true},
		"shrinking": {Settings{Faults: FaultSettings{Policy: FaultShrink}}, true, fussy(16, 1.8),
			true},
		"skipping, with everything": {Settings{Faults: FaultSettings{Policy: FaultSkip},
			Objective: ReverseKL{PathGradient: true}, Optimizer: OptimizerSettings{ClipNorm: 5, MaxScale: 0.9}}, false,
			fussy(16, 1.8), true},
		"shrinking, with the penalty": {Settings{Faults: FaultSettings{Policy: FaultShrink},
			Objective: ReverseKL{InversionKL: 0.2}, Optimizer: OptimizerSettings{ClipNorm: 5}}, false, fussy(16, 1.8), true},
		"plateau": {Settings{Optimizer: OptimizerSettings{Plateau: &Plateau{Patience: 2, MinImprovement: 1e9}}},
			true, ising(t, 4), false},
		"average": {Settings{Optimizer: OptimizerSettings{Average: 0.9}}, true, ising(t, 4), false},
		"evaluation": {Settings{Evaluation: &EvaluationSettings{
			EvaluateSettings: EvaluateSettings{Samples: 21, Batch: 8}, Every: 3}}, false, ising(t, 4), false},
		"all of them, shrinking": {Settings{
			Optimizer: OptimizerSettings{Plateau: &Plateau{Patience: 1, MinImprovement: 0.3, Factor: 0.7}, Average: 0.8,
				ClipNorm: 5, MaxScale: 0.9},
			Anneal:     Ramp(0.5, 3),
			Faults:     FaultSettings{Policy: FaultShrink},
			Evaluation: &EvaluationSettings{EvaluateSettings: EvaluateSettings{Samples: 30}, Every: 2},
		}, false, fussy(16, 1.8), true},
	} {
		t.Run(name, func(t *testing.T) {
			var reports bytes.Buffer // of one run, in JSON
			make := func(seed uint64) (*Model, *Trainer) {
				m := model(t, must(bijector.NewMERA([]int{4, 4}, blocks(4, 3, 5, 4), nil)))
				scramble(m, seed, 0.1)
				if c.s.Images > 0 {
					m = symmetrize(t, m, Inversion(16), translation(4, 0, 1))
				} else if c.symmetric {
					m = symmetrize(t, m, Inversion(16))
				}
				s := c.s
				s.Batch, s.Optimizer.LearnRate, s.Window, s.Src = 8, 3e-3, 5, rand.NewPCG(seed, 4)
				if s.Data != nil {
					s.Data = &DataSettings{Source: &numberedData{}, Weight: s.Data.Weight}
				}
				if s.Evaluation != nil {
					e := *s.Evaluation
					e.Src = rand.NewChaCha8([32]byte{byte(seed)})
					s.Evaluation = &e
				}
				s.Recorder = RecorderFunc(func(r *Report) error {
					r.Steps = 0 // of one call
					return json.NewEncoder(&reports).Encode(r)
				})
				tr, err := NewTrainer(m, c.target, &s)
				if err != nil {
					t.Fatal(err)
				}
				return m, tr
			}
			m, tr := make(1)
			files, faults := map[int][]byte{}, map[int]int{}
			for k := range steps {
				var b bytes.Buffer
				if err := tr.Save(&b); err != nil {
					t.Fatal(err)
				}
				files[k], faults[k] = b.Bytes(), tr.Result().Faults
				if _, err := tr.Step(); err != nil {
					t.Fatal(err)
				}
			}
			want, result := params(m), *tr.Result()
			lines := slices.Collect(strings.Lines(reports.String()))
			var last bytes.Buffer
			if err := tr.Save(&last); err != nil {
				t.Fatal(err)
			}
			if c.s.Optimizer.Plateau != nil && tr.plateau.Factor == 1 {
				t.Error("no reduction")
			}
			if c.s.Optimizer.Average != 0 {
				if err := tr.UseAverage(); err != nil {
					t.Fatal(err)
				}
			}
			averaged := params(m)
			if c.faults != (result.Faults > 0) || c.faults && faults[steps/2] == 0 {
				t.Errorf("%d faults, %d of them in the first half", result.Faults, faults[steps/2])
			}
			for _, k := range []int{0, 1, steps / 2, steps - 1} {
				m, tr := make(2)
				if err := tr.Run(context.Background(), 2); err != nil {
					t.Fatal(err)
				}
				if err := tr.Restore(bytes.NewReader(files[k])); err != nil {
					t.Fatal(err)
				}
				if d := tr.s.Data; d != nil {
					d.Source.(*numberedData).calls = k
				}
				reports.Reset()
				if err := tr.Run(context.Background(), steps-k); err != nil {
					t.Fatal(err)
				}
				if got, want := reports.String(), strings.Join(lines[k:], ""); got != want {
					t.Errorf("from step %d: reports\n%s, want\n%s", k, got, want)
				}
				var b bytes.Buffer
				if err := tr.Save(&b); err != nil || !bytes.Equal(b.Bytes(), last.Bytes()) {
					t.Errorf("from step %d: another file at the end, error %v", k, err)
				}
				if !slices.Equal(params(m), want) || *tr.Result() != result {
					t.Errorf("from step %d: %+v, want %+v, or other parameters", k, *tr.Result(), result)
				}
				if c.s.Optimizer.Average != 0 {
					if err := tr.UseAverage(); err != nil {
						t.Fatal(err)
					}
				}
				wantSame(t, "averaged", params(m), averaged)
			}
		})
	}
}

// observed is a trainer with all that watches training and its learning rate.
func observed(t testing.TB, seed uint64) (*Model, *Trainer) {
	t.Helper()
	return trainer(t, seed, Settings{
		Optimizer: OptimizerSettings{Plateau: &Plateau{Patience: 2, MinImprovement: 1e9}, Average: 0.9},
		Evaluation: &EvaluationSettings{EvaluateSettings: EvaluateSettings{Samples: 20,
			Src: rand.NewChaCha8([32]byte{byte(seed)})}, Every: 2},
	})
}

// Averaged parameters are part of a trainer's file as any others are, and so is
// what comes after.
func TestResumeFromAverage(t *testing.T) {
	m, tr := observed(t, 1)
	var b bytes.Buffer
	if err := errors.Join(tr.Run(t.Context(), 4), tr.UseAverage(), tr.Save(&b), tr.Run(t.Context(), 3),
		tr.UseAverage()); err != nil {
		t.Fatal(err)
	}
	m2, tr2 := observed(t, 2)
	if err := errors.Join(tr2.Restore(&b), tr2.Run(t.Context(), 3), tr2.UseAverage()); err != nil {
		t.Fatal(err)
	}
	wantSame(t, "parameters", params(m2), params(m))
}

// A file says with which settings it was made, and is for no others; one that
// lacks an array of theirs is refused, and one of a source that is spoilt. Then
// the trainer is as it was, its sources too.
func TestRestoreObservedRefuses(t *testing.T) {
	_, saved := observed(t, 1)
	var b bytes.Buffer
	if err := errors.Join(saved.Run(t.Context(), 3), saved.Save(&b)); err != nil {
		t.Fatal(err)
	}
	_, plain := trainer(t, 1, Settings{})
	var old bytes.Buffer
	if err := errors.Join(plain.Run(t.Context(), 3), plain.Save(&old)); err != nil {
		t.Fatal(err)
	}
	_, other := observed(t, 3)
	wantError(t, "a file without", other.Restore(bytes.NewReader(old.Bytes())), ErrCheckpoint, "Plateau")
	wantError(t, "a trainer without", plain.Restore(bytes.NewReader(b.Bytes())), ErrCheckpoint, "Plateau")

	change := func(f func(f *safetensors.File)) []byte {
		file, err := saved.m.file()
		if err == nil {
			err = saved.addTo(file)
		}
		if err != nil {
			t.Fatal(err)
		}
		f(file)
		return forge(t, "trainer", file)
	}
	drop := func(name string) []byte {
		return change(func(f *safetensors.File) {
			f.Arrays = slices.DeleteFunc(f.Arrays, func(a safetensors.Array) bool { return a.Name == name })
		})
	}
	text := func(from, to string) []byte {
		return change(func(f *safetensors.File) {
			if !strings.Contains(f.Meta[trainerKey], from) {
				t.Fatalf("no %s in %s", from, f.Meta[trainerKey])
			}
			f.Meta[trainerKey] = strings.Replace(f.Meta[trainerKey], from, to, 1)
		})
	}
	state := func(p plateauState) []byte {
		now, _ := json.Marshal(saved.plateau)
		then, _ := json.Marshal(p)
		return text(string(now), string(then))
	}
	for name, data := range map[string][]byte{
		"no average":           drop(averageArray),
		"no second source":     drop(heldArray),
		"second source spoilt": change(func(f *safetensors.File) { f.Arrays[len(f.Arrays)-1].Values.([]byte)[0] ^= 1 }),
		"second source cut": change(func(f *safetensors.File) {
			a := &f.Arrays[len(f.Arrays)-1]
			a.Shape, a.Values = []int{4}, a.Values.([]byte)[:4]
		}),
		"second source of another type": text("*rand.ChaCha8", "*rand.PCG"),
		"another average":               text(`"average":0.9`, `"average":0.8`),
		"another plateau":               text(`"patience":2`, `"patience":3`),
		"other evaluations":             text(`"every":2`, `"every":3`),
		"no plateau":                    state(plateauState{}),
		"factor above 1":                state(plateauState{Factor: 1.1}),
		"factor below the floor":        state(plateauState{Factor: 1e-9}),
		"negative count":                state(plateauState{Factor: 1, Since: -1}),
		"more than there are steps":     state(plateauState{Factor: 1, Since: 4}),
		"waiting too early":             state(plateauState{Factor: 1, Since: 2, Wait: 1}),
		"a loss too early":              state(plateauState{Factor: 1, Since: 2, Best: 1}),
		"negative wait":                 state(plateauState{Factor: 1, Since: 2, Wait: -1}),
	} {
		m, tr := observed(t, 2)
		before := params(m)
		var was, is bytes.Buffer
		if err := tr.Save(&was); err != nil {
			t.Fatal(err)
		}
		wantError(t, name, tr.Restore(bytes.NewReader(data)), ErrCheckpoint)
		wantSame(t, name, params(m), before)
		if err := tr.Save(&is); err != nil || !bytes.Equal(was.Bytes(), is.Bytes()) {
			t.Errorf("%s: the trainer has changed", name)
		}
	}
	_, tr := observed(t, 2)
	if err := tr.Restore(bytes.NewReader(change(func(*safetensors.File) {}))); err != nil {
		t.Errorf("as it was: %v", err)
	}
	// Past its patience no wait is left.
	for p, ok := range map[plateauState]bool{
		{Factor: 1, Since: 8, Best: -3, Wait: 1}: true,
		{Factor: 1, Since: 9, Best: -3, Wait: 2}: false,
		{Factor: 1, Since: 7, Best: -3, Wait: 1}: false,
		{Factor: 1e-6, Since: 7, Best: 0}:        true,
	} {
		if err := p.check(tr.s.Optimizer.Plateau, 7, 20); (err == nil) != ok {
			t.Errorf("%+v: %v", p, err)
		}
	}

	hidden := struct{ rand.Source }{rand.NewPCG(1, 1)}
	evaluation := &EvaluationSettings{EvaluateSettings: EvaluateSettings{Src: hidden}}
	_, opaque := trainer(t, 1, Settings{Evaluation: evaluation})
	wantError(t, "source without a state", opaque.Save(&bytes.Buffer{}), ErrSettings, "cannot be saved")
}

// trainer is a small one, of everything that a checkpoint must remember.
func trainer(t testing.TB, seed uint64, s Settings) (*Model, *Trainer) {
	t.Helper()
	m := symmetrize(t, mera(t, 4, 3), Inversion(16))
	s.Batch, s.Optimizer.LearnRate, s.Optimizer.Schedule, s.Window, s.Src = 32, 3e-3, Cosine(40, 5), 7,
		rand.NewPCG(seed, 1)
	tr, err := NewTrainer(m, ising(t, 4), &s)
	if err != nil {
		t.Fatal(err)
	}
	return m, tr
}

// A trainer that is restored goes on as if it had never stopped.
func TestResume(t *testing.T) {
	ctx := context.Background()
	m, tr := trainer(t, 1, Settings{Optimizer: OptimizerSettings{ClipNorm: 20, MaxScale: 2}})
	files := map[int][]byte{}
	for step := range 21 {
		var b bytes.Buffer
		if err := tr.Save(&b); err != nil {
			t.Fatal(err)
		}
		files[step] = b.Bytes()
		if _, err := tr.Step(); err != nil {
			t.Fatal(err)
		}
	}
	want, result := params(m), *tr.Result()
	for _, step := range []int{0, 1, 6, 7, 8, 20} {
		m, tr := trainer(t, 99, Settings{Optimizer: OptimizerSettings{ClipNorm: 20, MaxScale: 2}})
		if err := tr.Run(ctx, 3); err != nil { // whatever it was before
			t.Fatal(err)
		}
		if err := tr.Restore(bytes.NewReader(files[step])); err != nil {
			t.Fatal(err)
		}
		if err := tr.Run(ctx, 21-step); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(params(m), want) || *tr.Result() != result {
			t.Errorf("from step %d: %+v, want %+v, or other parameters", step, *tr.Result(), result)
		}
		var b bytes.Buffer
		if err := tr.Save(&b); err != nil {
			t.Fatal(err)
		}
		l, err := Load(&b)
		if err != nil || !slices.Equal(params(l), want) {
			t.Errorf("model of a trainer's file: %v, or other parameters", err)
		}
	}
}

func TestRestoreTrainerRefuses(t *testing.T) {
	_, tr := trainer(t, 1, Settings{})
	if err := tr.Run(context.Background(), 2); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := tr.Save(&b); err != nil {
		t.Fatal(err)
	}
	data := b.Bytes()
	m, clipped := trainer(t, 1, Settings{Optimizer: OptimizerSettings{ClipNorm: 3}})
	before := params(m)
	if err := clipped.Restore(bytes.NewReader(data)); !errors.Is(err, ErrCheckpoint) ||
		!strings.Contains(err.Error(), "ClipNorm") {
		t.Errorf("other settings: %v", err)
	}
	if err := tr.Restore(bytes.NewReader(save(t, m))); !errors.Is(err, ErrCheckpoint) {
		t.Errorf("file of a model: %v", err)
	}
	other, err := NewTrainer(m, ising(t, 4), &Settings{Batch: 32, Optimizer: OptimizerSettings{LearnRate: 3e-3}, Window: 7,
		Src: rand.NewChaCha8([32]byte{})})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Restore(bytes.NewReader(data)); !errors.Is(err, ErrCheckpoint) ||
		!strings.Contains(err.Error(), "ChaCha8") {
		t.Errorf("other source: %v", err)
	}
	if !slices.Equal(before, params(m)) {
		t.Error("parameters have changed")
	}
	opaque, err := NewTrainer(m, ising(t, 4), &Settings{Src: struct{ rand.Source }{rand.NewPCG(1, 1)}})
	if err != nil {
		t.Fatal(err)
	}
	if err := opaque.Save(&bytes.Buffer{}); !errors.Is(err, ErrSettings) {
		t.Errorf("source without a state: %v", err)
	}
}
