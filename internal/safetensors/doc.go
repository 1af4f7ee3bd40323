// Package safetensors reads and writes named arrays in the safetensors format
// (https://github.com/huggingface/safetensors): eight bytes with the length of
// a header, the header in JSON, then the values, little-endian.
//
// A file of ours carries in its metadata the SHA-256 of all of it, header
// included, computed with the digest's own digits at zero: a file that passes
// is the one that was written. Reading trusts nothing: memory grows with what
// has arrived, never with what a header announces.
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
	Checked bool // by Read: the file has a digest and it is right

	index map[string]int // of what was read
	data  data           // that was read
}

// Array is a named array. Values is of type []float64, []float32, []int64 or
// []byte, row-major; what was read is in the File, and its methods convert it.
type Array struct {
	Name   string
	Shape  []int
	Values any

	dtype      string
	begin, end int // in what was read
}

// maxHeader bounds headers. The format allows 100 MB, which are more than what
// 2¹⁴ arrays and a description of a model take.
const maxHeader = 8 << 20

const digestKey = "sha256"

// claimed tells whether a header says that the file is ours. A key of other
// files may be called as our digest is, and is then none.
func claimed(header []byte) bool { return bytes.Contains(header, []byte(`"`+formatKey+`":"`)) }

// zeroDigest stands for the digest while it is computed.
var zeroDigest = bytes.Repeat([]byte("0"), hex.EncodedLen(sha256.Size))

// digestAt is the position of the digits of the digest in a header of
// ours, or −1.
func digestAt(header []byte) int {
	key := []byte(`"` + digestKey + `":"`)
	at := bytes.Index(header, key)
	if at < 0 || at+len(key)+len(zeroDigest) > len(header) {
		return -1
	}
	return at + len(key)
}

// sum hashes length and header, with the digest's digits at zero.
func sum(h hash.Hash, length, header []byte) {
	h.Write(length)
	if at := digestAt(header); at >= 0 {
		h.Write(header[:at])
		h.Write(zeroDigest)
		header = header[at+len(zeroDigest):]
	}
	h.Write(header)
}

// itemSize is the size of a value in bytes, 0 for types we do not know.
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

// volume is the number of values of a shape, or −1 where there is none or it is
// beyond limit.
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

// Array returns the array of a name, of a file that was read.
func (f *File) Array(name string) (*Array, error) {
	if i, ok := f.index[name]; ok {
		return &f.Arrays[i], nil
	}
	return nil, fmt.Errorf("%w: no array %s", errs.ErrFormat, quote(name))
}
