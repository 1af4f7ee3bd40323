package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func small(t *testing.T, dir string, more ...string) *options {
	t.Helper()
	o, err := parse(append([]string{"-L", "4", "-temps", "2.3,2.7", "-first", "6", "-steps", "3", "-batch", "16", "-couplings", "2", "-out", dir}, more...))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// Cells made one by one are those of one run, which makes none of them again
// and draws the figures.
func TestResume(t *testing.T) {
	ctx := context.Background()
	whole, parts := t.TempDir(), t.TempDir()
	if err := run(ctx, small(t, whole)); err != nil {
		t.Fatal(err)
	}
	for _, i := range []string{"0", "1", "2", "3"} {
		if err := run(ctx, small(t, parts, "-cell", i)); err != nil {
			t.Fatal(err)
		}
	}
	canceled, cancel := context.WithCancel(ctx)
	cancel() // nothing is left to be trained
	if err := run(canceled, small(t, parts)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"depth1-T2.7", "depth1-T2.3", "depth2-T2.7", "depth2-T2.3"} {
		a, err := read(filepath.Join(whole, name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		b, err := read(filepath.Join(parts, name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		if a.Loss != b.Loss || a.Warm != strings.HasSuffix(name, "2.3") || a.Warm != b.Warm || !(a.Loss > a.Exact) {
			t.Errorf("%s: loss %v and %v, exact %v, warm %v and %v", name, a.Loss, b.Loss, a.Exact, a.Warm, b.Warm)
		}
	}
	for _, name := range []string{"free_energy.png", "samples.png"} {
		if info, err := os.Stat(filepath.Join(parts, name)); err != nil || info.Size() < 5000 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := run(ctx, small(t, parts, "-seed", "2")); err == nil || !strings.Contains(err.Error(), "other settings") {
		t.Errorf("other settings: %v", err)
	}
}

// A run that is stopped leaves no part of a cell.
func TestStopped(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := run(ctx, small(t, dir)); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 0 {
		t.Errorf("%d files left", len(files))
	}
}

func TestBadFlags(t *testing.T) {
	for _, args := range []string{"-L 6", "-steps 0", "-temps 2,x", "-temps 2,2", "-temps -1", "-cell 24", "here"} {
		if _, err := parse(strings.Fields(args)); err == nil || !strings.Contains(err.Error(), strings.Fields(args)[0]) {
			t.Errorf("%s: %v", args, err)
		}
	}
}
