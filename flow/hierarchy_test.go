package flow

import (
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/bijector/bijectortest"
)

// A hierarchy of tiles of any form, with a block built from nodes among fused
// ones, keeps the promises of a bijector and counts levels by decimators.
func TestHierarchyIrregular(t *testing.T) {
	block := blocks(3, 1, 4)
	pair := must(bijector.NewPermutation([]int{1, 0}))
	h, err := bijector.NewHierarchy(7,
		must(bijector.Decimator(must(block(4)), [][]int{{6, 0, 3}, {1, 2, 4}}, 2, 0)), // 0 and 2 go
		must(bijector.Disentangler(pair, [][]int{{6, 4}})),
		must(bijector.Disentangler(must(block(4)), [][]int{{1, 6, 3}})),
		must(bijector.Decimator(must(blocks(2, 2, 3)(0)), [][]int{{1, 4}}, 1)), // 1 goes
	)
	if err != nil {
		t.Fatal(err)
	}
	wantLevels(t, h, []int{0, 1, 0, 2, 2, 2, 2}, []int{2, 1, 4})
	bijectortest.Check(t, h)
}

// Inverse is the flow from fine to coarse: after it no later layer touches
// what a decimator has left behind, so a decimated z depends on the layers up
// to its decimator alone.
func TestHierarchyDecimatedVariablesStay(t *testing.T) {
	m := mera(t, 4, 3)
	h := m.Bijector().(*bijector.Hierarchy)
	x := randn(4, 3, 16)
	before, after := mat.NewDense(3, 16, nil), mat.NewDense(3, 16, nil)
	if err := m.Encode(before, nil, x); err != nil {
		t.Fatal(err)
	}
	coarse := h.Layers()[2:]
	for _, l := range coarse {
		scramble(l.Block(), 9, 0.5)
	}
	if err := m.Encode(after, nil, x); err != nil {
		t.Fatal(err)
	}
	for site := range 16 {
		same := mat.Equal(before.ColView(site), after.ColView(site))
		if fine := h.Level(site) == 0; same != fine {
			t.Errorf("z_%d on level %d: unchanged by coarser layers is %t", site, h.Level(site), same)
		}
	}
}

func TestHierarchyErrors(t *testing.T) {
	shape := []int{4, 4}
	block := must(blocks(4, 1, 3)(0))
	tiles := func(step, offset int) [][]int { return must(bijector.Tiles(shape, 2, step, offset)) }
	dis := func(tiles [][]int) *bijector.Layer { return must(bijector.Disentangler(block, tiles)) }
	dec := func(tiles [][]int) *bijector.Layer { return must(bijector.Decimator(block, tiles, 0)) }
	for _, c := range []struct {
		name   string
		n      int
		layers []*bijector.Layer
		is     error
		texts  []string
	}{
		{"no layers", 16, nil, bijector.ErrHierarchy, []string{"no layers"}},
		{"nil layer", 16, []*bijector.Layer{dis(tiles(1, 0)), nil}, bijector.ErrHierarchy, []string{"layer 1 is nil"}},
		{"disentangler on a decimated site", 16,
			[]*bijector.Layer{dis(tiles(1, 1)), dec(tiles(1, 0)), dis([][]int{{0, 2, 8, 10}, {4, 6, 12, 14}})},
			bijector.ErrHierarchy, []string{"bijector: layer 2: tile 1:", "site 4 was decimated by layer 1"}},
		{"decimator on a decimated site", 16, []*bijector.Layer{dec(tiles(1, 0)), dec([][]int{{0, 2, 8, 11}})},
			bijector.ErrHierarchy, []string{"bijector: layer 1: tile 0:", "site 11 was decimated by layer 0"}},
		{"decimator twice", 16, []*bijector.Layer{dec(tiles(1, 0)), dec(tiles(1, 0))},
			bijector.ErrHierarchy, []string{"bijector: layer 1: tile 0:", "site 1 was decimated by layer 0"}},
		{"tile off the lattice", 15, []*bijector.Layer{dis(tiles(2, 0)), dis(tiles(1, 0))},
			bijector.ErrTiles, []string{"bijector: layer 1:", "tile 3:", "site 15", "lattice of 15 sites"}},
		{"no sites", 0, []*bijector.Layer{dis(tiles(1, 0))}, bijector.ErrTiles, []string{"layer 0"}},
		{"negative number of sites", -1, []*bijector.Layer{dis(tiles(1, 0))}, bijector.ErrTiles, []string{"layer 0"}},
	} {
		h, err := bijector.NewHierarchy(c.n, c.layers...)
		wantError(t, c.name, err, c.is, c.texts...)
		if h != nil {
			t.Errorf("%s: a hierarchy beside the error", c.name)
		}
	}
}

// The hierarchy keeps its own list of layers.
func TestHierarchyLayersAreItsOwn(t *testing.T) {
	h := must(bijector.NewTree([]int{4, 4}, blocks(4, 1, 3), nil))
	layers := h.Layers()
	want := slices.Clone(layers)
	layers[0], layers[1] = nil, nil
	if !slices.Equal(h.Layers(), want) {
		t.Error("changed through what Layers returned")
	}
}
