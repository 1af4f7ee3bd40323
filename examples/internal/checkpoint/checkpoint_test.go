package checkpoint

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// text returns a function that writes a text.
func text(s string) func(w io.Writer) error {
	return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
}

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
		// The half file of a program that was killed is overwritten.
		if err := os.WriteFile(hidden(name), []byte("half a file"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Write(name, 3, text(want[0])); err != nil {
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
	err = Read(name, func(r io.Reader) error { b, err := io.ReadAll(r); got = string(b); return err })
	if err != nil || got != "d" {
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
	for k, n := range []string{name + ".2", name + ".1", name} {
		if err := os.WriteFile(n, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if found, age, err := Find(name); err != nil || found != n || age != 2-k {
			t.Errorf("found %s after %d, %v, want %s", found, age, err, n)
		}
		if err := Refuse(name); err == nil || !strings.Contains(err.Error(), n+" exists") {
			t.Errorf("%v", err)
		}
	}
}

// A link stays a link, whether the file it points to is there yet or not, and
// earlier versions lie beside that file.
func TestSymlink(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "far"), 0o755); err != nil {
		t.Fatal(err)
	}
	name, far := filepath.Join(dir, "state"), filepath.Join(dir, "far", "state")
	second := filepath.Join(dir, "second")
	err := errors.Join(os.Symlink("second", name), os.Symlink(filepath.Join("far", "state"), second))
	if err != nil {
		t.Skip(err)
	}
	for _, content := range []string{"a", "b"} {
		if err := Probe(name); err != nil {
			t.Error(err)
		}
		if err := Write(name, 3, text(content)); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Lstat(name); err != nil || info.Mode()&os.ModeSymlink == 0 {
			t.Errorf("%v, %v: want a link", info, err)
		}
		if got, err := os.ReadFile(far); err != nil || string(got) != content {
			t.Errorf("%q, %v, want %s", got, err, content)
		}
	}
	if got, err := os.ReadFile(far + ".1"); err != nil || string(got) != "a" {
		t.Errorf("%q, %v, want the first version", got, err)
	}
	if err := Refuse(name); err == nil {
		t.Error("a state behind a link is not seen")
	}
	if err := os.Remove(far); err != nil {
		t.Fatal(err)
	}
	if found, _, err := Find(name); err != nil || found != far+".1" {
		t.Errorf("found %s, %v", found, err)
	}
	loop := filepath.Join(dir, "loop")
	if err := os.Symlink("loop", loop); err != nil {
		t.Fatal(err)
	}
	if err := Probe(loop); err == nil || !strings.Contains(err.Error(), "links") {
		t.Errorf("a circle of links: %v", err)
	}
}

// If the youngest version is missing, the next one overwrites none of the others.
func TestWriteWithoutYoungest(t *testing.T) {
	name := filepath.Join(t.TempDir(), "state")
	for _, k := range []string{".1", ".2"} {
		if err := os.WriteFile(name+k, []byte(k), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := Write(name, 3, text("new")); err != nil {
		t.Fatal(err)
	}
	for _, k := range []string{".1", ".2"} {
		if got, err := os.ReadFile(name + k); err != nil || string(got) != k {
			t.Errorf("%s: %q, %v", k, got, err)
		}
	}
}

// Probe fails for a file that cannot be written, and leaves no trace.
func TestProbe(t *testing.T) {
	dir := t.TempDir()
	at := func(name ...string) string { return filepath.Join(append([]string{dir}, name...)...) }
	err := errors.Join(os.WriteFile(at("plain"), []byte("old"), 0o600), os.Mkdir(at("directory"), 0o755))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		at("new"): "", at("plain"): "", os.DevNull: "", "": "",
		at("nodir", "new"):     "cannot write " + at("nodir", "new"),
		at("plain", "new"):     "cannot write " + at("plain", "new"),
		at("directory"):        "directory",
		at("directory", "new"): "",
	} {
		err := Probe(at("other"), name)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", name, err, want)
		}
	}
	if err := Probe(at("new"), at("directory", "..", "new")); err == nil || !strings.Contains(err.Error(), "one file") {
		t.Errorf("one file twice: %v", err)
	}
	files, err := os.ReadDir(dir)
	if got, _ := os.ReadFile(at("plain")); err != nil || len(files) != 2 || string(got) != "old" {
		t.Errorf("%v, %v, %q: want what was there", files, err, got)
	}
}

// A file keeps its permissions, and a device gets what is written at once.
func TestWriteElsewhere(t *testing.T) {
	name := filepath.Join(t.TempDir(), "state")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	nothing := func(io.Writer) error { return nil }
	if err := errors.Join(Write(name, 1, nothing), Write(os.DevNull, 3, nothing)); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(name); err != nil || runtime.GOOS != "windows" && info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if info, err := os.Stat(os.DevNull); err != nil || info.Mode().IsRegular() {
		t.Errorf("%v, %v", info, err)
	}
}
