package api

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// docs/dependencies.md lists what go.mod requires directly.
func TestDependenciesAreListed(t *testing.T) {
	read := func(name string) string {
		data, err := os.ReadFile(root + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	var required, listed []string
	for _, l := range regexp.MustCompile(`(?m)^\t(\S+ v\S+)$`).FindAllStringSubmatch(read("go.mod"), -1) {
		required = append(required, l[1])
	}
	row := regexp.MustCompile(`(?m)^\| (\S+/\S+) \| (v\S+) \| [^|]+ \| [^|]+ \|$`)
	for _, l := range row.FindAllStringSubmatch(read("docs/dependencies.md"), -1) {
		listed = append(listed, l[1]+" "+l[2])
	}
	slices.Sort(required)
	slices.Sort(listed)
	if !slices.Equal(required, listed) {
		t.Errorf("go.mod requires\n%s\ndocs/dependencies.md lists\n%s",
			strings.Join(required, "\n"), strings.Join(listed, "\n"))
	}
}

// No library package depends on package net, directly or not.
func TestNoNetwork(t *testing.T) {
	args := []string{"list", "-deps"}
	for _, p := range packages {
		args = append(args, "github.com/neuralrg/neuralrg/"+p)
	}
	out, err := exec.Command("go", args...).Output()
	if err != nil {
		t.Skipf("no go command: %v", err)
	}
	for _, p := range strings.Fields(string(out)) {
		if p == "net" || strings.HasPrefix(p, "net/") && p != "net/url" && p != "net/netip" {
			t.Errorf("the library depends on %s", p)
		}
	}
}
