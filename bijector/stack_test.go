package bijector_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/bijector/bijectortest"
)

// small makes blocks of one coupling.
func small(seed uint64) bijector.BlockFunc {
	src := rand.NewPCG(seed, 1)
	return func(sites int) (bijector.Bijector, error) {
		if sites == 1 {
			return bijector.NewActNorm(1)
		}
		return bijector.NewRealNVP(sites, &bijector.RealNVPSettings{Couplings: 2, Hidden: []int{3}, Src: src})
	}
}

// smallGiven makes blocks of conditional decimators.
func smallGiven(context, moved int) (bijector.Bijector, error) {
	kept := make([]int, context)
	for i := range kept {
		kept[i] = i
	}
	return block(context+moved, 1, bijector.RealNVPSettings{Keep: [][]int{kept}, Hidden: []int{3}}), nil
}

// sameLayers compares tiles, and what lives on.
func sameLayers(t *testing.T, name string, a, b *bijector.Hierarchy) {
	t.Helper()
	k := 0
	if !slices.EqualFunc(a.Layers(), b.Layers(), func(l, m *bijector.Layer) bool {
		k++
		return slices.EqualFunc(l.Tiles(), m.Tiles(), slices.Equal) && slices.Equal(l.Keep(), m.Keep()) &&
			slices.Equal(l.Context(), m.Context())
	}) {
		t.Errorf("%s: layer %d differs", name, k-1)
	}
}

// The networks of the package are stacks.
func TestStackIsNetwork(t *testing.T) {
	s := bijector.NewStack(6, 12)
	s.Disentangle(small(1)).Decimate(small(1))
	if !slices.Equal(s.Shape(), []int{3, 6}) || s.Sites() != 18 {
		t.Errorf("lattice %v of %d sites lives on", s.Shape(), s.Sites())
	}
	s.Disentangle(small(1), 3, 2).Decimate(small(1), 3, 2)
	h := must(s.Disentangle(small(1), 1, 3).DisentangleAt(small(1), nil, 1, 3).Hierarchy())
	sameLayers(t, "joined", h, must(bijector.NewMERA([]int{6, 12}, small(1), &bijector.NetworkSettings{Join: true})))

	s = bijector.NewStack(2, 4).Decimate(small(1), 2).Top(small(1))
	sameLayers(t, "tree", must(s.Hierarchy()),
		must(bijector.NewTree([]int{2, 4}, small(1), &bijector.NetworkSettings{Join: true, Size: 2})))

	s = bijector.NewStack(4, 4)
	for s.Sites() > 1 {
		s.Disentangle(small(1), 2).DisentangleAt(small(1), nil, 2).DecimateGiven(smallGiven, 2)
	}
	sameLayers(t, "conditional", must(s.Hierarchy()),
		must(bijector.NewMERA([]int{4, 4}, small(1), &bijector.NetworkSettings{ContextBlock: smallGiven})))
}

// A stack of everything is a bijector.
func TestStackIsBijector(t *testing.T) {
	s := bijector.NewStack(2, 6).DisentangleAt(small(1), []int{0, 7}, 1, 3).Decimate(small(2), 1, 2)
	s.DecimateGiven(smallGiven, 2, 1).Top(small(3))
	if s.Sites() != 3 {
		t.Errorf("%d sites live on", s.Sites())
	}
	h := must(s.Hierarchy())
	if got := h.Layers()[0].Tiles()[0]; !slices.Equal(got, []int{1, 2, 3}) {
		t.Errorf("first tile %v", got)
	}
	bijectortest.Check(t, h)
}

// The first error is the one that Hierarchy returns, and loops end.
func TestStackErrors(t *testing.T) {
	broken := errors.New("broken")
	good, bad := small(1), func(int) (bijector.Bijector, error) { return nil, broken }
	calls := 0
	counted := func(sites int) (bijector.Bijector, error) { calls++; return good(sites) }
	on := bijector.NewStack
	axes := slices.Repeat([]int{1}, 40)
	for name, c := range map[string]struct {
		s    *bijector.Stack
		is   error
		text string
	}{
		"zero value":     {new(bijector.Stack).Disentangle(counted), bijector.ErrTiles, "shape []"},
		"no lattice":     {on().Decimate(counted), bijector.ErrTiles, "without extents"},
		"no sites":       {on(4, 0).Top(counted), bijector.ErrTiles, "extent 0"},
		"no layers":      {on(4), bijector.ErrHierarchy, "no layers"},
		"size":           {on(4, 6).Decimate(good, 2).Disentangle(counted, 2), bijector.ErrTiles, "layer 1"},
		"size of zero":   {on(4, 6).Decimate(counted, 0), bijector.ErrTiles, "size 0"},
		"sizes":          {on(4, 6).Decimate(counted, 2, 2, 2), bijector.ErrTiles, "size [2 2 2]"},
		"offsets":        {on(4, 6).DisentangleAt(counted, []int{1}, 2), bijector.ErrTiles, "offset [1]"},
		"offset":         {on(4).DisentangleAt(counted, []int{-1}, 2), bijector.ErrTiles, "offset -1"},
		"tile of a site": {on(4).Decimate(good, 1), bijector.ErrTiles, "1 sites cannot keep"},
		"block":          {on(4).Decimate(good, 2).Decimate(bad).Top(counted), broken, "block of layer 1: broken"},
		"nil block":      {on(4).Decimate(nil, 2), bijector.ErrSettings, "nil block"},
		"nil given":      {on(4).DecimateGiven(nil, 2).Top(bad), bijector.ErrSettings, "nil block"},
		"many axes": {
			on(axes...).DecimateGiven(smallGiven, 1), bijector.ErrSettings, "3^40",
		},
	} {
		h, err := c.s.Hierarchy()
		expect(t, err, c.is, c.text)
		if h != nil {
			t.Errorf("%s: a hierarchy beside the error", name)
		}
		if name != "no layers" && (c.s.Sites() != 0 || c.s.Shape() != nil) {
			t.Errorf("%s: %d sites after the error", name, c.s.Sites())
		}
	}
	if calls != 0 {
		t.Errorf("%d blocks made after an error", calls)
	}
}
