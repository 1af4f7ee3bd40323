package bijector_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/bijector/bijectortest"
	"github.com/neuralrg/neuralrg/internal/num"
)

// vectorNetworks are networks on small lattices, for fields with so many components.
func vectorNetworks(n int) map[string]*bijector.Hierarchy {
	set := func(s bijector.NetworkSettings) *bijector.NetworkSettings {
		s.Components = n
		return &s
	}
	given := bijector.ContextBlockFunc(smallGiven)
	stack := bijector.NewStack(2, 4).WithComponents(n).DecimateOdd(given).DisentangleGiven(given)
	stack.DisentangleAt(small(4), nil, 2).Decimate(small(5), 2).Top(small(6))
	return map[string]*bijector.Hierarchy{
		"MERA": must(bijector.NewMERA([]int{4, 2}, small(1), set(bijector.NetworkSettings{Join: true}))),
		"conditional MERA": must(bijector.NewMERA([]int{6}, small(1),
			set(bijector.NetworkSettings{Join: true, Repeat: 2, ContextBlock: given}))),
		"MERA with odd sites": must(bijector.NewMERA([]int{4, 4}, small(1),
			set(bijector.NetworkSettings{Join: true, ContextBlock: given, OddBlock: given, EvenRepeat: 1}))),
		"tree": must(bijector.NewTree([]int{8}, small(1), set(bijector.NetworkSettings{}))),
		"TEBD": must(bijector.NewTEBD([]int{4, 2}, small(1), set(bijector.NetworkSettings{}))),
		"checkerboard": must(bijector.NewCheckerboard([]int{4, 2}, small(1),
			set(bijector.NetworkSettings{ContextBlock: given}))),
		"checkerboard of 6 × 2 with odd sites": must(bijector.NewCheckerboard([]int{6, 2}, small(1),
			set(bijector.NetworkSettings{ContextBlock: given, OddBlock: given, Depth: 1}))),
		"ring": must(bijector.NewCheckerboard([]int{4}, small(1),
			set(bijector.NetworkSettings{ContextBlock: given, Repeat: 2}))),
		"stack": must(stack.Hierarchy()),
	}
}

// Networks of fields with components obey the laws of a bijector.
func TestComponentsLaws(t *testing.T) {
	for _, n := range []int{2, 3} {
		for name, h := range vectorNetworks(n) {
			t.Run(fmt.Sprintf("%s, %d components", name, n), func(t *testing.T) { bijectortest.Check(t, h) })
		}
	}
}

// values replaces sites by the positions of their values.
func values(sites []int, n int) (all []int) {
	for _, site := range sites {
		for a := range n {
			all = append(all, site*n+a)
		}
	}
	return all
}

// A network with n components is that with one, with n values in place of every site: in
// tiles, in what lives on and is read, in levels, cells and cones. In all layers a tile moves
// all values of a site or none, and no value twice.
func TestComponentsAreValuesOfSites(t *testing.T) {
	one := vectorNetworks(1)
	for _, n := range []int{2, 3} {
		for name, h := range vectorNetworks(n) {
			sites := one[name]
			if h.Dim() != n*sites.Dim() || h.Components() != n || h.Levels() != sites.Levels() {
				t.Fatalf("%s: %d values, %d components, %d levels", name, h.Dim(), h.Components(), h.Levels())
			}
			for k, l := range h.Layers() {
				m := sites.Layers()[k]
				got := [][]int{l.Keep(), l.Context(), l.Decimated()}
				want := [][]int{values(m.Keep(), n), values(m.Context(), n), values(m.Decimated(), n)}
				for i, tile := range m.Tiles() {
					got, want = append(got, l.Tiles()[i]), append(want, values(tile, n))
				}
				if !slices.EqualFunc(got, want, slices.Equal) {
					t.Errorf("%s, layer %d: keep, context, decimated, tiles %v, want %v", name, k, got, want)
				}
				if moved := movedValues(l); len(slices.Compact(slices.Sorted(slices.Values(moved)))) != len(moved) {
					t.Errorf("%s, layer %d: moves a value twice: %v", name, k, moved)
				}
			}
			for i := range sites.Dim() {
				for a := range n {
					if h.Level(i*n+a) != sites.Level(i) {
						t.Errorf("%s: component %d of site %d is of level %d", name, a, i, h.Level(i*n+a))
					}
					if got, want := h.Cone(i*n+a), values(sites.Cone(i), n); !slices.Equal(got, want) {
						t.Errorf("%s: cone %v, want %v", name, got, want)
					}
					if got, want := h.Influence(i*n+a), values(sites.Influence(i), n); !slices.Equal(got, want) {
						t.Errorf("%s: influence %v, want %v", name, got, want)
					}
				}
			}
			if groups := h.Independent(); len(sites.Independent()) == 1 && len(sites.Latents(h.Levels()-1)) > 1 &&
				len(groups) != 1 {
				t.Errorf("%s: independent groups %v", name, groups)
			}
			for level := range h.Levels() - 1 {
				cells := must(bijector.WithComponents(sites.Cells(level), n))
				if got := h.Cells(level); !reflect.DeepEqual(got, cells) {
					t.Errorf("%s, level %d: cells %v, want %v", name, level, got, cells)
				}
				if got, want := h.Latents(level), values(sites.Latents(level), n); !slices.Equal(got, want) {
					t.Errorf("%s, level %d: latents %v, want %v", name, level, got, want)
				}
			}
		}
	}
}

