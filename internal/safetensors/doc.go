// Package safetensors reads and writes named arrays in the safetensors format
// (https://github.com/huggingface/safetensors): eight bytes with the length of
// a header, the header in JSON, then the values, little-endian.
//
// A file of this library carries the SHA-256 of the whole file, header included, in
// its metadata. The digits of the digest itself count as zeros. A file whose digest
// is right is the one that was written.
//
// Read trusts no header: the memory that it takes grows with the bytes that have
// arrived, not with the sizes that a header claims.
package safetensors

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"

	"github.com/neuralrg/neuralrg/internal/errs"
)

// File is metadata and arrays.
type File struct {
	Meta    map[string]string
	Arrays  []Array
	Checked bool // set by Read: the file has a digest, and it is right

	// Set by Read.
	index map[string]int // place of an array in Arrays
	data  data           // values of all arrays
}

// Array is a named array. To be written, it has Values of type []float64,
// []float32, []int64 or []byte, row-major. An array that was read has none: the
// methods of File return its values.
type Array struct {
	Name   string
	Shape  []int
	Values any

	dtype      string
	begin, end int // place in File.data
}

// maxHeader is the largest length of a header. The format allows 100 MB; 2¹⁴ arrays
// and a description of a model take less than this.
const maxHeader = 8 << 20

const digestKey = "sha256"

// claimed reports whether a header says that this library wrote the file. In other
// files a key with the name of our digest means something else.
func claimed(header []byte) bool { return bytes.Contains(header, []byte(`"`+formatKey+`":"`)) }

// zeroDigest takes the place of the digest while the digest is computed.
var zeroDigest = bytes.Repeat([]byte("0"), hex.EncodedLen(sha256.Size))

// digestAt is the position of the digits of the digest in a header, −1 if there is
// none.
func digestAt(header []byte) int {
	key := []byte(`"` + digestKey + `":"`)
	at := bytes.Index(header, key)
	if at < 0 || at+len(key)+len(zeroDigest) > len(header) {
		return -1
	}
	return at + len(key)
}

// sum hashes the length and the header, with zeros for the digits of the digest.
func sum(h hash.Hash, length, header []byte) {
	h.Write(length)
	if at := digestAt(header); at >= 0 {
		h.Write(header[:at])
		h.Write(zeroDigest)
		header = header[at+len(zeroDigest):]
	}
	h.Write(header)
}

// itemSize is the size of a value in bytes, 0 for an unknown type.
func itemSize(dtype string) int {
	switch dtype {
	case "F64", "I64", "U64":
		return 8
	case "F32", "I32", "U32":
		return 4
	case "F16", "BF16", "I16", "U16":
		return 2
	case "U8", "I8", "BOOL":
		return 1
	}
	return 0
}

// volume is the number of values of a shape. It is −1 for a negative extent and for
// more values than limit.
func volume(shape []int, limit int) int {
	n := 1
	for _, s := range shape {
		if s < 0 || s > 0 && n > limit/s {
			return -1
		}
		n *= s
	}
	return n
}

// Array returns the array with the given name of a file that was read.
func (f *File) Array(name string) (*Array, error) {
	if i, ok := f.index[name]; ok {
		return &f.Arrays[i], nil
	}
	return nil, fmt.Errorf("%w: no array %s", errs.ErrFormat, quote(name))
}
