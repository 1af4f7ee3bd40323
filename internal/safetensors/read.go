package safetensors

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/neuralrg/neuralrg/internal/errs"
)

// Limits of what a header may describe.
const (
	maxRank   = 8
	maxArrays = 1 << 14
	maxMeta   = 1 << 10 // keys of metadata
)

// Read reads a whole file. Errors of r are returned as they are; all others wrap
// errs.ErrFormat. A wrong digest in a file of this library is an error; a missing digest
// is not, see File.Checked. In other files, metadata with the name of the digest is
// not checked.
func Read(r io.Reader) (*File, error) {
	var length [8]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, short(err, "length of the header")
	}
	n := binary.LittleEndian.Uint64(length[:])
	if n < 2 || n > maxHeader {
		return nil, fmt.Errorf("%w: header of %d bytes, want between 2 and %d", errs.ErrFormat, n, maxHeader)
	}
	header, err := readN(r, int(n))
	if err != nil {
		return nil, short(err, "header")
	}
	f := &File{}
	if err := f.data.read(r); err != nil {
		return nil, err
	}
	// The digest is checked before anything is parsed.
	if at := digestAt(header); at >= 0 && claimed(header) {
		h := sha256.New()
		sum(h, length[:], header)
		for _, p := range f.data.pieces {
			h.Write(p)
		}
		if got := hex.AppendEncode(nil, h.Sum(nil)); !bytes.Equal(got, header[at:at+len(got)]) {
			return nil, fmt.Errorf("%w: SHA-256 is %s, the file says %q", errs.ErrFormat, got, header[at:at+len(got)])
		}
		f.Checked = true
	}
	if err := f.parse(header); err != nil {
		return nil, fmt.Errorf("%w: header: %v", errs.ErrFormat, err)
	}
	slices.SortStableFunc(f.Arrays, func(a, b Array) int {
		return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(a.end, b.end))
	})
	at := 0
	for i := range f.Arrays {
		a := &f.Arrays[i]
		f.index[a.Name] = i
		size := itemSize(a.dtype)
		n := volume(a.Shape, f.data.size/size)
		if n < 0 || a.begin != at || a.end != at+n*size || a.end > f.data.size {
			return nil, fmt.Errorf("%w: array %s: %s%v at offsets [%d %d] of %d bytes, expected to begin at %d",
				errs.ErrFormat, quote(a.Name), a.dtype, a.Shape, a.begin, a.end, f.data.size, at)
		}
		at = a.end
	}
	if at != f.data.size {
		return nil, fmt.Errorf("%w: %d bytes of values, the header describes %d", errs.ErrFormat, f.data.size, at)
	}
	return f, nil
}

// short turns the error of an early end of file into errs.ErrFormat.
func short(err error, what string) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("%w: it ends within the %s", errs.ErrFormat, what)
	}
	return err
}

// readN reads n bytes into memory that doubles as they arrive.
func readN(r io.Reader, n int) ([]byte, error) {
	b := make([]byte, 0, min(n, pieceSize))
	for len(b) < n {
		if len(b) == cap(b) {
			b = append(make([]byte, 0, min(n, 2*len(b))), b...)
		}
		k, err := io.ReadFull(r, b[len(b):cap(b)])
		if b = b[:len(b)+k]; err != nil {
			return nil, err
		}
	}
	return b, nil
}

// data holds the bytes after a header. All pieces but the last have the size
// pieceSize. A single slice would have to be copied as it grows.
type data struct {
	pieces [][]byte
	size   int
}

const pieceSize = 1 << 16

// read reads until the end of the file.
func (d *data) read(r io.Reader) error {
	for {
		p := make([]byte, pieceSize)
		n, err := io.ReadFull(r, p)
		d.pieces, d.size = append(d.pieces, p[:n]), d.size+n
		switch err {
		case nil:
		case io.EOF, io.ErrUnexpectedEOF:
			return nil
		default:
			return err
		}
	}
}

