package flow

import (
	"errors"
	"flag"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/target"
)

// Layers of any tiles are refused with an error, alone or as a hierarchy, or they make
// a flow whose inverse is correct.
func FuzzHierarchy(f *testing.F) {
	minimizeBriefly()
	f.Add(8, []byte{0, 1, 2, 3, 0x80, 4, 5, 6, 7, 0x81, 0, 4})
	f.Add(4, []byte{0, 0, 0x80, 9, 1})
	f.Add(0, []byte{})
	f.Add(5, []byte{0x80, 0, 1, 0x81, 1, 2, 0x80, 2, 3})
	block, err := bijector.NewRealNVP(2,
		&bijector.RealNVPSettings{Couplings: 2, Hidden: []int{2}, Src: rand.NewPCG(1, 1)})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, n int, data []byte) {
		if n > 64 || len(data) > 200 {
			return
		}
		layers, ok := layersOf(t, block, data)
		if !ok {
			return
		}
		h, err := bijector.NewHierarchy(n, layers...)
		if err != nil {
			if !errors.Is(err, bijector.ErrHierarchy) && !errors.Is(err, bijector.ErrTiles) {
				t.Errorf("hierarchy: %v", err)
			}
			return
		}
		sum := 0
		for level := range h.Levels() {
			sum += len(h.Latents(level))
		}
		if sum != n || h.Dim() != n {
			t.Errorf("%d latent variables on %d sites", sum, n)
		}
		m, err := New(target.NewNormal(n), h)
		if err != nil {
			t.Fatal(err)
		}
		z, x, back := randn(1, 2, n), mat.NewDense(2, n, nil), mat.NewDense(2, n, nil)
		if err := m.Decode(x, nil, z); err != nil {
			t.Fatal(err)
		}
		if err := m.Encode(back, nil, x); err != nil {
			t.Fatal(err)
		}
		if !mat.EqualApprox(z, back, 1e-9) {
			t.Error("the inverse is none")
		}
	})
}

// layersOf makes layers of bytes. A byte of 0x80 or more begins a layer; bytes below are
// the sites of its tiles, two by two. It returns false if a layer is refused.
func layersOf(t *testing.T, block bijector.Bijector, data []byte) (layers []*bijector.Layer, ok bool) {
	flush := func(kind byte, sites []int) bool {
		var tiles [][]int
		for ; len(sites) > 1; sites = sites[2:] {
			tiles = append(tiles, sites[:2])
		}
		if len(sites) == 1 {
			tiles = append(tiles, sites)
		}
		var l *bijector.Layer
		var err error
		switch kind % 4 {
		case 0:
			l, err = bijector.Disentangler(block, tiles)
		default:
			l, err = bijector.Decimator(block, tiles, int(kind%4)-1)
		}
		if err != nil && !errors.Is(err, bijector.ErrTiles) {
			t.Errorf("layer: %v", err)
		}
		layers = append(layers, l)
		return err == nil
	}
	kind, sites := byte(0x80), []int(nil)
	for _, b := range data {
		if b < 0x80 {
			sites = append(sites, int(b)-2) // some negative
			continue
		}
		if !flush(kind, sites) {
			return layers, false
		}
		kind, sites = b, nil
	}
	ok = flush(kind, sites)
	return layers, ok
}

// Symmetries of any lattice are groups or errors.
func FuzzSymmetry(f *testing.F) {
	minimizeBriefly()
	f.Add([]byte{1, 2, 3, 0}, []byte{0, 1, 0, 1})
	f.Add([]byte{}, []byte{})
	f.Add([]byte{0, 0}, []byte{2, 2})
	m := model(f, must(bijector.NewPermutation([]int{0, 1, 2, 3})))
	f.Fuzz(func(t *testing.T, perm, sign []byte) {
		var s Symmetry
		for _, b := range perm {
			s.Perm = append(s.Perm, int(int8(b)))
		}
		for _, b := range sign {
			s.Sign = append(s.Sign, float64(2*int(b)-1))
		}
		g, err := Symmetrize(m, s)
		if err != nil {
			if !errors.Is(err, ErrSymmetry) {
				t.Errorf("%v", err)
			}
			return
		}
		if k := len(g.group); k > 384 { // signed permutations of four
			t.Errorf("a group of order %d", k)
		}
	})
}

// minimizeBriefly keeps a fuzzer from spending its time on making inputs smaller: the
// default is a minute for each that reaches new code.
func minimizeBriefly() {
	const name = "test.fuzzminimizetime"
	if f := flag.Lookup(name); f.Value.String() == f.DefValue {
		flag.Set(name, "10x")
	}
}
