// Package checkpoint writes the files of examples. After a crash there is the old
// file or the new one, and never a part of one. It also keeps earlier versions of the
// state of a run, and finds them.
//
// A name may be a symbolic link. Then the file it points to is written, and earlier
// versions lie beside that file.
package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Versions is how many versions of a state are kept: name, name.1 and name.2,
// the youngest first.
const Versions = 3

// Write makes a file. Whatever happens, power failure included, name is the whole old
// file or the whole new one. The last keep−1 versions before it remain as name.1,
// name.2 and so on, the youngest first. A program that is killed may leave a hidden
// file, which the next call overwrites. Two programs must not write the same file.
// Devices and pipes are written to directly.
func Write(name string, keep int, write func(w io.Writer) error) error {
	if device(name) {
		return stream(name, write)
	}
	name, err := resolve(name)
	if err != nil {
		return err
	}
	next := hidden(name)
	if err := create(next, mode(name), write); err != nil {
		return err
	}
	if _, err := os.Lstat(name); err == nil { // else the older ones are the youngest
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
	}
	return replace(next, name)
}

// Find returns the youngest version of a state that exists: name itself, name.1 or
// name.2. Its age is the number of younger ones that are missing. If there is no
// version, the error is fs.ErrNotExist.
func Find(name string) (file string, age int, err error) {
	if name, err = resolve(name); err != nil {
		return "", 0, err
	}
	for k := range Versions {
		n := older(name, k)
		if _, err := os.Stat(n); err == nil {
			return n, k, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", 0, err
		}
	}
	return "", 0, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
}

// Refuse fails if there is any version of a state, so that a new run does not
// overwrite an old one.
func Refuse(name string) error {
	found, _, err := Find(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("%s exists: go on with -resume, or move it away", found)
}

// Differences says which flags of a run had other values before, in the order of
// their names. A flag that did not exist before counts as well.
func Differences(was, now map[string]string) string {
	var differ []string
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if a, b := was[name], now[name]; a != b {
			differ = append(differ, fmt.Sprintf("-%s was %s, now %s", name, a, b))
		}
	}
	return strings.Join(differ, "; ")
}

// Probe checks that files can be written, for use before any work is done. It leaves
// no trace. Empty names are skipped.
func Probe(names ...string) error {
	seen := map[string]string{}
	for _, name := range names {
		if name == "" || device(name) {
			continue
		}
		file, err := probe(name)
		if err != nil {
			var path *fs.PathError
			if errors.As(err, &path) { // which names the hidden file
				err = path.Err
			}
			return fmt.Errorf("cannot write %s: %w", name, err)
		}
		if other, ok := seen[file]; ok {
			return fmt.Errorf("%s and %s are one file, want two", other, name)
		}
		seen[file] = name
	}
	return nil
}

// probe returns the absolute name of the file that Write would make.
func probe(name string) (string, error) {
	file, err := resolve(name)
	if err != nil {
		return "", err
	}
	if info, err := os.Stat(file); err == nil {
		if info.IsDir() {
			return "", errors.New("it is a directory")
		}
		f, err := os.OpenFile(file, os.O_WRONLY, 0) // one that is read-only stays as it is
		if err != nil {
			return "", err
		}
		if err := f.Close(); err != nil {
			return "", err
		}
	}
	f, err := os.OpenFile(hidden(file), os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return "", err
	}
	if err := errors.Join(f.Close(), os.Remove(hidden(file))); err != nil {
		return "", err
	}
	return filepath.Abs(file)
}

// device tells whether a name is that of a device, a pipe or a socket.
func device(name string) bool {
	if dir, _ := filepath.Split(name); dir == "/dev/" { // /dev/stdout may be a file
		return true
	}
	info, err := os.Stat(name)
	return err == nil && !info.Mode().IsRegular() && !info.IsDir()
}

// stream writes to a device.
func stream(name string, write func(w io.Writer) error) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

// resolve follows symbolic links, to a file that need not be there.
func resolve(name string) (string, error) {
	file := name
	for range 40 {
		to, err := os.Readlink(file)
		if err != nil { // no link
			return file, nil
		}
		if !filepath.IsAbs(to) {
			dir, _ := filepath.Split(file)
			to = dir + to
		}
		file = to
	}
	return "", fmt.Errorf("%s: too many symbolic links", name)
}

// mode is that of a file, or the usual one.
func mode(name string) fs.FileMode {
	if info, err := os.Stat(name); err == nil {
		return info.Mode().Perm()
	}
	return 0o644
}

// hidden is where a file is written before it has its name.
func hidden(name string) string {
	dir, base := filepath.Split(name)
	return filepath.Join(dir, "."+base+".new")
}

// create writes a file to disk, or leaves none.
func create(name string, mode fs.FileMode, write func(w io.Writer) error) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	if mode != 0o644 {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = write(f)
	}
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
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
	// The directory is flushed, too, so that the new name survives a power failure.
	// Not every system can do this.
	_ = d.Sync()
	return d.Close()
}

// link is os.Link, which not every file system has.
var link = os.Link

// again gives a file, if it exists, a second name, or makes a copy of it. So there is
// a file under the first name at all times.
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
		return create(next, mode(name), func(w io.Writer) error { _, err := io.Copy(w, r); return err })
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

// older is the name of the k-th version before the youngest.
func older(name string, k int) string {
	if k == 0 {
		return name
	}
	return fmt.Sprintf("%s.%d", name, k)
}

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
