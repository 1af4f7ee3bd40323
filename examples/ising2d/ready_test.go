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

	"github.com/neuralrg/neuralrg/examples/internal/memory"
)

// A run that is too large is refused before anything is allocated.
func TestPrice(t *testing.T) {
	for _, args := range []string{
		"-couplings 1000000000", "-L 1000000", "-batch 1000000000", "-chains 1000000000", "-hidden 1000000,1000000",
		"-sweeps 1000000000000", "-steps 1000000000000", "-size 1000 -L 1000", "-repeat 1000000000",
		"-L 1000 -translate", "-ais 1000000000", "-L 9223372036854775806", "-couplings 100000 -recipe none",
	} {
		dir := t.TempDir()
		o, err := parse(append(strings.Fields(args), "-out", filepath.Join(dir, "out")))
		if err != nil {
			t.Fatal(err)
		}
		flag := strings.Fields(args)[0]
		if err := o.price(); !errors.Is(err, memory.ErrLimit) {
			t.Errorf("%s: error %v, want the memory that it needs", args, err)
			continue // run would try to allocate it
		}
		err = run(o)
		if !errors.Is(err, memory.ErrLimit) || !strings.Contains(err.Error(), flag) ||
			!strings.Contains(err.Error(), "B of memory") {
			t.Errorf("%s: error %v, want the memory that it needs", args, err)
		}
		if files, _ := os.ReadDir(dir); len(files) > 0 {
			t.Errorf("%s: something was made", args)
		}
	}
	for _, args := range []string{
		"", "-paper", "-recipe best -L 16", "-recipe best -L 32 -batch 256", "-L 4 -steps 1000000",
		"-L 64 -budget 1h", "-L 16 -ais 10000",
	} {
		o, err := parse(strings.Fields(args))
		if err != nil {
			t.Fatal(err)
		}
		if err := o.price(); err != nil {
			t.Errorf("%q: %v", args, err)
		}
	}
	o, err := parse(strings.Fields("-memory 1e9 -batch 1000000000"))
	if err != nil {
		t.Fatal(err)
	}
	if err := o.price(); err != nil {
		t.Errorf("with -memory raised: %v", err)
	}
}

// A file that cannot be written is an error before training.
func TestOutputsFirst(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	err := errors.Join(os.WriteFile(plain, nil, 0o600), os.MkdirAll(filepath.Join(dir, "figures", m2Name), 0o700))
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"-model", filepath.Join(dir, "nodir", "m")}, {"-json", filepath.Join(dir, "nodir", "j")},
		{"-checkpoint", filepath.Join(dir, "nodir", "c")}, {"-checkpoint", filepath.Join(dir, "nodir", "c"), "-resume"},
		{"-out", plain}, {"-out", filepath.Join(dir, "figures")}, {"-model", dir},
		{"-model", filepath.Join(dir, "same"), "-json", filepath.Join(dir, "same")},
	} {
		o, err := parse(append([]string{"-recipe", "none", "-steps", "1", "-out", filepath.Join(dir, "out")}, args...))
		if err != nil {
			t.Fatal(err)
		}
		if err := o.ready(); err == nil || !strings.Contains(err.Error(), args[1]) {
			t.Errorf("%q: error %v, want one that names the file", args, err)
		}
		if err := run(o); err == nil {
			t.Errorf("%q: no error", args)
		}
		if files, err := os.ReadDir(filepath.Join(dir, "out")); len(files) > 0 {
			t.Errorf("%q: it came as far as %v, %v", args, files, err)
		}
	}
}

// A file that is a symbolic link stays one.
func TestLinks(t *testing.T) {
	dir, far := t.TempDir(), t.TempDir()
	for _, name := range []string{"state", "model", "results"} {
		if err := os.Symlink(filepath.Join(far, name), filepath.Join(dir, name)); err != nil {
			t.Skip(err)
		}
	}
	small(t, dir, "-steps 5")
	small(t, dir, "-steps 6 -resume")
	for _, name := range []string{"state", "model", "results"} {
		link, err := os.Lstat(filepath.Join(dir, name))
		if err != nil || link.Mode()&os.ModeSymlink == 0 {
			t.Errorf("%s: %v, %v, want a link", name, link, err)
		}
		if file, err := os.Lstat(filepath.Join(far, name)); err != nil || !file.Mode().IsRegular() {
			t.Errorf("%s: %v, %v, want a file", name, file, err)
		}
	}
}

// At high temperature the default trajectory lasts one period of the motion. Without
// jitter, every trajectory then ends where it began.
func TestResonance(t *testing.T) {
	off, stdErr := map[string]float64{}, map[string]float64{}
	for _, jitter := range []string{"", "-jitter 0"} {
		flags := "-recipe none -couplings 1 -hidden 2 -T 1e6 -sweeps 80 " + jitter
		ising, ws := chainsOf(t, flags, rand.NewPCG(3, 4))
		s, err := ws[1].start()
		if err != nil {
			t.Fatal(err)
		}
		if err := ws[1].sweep(context.Background(), s, ws[1].o.sweeps, func() error { return nil }); err != nil {
			t.Fatal(err)
		}
		exact, _ := ising.ExactStructureFactor()
		r, _ := ws[1].result()
		off[jitter] = math.Abs(float64(r.M2)-exact) / float64(r.M2Err)
		stdErr[jitter] = float64(r.M2Err)
		t.Logf("%q: %.4f ± %.4f, exact %.4f", jitter, float64(r.M2), float64(r.M2Err), exact)
	}
	if off[""] > 3 {
		t.Errorf("%.1f errors off", off[""])
	}
	if stdErr["-jitter 0"] < 2*stdErr[""] {
		t.Errorf("errors are %v without jitter and %v with it: is -jitter 0 none?", stdErr["-jitter 0"], stdErr[""])
	}
}
