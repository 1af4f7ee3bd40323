package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A flow grows from 8 × 8 to 16 × 16 sites, and every phase leaves its numbers in the file.
func TestRun(t *testing.T) {
	out := t.TempDir()
	for _, args := range []string{
		"-L 8 -steps 4 -samples 60 -scales -anneal 20 -rungs 3",
		"-L 16 -steps 2 -samples 20 -measure 1h -chains 4 -from " + filepath.Join(out, "8.flow"),
		"-L 16 -steps 0 -samples 20 -name again -from " + filepath.Join(out, "16.flow"),
	} {
		o, err := parse(append(strings.Fields(args), "-batch", "16", "-images", "2", "-out", out))
		if err != nil {
			t.Fatal(err)
		}
		o.sweeps = 8
		if err := run(o); err != nil {
			t.Fatalf("%s: %v", args, err)
		}
	}
	want := map[string]string{
		"8":     "L T annealed batch exact flow from params scales seed steps training_seconds",
		"16":    "L T batch exact flow from measured params seed steps training_seconds",
		"again": "L T batch exact flow from params seed steps training_seconds",
	}
	for name, keys := range want {
		text, err := os.ReadFile(filepath.Join(out, name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var r map[string]any
		if err := json.Unmarshal(text, &r); err != nil {
			t.Fatal(err)
		}
		for _, key := range strings.Fields(keys) {
			if r[key] == nil && key != "from" {
				t.Errorf("%s has no %q", name, key)
			}
			delete(r, key)
		}
		if len(r) > 0 {
			t.Errorf("%s has %v, too", name, r)
		}
	}
}

func TestFlags(t *testing.T) {
	for _, args := range []string{
		"-L 12", "-L 2", "-L 1024", "-T 0", "-steps -1", "-steps 0", "-rate -1", "-rate NaN", "-anneal -1", "-batch 0",
		"-images 0", "-parts 3", "-parts -1", "-measure -1s", "8",
	} {
		if _, err := parse(strings.Fields(args)); err == nil {
			t.Errorf("%q was accepted", args)
		}
	}
	o, err := parse([]string{"-from", filepath.Join(t.TempDir(), "none")})
	if err != nil {
		t.Fatal(err)
	}
	o.out = t.TempDir()
	if err := run(o); err == nil {
		t.Error("a missing flow was accepted")
	}
}
