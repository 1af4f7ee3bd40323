// Package arrows tests which packages of the module import which.
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

// allowed lists, for every library package, the packages of the module that it may
// import. Examples and benchmark programs may import all of these; no package may
// import an example or a benchmark program.
var allowed = map[string][]string{
	"internal/kernel":            {},
	"internal/kernel/kerneltest": {"internal/kernel"},
	"internal/graph":             {"internal/kernel", "internal/errs"},
	"internal/fourier":           {"internal/kernel", "internal/lattice"},
	"internal/api":               {},
	"internal/arrows":            {},
	"internal/errs":              {},
	"internal/safetensors":       {"internal/errs"},
	"internal/lattice":           {"internal/errs", "internal/num"},
	"internal/num":               {},
	"bijector": {
		"internal/errs", "internal/num", "internal/graph", "internal/kernel", "internal/fourier", "internal/lattice",
	},
	"bijector/bijectortest": {"bijector", "internal/num", "internal/graph", "internal/kernel"},
	"target": {
		"internal/errs", "internal/num", "internal/graph", "internal/kernel", "internal/fourier", "internal/lattice",
	},
	"flow": {
		"bijector", "target", "hmc", "hmc/diag",
		"internal/errs", "internal/num", "internal/graph", "internal/kernel", "internal/safetensors",
		"internal/fourier", "internal/lattice",
	},
	"flow/mpi":  {"flow", "internal/errs"},
	"hmc":       {"internal/errs", "internal/num", "internal/safetensors"},
	"hmc/diag":  {"internal/errs", "internal/num"},
	"hmc/draws": {"internal/errs"},
	"mi":        {"internal/errs", "internal/num"},

	"hmc/cluster": {"internal/errs", "internal/lattice"},
}

// without lists modules that a package must not depend on, directly or not.
var without = map[string][]string{
	"hmc":             {"gorgonia.org/"},
	"hmc/diag":        {"gorgonia.org/"},
	"hmc/draws":       {"gorgonia.org/"},
	"hmc/cluster":     {"gorgonia.org/"},
	"mi":              {"gorgonia.org/"},
	"internal/kernel": {"gorgonia.org/", "gonum.org/"},

	"internal/errs":        {"gorgonia.org/", "gonum.org/"},
	"internal/safetensors": {"gorgonia.org/", "gonum.org/"},
	"internal/lattice":     {"gorgonia.org/", "gonum.org/"},
	"internal/num":         {"gorgonia.org/", "gonum.org/"},
}

// oldRand is the package of random numbers with a hidden global state.
const oldRand = "math/" + "rand"

// onlyInExamples lists packages that programs use and a library does not.
var onlyInExamples = []string{
	"flag", "log", oldRand, "os", "os/signal",
	"gonum.org/v1/plot", "github.com/vbauerster/mpb", "golang.org/x/term",
}

// mayUseOS lists packages that need os: one is for tests, one ends processes.
var mayUseOS = []string{"internal/kernel/kerneltest", "flow/mpi"}

// pkg is what go list says of a package.
type pkg struct {
	ImportPath    string
	Imports, Deps []string
}

// list returns all packages of the module.
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

// Every library package imports and depends on what the lists above allow, and all
// packages are in the list.
func TestImports(t *testing.T) {
	seen := 0
	for _, p := range list(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		if strings.HasPrefix(name, "examples/") || strings.HasPrefix(name, "docs/benchmarks/") {
			for _, imp := range p.Imports { // a copy of an example compiles outside the module
				if strings.HasPrefix(imp, module+"internal/") && strings.HasPrefix(name, "examples/") {
					t.Errorf("%s imports %s", name, imp)
				}
			}
			continue
		}
		may, ok := allowed[name]
		if !ok {
			t.Errorf("package %s is not in the list of this test", name)
			continue
		}
		seen++
		for _, imp := range p.Imports {
			if ours, ok := strings.CutPrefix(imp, module); ok && !slices.Contains(may, ours) {
				t.Errorf("%s imports %s", name, ours)
			}
			for _, bad := range onlyInExamples {
				if imp == "os" && slices.Contains(mayUseOS, name) {
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
	// internal/arrows and internal/api have test files only: go list may leave them out.
	if seen < len(allowed)-2 {
		t.Errorf("%d of %d packages seen", seen, len(allowed))
	}
}
