package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/neuralrg/neuralrg/flow"
)

// small runs the program with the given flags and returns its model and its
// results, without times and memory.
func small(t *testing.T, dir, flags string) (model string, results map[string]any) {
	t.Helper()
	m, r := filepath.Join(dir, "model"), filepath.Join(dir, "results")
	args := strings.Fields("-recipe none -couplings 2 -hidden 4 -batch 8 -chains 3 -sweeps 5 -physical 7 " +
		"-every 3 -between 1 -average 0.9 -save 4 -samples 100 -measure 0 -ais 20 -rungs 3 " + flags)
	o, err := parse(append(args,
		"-out", filepath.Join(dir, "out"), "-model", m, "-json", r, "-checkpoint", filepath.Join(dir, "state")))
	if err != nil {
		t.Fatal(err)
	}
	if err := run(o); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(m)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(r)
	if err == nil {
		err = json.Unmarshal(text, &results)
	}
	if err != nil {
		t.Fatal(err)
	}
	var clean func(m map[string]any)
	clean = func(m map[string]any) {
		for name, v := range m {
			if inner, ok := v.(map[string]any); ok {
				clean(inner)
			} else if strings.Contains(name, "seconds") || name == "peak_mb" {
				delete(m, name)
			}
		}
	}
	clean(results)
	return string(data), results
}

func equal(t *testing.T, a, b map[string]any) bool {
	t.Helper()
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	if errX != nil || errY != nil {
		t.Fatal(errX, errY)
	}
	return string(x) == string(y)
}

// Training that goes on after its end is training of all steps, to the bit, if
// the learning rate does not depend on how many there are.
func TestStepsRaised(t *testing.T) {
	model, results := small(t, t.TempDir(), "-steps 10")
	parts := t.TempDir()
	first, _ := small(t, parts, "-steps 5")
	if first == model {
		t.Fatal("five more steps change nothing")
	}
	if m, r := small(t, parts, "-steps 10 -resume"); m != model || !equal(t, r, results) {
		t.Errorf("5 and 5 steps are not 10: %v, want %v", r, results)
	}
	// Resumed once more, it is the same.
	if m, r := small(t, parts, "-steps 10 -resume"); m != model || !equal(t, r, results) {
		t.Errorf("resumed at the end: %v, want %v", r, results)
	}
	// With a schedule, where the run goes on is remembered.
	parts = t.TempDir()
	small(t, parts, "-steps 5 -cosine -anneal 0.5")
	model, results = small(t, parts, "-steps 10 -cosine -anneal 0.5 -resume")
	m, r := small(t, parts, "-steps 10 -cosine -anneal 0.5 -resume")
	if m != model || !equal(t, r, results) || m == first {
		t.Errorf("resumed after the end: %v, want %v", r, results)
	}
}

// The learning rate follows the cosine over the steps of its leg, the inverse
// temperature the ramp of the first leg.
func TestLegs(t *testing.T) {
	k := &keeper{o: &options{anneal: 0.5}}
	k.Legs = []leg{{0, 100}, {40, 200}, {200, 400}}
	for step := 1; step <= 400; step++ {
		steps := 100
		if step > 40 {
			steps = 200
		}
		if step > 200 {
			steps = 400
		}
		got, want := k.rate(step), flow.Cosine(steps, steps/10)(step)
		if steps < 400 && got != want {
			t.Fatalf("step %d: factor %v, want %v", step, got, want)
		}
		got, want = k.inverseTemperature(step), min(1, 0.5+0.01*float64(step))
		if got-want > 1e-12 || want-got > 1e-12 {
			t.Fatalf("step %d: β = %v, want %v", step, got, want)
		}
	}
	if r := k.rate(201); r < 0.5 {
		t.Errorf("training goes on at %v of the learning rate", r)
	}
	if r := k.rate(400); r > 1e-4 {
		t.Errorf("it ends at %v of the learning rate", r)
	}
}
