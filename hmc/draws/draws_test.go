package draws

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// value is the number at (chain, draw, place) in the tests.
func value(c, k, j int) float64 { return float64(100*c+10*k) + float64(j)/4 }

// filled returns an array of values.
func filled(t *testing.T, draws, chains int, shape ...int) *Array {
	t.Helper()
	a, err := New(chains, shape...)
	if err != nil {
		t.Fatal(err)
	}
	x := mat.NewDense(chains, a.size, nil)
	for k := range draws {
		x.Apply(func(c, j int, _ float64) float64 { return value(c, k, j) }, x)
		if err := a.Add(x); err != nil {
			t.Fatal(err)
		}
	}
	x.Zero() // Add has copied it
	return a
}

// written returns the file of an array.
func written(t *testing.T, a *Array) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := a.WriteNPY(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A file has a head of a multiple of 64 bytes that ends in a line feed, with the
// axes (chain, draw, shape…), and the values in this order.
func TestBytes(t *testing.T) {
	for _, c := range []struct {
		draws, chains int
		shape         []int
		text          string
	}{
		{5, 3, nil, "(3,5,)"},
		{5, 3, []int{1}, "(3,5,1,)"},
		{4, 2, []int{2, 3}, "(2,4,2,3,)"},
		{0, 2, []int{7}, "(2,0,7,)"},
		{1, 1, slices.Repeat([]int{1}, 30), "(" + strings.Repeat("1,", 32) + ")"},
	} {
		a := filled(t, c.draws, c.chains, c.shape...)
		if got, want := a.Shape(), append([]int{c.chains, c.draws}, c.shape...); !slices.Equal(got, want) {
			t.Errorf("shape %v, want %v", got, want)
		}
		data := written(t, a)
		if !bytes.HasPrefix(data, []byte("\x93NUMPY\x01\x00")) {
			t.Fatalf("%s: begins with %q", c.text, data[:8])
		}
		head := 10 + int(binary.LittleEndian.Uint16(data[8:]))
		want := "{'descr': '<f8', 'fortran_order': False, 'shape': " + c.text + "}"
		if got := strings.TrimRight(string(data[10:head-1]), " "); got != want || head%64 != 0 || data[head-1] != '\n' {
			t.Errorf("head of %d bytes: %q, want %q", head, data[10:head], want)
		}
		data = data[head:]
		for chain := range c.chains {
			for k := range c.draws {
				for j := range a.size {
					got := math.Float64frombits(binary.LittleEndian.Uint64(data))
					if want := value(chain, k, j); got != want {
						t.Fatalf("%s: value (%d, %d, %d) is %v, want %v", c.text, chain, k, j, got, want)
					}
					data = data[8:]
				}
			}
		}
		if len(data) != 0 {
			t.Errorf("%s: %d bytes too many", c.text, len(data))
		}
	}
}

// A series has a row per draw and a column per chain.
func TestSeries(t *testing.T) {
	a := filled(t, 4, 3, 2)
	for j := range 2 {
		want := mat.NewDense(4, 3, nil)
		want.Apply(func(k, c int, _ float64) float64 { return value(c, k, j) }, want)
		if got := a.Series(j); !mat.Equal(got, want) {
			t.Errorf("series %d is %v, want %v", j, got, want)
		}
	}
	if got := filled(t, 0, 3).Series(0); !got.IsEmpty() {
		t.Errorf("series without draws: %v", got)
	}
	defer func() {
		if recover() == nil {
			t.Error("series 2 of 2 numbers")
		}
	}()
	a.Series(2)
}

// NumPy reads the files.
func TestPython(t *testing.T) {
	if exec.Command("python3", "-c", "import numpy").Run() != nil {
		t.Skip("no numpy")
	}
	const check = `
import sys, numpy
x = numpy.load(sys.argv[1])
c, k, i, j = numpy.indices(x.shape)
assert x.dtype == "<f8" and x.shape == (3, 5, 2, 4), (x.dtype, x.shape)
assert (x == 100*c + 10*k + (4*i + j)/4).all()
loss = numpy.load(sys.argv[2])
assert loss.shape == (3,) and loss[0] == 1 and numpy.isnan(loss[1]) and loss[2] == -numpy.inf
`
	x, loss := filepath.Join(t.TempDir(), "x.npy"), filepath.Join(t.TempDir(), "loss.npy")
	var history bytes.Buffer
	err := WriteNPY(&history, []float64{1, math.NaN(), math.Inf(-1)}, 3)
	err = errors.Join(err, os.WriteFile(x, written(t, filled(t, 5, 3, 2, 4)), 0o666),
		os.WriteFile(loss, history.Bytes(), 0o666))
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("python3", "-c", check, x, loss).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// brokenWriter fails after some bytes.
type brokenWriter int

var errBroken = errors.New("broken")

func (b *brokenWriter) Write(p []byte) (int, error) {
	if *b -= brokenWriter(len(p)); *b < 0 {
		return 0, errBroken
	}
	return len(p), nil
}

func TestErrors(t *testing.T) {
	a := filled(t, 2, 3, 2)
	before := written(t, a)
	large := make([]float64, 10000)
	newArray := func(chains int, shape ...int) error {
		_, err := New(chains, shape...)
		return err
	}
	none, some := brokenWriter(0), brokenWriter(9000)
	for _, c := range []struct {
		name string
		err  error
		want error
	}{
		{"no chains", newArray(0), ErrShape},
		{"negative chains", newArray(-1, -1), ErrShape},
		{"extent 0", newArray(2, 3, 0), ErrShape},
		{"negative extents", newArray(2, -3, -3), ErrShape},
		{"overflow", newArray(1<<20, 1<<20, 1<<20, 1<<4), ErrShape},
		{"31 axes", newArray(1, slices.Repeat([]int{1}, 31)...), ErrShape},
		{"nil matrix", a.Add(nil), ErrShape},
		{"empty matrix", a.Add(&mat.Dense{}), ErrShape},
		{"fewer chains", a.Add(mat.NewDense(2, 2, nil)), ErrShape},
		{"more numbers", a.Add(mat.NewDense(3, 4, nil)), ErrShape},
		{"nil writer", a.WriteNPY(nil), ErrSettings},
		{"broken writer", a.WriteNPY(&none), errBroken},
		{"nil writer of values", WriteNPY(nil, large, 100, 100), ErrSettings},
		{"broken writer of values", WriteNPY(&some, large, 100, 100), errBroken},
		{"fewer values", WriteNPY(io.Discard, large, 100, 101), ErrShape},
		{"no values", WriteNPY(io.Discard, nil), ErrShape},
		{"negative extents of values", WriteNPY(io.Discard, large, -100, -100), ErrShape},
		{"33 axes", WriteNPY(io.Discard, []float64{1}, slices.Repeat([]int{1}, 33)...), ErrShape},
		{"overflow of values", WriteNPY(io.Discard, nil, 1<<32, 1<<32), ErrShape},
	} {
		if !errors.Is(c.err, c.want) || !strings.HasPrefix(fmt.Sprint(c.err), "draws: ") {
			t.Errorf("%s: %v, want %v", c.name, c.err, c.want)
		}
	}
	if !bytes.Equal(before, written(t, a)) {
		t.Error("a call that failed has added something")
	}
}
