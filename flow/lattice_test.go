package flow

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/target"
)

// The orders of the groups are those of textbooks, and the Ising model has them.
func TestLatticeGroups(t *testing.T) {
	for _, c := range []struct {
		shape                     []int
		translations, both, point int
	}{
		{[]int{6}, 6, 12, 2},
		{[]int{4, 4}, 16, 128, 8},
		{[]int{2, 3}, 6, 12, 4},
		{[]int{3, 3, 3}, 27, 27 * 48, 48},
	} {
		n := 1
		for _, extent := range c.shape {
			n *= extent
		}
		moves, turns := must(Translations(c.shape)), must(Reflections(c.shape))
		for name, g := range map[string]struct {
			of    []Symmetry
			order int
		}{
			"translations": {moves, c.translations},
			"point group":  {turns, c.point},
			"space group":  {slices.Concat(moves, turns), c.both},
		} {
			group, err := generate(n, g.of, g.order)
			if err != nil || len(group) != g.order {
				t.Errorf("%v, %s: %d elements, %v, want %d", c.shape, name, len(group), err, g.order)
			}
		}
	}
	if limit := maxTable / elementBytes(32*32); limit < 2*8*32*32 {
		t.Errorf("no room for the symmetries of 32 × 32 spins, but for %d elements", limit)
	}
	m := symmetrize(t, mera(t, 4, 2), slices.Concat(must(Translations([]int{4, 4})), must(Reflections([]int{4, 4})))...)
	if err := checkSymmetry(m, ising(t, 4)); err != nil {
		t.Error(err)
	}
	x := randn(3, 1, 16)
	want := logProbs(t, m, x)
	for _, g := range m.Symmetries() {
		y := randn(3, 1, 16)
		g.apply(y.RawRowView(0), x.RawRowView(0))
		wantClose(t, "ln q of an image", logProbs(t, m, y), want, 1e-9)
	}
}

// Shapes that are no lattices, or too large ones, are refused before anything is made.
func TestHostileLattices(t *testing.T) {
	for _, shape := range [][]int{
		nil, {}, {4, 0}, {-1}, {math.MinInt}, {math.MaxInt}, {math.MaxInt, math.MaxInt}, {math.MaxInt/2 + 1, 2},
		{math.MaxInt/2 + 1, 4}, {-1, -1}, {1 << 30, 1}, {1 << 16, 1 << 16}, {1 << 13, 1 << 13}, // 2 × 2²⁶ positions
		slices.Repeat([]int{2}, 64), slices.Repeat([]int{2}, 25), slices.Repeat([]int{1}, 1000),
	} {
		cost := costOf(func() {
			moves, err := Translations(shape)
			wantError(t, fmt.Sprint("translations of ", shape), err, ErrShape, "Translations", "lattice")
			turns, err := Reflections(shape)
			wantError(t, fmt.Sprint("reflections of ", shape), err, ErrShape, "Reflections", "lattice")
			if moves != nil || turns != nil {
				t.Errorf("%v: symmetries beside an error", shape)
			}
		})
		if cost > 1<<20 {
			t.Errorf("%v: refused after %d bytes", shape, cost)
		}
	}
}

func ExampleTranslations() {
	block := must(bijector.NewRealNVP(4, &bijector.RealNVPSettings{Src: rand.NewPCG(1, 2)}))
	m := must(New(target.NewNormal(4), block))
	shape := []int{2, 2}
	m = must(Symmetrize(m, append(must(Translations(shape)), Inversion(4))...))
	fmt.Println(len(m.Symmetries()), "elements")
	// Output: 8 elements
}

// The point group of the square.
func ExampleReflections() {
	block := must(bijector.NewRealNVP(9, &bijector.RealNVPSettings{Src: rand.NewPCG(1, 2)}))
	m := must(New(target.NewNormal(9), block))
	m = must(Symmetrize(m, must(Reflections([]int{3, 3}))...))
	fmt.Println(len(m.Symmetries()), "elements")
	// Output: 8 elements
}
