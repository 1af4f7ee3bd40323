package api

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// Limits of what a reader takes in at once.
const (
	maxColumns = 120
	maxLines   = 60 // of a function
	maxParams  = 5  // of a function; kernels take more
)

// TestLimits checks every Go file of the module that is not generated, those of
// docs as well: the width of its lines, and the length and the number of parameters
// of its functions. A table does not count for the length. Functions of
// internal/kernel take arrays one by one and may have more parameters, and so may a
// method that implements an interface of internal/kernel.
func TestLimits(t *testing.T) {
	kernels, err := kernelMethods()
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == ".git" || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if bytes.HasPrefix(text, []byte("// Code generated")) {
			return nil
		}
		for _, fault := range limitFaults(path, text, kernels) {
			t.Error(fault)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// kernelMethods returns the number of parameters of every method of the interfaces
// of internal/kernel, by its name.
func kernelMethods() (map[string]int, error) {
	text, err := os.ReadFile(filepath.Join(root, "internal", "kernel", "transform.go"))
	if err != nil {
		return nil, err
	}
	f, err := parser.ParseFile(token.NewFileSet(), "transform.go", text, 0)
	if err != nil {
		return nil, err
	}
	methods := map[string]int{}
	ast.Inspect(f, func(n ast.Node) bool {
		i, ok := n.(*ast.InterfaceType)
		if !ok {
			return true
		}
		for _, m := range i.Methods.List {
			if fn, ok := m.Type.(*ast.FuncType); ok {
				methods[m.Names[0].Name] = fn.Params.NumFields()
			}
		}
		return false
	})
	return methods, nil
}

// limitFaults returns what is too long in one file, given the kernelMethods.
func limitFaults(path string, text []byte, kernels map[string]int) (faults []string) {
	fault := func(format string, a ...any) { faults = append(faults, fmt.Sprintf(format, a...)) }
	for i, line := range strings.Split(string(text), "\n") {
		if n := utf8.RuneCountInString(strings.ReplaceAll(line, "\t", "    ")); n > maxColumns {
			fault("%s:%d: %d columns, at most %d", path, i+1, n, maxColumns)
		}
	}
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, path, text, 0)
	if err != nil {
		return append(faults, err.Error())
	}
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Body == nil {
			continue
		}
		lines := fset.Position(fn.End()).Line - fset.Position(fn.Pos()).Line + 1
		for _, table := range tables(fn) {
			lines -= fset.Position(table.End()).Line - fset.Position(table.Pos()).Line
		}
		if lines > maxLines {
			fault("%s: %s has %d lines without its tables, at most %d", path, fn.Name.Name, lines, maxLines)
		}
		n := fn.Type.Params.NumFields()
		kernel := strings.Contains(filepath.ToSlash(path), "internal/kernel/") ||
			fn.Recv != nil && kernels[fn.Name.Name] == n
		if n > maxParams && !kernel {
			fault("%s: %s has %d parameters, at most %d", path, fn.Name.Name, n, maxParams)
		}
	}
	return faults
}

// tables returns the outermost composite literals of a function whose elements
// are composite literals or pairs: rows of a table.
func tables(fn *ast.FuncDecl) []*ast.CompositeLit {
	var all []*ast.CompositeLit
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		lit, ok := n.(*ast.CompositeLit)
		if !ok || len(lit.Elts) < 3 {
			return true
		}
		for _, e := range lit.Elts {
			switch e.(type) {
			case *ast.CompositeLit, *ast.KeyValueExpr:
			default:
				return true
			}
		}
		all = append(all, lit)
		return false
	})
	return all
}
