package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/neuralrg/neuralrg/examples/internal/checkpoint"
)

// small are the flags of a small scan.
func small(t *testing.T, dir string, more ...string) *options {
	t.Helper()
	args := strings.Fields("-L 4 -temps 2.3,2.7 -first 6 -steps 3 -batch 16 -couplings 2")
	o, err := parse(append(append(args, "-out", dir), more...))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// wants checks that an error says something.
func wants(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("error %v, want one that says %q", err, text)
	}
}

// Cells made one by one are equal to those of one run. A last run makes none of them
// again and draws the figures.
func TestResume(t *testing.T) {
	for _, recipe := range []string{"", "fast"} {
		t.Run(recipe, func(t *testing.T) { testResume(t, "-recipe", recipe) })
	}
}

func testResume(t *testing.T, flags ...string) {
	small := func(t *testing.T, out string, more ...string) *options {
		return small(t, out, append(more, flags...)...)
	}
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
	wants(t, run(ctx, small(t, parts, "-seed", "2")), "other settings: -seed was 1, now 2;")
}

// A run that is stopped before its first step leaves no file.
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

// onStep is a context that is done after some calls of Err. There is one call per
// step of training and one per batch of an evaluation.
type onStep struct {
	context.Context
	looks int
}

func (c *onStep) Err() error {
	if c.looks--; c.looks < 0 {
		return context.Canceled
	}
	return nil
}

// A cell that is interrupted in its training or its evaluation ends as it would have
// without that. Its state is not taken up with other settings, nor if it is damaged.
func TestInterrupted(t *testing.T) {
	ctx := context.Background()
	whole := t.TempDir()
	if err := run(ctx, small(t, whole)); err != nil {
		t.Fatal(err)
	}
	want, err := read(filepath.Join(whole, "depth1-T2.7.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, looks := range []int{1, 5, 6, 7, 9} { // there are six steps
		dir := t.TempDir()
		if err := run(&onStep{ctx, looks}, small(t, dir, "-cell", "0")); !errors.Is(err, context.Canceled) {
			t.Fatalf("%d: %v", looks, err)
		}
		state := filepath.Join(dir, "depth1-T2.7.training")
		data, err := os.ReadFile(state)
		if err != nil {
			t.Fatalf("%d: %v", looks, err)
		}
		data[len(data)/2] ^= 4
		if err := os.WriteFile(state, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := run(ctx, small(t, dir, "-cell", "0")); !errors.Is(err, checkpoint.ErrDamaged) {
			t.Errorf("%d: a damaged state: %v", looks, err)
		}
		data[len(data)/2] ^= 4
		if err := os.WriteFile(state, data, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, other := range []string{"-first 7", "-seed 2", "-cold"} {
			args := append(strings.Fields(other), "-cell", "0")
			wants(t, run(ctx, small(t, dir, args...)), "other settings")
		}
		if err := run(ctx, small(t, dir, "-cell", "0")); err != nil {
			t.Fatal(err)
		}
		got, err := read(filepath.Join(dir, "depth1-T2.7.json"))
		if err != nil {
			t.Fatal(err)
		}
		got.Seconds = want.Seconds
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%d: %+v, want %+v", looks, got, want)
		}
		a, errA := os.ReadFile(filepath.Join(dir, "depth1-T2.7.safetensors"))
		b, errB := os.ReadFile(filepath.Join(whole, "depth1-T2.7.safetensors"))
		if err := errors.Join(errA, errB); err != nil || !bytes.Equal(a, b) {
			t.Errorf("%d: another model, %v", looks, err)
		}
		if files, err := filepath.Glob(filepath.Join(dir, "*training*")); err != nil || len(files) != 0 {
			t.Errorf("%d: left: %q, %v", looks, files, err)
		}
	}
}

// What a cell starts from does not depend on which files there are.
func TestPredecessor(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	err := run(ctx, small(t, dir, "-cell", "1"))
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a predecessor: %v", err)
	}
	wants(t, err, "-cold")
	if err := run(ctx, small(t, dir, "-cell", "0")); err != nil {
		t.Fatal(err)
	}
	wants(t, run(ctx, small(t, dir, "-cell", "1", "-steps", "4")), "other settings")
	if err := run(ctx, small(t, dir, "-cell", "1")); err != nil {
		t.Fatal(err)
	}
	// Cold cells are the same whether there are others or not.
	alone, all := t.TempDir(), t.TempDir()
	if err := run(ctx, small(t, alone, "-cold", "-cell", "1")); err != nil {
		t.Fatal(err)
	}
	if err := run(ctx, small(t, all, "-cold")); err != nil {
		t.Fatal(err)
	}
	a, errA := read(filepath.Join(alone, "depth1-T2.3.json"))
	b, errB := read(filepath.Join(all, "depth1-T2.3.json"))
	if err := errors.Join(errA, errB); err != nil {
		t.Fatal(err)
	}
	if a.Warm || b.Warm || a.Loss != b.Loss {
		t.Errorf("%+v, %+v", a, b)
	}
	wants(t, run(ctx, small(t, all)), "other settings") // warm after cold
}

// A file that cannot be written and a run that is too large are errors before
// training.
func TestReady(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "taken", "depth2-T2.3.safetensors"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "plain"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{
		"-L 1048576", "-couplings 1000000000", "-batch 1000000000",
		"-out " + filepath.Join(dir, "taken"), "-out " + filepath.Join(dir, "plain"),
	} {
		o := small(t, filepath.Join(dir, "out"), strings.Fields(args)...)
		words := strings.Fields(args)
		want := words[0]
		if want == "-out" {
			want = words[1]
		}
		wants(t, run(context.Background(), o), want)
		if files, _ := filepath.Glob(filepath.Join(o.out, "depth1*")); len(files) > 0 {
			t.Errorf("%s: it came as far as %q", args, files)
		}
	}
}

// -h fits a screen, and the table any terminal.
func TestWidth(t *testing.T) {
	var b strings.Builder
	f := flag.NewFlagSet("scan", flag.ContinueOnError)
	(&options{}).define(f)
	if err := help.Parse(f, []string{"-h"}, &b, 80); err != flag.ErrHelp {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), "\n"); n > 24 || n < 13 {
		t.Errorf("%d lines\n%s", n, &b)
	}
	o, err := parse([]string{"-L", "16"})
	if err != nil {
		t.Fatal(err)
	}
	cells := make([]*cell, o.cells())
	for i := range cells {
		cells[i] = &cell{Loss: -300 + float64(i), Exact: -400}
	}
	for _, width := range []int{40, 80} {
		var b strings.Builder
		table(&b, width, cells, o)
		for _, line := range strings.Split(b.String(), "\n") {
			if utf8.RuneCountInString(line) > width {
				t.Errorf("more than %d columns: %s", width, line)
			}
		}
		if got := strings.Count(b.String(), "0."); got != len(cells) {
			t.Errorf("%d columns: %d numbers, want %d\n%s", width, got, len(cells), &b)
		}
	}
}

func TestBadFlags(t *testing.T) {
	for _, args := range []string{"-L 6", "-steps 0", "-temps 2,x", "-temps 2,2", "-temps -1", "-cell 24", "-recipe best",
		"here"} {
		_, err := parse(strings.Fields(args))
		wants(t, err, strings.Fields(args)[0])
	}
}
