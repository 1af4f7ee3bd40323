// Package api keeps the public API of the module to what docs/api.txt says.
package api

import (
	"flag"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/api.txt")

const (
	root    = "../.."
	listing = root + "/docs/api.txt"
	command = "go test ./internal/api -update"
)

var packages = []string{
	"bijector", "bijector/bijectortest", "target", "flow", "flow/mpi", "hmc", "hmc/cluster", "hmc/diag", "hmc/draws",
	"mi",
}

// The API is what docs/api.txt lists. Whoever changes the API changes the list too.
func TestListing(t *testing.T) {
	var lines []string
	for _, name := range packages {
		lines = append(lines, parse(t, name).lines...)
	}
	got := strings.Join(lines, "\n") + "\n"
	if *update {
		if err := os.WriteFile(listing, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	data, err := os.ReadFile(listing)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSpace(string(data)), "\n")
	for _, l := range lines {
		if !slices.Contains(want, l) {
			t.Errorf("new: %s", l)
		}
	}
	for _, l := range want {
		if !slices.Contains(lines, l) {
			t.Errorf("gone: %s", l)
		}
	}
	if t.Failed() {
		t.Logf("if this is meant, say so in docs/CHANGELOG.md and run: %s", command)
	} else if got != string(data) {
		t.Errorf("the order of docs/api.txt is off: %s", command)
	}
}

// Everything exported is documented, and every constructor has an example.
func TestDocumented(t *testing.T) {
	for _, name := range packages {
		p := parse(t, name)
		if !p.doc {
			t.Errorf("%s: no package comment", name)
		}
		for _, l := range p.undoc {
			t.Errorf("no comment: %s", l)
		}
		for e, verified := range p.examples {
			if !verified {
				t.Errorf("%s: Example%s has no // Output:", name, e)
			}
		}
		for _, m := range p.makers {
			variant := func(e string) bool { return strings.HasPrefix(e, m+"_") }
			if !p.examples[m] && !slices.ContainsFunc(slices.Collect(maps.Keys(p.examples)), variant) {
				t.Errorf("%s: no Example%s", name, m)
			}
		}
	}
}

// The API has no types of dependencies other than those in mayAppear.
func TestDependenciesDoNotLeak(t *testing.T) {
	for _, name := range packages {
		for _, l := range parse(t, name).leaks {
			t.Error(l)
		}
	}
}

// The list of packages is complete.
func TestPackages(t *testing.T) {
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := filepath.ToSlash(strings.TrimPrefix(file, filepath.FromSlash(root)+string(filepath.Separator)))
		if d.IsDir() {
			base := d.Name()
			private := strings.HasPrefix(base, ".") || base == "testdata" || base == "internal"
			if file != root && (private || name == "examples" || name == "docs") {
				return fs.SkipDir
			}
			return nil
		}
		if strings.HasSuffix(name, ".go") && !slices.Contains(packages, path.Dir(name)) {
			t.Errorf("%s: its package is not in the list", name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
