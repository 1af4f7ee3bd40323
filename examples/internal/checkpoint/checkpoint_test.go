package checkpoint

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWrite(t *testing.T) {
	t.Run("with links", func(t *testing.T) { testWrite(t) })
	t.Run("without", func(t *testing.T) {
		defer func(old func(name, second string) error) { link = old }(link)
		link = func(name, second string) error {
			if _, err := os.Stat(name); err != nil {
				return err
			}
			return errors.ErrUnsupported
		}
		testWrite(t)
	})
}

func testWrite(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "state")
	content := func(name string) string {
		data, err := os.ReadFile(name)
		if err != nil {
			return ""
		}
		return string(data)
	}
	for k, want := range [][3]string{{"a", "", ""}, {"b", "a", ""}, {"c", "b", "a"}, {"d", "c", "b"}} {
		// What a program left that was killed while it wrote is not in the way.
		if err := os.WriteFile(hidden(name), []byte("half a file"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Write(name, 3, func(w io.Writer) error { _, err := io.WriteString(w, want[0]); return err }); err != nil {
			t.Fatal(err)
		}
		if got := [3]string{content(name), content(name + ".1"), content(name + ".2")}; got != want {
			t.Errorf("after file %d: %q, want %q", k, got, want)
		}
	}
	// A failure leaves everything as it was and nothing behind.
	broken := errors.New("broken")
	if err := Write(name, 3, func(io.Writer) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 3 || content(name) != "d" || content(name+".1") != "c" {
		t.Errorf("%v, %v", entries, err)
	}
	if err := Write(filepath.Join(dir, "no", "such"), 1, func(io.Writer) error { return nil }); err == nil {
		t.Error("no directory: no error")
	}
	got := ""
	if err := Read(name, func(r io.Reader) error { b, err := io.ReadAll(r); got = string(b); return err }); err != nil || got != "d" {
		t.Errorf("%q, %v", got, err)
	}
	if err := Read(name, func(io.Reader) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	if err := Read(name+".9", func(io.Reader) error { return nil }); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

func TestRefuse(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "state")
	if err := Refuse(name); err != nil {
		t.Error(err)
	}
	for _, n := range []string{name + ".1", name} {
		if err := os.WriteFile(n, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Refuse(name); err == nil || !strings.Contains(err.Error(), n+" exists") {
			t.Errorf("%v", err)
		}
	}
}
