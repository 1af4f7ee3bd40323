package bijector_test

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"testing"

	"github.com/neuralrg/neuralrg/bijector"
)

func TestTilesKnown(t *testing.T) {
	square := []int{4, 4}
	for _, c := range []struct {
		shape              []int
		size, step, offset int
		want               [][]int
	}{
		{square, 2, 1, 0, [][]int{{0, 1, 4, 5}, {2, 3, 6, 7}, {8, 9, 12, 13}, {10, 11, 14, 15}}},
		{square, 2, 1, 1, [][]int{{5, 6, 9, 10}, {7, 4, 11, 8}, {13, 14, 1, 2}, {15, 12, 3, 0}}},
		{square, 2, 2, 0, [][]int{{0, 2, 8, 10}}},
		{square, 2, 2, 1, [][]int{{5, 7, 13, 15}}},
		{square, 2, 2, 2, [][]int{{10, 8, 2, 0}}},
		{square, 4, 1, 0, [][]int{{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}}},
		{[]int{2, 4}, 2, 1, 0, [][]int{{0, 1, 4, 5}, {2, 3, 6, 7}}},
		{[]int{8}, 2, 1, 1, [][]int{{1, 2}, {3, 4}, {5, 6}, {7, 0}}},
		{[]int{8}, 2, 2, 0, [][]int{{0, 2}, {4, 6}}},
		{[]int{8}, 2, 2, 2, [][]int{{2, 4}, {6, 0}}},
		{[]int{3}, 1, 1, 0, [][]int{{0}, {1}, {2}}},
		{[]int{2, 2, 2}, 2, 1, 0, [][]int{{0, 1, 2, 3, 4, 5, 6, 7}}},
		{[]int{4, 2, 2}, 2, 1, 1, [][]int{{7, 6, 5, 4, 11, 10, 9, 8}, {15, 14, 13, 12, 3, 2, 1, 0}}},
	} {
		got := must(bijector.Tiles(c.shape, c.size, c.step, c.offset))
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("Tiles(%v, %d, %d, %d) = %v, want %v", c.shape, c.size, c.step, c.offset, got, c.want)
		}
	}
}

// coordinates returns where a site is on a row-major lattice.
func coordinates(shape []int, site int) []int {
	c := make([]int, len(shape))
	for a := len(shape) - 1; a >= 0; a-- {
		c[a] = site % shape[a]
		site /= shape[a]
	}
	return c
}

// Boxes takes a size, a step and an offset per axis.
func TestBoxesKnown(t *testing.T) {
	for _, c := range []struct {
		shape, size, step, offset []int
		want                      [][]int
	}{
		{[]int{2, 4}, []int{2, 1}, []int{1, 1}, []int{0, 0}, [][]int{{0, 4}, {1, 5}, {2, 6}, {3, 7}}},
		{[]int{2, 4}, []int{1, 2}, []int{2, 2}, []int{0, 2}, [][]int{{2, 0}}},
		{[]int{4, 3}, []int{2, 3}, []int{1, 1}, []int{1, 1}, [][]int{{4, 5, 3, 7, 8, 6}, {10, 11, 9, 1, 2, 0}}},
		{[]int{5}, []int{5}, []int{1}, []int{1}, [][]int{{1, 2, 3, 4, 0}}},
		{[]int{1, 1}, []int{1, 1}, []int{1, 1}, []int{0, 7}, [][]int{{0}}},
	} {
		got := must(bijector.Boxes(c.shape, c.size, c.step, c.offset))
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("Boxes(%v, %v, %v, %v) = %v, want %v", c.shape, c.size, c.step, c.offset, got, c.want)
		}
	}
}

// For every lattice, size, step and offset: tiles are boxes of their size,
// row-major, step apart and wrapped; they cover the sites whose coordinates
// are offset + a multiple of step, each once; their origins are in row-major
// order.
func TestTilesLaws(t *testing.T) {
	for _, c := range []struct {
		shape      []int
		size, step int
	}{
		{[]int{12}, 2, 1}, {[]int{12}, 3, 2}, {[]int{12}, 2, 3}, {[]int{12}, 1, 4}, {[]int{12}, 4, 3},
		{[]int{8, 4}, 2, 1}, {[]int{8, 4}, 2, 2}, {[]int{6, 9}, 3, 1}, {[]int{4, 8}, 1, 2},
		{[]int{4, 8, 4}, 2, 1}, {[]int{4, 4, 8}, 2, 2}, {[]int{3, 6, 3}, 3, 1},
	} {
		for offset := range 14 {
			name := fmt.Sprintf("shape=%v/size=%d/step=%d/offset=%d", c.shape, c.size, c.step, offset)
			t.Run(name, func(t *testing.T) {
				each := func(v int) []int { return slices.Repeat([]int{v}, len(c.shape)) }
				g := tileGrid{c.shape, each(c.size), each(c.step), each(offset)}
				g.check(t, must(bijector.Tiles(c.shape, c.size, c.step, offset)))
			})
		}
	}
	for _, g := range []tileGrid{
		{[]int{12, 3}, []int{2, 3}, []int{3, 1}, []int{4, 2}},
		{[]int{2, 16}, []int{1, 2}, []int{2, 4}, []int{3, 5}},
		{[]int{8, 4, 5}, []int{2, 2, 5}, []int{2, 1, 1}, []int{0, 3, 6}},
	} {
		t.Run(fmt.Sprint(g), func(t *testing.T) {
			g.check(t, must(bijector.Boxes(g.shape, g.size, g.step, g.offset)))
		})
	}
}

