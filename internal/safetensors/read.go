package safetensors

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
)

// Limits of what a header may describe.
const (
	maxRank   = 8
	maxArrays = 1 << 16
	maxMeta   = 1 << 12
)

// Read reads a whole file. Errors of r pass through; all others wrap
// ErrFormat. A file with a wrong digest is an error, one without any is not:
// see Checked.
func Read(r io.Reader) (*File, error) {
	var length [8]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, short(err, "length of the header")
	}
	n := binary.LittleEndian.Uint64(length[:])
	if n < 2 || n > maxHeader {
		return nil, fmt.Errorf("%w: header of %d bytes, want between 2 and %d", ErrFormat, n, maxHeader)
	}
	header, err := readN(r, int(n))
	if err != nil {
		return nil, short(err, "header")
	}
	rest, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	// Before anything is parsed.
	checked := false
	if at := digestAt(header); at >= 0 {
		h := sha256.New()
		sum(h, length[:], header)
		h.Write(rest)
		if got := hex.AppendEncode(nil, h.Sum(nil)); !bytes.Equal(got, header[at:at+len(got)]) {
			return nil, fmt.Errorf("%w: SHA-256 is %s, the file says %q", ErrFormat, got, header[at:at+len(got)])
		}
		checked = true
	}
	f, entries, err := parseHeader(header)
	if err != nil {
		return nil, err
	}
	f.Checked = checked
	at := 0
	for i, e := range entries {
		a := &f.Arrays[i]
		size := itemSize(e.Dtype)
		if size == 0 {
			return nil, fmt.Errorf("%w: array %q: type %q", ErrFormat, a.Name, e.Dtype)
		}
		n := volume(e.Shape, len(rest)/size)
		if n < 0 || e.Offsets[0] != at || e.Offsets[1] != at+n*size || e.Offsets[1] > len(rest) {
			return nil, fmt.Errorf("%w: array %q: %s%v at offsets %v of %d bytes, expected to begin at %d",
				ErrFormat, a.Name, e.Dtype, e.Shape, e.Offsets, len(rest), at)
		}
		a.raw = rest[at:e.Offsets[1]:e.Offsets[1]]
		at = e.Offsets[1]
	}
	if at != len(rest) {
		return nil, fmt.Errorf("%w: %d bytes of values, the header describes %d", ErrFormat, len(rest), at)
	}
	return f, nil
}

// short turns the end of a file into ErrFormat.
func short(err error, what string) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("%w: it ends within the %s", ErrFormat, what)
	}
	return err
}

// readN reads n bytes into memory that grows as they arrive.
func readN(r io.Reader, n int) ([]byte, error) {
	var b bytes.Buffer
	_, err := io.CopyN(&b, r, int64(n))
	return b.Bytes(), err
}

// parseHeader returns the arrays in the order of their values. It walks the
// tokens: decoding into maps would make much of little.
func parseHeader(header []byte) (*File, []entry, error) {
	p := parser{json.NewDecoder(bytes.NewReader(header))}
	p.d.UseNumber()
	f := &File{Meta: map[string]string{}}
	type item struct {
		Array
		entry
	}
	var items []item
	seen := map[string]bool{}
	err := p.object(func(name string) error {
		if seen[name] {
			return fmt.Errorf("%q twice", name)
		}
		if seen[name] = true; len(seen) > maxArrays {
			return fmt.Errorf("more than %d arrays", maxArrays)
		}
		if name == "__metadata__" {
			return p.object(func(key string) error {
				if _, ok := f.Meta[key]; ok {
					return fmt.Errorf("metadata %q twice", key)
				}
				if len(f.Meta) == maxMeta {
					return fmt.Errorf("more than %d metadata", maxMeta)
				}
				v, err := p.text()
				f.Meta[key] = v
				return err
			})
		}
		e, err := p.entry()
		if err != nil {
			return fmt.Errorf("array %q: %w", name, err)
		}
		items = append(items, item{Array{Name: name, Shape: e.Shape, dtype: e.Dtype}, e})
		return nil
	})
	if err == nil {
		if _, end := p.d.Token(); end != io.EOF {
			err = fmt.Errorf("something after its end")
		}
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%w: header: %v", ErrFormat, err)
	}
	slices.SortStableFunc(items, func(a, b item) int {
		return cmp.Or(cmp.Compare(a.Offsets[0], b.Offsets[0]), cmp.Compare(a.Offsets[1], b.Offsets[1]))
	})
	entries := make([]entry, len(items))
	f.index = make(map[string]int, len(items))
	for i, it := range items {
		f.index[it.Name] = i
		f.Arrays, entries[i] = append(f.Arrays, it.Array), it.entry
	}
	return f, entries, nil
}

// parser reads JSON token by token.
type parser struct{ d *json.Decoder }

