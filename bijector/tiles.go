package bijector

import (
	"fmt"
	"slices"
)

// Tiles cuts a periodic lattice of any dimension into hypercubic tiles and
// returns the sites of each tile, row-major within the tile; sites of the
// lattice are numbered row-major.
//
// A tile has size sites along each axis, step apart. Tiles follow each other
// at a distance of size·step, the first one starting at offset along each
// axis, and wrap around the boundary. With step 1 they cover the lattice;
// with a larger step only the coarse lattice of every step-th site. The
// layers of scale k in the paper's Fig. 2(c) are Tiles(shape, 2, 2^k, 2^k)
// and Tiles(shape, 2, 2^k, 0).
//
// It fails with ErrTiles if an extent is not a multiple of size·step.
func Tiles(shape []int, size, step, offset int) ([][]int, error) {
	if len(shape) == 0 || size < 1 || step < 1 || offset < 0 {
		return nil, fmt.Errorf("bijector: %w: shape %v, size %d, step %d, offset %d", ErrTiles, shape, size, step, offset)
	}
	count := make([]int, len(shape)) // tiles along each axis
	cell := make([]int, len(shape))  // sites along each axis of a tile
	for a, n := range shape {
		if step > n || size > n/step || n%(size*step) != 0 { // in this order, size*step cannot overflow
			return nil, fmt.Errorf("bijector: %w: extent %d of lattice %v is not a multiple of %d·%d (tiles of %d sites, %d apart)",
				ErrTiles, n, shape, size, step, size, step)
		}
		count[a], cell[a] = n/(size*step), size
	}
	var tiles [][]int
	for t := range points(count) {
		var tile []int
		for c := range points(cell) {
			site := 0
			for a, n := range shape {
				site = site*n + (offset%n+(t[a]*size+c[a])*step)%n
			}
			tile = append(tile, site)
		}
		tiles = append(tiles, tile)
	}
	return tiles, nil
}

// points visits the points of a grid in row-major order. The slice it hands
// out is reused.
func points(shape []int) func(yield func([]int) bool) {
	return func(yield func([]int) bool) {
		p := make([]int, len(shape))
		for yield(p) {
			a := len(p) - 1
			for ; a >= 0; a-- {
				if p[a]++; p[a] < shape[a] {
					break
				}
				p[a] = 0
			}
			if a < 0 {
				return
			}
		}
	}
}

// checkTiles checks that tiles have dim sites each, none of them twice but those
// that are at positions of the context and nowhere else, and returns the
// largest site.
func checkTiles(tiles [][]int, dim int, context []int) (last int, err error) {
	if len(tiles) == 0 {
		return 0, fmt.Errorf("bijector: %w: no tiles", ErrTiles)
	}
	if dim < 1 {
		return 0, fmt.Errorf("bijector: %w: a block of dimension %d", ErrTiles, dim)
	}
	owner := map[int]int{}
	for k, t := range tiles {
		if len(t) != dim {
			return 0, fmt.Errorf("bijector: tile %d: %w: %d sites for a block of dimension %d", k, ErrTiles, len(t), dim)
		}
		for j, site := range t {
			if site < 0 {
				return 0, fmt.Errorf("bijector: tile %d: %w: site %d", k, ErrTiles, site)
			}
			last = max(last, site)
			if slices.Contains(context, j) {
				continue
			}
			if o, ok := owner[site]; ok && o == k {
				return 0, fmt.Errorf("bijector: tile %d: %w: site %d repeated", k, ErrTiles, site)
			} else if ok {
				return 0, fmt.Errorf("bijector: tile %d: %w: site %d is in tile %d already", k, ErrTiles, site, o)
			}
			owner[site] = k
		}
	}
	for k, t := range tiles {
		for _, j := range context {
			if o, ok := owner[t[j]]; ok {
				return 0, fmt.Errorf("bijector: tile %d: %w: site %d is of the context, and tile %d moves it", k, ErrTiles, t[j], o)
			}
		}
	}
	return last, nil
}

func cloneTiles(tiles [][]int) [][]int {
	c := make([][]int, len(tiles))
	for k, t := range tiles {
		c[k] = slices.Clone(t)
	}
	return c
}
