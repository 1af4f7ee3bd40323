package flow

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/neuralrg/neuralrg/internal/safetensors"
)

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

	change := func(f func(f *safetensors.File)) []byte { return trainerFile(t, saved, f) }
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
}

// A plateau past its patience has no wait left.
func TestRestoreChecksPlateau(t *testing.T) {
	_, tr := observed(t, 2)
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
}

// A trainer with a source whose state cannot be read is not saved.
func TestSaveRefusesHiddenSource(t *testing.T) {
	hidden := struct{ rand.Source }{rand.NewPCG(1, 1)}
	evaluation := &EvaluationSettings{EvaluateSettings: EvaluateSettings{Src: hidden}}
	_, opaque := trainer(t, 1, Settings{Evaluation: evaluation})
	wantError(t, "source without a state", opaque.Save(&bytes.Buffer{}), ErrSettings, "cannot be saved")
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
	other, err := NewTrainer(m, ising(t, 4), &Settings{Batch: 32,
		Optimizer: OptimizerSettings{LearnRate: 3e-3}, Window: 7, Src: rand.NewChaCha8([32]byte{})})
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
