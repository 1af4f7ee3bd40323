package safetensors

import (
	"fmt"
	"io"

	"github.com/neuralrg/neuralrg/internal/errs"
)

// Metadata of the files of this library. The version must increase with every change
// that an older reader would misunderstand.
const (
	formatKey = "neuralrg"
	version   = "1"
	kindKey   = "kind"
)

// Save writes a file of this library of the given kind.
func Save(w io.Writer, kind string, f *File) error {
	if w == nil {
		return fmt.Errorf("nil writer")
	}
	f.Meta[formatKey], f.Meta[kindKey] = version, kind
	return Write(w, f)
}

// Load reads a file of this library and returns its kind. The file must have a
// digest. Errors of r are returned as they are; all others wrap errs.ErrFormat.
func Load(r io.Reader) (f *File, kind string, err error) {
	if r == nil {
		return nil, "", fmt.Errorf("%w: nil reader", errs.ErrFormat)
	}
	f, err = Read(r)
	switch {
	case err != nil:
		return nil, "", err
	case f.Meta[formatKey] == "":
		return nil, "", fmt.Errorf("%w: not written by this library", errs.ErrFormat)
	case f.Meta[formatKey] != version:
		return nil, "", fmt.Errorf("%w: format version %s, this is version %s",
			errs.ErrFormat, quote(f.Meta[formatKey]), version)
	case !f.Checked:
		return nil, "", fmt.Errorf("%w: no digest", errs.ErrFormat)
	}
	return f, f.Meta[kindKey], nil
}
