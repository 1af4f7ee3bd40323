// Package api keeps the public API of the module to what docs/api.txt says.
package api

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/printer"
	"go/token"
	"go/types"
	"io/fs"
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

var packages = []string{"bijector", "bijector/bijectortest", "target", "flow", "hmc", "hmc/draws", "mi"}

// mayAppear are the packages, beside ours and the standard library, whose types
// the API speaks of.
var mayAppear = []string{"gorgonia.org/gorgonia", "gorgonia.org/tensor", "gonum.org/v1/gonum/mat"}

// pkg is what is exported by one package.
type pkg struct {
	path     string
	fset     *token.FileSet
	lines    []string
	undoc    []string
	leaks    []string
	makers   []string          // functions that return a type of the package
	examples map[string]bool   // whether their output is verified
	consts   map[string]string // values
	doc      bool
}

func parse(t *testing.T, name string) *pkg {
	t.Helper()
	p := &pkg{path: name, fset: token.NewFileSet(), examples: map[string]bool{}, consts: map[string]string{}}
	dir := filepath.Join(root, filepath.FromSlash(name))
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %v, %d files", name, err, len(files))
	}
	var code []*ast.File
	for _, file := range files {
		f, err := parser.ParseFile(p.fset, file, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, "_test.go") {
			for _, e := range doc.Examples(f) {
				p.examples[e.Name] = e.Output != "" || e.EmptyOutput
			}
			continue
		}
		p.doc = p.doc || f.Doc != nil
		code = append(code, f)
	}
	p.values(code)
	for _, f := range code {
		p.file(f)
	}
	slices.Sort(p.lines)
	return p
}

// values finds the values of constants, for which no import is needed.
func (p *pkg) values(files []*ast.File) {
	c := types.Config{Error: func(error) {}, Importer: noImports{}}
	checked, _ := c.Check(p.path, p.fset, files, nil)
	for _, name := range checked.Scope().Names() {
		if k, ok := checked.Scope().Lookup(name).(*types.Const); ok {
			p.consts[name] = k.Val().ExactString()
		}
	}
}

type noImports struct{}

func (noImports) Import(path string) (*types.Package, error) { return types.NewPackage(path, ""), nil }

func (p *pkg) file(f *ast.File) {
	imports := map[string]string{}
	for _, i := range f.Imports {
		full := strings.Trim(i.Path.Value, `"`)
		name := path.Base(full)
		if i.Name != nil {
			name = i.Name.Name
		}
		imports[name] = full
	}
	// add notes one exported thing and its type, what it is called, and
	// whether it has a comment.
	add := func(what string, typ ast.Node, documented bool) {
		p.lines = append(p.lines, p.path+": "+what)
		if !documented {
			p.undoc = append(p.undoc, p.path+": "+what)
		}
		ast.Inspect(typ, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := s.X.(*ast.Ident); ok {
				from := imports[x.Name]
				if strings.Contains(strings.Split(from, "/")[0], ".") && !strings.HasPrefix(from, "github.com/neuralrg/") && !slices.Contains(mayAppear, from) {
					p.leaks = append(p.leaks, fmt.Sprintf("%s: %s speaks of %s.%s", p.path, what, from, s.Sel.Name))
				}
			}
			return true
		})
	}
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if !d.Name.IsExported() {
				continue
			}
			receiver := ""
			if d.Recv != nil {
				base := d.Recv.List[0].Type
				if s, ok := base.(*ast.StarExpr); ok {
					base = s.X
				}
				if id, ok := base.(*ast.Ident); !ok || !id.IsExported() {
					continue
				}
				receiver = "(" + p.text(d.Recv.List[0].Type) + ") "
			} else if p.makes(d.Type) {
				p.makers = append(p.makers, d.Name.Name)
			}
			add("func "+receiver+d.Name.Name+strings.TrimPrefix(p.text(d.Type), "func"), d.Type, d.Doc != nil)
		case *ast.GenDecl:
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.ValueSpec:
					for _, n := range s.Names {
						if n.IsExported() {
							what := d.Tok.String() + " " + n.Name
							if d.Tok == token.CONST {
								what += " = " + p.consts[n.Name]
							}
							add(what, s, d.Doc != nil || s.Doc != nil || s.Comment != nil)
						}
					}
				case *ast.TypeSpec:
					if s.Name.IsExported() {
						p.typ(s, d.Doc != nil || s.Doc != nil, add)
					}
				}
			}
		}
	}
}

func (p *pkg) typ(s *ast.TypeSpec, documented bool, add func(string, ast.Node, bool)) {
	name := "type " + s.Name.Name
	fields := func(list *ast.FieldList, kind string) {
		add(name+" "+kind, &ast.Ident{}, documented)
		group := false // a comment speaks for the fields that follow without a blank line
		for k, f := range list.List {
			if k > 0 && p.line(f.Pos()) > p.line(list.List[k-1].End())+1 {
				group = false
			}
			group = group || f.Doc != nil || f.Comment != nil
			if len(f.Names) == 0 {
				if text := p.text(f.Type); ast.IsExported(strings.TrimPrefix(text[strings.LastIndex(text, ".")+1:], "*")) {
					add(name+" "+kind+", "+text, f.Type, true)
				}
			}
			for _, n := range f.Names {
				if n.IsExported() {
					add(name+" "+kind+", "+n.Name+" "+p.text(f.Type), f.Type, group)
				}
			}
		}
	}
	switch t := s.Type.(type) {
	case *ast.StructType:
		fields(t.Fields, "struct")
	case *ast.InterfaceType:
		fields(t.Methods, "interface")
	default:
		add(name+" "+p.text(s.Type), s.Type, documented)
	}
}

// makes tells whether a function returns an exported type of its package, or a
// slice of it.
func (p *pkg) makes(f *ast.FuncType) bool {
	if f.Results == nil {
		return false
	}
	t := f.Results.List[0].Type
	if a, ok := t.(*ast.ArrayType); ok {
		t = a.Elt
	}
	if s, ok := t.(*ast.StarExpr); ok {
		t = s.X
	}
	id, ok := t.(*ast.Ident)
	return ok && id.IsExported()
}

func (p *pkg) line(pos token.Pos) int { return p.fset.Position(pos).Line }

// text is source code on one line.
func (p *pkg) text(n ast.Node) string {
	var b bytes.Buffer
	if err := printer.Fprint(&b, p.fset, n); err != nil {
		return err.Error()
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// The API is what docs/api.txt lists: a change is made there too, knowingly.
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
			if !p.examples[m] && !slices.ContainsFunc(keys(p.examples), func(e string) bool { return strings.HasPrefix(e, m+"_") }) {
				t.Errorf("%s: no Example%s", name, m)
			}
		}
	}
}

func keys(m map[string]bool) []string {
	var list []string
	for k := range m {
		list = append(list, k)
	}
	return list
}

// No type of a dependency is part of the API but those that users are to have.
func TestDependenciesDoNotLeak(t *testing.T) {
	for _, name := range packages {
		for _, l := range parse(t, name).leaks {
			t.Error(l)
		}
	}
}

// No library package is missing from the list.
func TestPackages(t *testing.T) {
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := filepath.ToSlash(strings.TrimPrefix(file, filepath.FromSlash(root)+string(filepath.Separator)))
		if d.IsDir() {
			if base := d.Name(); file != root && (strings.HasPrefix(base, ".") || base == "testdata" || base == "internal" || name == "examples" || name == "docs") {
				return fs.SkipDir
			}
			return nil
		}
		if strings.HasSuffix(name, ".go") && !slices.Contains(packages, path.Dir(name)) {
			t.Errorf("%s: in no package of the list", name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
