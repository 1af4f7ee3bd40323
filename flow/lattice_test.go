package flow

import (
	"fmt"
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
	_, err := Translations([]int{4, 0})
	wantError(t, "extent 0", err, ErrShape)
	_, err = Reflections([]int{-1})
	wantError(t, "extent -1", err, ErrShape)
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