func (p parser) delim(want json.Delim) error {
	t, err := p.d.Token()
	if err == nil && t != want {
		err = fmt.Errorf("%v where %v is expected", t, want)
	}
	return err
}

// object calls field for every key, to read its value.
func (p parser) object(field func(key string) error) error {
	if err := p.delim('{'); err != nil {
		return err
	}
	for p.d.More() {
		key, err := p.text()
		if err != nil {
			return err
		}
		if err := field(key); err != nil {
			return err
		}
	}
	return p.delim('}')
}

func (p parser) text() (string, error) {
	t, err := p.d.Token()
	if err != nil {
		return "", err
	}
	s, ok := t.(string)
	if !ok {
		return "", fmt.Errorf("%v where a string is expected", t)
	}
	return s, nil
}

// numbers reads at most limit non-negative integers.
func (p parser) numbers(limit int) ([]int, error) {
	if err := p.delim('['); err != nil {
		return nil, err
	}
	var list []int
	for p.d.More() {
		t, err := p.d.Token()
		if err != nil {
			return nil, err
		}
		n, ok := t.(json.Number)
		if !ok {
			return nil, fmt.Errorf("%v where a number is expected", t)
		}
		v, err := n.Int64()
		if err != nil || v < 0 || v > math.MaxInt/2 {
			return nil, fmt.Errorf("%v where a number that counts is expected", n)
		}
		if len(list) == limit {
			return nil, fmt.Errorf("a list of more than %d numbers", limit)
		}
		list = append(list, int(v))
	}
	return list, p.delim(']')
}

func (p parser) entry() (e entry, err error) {
	has := map[string]bool{}
	err = p.object(func(key string) error {
		if has[key] {
			return fmt.Errorf("%q twice", key)
		}
		has[key] = true
		switch key {
		case "dtype":
			e.Dtype, err = p.text()
		case "shape":
			e.Shape, err = p.numbers(maxRank)
		case "data_offsets":
			var list []int
			if list, err = p.numbers(2); err == nil && len(list) != 2 {
				err = fmt.Errorf("%d offsets", len(list))
			}
			copy(e.Offsets[:], list)
		default:
			err = fmt.Errorf("unknown %q", key)
		}
		return err
	})
	if err == nil && len(has) != 3 {
		err = fmt.Errorf("incomplete")
	}
	return e, err
}

// Float64s returns the values of an array of type F64 or F32, whose shape must
// be as Expect wants it.
func (f *File) Float64s(name string, shape ...int) ([]float64, error) {
	a, err := f.shaped(name, shape)
	if err != nil {
		return nil, err
	}
	switch a.dtype {
	case "F64":
		return decode(a.raw, 8, func(b []byte) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(b)) }), nil
	case "F32":
		return decode(a.raw, 4, func(b []byte) float64 { return float64(math.Float32frombits(binary.LittleEndian.Uint32(b))) }), nil
	}
	return nil, fmt.Errorf("%w: array %q is of type %s, want F64 or F32", ErrFormat, name, a.dtype)
}

// Ints returns the values of an array of type I64, as Float64s does.
func (f *File) Ints(name string, shape ...int) ([]int, error) {
	a, err := f.shaped(name, shape)
	if err != nil {
		return nil, err
	}
	if a.dtype != "I64" {
		return nil, fmt.Errorf("%w: array %q is of type %s, want I64", ErrFormat, name, a.dtype)
	}
	return decode(a.raw, 8, func(b []byte) int { return int(int64(binary.LittleEndian.Uint64(b))) }), nil
}

// Bytes returns the values of an array of type U8, as Float64s does; they are
// not to be changed.
func (f *File) Bytes(name string, shape ...int) ([]byte, error) {
	a, err := f.shaped(name, shape)
	if err != nil {
		return nil, err
	}
	if a.dtype != "U8" {
		return nil, fmt.Errorf("%w: array %q is of type %s, want U8", ErrFormat, name, a.dtype)
	}
	return a.raw, nil
}

// Expect checks that there is an array of the given shape; −1 stands for any
// extent.
func (f *File) Expect(name string, shape ...int) error {
	_, err := f.shaped(name, shape)
	return err
}

func (f *File) shaped(name string, shape []int) (*Array, error) {
	a, err := f.Array(name)
	if err != nil {
		return nil, err
	}
	fits := len(a.Shape) == len(shape)
	for i := 0; fits && i < len(shape); i++ {
		fits = shape[i] == -1 || shape[i] == a.Shape[i]
	}
	if !fits {
		return nil, fmt.Errorf("%w: array %q has shape %v, want %v", ErrFormat, name, a.Shape, shape)
	}
	return a, nil
}

func decode[T any](raw []byte, size int, value func([]byte) T) []T {
	values := make([]T, len(raw)/size)
	for i := range values {
		values[i] = value(raw[i*size:])
	}
	return values
}