// movedValues returns the positions that a layer moves, tile by tile.
func movedValues(l *bijector.Layer) (all []int) {
	for _, tile := range l.Tiles() {
		for j, value := range tile {
			if !slices.Contains(l.Context(), j) {
				all = append(all, value)
			}
		}
	}
	return all
}

// A network of Components 1 is that of 0, and functions that make blocks get the number of
// values.
func TestComponentsOfBlocks(t *testing.T) {
	for _, n := range []int{0, 1, 2, 5} {
		var got [][2]int
		s := &bijector.NetworkSettings{Components: n, Depth: 1}
		s.ContextBlock = func(context, moved int) (bijector.Bijector, error) {
			got = append(got, [2]int{context, moved})
			return smallGiven(context, moved)
		}
		block := func(values int) (bijector.Bijector, error) {
			got = append(got, [2]int{values, 0})
			return small(1)(values)
		}
		m := max(1, n)
		board := must(bijector.NewCheckerboard([]int{4, 4}, block, s))
		given := [2]int{12 * m, m}
		if want := [][2]int{given, given, given, {8 * m, 0}}; !slices.Equal(got, want) || board.Components() != m {
			t.Errorf("%d components: blocks of a checkerboard for %v, want %v", n, got, want)
		}
		got = nil
		must(bijector.NewMERA([]int{4, 4}, block, s))
		if want := [][2]int{{4 * m, 0}, {4 * m, 0}, {9 * m, 3 * m}}; !slices.Equal(got, want) {
			t.Errorf("%d components: blocks of a MERA for %v, want %v", n, got, want)
		}
	}
}

// Layers composed by hand from the tiles of sites are the network of the constructor.
func TestComponentsByHand(t *testing.T) {
	shape, n := []int{4, 4}, 2
	var layers []*bijector.Layer
	for step := 1; step < 4; step *= 2 {
		shifted := must(bijector.WithComponents(must(bijector.Tiles(shape, 2, step, step)), n))
		tiles := must(bijector.WithComponents(must(bijector.Tiles(shape, 2, step, 0)), n))
		layers = append(layers, must(bijector.Disentangler(must(small(1)(4*n)), shifted)),
			must(bijector.Decimator(must(small(1)(4*n)), tiles, num.UpTo(n)...)))
	}
	hand := must(bijector.NewHierarchy(16*n, layers...))
	sameLayers(t, "by hand", hand, must(bijector.NewMERA(shape, small(1), &bijector.NetworkSettings{Components: n})))
	if hand.Components() != 1 {
		t.Errorf("a hierarchy by hand has %d components", hand.Components())
	}
}

