package api

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// snippetImports are the packages that Go code in the pages may use.
var snippetImports = []string{
	"context", "fmt", "io", "math", "math/rand/v2",
	"gonum.org/v1/gonum/floats", "gonum.org/v1/gonum/mat",
	"gonum.org/v1/plot", "gonum.org/v1/plot/plotter", "gonum.org/v1/plot/vg",
	"github.com/neuralrg/neuralrg/bijector", "github.com/neuralrg/neuralrg/flow",
	"github.com/neuralrg/neuralrg/hmc", "github.com/neuralrg/neuralrg/hmc/diag", "github.com/neuralrg/neuralrg/target",
}

// snippetNames are what a block of a page may take from the text around it.
const snippetNames = `
const l, sites, lambda, chains, warmup, sweeps = 6, 36, 6.975, 200, 20, 100

var (
	ctx                    context.Context
	src                    rand.Source
	file                   io.ReadWriter
	block                  bijector.BlockFunc
	ising                  *target.Ising
	phi4                   target.Density
	recipe                 *flow.Recipe
	settings               *flow.Settings
	q                      *flow.Model
	plain                  *hmc.Sampler
	x, start, phi          *mat.Dense
	configurations         *mat.Dense
	chi2                   []float64
	running                plotter.XYs
	reflections            []flow.Symmetry
	translations           []flow.Symmetry
	err                    error
)

func must[T any](v T, err error) T { return v }
`

// TestSnippets compiles the Go code of the pages, block by block, as it stands
// there. A variable that a block does not use is no fault: the text goes on.
func TestSnippets(t *testing.T) {
	fset := token.NewFileSet()
	imports, err := exports(fset)
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range []string{"README.md", "docs/tutorial.md"} {
		text, err := os.ReadFile(filepath.Join(root, page))
		if err != nil {
			t.Fatal(err)
		}
		blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllSubmatch(text, -1)
		if len(blocks) < 3 {
			t.Errorf("%s: %d blocks of Go", page, len(blocks))
		}
		for k, b := range blocks {
			for _, err := range compile(fset, imports, string(b[1])) {
				t.Errorf("%s, block %d: %v\n%s", page, k+1, err, b[1])
			}
		}
	}
}

// compile type-checks a block: statements, which a function may precede.
func compile(fset *token.FileSet, imports types.Importer, block string) (faults []error) {
	file, err := parser.ParseFile(fset, "snippet.go", program(block), 0)
	if err != nil {
		return []error{err}
	}
	config := types.Config{Importer: imports, Error: func(err error) {
		// What is declared or imported and not used is a soft error.
		if e := (types.Error{}); !errors.As(err, &e) || !e.Soft {
			faults = append(faults, err)
		}
	}}
	if _, err := config.Check("snippet", fset, []*ast.File{file}, nil); err != nil && len(faults) > 0 {
		return faults
	}
	return nil
}

// program is a block with what it takes from the text around it.
func program(block string) string {
	var b strings.Builder
	fmt.Fprint(&b, "package snippet\n\nimport (\n")
	for _, path := range snippetImports {
		fmt.Fprintf(&b, "\t%q\n", path)
	}
	fmt.Fprint(&b, ")\n", snippetNames)
	const end = "\n}\n"
	if function, rest, ok := strings.Cut(block, end); ok && strings.HasPrefix(block, "func ") {
		fmt.Fprint(&b, function, end)
		block = rest
	} else {
		fmt.Fprint(&b, "var logp func(grad, x []float64) float64\n")
	}
	fmt.Fprint(&b, "func snippet() {\n", block, "\n}\n")
	return b.String()
}

// exports returns an importer of what the go command has compiled.
func exports(fset *token.FileSet) (types.Importer, error) {
	args := append([]string{"list", "-export", "-deps", "-f", "{{.ImportPath}}\t{{.Export}}"}, snippetImports...)
	command := exec.Command("go", args...)
	command.Dir = root
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		return nil, err
	}
	files := map[string]string{}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		path, file, _ := strings.Cut(lines.Text(), "\t")
		files[path] = file
	}
	return importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(files[path])
	}), nil
}
