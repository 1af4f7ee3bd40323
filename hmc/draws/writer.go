package draws

import (
	"fmt"
	"io"

	"gonum.org/v1/gonum/mat"
)

// Writer writes draws as they come to a .npy file of shape (draw, chain, shape…), without
// keeping them. The number of draws is announced, because it stands in the head of the
// file. The axes are in the order of time, unlike those of an Array: in NumPy
// x.swapaxes(0, 1) puts the chains first. Writer is not safe for concurrent use.
type Writer struct {
	f                   *writer
	draws, chains, size int
	added               int
	err                 error // of the writer: the file is lost
}

// NewWriter writes the head of a file of draws·chains positions of the given shape. The
// error wraps ErrShape if a number is below one or the file would be too large,
// ErrSettings for a nil writer, and otherwise that of the writer.
func NewWriter(w io.Writer, draws, chains int, shape ...int) (*Writer, error) {
	axes := append([]int{draws, chains}, shape...)
	for _, n := range axes {
		if n < 1 {
			return nil, fmt.Errorf("draws: NewWriter: %w: %v has an extent below one", ErrShape, axes)
		}
	}
	if _, err := volume(axes); err != nil {
		return nil, fmt.Errorf("draws: NewWriter: %w", err)
	}
	size, err := volume(shape)
	if err != nil {
		return nil, fmt.Errorf("draws: NewWriter: %w", err)
	}
	f, err := newWriter(w, axes)
	if err != nil {
		return nil, fmt.Errorf("draws: NewWriter: %w", err)
	}
	return &Writer{f: f, draws: draws, chains: chains, size: size}, nil
}

// Add writes a draw of every chain: the rows of x, (chains, size), as hmc.Sampler.X returns
// them. The error wraps ErrShape for a matrix of another shape and for more draws than
// were announced, and otherwise that of the writer, which stays.
func (w *Writer) Add(x *mat.Dense) error {
	if w.err != nil {
		return w.err
	}
	if x == nil || x.IsEmpty() {
		return fmt.Errorf("draws: Writer: %w: an empty matrix", ErrShape)
	}
	if rows, cols := x.Dims(); rows != w.chains || cols != w.size {
		return fmt.Errorf("draws: Writer: %w: a draw of %d chains of %d numbers, want %d of %d",
			ErrShape, rows, cols, w.chains, w.size)
	}
	if w.added == w.draws {
		return fmt.Errorf("draws: Writer: %w: more than the %d draws that were announced", ErrShape, w.draws)
	}
	for c := range w.chains {
		w.f.add(x.RawRowView(c))
	}
	w.added++
	if _, err := w.f.Write(nil); err != nil {
		w.err = fmt.Errorf("draws: Writer: draw %d: %w", w.added-1, err)
	}
	return w.err
}

// Close writes what is buffered. It does not close the underlying writer. It fails with
// ErrShape if draws are missing: the file is then shorter than its head says.
func (w *Writer) Close() error {
	if w.err != nil {
		return w.err
	}
	if err := w.f.Flush(); err != nil {
		w.err = fmt.Errorf("draws: Writer: %w", err)
		return w.err
	}
	if w.added < w.draws {
		return fmt.Errorf("draws: Writer: %w: %d draws of the %d that were announced", ErrShape, w.added, w.draws)
	}
	return nil
}
