package main

import (
	"context"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/neuralrg/neuralrg/flow"
)

// onLook is a context that is cancelled after some calls of Err.
type onLook struct {
	context.Context
	looks int
}

func (c *onLook) Err() error {
	if c.looks--; c.looks < 0 {
		return context.Canceled
	}
	return nil
}

// A run that is stopped again and again has the result of a run that is not stopped,
// and that is near the exact one.
func TestResume(t *testing.T) {
	ctx := context.Background()
	want, stdErr, err := run(ctx, t.TempDir(), 50, 30)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%.4f ± %.4f", want, stdErr)
	if !(stdErr > 0 && stdErr < 0.03) || math.Abs(want-0.7614) > 4*stdErr {
		t.Errorf("⟨m²⟩ %v ± %v, exact 0.7614", want, stdErr)
	}
	dir, stops := t.TempDir(), 0
	got, _, err := run(&onLook{ctx, 33}, dir, 50, 30)
	for ; errors.Is(err, context.Canceled); stops++ {
		got, _, err = run(&onLook{ctx, 33}, dir, 50, 30)
	}
	if err != nil || got != want || stops < 3 {
		t.Errorf("stopped %d times: %v, %v, want %v", stops, got, err, want)
	}
}

// An error while a file is written leaves the old file. A damaged file is an error that
// names it.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	if _, _, err := run(&onLook{context.Background(), 3}, dir, 50, 30); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "run.trainer")
	old, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	if err := write(name, func(w io.Writer) error { w.Write([]byte("half")); return broken }); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	if now, err := os.ReadFile(name); err != nil || string(now) != string(old) {
		t.Errorf("the old file is gone: %v", err)
	}
	if err := os.WriteFile(name, old[:len(old)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, err = run(context.Background(), dir, 50, 30)
	if !errors.Is(err, flow.ErrCheckpoint) || !strings.Contains(err.Error(), name) {
		t.Errorf("half a file: %v", err)
	}
}
