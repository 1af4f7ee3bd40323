package bijector

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
)

// ints cuts bytes into small integers, some of them negative.
func ints(data []byte) []int {
	var list []int
	for _, b := range data {
		list = append(list, int(int8(b)))
	}
	return list
}

// Whatever is asked for, Tiles and Boxes fail with ErrTiles or return tiles that cover
// the sites of the coarse lattice once.
func FuzzTiles(f *testing.F) {
	f.Add([]byte{4, 4}, 2, 1, 1, []byte{})
	f.Add([]byte{8}, 2, 4, 4, []byte{})
	f.Add([]byte{6, 4, 2}, 2, 1, 0, []byte{3, 1, 0})
	f.Add([]byte{0}, 1, 1, 0, []byte{1, 1, 1})
	f.Add([]byte{8, 8}, 1<<62, 1<<62, 0, []byte{})
	f.Add([]byte{12, 5}, 2, 3, 1, []byte{5, 1, 7})
	f.Fuzz(func(t *testing.T, extents []byte, size, step, offset int, others []byte) {
		if len(extents) > 3 {
			extents = extents[:3]
		}
		shape := ints(extents)
		// The first axis has the integers, those after it three of the others each.
		sizes, steps, offsets := []int{size}, []int{step}, []int{offset}
		for rest := ints(others); len(rest) >= 3; rest = rest[3:] {
			sizes, steps, offsets = append(sizes, rest[0]), append(steps, rest[1]), append(offsets, rest[2])
		}
		tiles, err := Boxes(shape, sizes, steps, offsets)
		covers(t, tiles, err, shape, steps)
		tiles, err = Tiles(shape, size, step, offset)
		covers(t, tiles, err, shape, slices.Repeat([]int{step}, len(shape)))
	})
}

// covers tests what FuzzTiles says of tiles and the error of making them.
func covers(t *testing.T, tiles [][]int, err error, shape, step []int) {
	t.Helper()
	if err != nil {
		if !errors.Is(err, ErrTiles) {
			t.Errorf("%v", err)
		}
		return
	}
	n, want := 1, 1
	for a, e := range shape {
		n *= e
		want *= e / step[a]
	}
	seen := make([]bool, n)
	for k, tile := range tiles {
		for _, site := range tile {
			if site < 0 || site >= n || seen[site] {
				t.Fatalf("lattice %v, steps %v: tile %d: site %d", shape, step, k, site)
			}
			seen[site] = true
		}
	}
	if got := len(tiles) * len(tiles[0]); got != want {
		t.Errorf("lattice %v, steps %v: %d sites, want %d", shape, step, got, want)
	}
}

// Blocks of any setting are refused with one of the package's errors or can be
// used.
func FuzzRealNVP(f *testing.F) {
	f.Add(4, 10, []byte{10, 10}, []byte{}, uint64(1))
	f.Add(2, 0, []byte{1}, []byte{0, 0xff, 1}, uint64(1))
	f.Add(-1, -1, []byte{0xff}, []byte{9}, uint64(0))
	f.Fuzz(func(t *testing.T, dim, couplings int, hidden, keep []byte, seed uint64) {
		if dim > 64 || couplings > 64 || len(hidden) > 4 {
			return
		}
		s := &RealNVPSettings{Couplings: couplings, Hidden: ints(hidden), Src: rand.NewPCG(seed, 0)}
		// Bipartitions are separated by −1.
		for _, i := range ints(keep) {
			if i == -1 || s.Keep == nil {
				s.Keep = append(s.Keep, nil)
			}
			if i != -1 {
				s.Keep[len(s.Keep)-1] = append(s.Keep[len(s.Keep)-1], i)
			}
		}
		b, err := NewRealNVP(dim, s)
		if err != nil {
			if !errors.Is(err, ErrShape) && !errors.Is(err, ErrSettings) && !errors.Is(err, ErrPartition) {
				t.Errorf("%v", err)
			}
			return
		}
		if b.Dim() != dim || len(b.Couplings()) == 0 {
			t.Errorf("dimension %d, %d couplings", b.Dim(), len(b.Couplings()))
		}
	})
}
