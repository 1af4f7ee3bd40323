package bijector_test

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/neuralrg/neuralrg/bijector"
)

func TestWindowsKnown(t *testing.T) {
	for _, c := range []struct {
		shape        []int
		size, stride int
		want         [][]int
	}{
		{[]int{5}, 2, 0, [][]int{{0, 1}, {1, 2}, {2, 3}, {3, 4}, {4, 0}}},
		{[]int{5}, 3, 0, [][]int{{0, 1, 2}, {2, 3, 4}, {4, 0, 1}}},
		{[]int{4}, 4, 0, [][]int{{0, 1, 2, 3}}},
		{[]int{4}, 9, 1, [][]int{{0, 1, 2, 3}}},
		{[]int{2, 4}, 2, 2, [][]int{{0, 1, 4, 5}, {2, 3, 6, 7}}},
		{[]int{2, 4}, 2, 0, [][]int{{0, 1, 4, 5}, {1, 2, 5, 6}, {2, 3, 6, 7}, {3, 0, 7, 4}}},
		{[]int{3, 2}, 1, 0, [][]int{{0}, {1}, {2}, {3}, {4}, {5}}},
	} {
		got := must(bijector.Windows(c.shape, c.size, c.stride))
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("Windows(%v, %d, %d) = %v, want %v", c.shape, c.size, c.stride, got, c.want)
		}
	}
}

// Windows are boxes of sites that lie within size of each other along each axis,
// periodically. No site is twice in one, every site is in one, and if the stride
// divides size and extents all sites are in as many.
func TestWindowsLaws(t *testing.T) {
	for _, c := range []struct {
		shape        []int
		size, stride int
	}{
		{[]int{12}, 5, 3}, {[]int{12}, 4, 0}, {[]int{7, 9}, 4, 0}, {[]int{8, 2}, 4, 2}, {[]int{4, 6, 5}, 3, 0},
		{[]int{2, 2, 2, 4}, 2, 0}, {[]int{1, 1}, 3, 0}, {[]int{8, 8}, 4, 1},
	} {
		windows := must(bijector.Windows(c.shape, c.size, c.stride))
		sites := 1
		divides, stride := true, c.stride
		if stride == 0 {
			stride = (c.size + 1) / 2
		}
		for _, n := range c.shape {
			sites *= n
			divides = divides && (c.size >= n || n%stride == 0 && c.size%stride == 0)
		}
		count := make([]int, sites)
		for _, w := range windows {
			first := coordinates(c.shape, w[0])
			want := 1
			for _, n := range c.shape {
				want *= min(n, c.size)
			}
			if distinct := slices.Compact(slices.Sorted(slices.Values(w))); len(distinct) != want || len(w) != want {
				t.Fatalf("%+v: window %v, want %d sites", c, w, want)
			}
			for _, site := range w {
				count[site]++
				for a, x := range coordinates(c.shape, site) {
					if n := c.shape[a]; (x-first[a]+n)%n >= c.size {
						t.Errorf("%+v: site %v in the window that begins at %v", c, coordinates(c.shape, site), first)
					}
				}
			}
		}
		if slices.Min(count) == 0 || divides && slices.Min(count) != slices.Max(count) {
			t.Errorf("%+v: sites are in %v windows", c, count)
		}
	}
}

func TestWindowsErrors(t *testing.T) {
	for _, c := range []struct {
		shape        []int
		size, stride int
		text         string
	}{
		{nil, 1, 1, "without extents"},
		{[]int{4, 0}, 1, 1, "extent 0 of axis 1"},
		{[]int{4, 4}, 0, 0, "size 0"},
		{[]int{4, 4}, -1, 0, "size -1"},
		{[]int{4, 4}, 2, -1, "stride of -1"},
		{[]int{4, 4}, 2, 3, "stride of 3"},
		{[]int{8192, 8192}, 4096, 1, "at most 67108864 sites"},
		{[]int{1 << 40, 1 << 40}, 2, 1, "more than"},
	} {
		w, err := bijector.Windows(c.shape, c.size, c.stride)
		if !errors.Is(err, bijector.ErrTiles) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%+v: error %v, want one with %q", c, err, c.text)
		}
		if w != nil {
			t.Errorf("%+v: windows beside the error", c)
		}
	}
}

// The cells of a hierarchy are a partition: those of a level are made of those of the
// level below, and hold as many variables that live on as a tile keeps. On lattices that
// tiles of one size cut, they are the windows of that size side by side.
func TestCells(t *testing.T) {
	given := &bijector.NetworkSettings{ContextBlock: smallGiven}
	for name, c := range map[string]struct {
		h     *bijector.Hierarchy
		shape []int
	}{
		"MERA":           {must(bijector.NewMERA([]int{8, 8}, small(1), nil)), []int{8, 8}},
		"tree":           {must(bijector.NewTree([]int{4, 4, 4}, small(1), nil)), []int{4, 4, 4}},
		"given, 1-d":     {must(bijector.NewMERA([]int{16}, small(1), given)), []int{16}},
		"given":          {must(bijector.NewMERA([]int{8, 8}, small(1), given)), []int{8, 8}},
		"given, 3-d":     {must(bijector.NewMERA([]int{4, 4, 4}, small(1), given)), []int{4, 4, 4}},
		"given, unequal": {must(bijector.NewMERA([]int{4, 16}, small(1), given)), []int{4, 16}},
	} {
		for level := range c.h.Levels() - 1 {
			cells := c.h.Cells(level)
			for _, cell := range cells {
				alive := 0
				for _, site := range cell {
					if c.h.Level(site) > level {
						alive++
					}
				}
				if alive != 1 || !slices.IsSorted(cell) {
					t.Errorf("%s, level %d: cell %v has %d variables that live on", name, level, cell, alive)
				}
			}
			size := 2 << level
			want := must(bijector.Windows(c.shape, size, size))
			for _, w := range want {
				slices.Sort(w)
			}
			if !reflect.DeepEqual(cells, want) {
				t.Errorf("%s, level %d: cells %v, want %v", name, level, cells, want)
			}
		}
		if c.h.Cells(-1) != nil || c.h.Cells(c.h.Levels()-1) != nil {
			t.Errorf("%s: cells of a level without decimators", name)
		}
	}
}

// A decimator may keep more than one site of a tile, and a hierarchy may have none.
func TestCellsOfOtherHierarchies(t *testing.T) {
	tiles := [][]int{{0, 1, 2, 3}, {4, 5, 6, 7}}
	b := must(small(1)(4))
	h := must(bijector.NewHierarchy(8, must(bijector.Decimator(b, tiles, 1, 2)),
		must(bijector.Decimator(b, [][]int{{1, 2, 5, 6}}, 0))))
	if got, want := h.Cells(0), tiles; !reflect.DeepEqual(got, want) {
		t.Errorf("cells %v, want %v", got, want)
	}
	if got := h.Cells(1); len(got) != 1 || len(got[0]) != 8 {
		t.Errorf("cells %v, want one", got)
	}
	tebd := must(bijector.NewTEBD([]int{4, 4}, small(1), nil))
	if got := tebd.Cells(0); got != nil {
		t.Errorf("no decimators, cells %v", got)
	}
}
