package api

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/printer"
	"go/token"
	"go/types"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mayAppear lists the packages whose types may appear in the API, beside those of the
// module and of the standard library.
var mayAppear = []string{"gorgonia.org/gorgonia", "gorgonia.org/tensor", "gonum.org/v1/gonum/mat"}

// pkg is what is exported by one package.
type pkg struct {
	path     string
	fset     *token.FileSet
	doc      bool              // the package has a comment
	lines    []string          // the exported declarations
	undoc    []string          // those without a comment
	leaks    []string          // those with types of packages that must not appear
	makers   []string          // functions that return a type of the package
	examples map[string]bool   // whether the output of an example is verified
	consts   map[string]string // values of constants
}

// parse reads a package of the module.
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

// noImports gives empty packages.
type noImports struct{}

func (noImports) Import(path string) (*types.Package, error) { return types.NewPackage(path, ""), nil }

// file notes what one file exports.
func (p *pkg) file(f *ast.File) {
	c := &chapter{pkg: p, imports: map[string]string{}}
	for _, i := range f.Imports {
		full := strings.Trim(i.Path.Value, `"`)
		name := path.Base(full)
		if i.Name != nil {
			name = i.Name.Name
		}
		c.imports[name] = full
	}
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			c.function(d)
		case *ast.GenDecl:
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.ValueSpec:
					c.value(d, s)
				case *ast.TypeSpec:
					if s.Name.IsExported() {
						c.typ(s, d.Doc != nil || s.Doc != nil)
					}
				}
			}
		}
	}
}

// chapter is a file of a package.
type chapter struct {
	*pkg
	imports map[string]string // paths of imported packages by name
}

// add notes one exported declaration and its type.
func (c *chapter) add(declaration string, typ ast.Node, documented bool) {
	c.lines = append(c.lines, c.path+": "+declaration)
	if !documented {
		c.undoc = append(c.undoc, c.path+": "+declaration)
	}
	ast.Inspect(typ, func(n ast.Node) bool {
		s, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := s.X.(*ast.Ident); ok && leaks(c.imports[x.Name]) {
			leak := fmt.Sprintf("%s: %s uses %s.%s", c.path, declaration, c.imports[x.Name], s.Sel.Name)
			c.leaks = append(c.leaks, leak)
		}
		return true
	})
}

// leaks reports whether types of an imported package must not appear in the API.
func leaks(from string) bool {
	standard := !strings.Contains(strings.Split(from, "/")[0], ".")
	return !standard && !strings.HasPrefix(from, "github.com/neuralrg/") && !slices.Contains(mayAppear, from)
}

func (c *chapter) function(d *ast.FuncDecl) {
	if !d.Name.IsExported() {
		return
	}
	receiver := ""
	if d.Recv != nil {
		base := d.Recv.List[0].Type
		if s, ok := base.(*ast.StarExpr); ok {
			base = s.X
		}
		if id, ok := base.(*ast.Ident); !ok || !id.IsExported() {
			return
		}
		receiver = "(" + c.text(d.Recv.List[0].Type) + ") "
	} else if c.makes(d.Type) {
		c.makers = append(c.makers, d.Name.Name)
	}
	c.add("func "+receiver+d.Name.Name+strings.TrimPrefix(c.text(d.Type), "func"), d.Type, d.Doc != nil)
}

// value notes constants or variables.
func (c *chapter) value(d *ast.GenDecl, s *ast.ValueSpec) {
	for _, n := range s.Names {
		if !n.IsExported() {
			continue
		}
		declaration := d.Tok.String() + " " + n.Name
		if d.Tok == token.CONST {
			declaration += " = " + c.consts[n.Name]
		}
		c.add(declaration, s, d.Doc != nil || s.Doc != nil || s.Comment != nil)
	}
}

func (c *chapter) typ(s *ast.TypeSpec, documented bool) {
	name := "type " + s.Name.Name
	switch t := s.Type.(type) {
	case *ast.StructType:
		c.fields(t.Fields, name+" struct", documented)
	case *ast.InterfaceType:
		c.fields(t.Methods, name+" interface", documented)
	default:
		c.add(name+" "+c.text(s.Type), s.Type, documented)
	}
}

// fields notes a struct or an interface and its fields or methods.
func (c *chapter) fields(list *ast.FieldList, name string, documented bool) {
	c.add(name, &ast.Ident{}, documented)
	group := false // a comment speaks for the fields that follow without a blank line
	for k, f := range list.List {
		if k > 0 && c.line(f.Pos()) > c.line(list.List[k-1].End())+1 {
			group = false
		}
		group = group || f.Doc != nil || f.Comment != nil
		if len(f.Names) == 0 {
			text := c.text(f.Type)
			if ast.IsExported(strings.TrimPrefix(text[strings.LastIndex(text, ".")+1:], "*")) {
				c.add(name+", "+text, f.Type, true)
			}
		}
		for _, n := range f.Names {
			if n.IsExported() {
				c.add(name+", "+n.Name+" "+c.text(f.Type), f.Type, group)
			}
		}
	}
}

// makes reports whether a function returns an exported type of its package, or a
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
