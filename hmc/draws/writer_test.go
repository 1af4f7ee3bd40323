package draws

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// A Writer writes the bytes of WriteNPY of all draws in the order of time.
func TestWriter(t *testing.T) {
	const draws, chains, size = 5, 3, 4
	var got, want bytes.Buffer
	w, err := NewWriter(&got, draws, chains, 2, 2)
	if err != nil {
		t.Fatal(err)
	}
	var all []float64
	x := mat.NewDense(chains, size, nil)
	for k := range draws {
		x.Apply(func(c, j int, _ float64) float64 { return value(c, k, j) }, x)
		all = append(all, x.RawMatrix().Data...)
		if err := w.Add(x); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), WriteNPY(&want, all, draws, chains, 2, 2)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want.Bytes()) {
		t.Errorf("%d bytes, want the %d of WriteNPY", got.Len(), want.Len())
	}
	if err := w.Add(x); !errors.Is(err, ErrShape) {
		t.Errorf("one draw more: %v", err)
	}
}

func TestWriterErrors(t *testing.T) {
	for _, c := range [][]int{{0, 1}, {1, 0}, {1, 1, 0}, {1 << 30, 1 << 30, 1 << 10}} {
		if _, err := NewWriter(io.Discard, c[0], c[1], c[2:]...); !errors.Is(err, ErrShape) {
			t.Errorf("%v: %v", c, err)
		}
	}
	if _, err := NewWriter(nil, 1, 1); !errors.Is(err, ErrSettings) {
		t.Errorf("nil writer: %v", err)
	}
	w, err := NewWriter(io.Discard, 2, 3, 4)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []*mat.Dense{nil, {}, mat.NewDense(3, 5, nil), mat.NewDense(2, 4, nil)} {
		if err := w.Add(x); !errors.Is(err, ErrShape) {
			t.Errorf("%v: %v", x, err)
		}
	}
	if err := w.Add(mat.NewDense(3, 4, nil)); err != nil {
		t.Error(err)
	}
	if err := w.Close(); !errors.Is(err, ErrShape) {
		t.Errorf("a draw is missing: %v", err)
	}
	some := brokenWriter(9000)
	w, err = NewWriter(&some, 100, 10, 10)
	if err != nil {
		t.Fatal(err)
	}
	x := mat.NewDense(10, 10, nil)
	for range 100 {
		if err = w.Add(x); err != nil {
			break
		}
	}
	if !errors.Is(err, errBroken) || !errors.Is(w.Add(x), errBroken) || !errors.Is(w.Close(), errBroken) {
		t.Errorf("broken writer: %v", err)
	}
}