// tileGrid is a lattice with the size, step and offset of its tiles, per axis.
type tileGrid struct{ shape, size, step, offset []int }

// check checks that tiles are those of the grid.
func (g tileGrid) check(t *testing.T, tiles [][]int) {
	t.Helper()
	shape, size, step, offset := g.shape, g.size, g.step, g.offset
	owners := map[int]int{}
	var origins []int
	for _, tile := range tiles {
		origin := coordinates(shape, tile[0])
		place := 0 // of the origin among those of all tiles
		for a, n := range shape {
			from := ((origin[a]-offset[a])%n + n) % n
			if from%(size[a]*step[a]) != 0 {
				t.Fatalf("tile at %v is not on the grid", origin)
			}
			place = place*(n/(size[a]*step[a])) + from/(size[a]*step[a])
		}
		origins = append(origins, place)

		for j, site := range tile {
			owners[site]++
			want := coordinates(size, j)
			for a, n := range shape {
				want[a] = (origin[a] + want[a]*step[a]) % n
			}
			if got := coordinates(shape, site); !slices.Equal(got, want) {
				t.Fatalf("tile at %v: site %d is at %v, want %v", origin, j, got, want)
			}
		}
	}
	for i, place := range origins {
		if place != i {
			t.Fatalf("tile %d is at place %d", i, place)
		}
	}
	sites := 1
	for _, n := range shape {
		sites *= n
	}
	for site := range sites {
		want := 1
		for a, x := range coordinates(shape, site) {
			if (x-offset[a])%step[a] != 0 {
				want = 0
			}
		}
		if owners[site] != want {
			t.Errorf("site %d is in %d tiles, want %d", site, owners[site], want)
		}
	}
}

// An offset may be of any size: it wraps round the lattice.
func TestTilesOffsetWraps(t *testing.T) {
	want := must(bijector.Tiles([]int{8, 8}, 2, 2, 3))
	for _, offset := range []int{3 + 8, math.MaxInt - 4} { // the latter is −1 − 4 modulo 8
		if got := must(bijector.Tiles([]int{8, 8}, 2, 2, offset)); !reflect.DeepEqual(got, want) {
			t.Errorf("offset %d: %v, want %v", offset, got, want)
		}
	}
}

// A decimator that keeps the first site of every tile leaves the lattice of the next scale.
func TestDecimatedIsFinerLattice(t *testing.T) {
	b := block(4, 1, bijector.RealNVPSettings{Couplings: 2})
	shape := []int{8, 8}
	alive := map[int]bool{}
	for site := range 64 {
		alive[site] = true
	}
	for step := 1; step < 8; step *= 2 {
		l := must(bijector.Decimator(b, must(bijector.Tiles(shape, 2, step, 0)), 0))
		for _, site := range l.Decimated() {
			if !alive[site] {
				t.Errorf("step %d: site %d is decimated a second time", step, site)
			}
			delete(alive, site)
		}
		if want := 64 / (4 * step * step); len(alive) != want {
			t.Errorf("step %d: %d sites live on, want %d", step, len(alive), want)
		}
		for site := range alive {
			for _, x := range coordinates(shape, site) {
				if x%(2*step) != 0 {
					t.Errorf("step %d: site %d lives on", step, site)
				}
			}
		}
	}
	if !alive[0] {
		t.Error("site 0 is decimated")
	}
}

func TestDecimatedKnown(t *testing.T) {
	b := block(4, 1, bijector.RealNVPSettings{Couplings: 2})
	tiles := must(bijector.Tiles([]int{4, 4}, 2, 1, 0))
	for _, c := range []struct{ keep, want []int }{
		{[]int{0}, []int{1, 4, 5, 3, 6, 7, 9, 12, 13, 11, 14, 15}},
		{[]int{3, 1}, []int{0, 4, 2, 6, 8, 12, 10, 14}},
		{[]int{1, 0, 3}, []int{4, 6, 12, 14}},
	} {
		if got := must(bijector.Decimator(b, tiles, c.keep...)).Decimated(); !slices.Equal(got, c.want) {
			t.Errorf("keeping %v decimates %v, want %v", c.keep, got, c.want)
		}
	}
	if got := must(bijector.Disentangler(b, tiles)).Decimated(); len(got) != 0 {
		t.Errorf("a disentangler decimates %v", got)
	}
}

// A layer is immutable: it keeps copies of what it is given and hands out
// copies of what it has.
func TestLayerKeepsItsTiles(t *testing.T) {
	b := block(2, 1, bijector.RealNVPSettings{Couplings: 2})
	tiles, keep := [][]int{{0, 1}, {2, 3}}, []int{1}
	l := must(bijector.Decimator(b, tiles, keep...))
	tiles[0][0], keep[0] = 9, 0
	l.Tiles()[1][1] = 7
	l.Decimated()[0] = 5
	if got := l.Tiles(); !reflect.DeepEqual(got, [][]int{{0, 1}, {2, 3}}) {
		t.Errorf("tiles %v", got)
	}
	if got := l.Decimated(); !slices.Equal(got, []int{0, 2}) {
		t.Errorf("decimated %v", got)
	}
	if l.Block() != bijector.Bijector(b) {
		t.Error("another block")
	}
}
