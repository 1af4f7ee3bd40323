package arrows

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// Every step down in the pictures of docs/development.md is an import: a line names a
// package first, and the package of the line above it with less indent imports it.
func TestWays(t *testing.T) {
	text, err := os.ReadFile("../../docs/development.md")
	if err != nil {
		t.Fatal(err)
	}
	_, ways, ok := strings.Cut(string(text), "## Ways through the rooms")
	if !ok {
		t.Fatal("no section on the ways")
	}
	ways, _, _ = strings.Cut(ways, "\n## ")
	imports := map[string][]string{}
	for _, p := range list(t) {
		imports[strings.TrimPrefix(p.ImportPath, module)] = p.Imports
	}
	steps := 0
	for k, picture := range strings.Split(ways, "```") {
		if k%2 == 0 {
			continue
		}
		var path []string // packages from the top line to the present one
		var indents []int
		for _, line := range strings.Split(strings.TrimSpace(picture), "\n") {
			name, indent := strings.Fields(line)[0], len(line)-len(strings.TrimLeft(line, " "))
			for len(indents) > 0 && indents[len(indents)-1] >= indent {
				path, indents = path[:len(path)-1], indents[:len(indents)-1]
			}
			if _, ok := imports[name]; !ok {
				t.Errorf("%q is not a package", name)
			}
			if n := len(path); n > 0 {
				steps++
				if !slices.Contains(imports[path[n-1]], module+name) {
					t.Errorf("%s does not import %s", path[n-1], name)
				}
			}
			path, indents = append(path, name), append(indents, indent)
		}
	}
	if steps < 10 {
		t.Errorf("%d steps down in all pictures", steps)
	}
}
