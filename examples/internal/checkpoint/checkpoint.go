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
// remain as name.1, name.2 and so on, the youngest first.
func Write(name string, keep int, write func(w io.Writer) error) (err error) {
	dir, base := filepath.Split(name)
	if dir == "" {
		dir = "."
	}
	f, err := os.CreateTemp(dir, "."+base+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	if err := errors.Join(write(f), f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	for k := keep - 1; k > 1; k-- {
		if err := os.Rename(older(name, k-1), older(name, k)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if keep > 1 {
		// A second name, so that the first is never without a file.
		if err := os.Remove(older(name, 1)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := os.Link(name, older(name, 1)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	// The new name must last as well; not every system can do this.
	_ = d.Sync()
	return d.Close()
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
