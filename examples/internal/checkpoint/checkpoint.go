// Package checkpoint keeps the state of examples in files.
package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Write makes a file: whatever happens, power failure included, there is the
// old one or the new one under its name, and whole. The last keep−1 before it
// remain as name.1, name.2 and so on, the youngest first. What a program that
// is killed leaves of a new one, a hidden file, the next call writes over; two
// programs must not write the same file.
func Write(name string, keep int, write func(w io.Writer) error) error {
	next := hidden(name)
	if err := create(next, write); err != nil {
		return err
	}
	for k := keep - 1; k > 1; k-- {
		if err := ignoreMissing(os.Rename(older(name, k-1), older(name, k))); err != nil {
			return err
		}
	}
	if keep > 1 {
		if err := again(name, older(name, 1)); err != nil {
			return err
		}
	}
	return replace(next, name)
}

// Refuse fails if there is a file, or one is left of a run: a new run is not to
// write over an old one.
func Refuse(name string) error {
	for _, n := range []string{name, older(name, 1)} {
		if _, err := os.Lstat(n); err == nil {
			return fmt.Errorf("%s exists: go on with -resume, or move it away", n)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// hidden is where a file is written before it has its name.
func hidden(name string) string {
	dir, base := filepath.Split(name)
	return filepath.Join(dir, "."+base+".new")
}

// create writes a file to disk, or leaves none.
func create(name string, write func(w io.Writer) error) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	if err := errors.Join(write(f), f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return nil
}

// replace gives a file the name of another one.
func replace(file, name string) error {
	if err := os.Rename(file, name); err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	// The new name must last as well; not every system can do this.
	_ = d.Sync()
	return d.Close()
}

// link is os.Link, which not every file system has.
var link = os.Link

// again gives a file, if it exists, a second name, so that the first is never
// without one, or makes a copy.
func again(name, second string) error {
	if err := ignoreMissing(os.Remove(second)); err != nil {
		return err
	}
	err := link(name, second)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	next := hidden(second)
	err = Read(name, func(r io.Reader) error {
		return create(next, func(w io.Writer) error { _, err := io.Copy(w, r); return err })
	})
	if err != nil {
		return err
	}
	return replace(next, second)
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func older(name string, k int) string { return fmt.Sprintf("%s.%d", name, k) }

// Read reads a file. The error says which one it was.
func Read(name string, read func(r io.Reader) error) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := read(f); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