// A copy is of as many components, with the same cells and images.
func TestComponentsOfCopies(t *testing.T) {
	h := vectorNetworks(2)["conditional MERA"]
	randomise(h, 0.3, rand.New(rand.NewPCG(1, 2)))
	c := must(bijector.Copy(h)).(*bijector.Hierarchy)
	sameLayers(t, "copy", c, h)
	if c.Components() != 2 || !reflect.DeepEqual(c.Cells(0), h.Cells(0)) {
		t.Errorf("%d components, cells %v, want %v", c.Components(), c.Cells(0), h.Cells(0))
	}
}

func TestComponentsErrors(t *testing.T) {
	const huge = 1<<63 - 1
	block, given := small(1), bijector.ContextBlockFunc(smallGiven)
	calls := 0
	counted := func(int) (bijector.Bijector, error) { calls++; return nil, nil }
	for _, n := range []int{-1, -huge, huge, 1 << 40, 1<<22 + 1} {
		s := &bijector.NetworkSettings{Components: n, ContextBlock: given}
		says := fmt.Sprintf("%d components", n)
		_, err := bijector.NewMERA([]int{4, 4}, counted, s)
		expect(t, err, bijector.ErrSettings, says)
		_, err = bijector.NewTree([]int{4, 4}, counted, s)
		expect(t, err, bijector.ErrSettings, says)
		_, err = bijector.NewTEBD([]int{4, 4}, counted, s)
		expect(t, err, bijector.ErrSettings, says)
		_, err = bijector.NewCheckerboard([]int{4, 4}, counted, s)
		expect(t, err, bijector.ErrSettings, says)
		_, err = s.Scales([]int{4, 4})
		expect(t, err, bijector.ErrSettings, "components")
	}
	for name, c := range map[string]struct {
		s    *bijector.Stack
		is   error
		text string
	}{
		"none":     {bijector.NewStack(4).WithComponents(0).Top(counted), bijector.ErrSettings, "0 components"},
		"negative": {bijector.NewStack(4).WithComponents(-3).Top(counted), bijector.ErrSettings, "-3 components"},
		"too many": {bijector.NewStack(4).WithComponents(huge).Top(counted), bijector.ErrSettings, "each of 4 sites"},
		"late":     {bijector.NewStack(4).Disentangle(block).WithComponents(2), bijector.ErrSettings, "first layer"},
		"no sites": {bijector.NewStack(0).WithComponents(2), bijector.ErrTiles, "extent 0"},
		"nothing":  {new(bijector.Stack).WithComponents(2), bijector.ErrTiles, "shape []"},
		"one site": {bijector.NewStack(4).WithComponents(2).Decimate(block, 1), bijector.ErrTiles, "cannot keep"},
		"no layer": {bijector.NewStack(4).WithComponents(2), bijector.ErrHierarchy, "no layers"},
	} {
		h, err := c.s.Hierarchy()
		if h != nil || !errors.Is(err, c.is) || !strings.Contains(fmt.Sprint(err), c.text) {
			t.Errorf("%s: %v", name, err)
		}
	}
	large := &bijector.NetworkSettings{Components: 60, ContextBlock: given, Depth: 1}
	_, err := bijector.NewCheckerboard([]int{1024, 1024}, counted, large)
	expect(t, err, bijector.ErrSettings, "values in their tiles")
	large.Repeat = 10
	_, err = bijector.NewMERA([]int{1024, 1024}, counted, large)
	expect(t, err, bijector.ErrSettings, "values, at most")
	for _, c := range []struct {
		tiles [][]int
		n     int
		is    error
	}{
		{[][]int{{0}}, 0, bijector.ErrSettings}, {[][]int{{0}}, -2, bijector.ErrSettings},
		{[][]int{{0, 1 << 25}}, 2, bijector.ErrTiles}, {[][]int{{0}, {-1}}, 2, bijector.ErrTiles},
		{[][]int{{0}}, huge, bijector.ErrTiles},
	} {
		tiles, err := bijector.WithComponents(c.tiles, c.n)
		if tiles != nil || !errors.Is(err, c.is) {
			t.Errorf("WithComponents(%v, %d): %v, %v", c.tiles, c.n, tiles, err)
		}
	}
	if calls != 0 {
		t.Errorf("%d blocks made before the error", calls)
	}
}
