// Package arrows tests that imports run one way between the packages of the
// module.
package arrows

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/neuralrg/neuralrg/"

// allowed lists for every library package which of ours it may import. The
// examples and the programs that make benchmarks may import all of these, and
// nobody either of them.
var allowed = map[string][]string{
	"internal/kernel":            {},
	"internal/kernel/kerneltest": {"internal/kernel"},
	"internal/graph":             {"internal/kernel", "internal/errs"},
	"internal/fourier":           {"internal/kernel", "internal/lattice"},
	"internal/api":               {},
	"internal/arrows":            {},
	"internal/errs":              {},
	"internal/safetensors":       {"internal/errs"},
	"internal/lattice":           {},
	"bijector": {
		"internal/errs", "internal/graph", "internal/kernel", "internal/fourier", "internal/lattice",
	},
	"bijector/bijectortest": {"bijector", "internal/graph", "internal/kernel"},
	"target": {
		"internal/errs", "internal/graph", "internal/kernel", "internal/fourier", "internal/lattice",
	},
	"flow": {
		"bijector", "target",
		"internal/errs", "internal/graph", "internal/kernel", "internal/safetensors", "internal/lattice",
	},
	"hmc": {"internal/errs", "internal/safetensors"},
	"mi":  {"internal/errs"},
}

// without lists dependencies, direct or not, that a package must stay clear of.
var without = map[string][]string{
	"hmc":             {"gorgonia.org/"},
	"mi":              {"gorgonia.org/"},
	"internal/kernel": {"gorgonia.org/", "gonum.org/"},

	"internal/errs":        {"gorgonia.org/", "gonum.org/"},
	"internal/safetensors": {"gorgonia.org/", "gonum.org/"},
	"internal/lattice":     {"gorgonia.org/", "gonum.org/"},
}

// oldRand is the random package with hidden global state.
const oldRand = "math/" + "rand"

// onlyInExamples are for programs, not for a library.
var onlyInExamples = []string{
	"flag", "log", oldRand, "os", "os/signal",
	"gonum.org/v1/plot", "github.com/vbauerster/mpb", "golang.org/x/term",
}

type pkg struct {
	ImportPath    string
	Imports, Deps []string
}

func list(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,Deps", module+"...").Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		t.Fatalf("go list: %v\n%s", err, exit.Stderr)
	} else if err != nil {
		t.Skipf("no go command: %v", err)
	}
	var ps []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); err == io.EOF {
			return ps
		} else if err != nil {
			t.Fatal(err)
		}
		ps = append(ps, p)
	}
}

func TestImports(t *testing.T) {
	seen := 0
	for _, p := range list(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		if strings.HasPrefix(name, "examples/") || strings.HasPrefix(name, "docs/benchmarks/") {
			continue
		}
		may, ok := allowed[name]
		if !ok {
			t.Errorf("package %s has no place in the plan: add it to this test", name)
			continue
		}
		seen++
		for _, imp := range p.Imports {
			if ours, ok := strings.CutPrefix(imp, module); ok && !slices.Contains(may, ours) {
				t.Errorf("%s imports %s", name, ours)
			}
			for _, bad := range onlyInExamples {
				if name == "internal/kernel/kerneltest" && imp == "os" { // for tests
					continue
				}
				if imp == bad || strings.HasPrefix(imp, bad+"/") && strings.Contains(bad, ".") {
					t.Errorf("%s imports %s, which is for examples", name, imp)
				}
			}
		}
		for _, bad := range without[name] {
			for _, dep := range p.Deps {
				if strings.HasPrefix(dep, bad) {
					t.Errorf("%s depends on %s", name, dep)
				}
			}
		}
	}
	if seen < len(allowed)-2 { // internal/arrows and internal/api have test files only, listed or not
		t.Errorf("%d of %d packages seen", seen, len(allowed))
	}
}