// copy fills dst with the bytes from a position on, as far as there are any.
func (d *data) copy(dst []byte, at int) {
	for len(dst) > 0 && at < d.size {
		n := copy(dst, d.pieces[at/pieceSize][at%pieceSize:])
		dst, at = dst[n:], at+n
	}
}

// word is the little-endian number of up to eight bytes that begins at a position.
func (d *data) word(at, size int) uint64 {
	var b [8]byte
	if p := d.pieces[at/pieceSize][at%pieceSize:]; len(p) >= size {
		copy(b[:size], p)
	} else {
		d.copy(b[:size], at)
	}
	return binary.LittleEndian.Uint64(b[:])
}

// Floats gives access to the values of an array without a copy.
type Floats struct {
	data   *data
	at     int // where the values begin
	n      int
	single bool // type F32
}

// Floats returns the values of an array of type F64 or F32. It checks the shape as
// Expect does.
func (f *File) Floats(name string, shape ...int) (Floats, error) {
	a, err := f.shaped(name, shape)
	if err != nil {
		return Floats{}, err
	}
	if a.dtype != "F64" && a.dtype != "F32" {
		return Floats{}, fmt.Errorf("%w: array %s is of type %s, want F64 or F32", errs.ErrFormat, quote(name), a.dtype)
	}
	return Floats{&f.data, a.begin, (a.end - a.begin) / itemSize(a.dtype), a.dtype == "F32"}, nil
}

// Len is the number of values.
func (v Floats) Len() int { return v.n }

// At is value i.
func (v Floats) At(i int) float64 {
	if v.single {
		return float64(math.Float32frombits(uint32(v.data.word(v.at+4*i, 4))))
	}
	return math.Float64frombits(v.data.word(v.at+8*i, 8))
}

// Copy fills dst with the values from the given one on.
func (v Floats) Copy(dst []float64, from int) {
	for i := range dst {
		dst[i] = v.At(from + i)
	}
}

// Float64s returns the values of an array of type F64. It checks the shape as Expect
// does.
func (f *File) Float64s(name string, shape ...int) ([]float64, error) {
	if err := f.Expect(name, "F64", shape...); err != nil {
		return nil, err
	}
	v, err := f.Floats(name, shape...)
	if err != nil {
		return nil, err
	}
	dst := make([]float64, v.Len())
	v.Copy(dst, 0)
	return dst, nil
}

// Ints returns the values of an array of type I64, as Float64s does.
func (f *File) Ints(name string, shape ...int) ([]int, error) {
	if err := f.Expect(name, "I64", shape...); err != nil {
		return nil, err
	}
	a, err := f.Array(name)
	if err != nil {
		return nil, err
	}
	dst := make([]int, (a.end-a.begin)/8)
	for i := range dst {
		dst[i] = int(int64(f.data.word(a.begin+8*i, 8)))
	}
	return dst, nil
}

// Bytes returns the values of an array of type U8, as Float64s does.
func (f *File) Bytes(name string, shape ...int) ([]byte, error) {
	if err := f.Expect(name, "U8", shape...); err != nil {
		return nil, err
	}
	a, err := f.Array(name)
	if err != nil {
		return nil, err
	}
	dst := make([]byte, a.end-a.begin)
	f.data.copy(dst, a.begin)
	return dst, nil
}

// Expect checks that there is an array of the given type and shape. An extent of −1
// stands for any number.
func (f *File) Expect(name, dtype string, shape ...int) error {
	a, err := f.shaped(name, shape)
	if err == nil && a.dtype != dtype {
		err = fmt.Errorf("%w: array %s is of type %s, want %s", errs.ErrFormat, quote(name), a.dtype, dtype)
	}
	return err
}

// Size is the number of bytes of values, of all arrays together.
func (f *File) Size() int { return f.data.size }

// shaped returns an array and checks its shape.
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
		return nil, fmt.Errorf("%w: array %s has shape %v, want %v", errs.ErrFormat, quote(name), a.Shape, shape)
	}
	return a, nil
}
