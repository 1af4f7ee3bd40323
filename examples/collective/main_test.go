package main

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/examples/internal/checkpoint"
	"github.com/neuralrg/neuralrg/target"
)

// A short run trains, saves the model and draws all figures. A second run takes the
// model from the file.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "model.safetensors")
	args := append(strings.Fields("-L 4 -steps 20 -chains 200 -burn 2 -between 1 -samples 1000"),
		"-model", file, "-out", dir)
	for range 2 {
		o, err := parse(args)
		if err != nil {
			t.Fatal(err)
		}
		if err := run(context.Background(), o); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"model.safetensors", "response.png", "levels.png", "information.png"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() < 5000 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.WriteFile(file, []byte("no model"), 0o666); err != nil {
		t.Fatal(err)
	}
	o, err := parse(args)
	if err != nil {
		t.Fatal(err)
	}
	if err := run(context.Background(), o); err == nil || !strings.Contains(err.Error(), "model.safetensors") {
		t.Errorf("broken file: %v", err)
	}
}

// Samples are the same whether the model was trained at once, trained with an
// interruption, or read; training of another lattice, temperature or seed is not
// taken up.
func TestResume(t *testing.T) {
	dir := t.TempDir()
	parsed := func(args ...string) *options {
		o, err := parse(append(strings.Fields("-L 4 -chains 200 -burn 2 -between 1 -samples 1000"), args...))
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	samples := func(o *options) *mat.Dense {
		ising, err := target.NewIsing([]int{o.L, o.L}, o.T)
		if err != nil {
			t.Fatal(err)
		}
		m, _, err := prepare(context.Background(), ising, o)
		if err != nil {
			t.Fatal(err)
		}
		x, _, err := sample(context.Background(), m, ising, o, rand.NewPCG(o.seed, 4))
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	model, state := filepath.Join(dir, "model"), filepath.Join(dir, "state")
	want := samples(parsed("-steps", "10", "-model", model))
	if got := samples(parsed("-model", model)); !mat.Equal(got, want) {
		t.Error("a model that was read gives other samples")
	}
	samples(parsed("-steps", "4", "-checkpoint", state))
	if got := samples(parsed("-steps", "10", "-checkpoint", state, "-resume")); !mat.Equal(got, want) {
		t.Error("a resumed run gives other samples")
	}
	for flag, want := range map[string]string{
		"-L 8": "-L was 4, now 8", "-T 2": ", now 2", "-seed 2": "-seed was 1, now 2",
	} {
		o := parsed(append(strings.Fields(flag), "-checkpoint", state, "-resume")...)
		if err := run(context.Background(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", flag, err)
		}
	}
	if err := os.WriteFile(state, []byte("nothing"), 0o666); err != nil {
		t.Fatal(err)
	}
	err := run(context.Background(), parsed("-checkpoint", state, "-resume"))
	if !errors.Is(err, checkpoint.ErrDamaged) || !strings.Contains(err.Error(), "not a checkpoint") {
		t.Errorf("broken state: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := run(ctx, parsed("-model", model)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// Responses to four squares, anywhere on the torus, are found.
func TestQuadrants(t *testing.T) {
	const L = 8
	latents := []int{0, 4, 32, 36}
	response := mat.NewDense(4, L*L, nil)
	for k, z := range latents {
		for r := range L / 2 {
			for c := range L / 2 {
				response.Set(k, mod(z/L+r-1, L)*L+mod(z%L+c+1, L), float64(1-2*((r+c)%2)))
			}
		}
	}
	response.Set(2, mod(32/L+3, L)*L, -4)
	fractions, row, column := quadrants(response, latents, L)
	if row != -1 || column != 1 {
		t.Errorf("squares begin %d rows and %d columns beyond the variables, want −1 and 1", row, column)
	}
	for k, f := range fractions {
		want := 1.0
		if k == 2 {
			want = 0.8
		}
		if math.Abs(f-want) > 1e-12 {
			t.Errorf("latent variable %d: %v of the response, want %v", latents[k], f, want)
		}
	}
	if got := central([]int{3, 18, 44, 63}, L); got != 44 {
		t.Errorf("site %d is in the middle, want 44", got)
	}
}

func TestBadFlags(t *testing.T) {
	for args, text := range map[string]string{
		"-steps 0":                "-steps",
		"-chains 0":               "-chains",
		"-chains 25":              "multiple of 10",
		"-burn 0":                 "-burn",
		"-between 0":              "-between",
		"-samples 3":              "-samples",
		"-L 12":                   "power of two",
		"-L 2":                    "power of two",
		"-resume":                 "-checkpoint",
		"-chains 10 -samples 900": "1000 or more",
		"here":                    "here",
	} {
		if _, err := parse(strings.Fields(args)); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", args, err)
		}
	}
}
