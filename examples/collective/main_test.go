package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A short run trains, saves the model, draws both figures, and a second
// one takes the model from the file.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "model.safetensors")
	args := []string{"-L", "4", "-steps", "20", "-chains", "20", "-burn", "2", "-between", "1", "-samples", "60", "-model", file, "-out", dir}
	for range 2 {
		o, err := parse(args)
		if err != nil {
			t.Fatal(err)
		}
		if err := run(context.Background(), o); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"model.safetensors", "response.png", "information.png"} {
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

func TestBadFlags(t *testing.T) {
	for _, args := range []string{"-steps 0", "-chains 1", "-burn -1", "-between 0", "-samples 333", "here"} {
		if _, err := parse(strings.Fields(args)); err == nil || !strings.Contains(err.Error(), strings.Fields(args)[0]) {
			t.Errorf("%s: %v", args, err)
		}
	}
}
