package safetensors

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/neuralrg/neuralrg/internal/errs"
)

// Write writes f, with its digest. It fails with errs.ErrFormat, before anything is
// written, if Read could not read the file again. It returns errors of w.
func Write(w io.Writer, f *File) error {
	arrays, header, err := f.layout()
	if err != nil {
		return fmt.Errorf("%w: %w", errs.ErrFormat, err)
	}
	length := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	h := sha256.New()
	sum(h, length, header)
	for i := range arrays {
		if err := arrays[i].write(h); err != nil {
			return err
		}
	}
	hex.Encode(header[digestAt(header):], h.Sum(nil))
	buf := bufio.NewWriterSize(w, 1<<16)
	buf.Write(length)
	buf.Write(header)
	for i := range arrays {
		if err := arrays[i].write(buf); err != nil {
			return err
		}
	}
	return buf.Flush()
}

// layout returns the arrays in the order of the file, and the header with zeros for
// the digest.
func (f *File) layout() ([]Array, []byte, error) {
	if len(f.Arrays) >= maxArrays || len(f.Meta) >= maxMeta {
		return nil, nil, fmt.Errorf("%d arrays and %d keys of metadata, want fewer than %d and %d",
			len(f.Arrays), len(f.Meta), maxArrays, maxMeta)
	}
	arrays := slices.Clone(f.Arrays)
	for i := range arrays {
		if err := arrays[i].describe(); err != nil {
			return nil, nil, err
		}
	}
	// Arrays with the largest items come first, so that all are aligned.
	slices.SortStableFunc(arrays, func(a, b Array) int { return cmp.Compare(itemSize(b.dtype), itemSize(a.dtype)) })
	header, err := encodeHeader(f.Meta, arrays)
	return arrays, header, err
}

// describe sets the type of an array and checks that Read would accept it.
func (a *Array) describe() error {
	n := 0
	switch v := a.Values.(type) {
	case []float64:
		a.dtype, n = "F64", len(v)
	case []float32:
		a.dtype, n = "F32", len(v)
	case []int64:
		a.dtype, n = "I64", len(v)
	case []byte:
		a.dtype, n = "U8", len(v)
	default:
		return fmt.Errorf("array %q: values of type %T", a.Name, a.Values)
	}
	switch {
	case a.Name == "__metadata__" || volume(a.Shape, n) != n:
		return fmt.Errorf("array %q: %d values for shape %v", a.Name, n, a.Shape)
	case len(a.Shape) > maxRank:
		return fmt.Errorf("array %q: shape %v, want at most %d extents", a.Name, a.Shape, maxRank)
	case !utf8.ValidString(a.Name):
		return fmt.Errorf("array %q: the name is not UTF-8", a.Name)
	}
	return nil
}

// encodeHeader returns the header with zeros for the digest. The digest is the first
// entry, so that digestAt finds no other one.
func encodeHeader(meta map[string]string, arrays []Array) ([]byte, error) {
	h := []byte(`{"__metadata__":{"` + digestKey + `":"` + string(zeroDigest) + `"`)
	for _, k := range slices.Sorted(maps.Keys(meta)) {
		if k == digestKey {
			return nil, fmt.Errorf("metadata %q is reserved for the digest", k)
		}
		if !utf8.ValidString(k) || !utf8.ValidString(meta[k]) {
			return nil, fmt.Errorf("metadata %q is not UTF-8", k)
		}
		h = append(appendJSON(append(h, ','), k), ':')
		h = appendJSON(h, meta[k])
	}
	h = append(h, '}')
	at := 0
	seen := map[string]bool{}
	for _, a := range arrays {
		if seen[a.Name] {
			return nil, fmt.Errorf("two arrays %q", a.Name)
		}
		seen[a.Name] = true
		shape := a.Shape
		if shape == nil {
			shape = []int{}
		}
		end := at + volume(a.Shape, math.MaxInt)*itemSize(a.dtype)
		h = append(appendJSON(append(h, ','), a.Name), ':')
		h = appendJSON(h, entry{a.dtype, shape, [2]int{at, end}})
		at = end
	}
	h = append(h, '}')
	for len(h)%8 != 0 {
		h = append(h, ' ')
	}
	if len(h) > maxHeader {
		return nil, fmt.Errorf("header of %d bytes, want at most %d", len(h), maxHeader)
	}
	return h, nil
}

// entry is the description of an array in a header.
type entry struct {
	Dtype   string `json:"dtype"`
	Shape   []int  `json:"shape"`
	Offsets [2]int `json:"data_offsets"`
}

// appendJSON appends a value that cannot fail to encode.
func appendJSON(b []byte, v any) []byte {
	data, _ := json.Marshal(v)
	return append(b, data...)
}

// write writes the values. It encodes them in pieces, without a copy of all.
func (a *Array) write(w io.Writer) error {
	switch v := a.Values.(type) {
	case []float64:
		return writePieces(w, v, func(b []byte, v float64) []byte {
			return binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
		})
	case []float32:
		return writePieces(w, v, func(b []byte, v float32) []byte {
			return binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
		})
	case []int64:
		return writePieces(w, v, func(b []byte, v int64) []byte {
			return binary.LittleEndian.AppendUint64(b, uint64(v))
		})
	case []byte:
		_, err := w.Write(v)
		return err
	}
	return fmt.Errorf("array %q: values of type %T", a.Name, a.Values)
}

// writePieces writes values that put appends to a buffer.
func writePieces[T any](w io.Writer, values []T, put func([]byte, T) []byte) error {
	var buf [1 << 12]byte
	for piece := range slices.Chunk(values, len(buf)/8) {
		b := buf[:0]
		for _, v := range piece {
			b = put(b, v)
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	return nil
}
