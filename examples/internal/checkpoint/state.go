package checkpoint

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
)

// ErrDamaged reports a file that is no state, or that has changed since it was
// written.
var ErrDamaged = errors.New("not a checkpoint, or a damaged one")

// State is the state of a program: its parts by their names.
//
// The file is a zip archive with one entry per part, not compressed. Its comment
// is the SHA-256 digest of all bytes before the comment, in hexadecimal digits.
// Arrays of numbers are little-endian float64, which numpy.frombuffer(data, "<f8")
// reads.
type State map[string][]byte

// Add adds what save writes as a part.
func (s State) Add(name string, save func(w io.Writer) error) error {
	var b bytes.Buffer
	err := save(&b)
	s[name] = b.Bytes()
	return err
}

// AddJSON adds a value as a part in JSON.
func (s State) AddJSON(name string, v any) error {
	text, err := json.Marshal(v)
	s[name] = text
	return err
}

// AddFloats adds numbers as a part.
func (s State) AddFloats(name string, v []float64) {
	data := make([]byte, 0, 8*len(v))
	for _, x := range v {
		data = binary.LittleEndian.AppendUint64(data, math.Float64bits(x))
	}
	s[name] = data
}

// Has tells whether there is a part of this name.
func (s State) Has(name string) bool {
	_, ok := s[name]
	return ok
}

// Read gives a part to restore. Without the part the error is ErrDamaged.
func (s State) Read(name string, restore func(r io.Reader) error) error {
	if !s.Has(name) {
		return fmt.Errorf("%w: it has no %q", ErrDamaged, name)
	}
	if err := restore(bytes.NewReader(s[name])); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// ReadJSON sets v to what AddJSON was given.
func (s State) ReadJSON(name string, v any) error {
	return s.Read(name, func(r io.Reader) error { return json.NewDecoder(r).Decode(v) })
}

// Floats returns what AddFloats was given. Its length must be a multiple of unit,
// or else the error is ErrDamaged.
func (s State) Floats(name string, unit int) ([]float64, error) {
	data, ok := s[name]
	if !ok || len(data)%(8*unit) != 0 {
		return nil, fmt.Errorf("%w: %q has %d bytes, want a multiple of %d", ErrDamaged, name, len(data), 8*unit)
	}
	v := make([]float64, len(data)/8)
	for i := range v {
		v[i] = math.Float64frombits(binary.LittleEndian.Uint64(data[8*i:]))
	}
	return v, nil
}

// digits is the length of a digest.
const digits = 2 * sha256.Size

// Write writes the file.
func (s State) Write(w io.Writer) error {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(s)) {
		part, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
		if err == nil {
			_, err = part.Write(s[name])
		}
		if err != nil {
			return err
		}
	}
	// The comment is the end of the file. The digest takes the place of these zeros.
	if err := errors.Join(z.SetComment(string(make([]byte, digits))), z.Close()); err != nil {
		return err
	}
	body := b.Bytes()[:b.Len()-digits]
	_, err := w.Write(append(body, digest(body)...))
	return err
}

func digest(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// ReadState reads a file. If any byte has changed since it was written, the error
// is ErrDamaged.
func ReadState(r io.Reader) (State, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	body := data[:max(0, len(data)-digits)]
	if string(data[len(body):]) != digest(body) {
		return nil, fmt.Errorf("%w: its digest is another", ErrDamaged)
	}
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	s := State{}
	for _, f := range z.File {
		if f.Method != zip.Store {
			return nil, fmt.Errorf("%w: %q is compressed", ErrDamaged, f.Name)
		}
		part, err := f.Open()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		if s[f.Name], err = io.ReadAll(part); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
	}
	return s, nil
}
