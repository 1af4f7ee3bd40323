package draws

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strings"
)

// WriteNPY writes values as a .npy file of the given shape, the last axis running
// fastest, in float64: for instance a loss after every step of training, with the
// number of steps as its shape. Without a shape the file holds one number. The
// error wraps ErrShape if the shape has another number of values, ErrSettings for
// a nil writer, and otherwise that of the writer.
func WriteNPY(w io.Writer, values []float64, shape ...int) error {
	if size, err := volume(shape); err != nil {
		return fmt.Errorf("draws: WriteNPY: %w", err)
	} else if size != len(values) {
		return fmt.Errorf("draws: WriteNPY: %w: %d values, want those of %v", ErrShape, len(values), shape)
	}
	f, err := newWriter(w, shape)
	if err != nil {
		return fmt.Errorf("draws: WriteNPY: %w", err)
	}
	f.add(values)
	if err := f.Flush(); err != nil {
		return fmt.Errorf("draws: WriteNPY: %w", err)
	}
	return nil
}

// writer writes the values of a .npy file. Flush returns the first error of all.
type writer struct {
	*bufio.Writer
	number [8]byte
}

// newWriter writes the head of a .npy file, version 1.0 of the format
// (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html): a magic
// string, the version, the length of the header in two bytes, and the header, a
// Python dictionary. Spaces and a line feed fill it up, so that the values begin
// at a multiple of 64 bytes.
func newWriter(w io.Writer, shape []int) (*writer, error) {
	if w == nil {
		return nil, fmt.Errorf("%w: nil writer", ErrSettings)
	}
	var axes strings.Builder
	for _, extent := range shape {
		fmt.Fprintf(&axes, "%d,", extent) // also after the last: (3,) is a tuple, (3) is not
	}
	header := fmt.Sprintf("{'descr': '<f8', 'fortran_order': False, 'shape': (%s)}", axes.String())
	const fixed = 10 // bytes before the header
	fill := 63 - (fixed+len(header))%64
	header += strings.Repeat(" ", fill) + "\n"
	head := binary.LittleEndian.AppendUint16([]byte("\x93NUMPY\x01\x00"), uint16(len(header)))
	f := &writer{Writer: bufio.NewWriter(w)}
	f.Write(append(head, header...))
	return f, nil
}

// add writes values, little-endian.
func (f *writer) add(values []float64) {
	for _, v := range values {
		binary.LittleEndian.PutUint64(f.number[:], math.Float64bits(v))
		f.Write(f.number[:])
	}
}
