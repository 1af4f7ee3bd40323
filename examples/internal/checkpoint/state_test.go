package checkpoint

import (
	"bytes"
	"errors"
	"io"
	"math"
	"testing"
)

// A state is read as it was written, to the bit.
func TestState(t *testing.T) {
	s := State{}
	s.AddFloats("numbers", []float64{1, math.Pi, math.Inf(-1), math.NaN(), math.Copysign(0, -1), 5e-324})
	s.AddFloats("empty", nil)
	err := errors.Join(
		s.AddJSON("flags", map[string]int{"L": 4}),
		s.Add("text", func(w io.Writer) error { _, err := io.WriteString(w, "of its own"); return err }))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := s.Write(&b); err != nil {
		t.Fatal(err)
	}
	got, err := ReadState(bytes.NewReader(b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	v, err := got.Floats("numbers", 3)
	if err != nil || len(v) != 6 || v[1] != math.Pi || !math.IsInf(v[2], -1) || !math.IsNaN(v[3]) ||
		!math.Signbit(v[4]) || v[5] != 5e-324 {
		t.Errorf("%v, %v", v, err)
	}
	if v, err := got.Floats("empty", 2); err != nil || len(v) != 0 {
		t.Errorf("%v, %v", v, err)
	}
	var flags map[string]int
	if err := got.ReadJSON("flags", &flags); err != nil || flags["L"] != 4 {
		t.Errorf("%v, %v", flags, err)
	}
	text := ""
	err = got.Read("text", func(r io.Reader) error { data, err := io.ReadAll(r); text = string(data); return err })
	if err != nil || text != "of its own" {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := got.Floats("numbers", 4); !errors.Is(err, ErrDamaged) {
		t.Errorf("rows of four of six numbers: %v", err)
	}
	if err := got.ReadJSON("none", &flags); !errors.Is(err, ErrDamaged) || got.Has("none") {
		t.Errorf("a part that is not there: %v", err)
	}
	var again bytes.Buffer
	if err := got.Write(&again); err != nil || !bytes.Equal(again.Bytes(), b.Bytes()) {
		t.Errorf("another file, %v", err)
	}
}

// No bit of a file can change without notice, and no part of it can be missing.
func TestDamagedState(t *testing.T) {
	s := State{"a": []byte("some text"), "b": nil}
	var b bytes.Buffer
	if err := s.Write(&b); err != nil {
		t.Fatal(err)
	}
	for k := range 8 * b.Len() {
		bad := bytes.Clone(b.Bytes())
		bad[k/8] ^= 1 << (k % 8)
		if _, err := ReadState(bytes.NewReader(bad)); !errors.Is(err, ErrDamaged) {
			t.Fatalf("bit %d of byte %d: %v", k%8, k/8, err)
		}
	}
	for n := range b.Len() {
		if _, err := ReadState(bytes.NewReader(b.Bytes()[:n])); !errors.Is(err, ErrDamaged) {
			t.Fatalf("the first %d bytes: %v", n, err)
		}
	}
	broken := errors.New("broken")
	if err := s.Add("c", func(io.Writer) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
}
