package flow

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/bijector"
	grid "github.com/neuralrg/neuralrg/internal/lattice"
)

// Networks of any shape and settings are refused, with one of the package's errors, or
// have every site once in the latent levels. A recipe without a given depth joins all of
// them, and its inverse is one.
func FuzzNetwork(f *testing.F) {
	minimizeBriefly()
	f.Add(4, 4, 1, byte(2), 0, 0, 0)
	f.Add(14, 14, 0, byte(2), 2, 0, 2)
	f.Add(2, 16, 0, byte(2), 3, 0, 1)
	f.Add(3, 1, 5, byte(3), 4, 0, 0)
	f.Add(7, 0, 0, byte(1), 0, 1, 0)
	f.Add(1<<32, 1<<32, 4, byte(3), 2, 0, 0)
	f.Add(1<<62, 4, 4, byte(1), 1<<62, 1<<40, 1<<40)
	f.Add(101, 101, 4, byte(2), 0, 0, 0)
	f.Fuzz(func(t *testing.T, a, b, c int, axes byte, size, depth, repeat int) {
		shape := []int{a, b, c}[:axes%4]
		sites, bad := grid.Size(shape)
		if bad == nil && sites > 256 || between(depth, 8, 1<<12) || between(repeat, 8, 1<<12) {
			return // it takes long
		}
		s := bijector.NetworkSettings{Size: size, Depth: depth, Repeat: repeat}
		block := func(sites int) (bijector.Bijector, error) { return bijector.NewActNorm(min(sites, 257)) }
		for _, join := range []bool{false, true} {
			s.Join = join
			for _, build := range []constructor{bijector.NewMERA, bijector.NewTree, bijector.NewTEBD} {
				h, err := build(shape, block, &s)
				if made(t, err) {
					allSites(t, h, sites)
				}
			}
		}
		r := &Recipe{Couplings: 1, Hidden: []int{2}, ConditionalDecimators: true, Network: s}
		r.Network.Join = false
		m, err := r.Model(shape, nil, rand.NewPCG(1, 1))
		if !made(t, err) {
			if depth == 0 && size >= 0 && size < 8 && size != 1 && repeat >= 0 && repeat < 8 && bad == nil {
				t.Errorf("%v, %+v: %v", shape, s, err)
			}
			return
		}
		h := m.Bijector().(*bijector.Hierarchy)
		allSites(t, h, sites)
		if n := len(h.Independent()); depth == 0 && n != 1 {
			t.Errorf("%v, %+v: %d groups", shape, s, n)
		}
		z, x, back := randn(1, 2, sites), mat.NewDense(2, sites, nil), mat.NewDense(2, sites, nil)
		if err := errors.Join(m.Decode(x, nil, z), m.Encode(back, nil, x)); err != nil {
			t.Fatal(err)
		}
		if !mat.EqualApprox(z, back, 1e-9) {
			t.Errorf("%v, %+v: the inverse is none", shape, s)
		}
	})
}

func between(n, low, high int) bool { return n > low && n <= high }

// made tells whether there was no error, and that one is of the package.
func made(t *testing.T, err error) bool {
	t.Helper()
	known := slices.ContainsFunc([]error{ErrSettings, ErrShape, bijector.ErrHierarchy, bijector.ErrTiles},
		func(e error) bool { return errors.Is(err, e) })
	if err != nil && !known {
		t.Errorf("%v", err)
	}
	return err == nil
}

// allSites tests that every site of a hierarchy is on one level.
func allSites(t *testing.T, h *bijector.Hierarchy, sites int) {
	t.Helper()
	sum := 0
	for level := range h.Levels() {
		sum += len(h.Latents(level))
	}
	if sum != sites || h.Dim() != sites {
		t.Errorf("%d latent variables, dimension %d, on %d sites", sum, h.Dim(), sites)
	}
}
