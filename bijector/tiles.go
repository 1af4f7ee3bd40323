package bijector

import (
	"fmt"
	"slices"

	"github.com/neuralrg/neuralrg/internal/lattice"
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
// It fails with ErrTiles if an extent is not a multiple of size·step, and for a
// lattice of more than 2²⁶ sites or 64 axes.
func Tiles(shape []int, size, step, offset int) ([][]int, error) {
	if len(shape) == 0 || size < 1 || step < 1 || offset < 0 {
		return nil, fmt.Errorf("bijector: %w: shape %v, size %d, step %d, offset %d",
			ErrTiles, shape, size, step, offset)
	}
	each := func(v int) []int { return slices.Repeat([]int{v}, len(shape)) }
	return Boxes(shape, each(size), each(step), each(offset))
}

// Boxes is Tiles with a size, a step and an offset of its own for every axis, for
// lattices of unequal extents: along axis a, tiles have size[a] sites, which are
// step[a] apart, and the first tile starts at offset[a]. An axis of size 1 is not cut.
//
// It fails as Tiles does, and with ErrTiles unless there is one number for every axis.
func Boxes(shape, size, step, offset []int) ([][]int, error) {
	if d := len(shape); d == 0 || len(size) != d || len(step) != d || len(offset) != d {
		return nil, fmt.Errorf("bijector: %w: shape %v, size %v, step %v, offset %v",
			ErrTiles, shape, size, step, offset)
	}
	count := make([]int, len(shape)) // tiles along each axis
	sites := 1                       // of a tile
	for a, n := range shape {
		size, step := size[a], step[a]
		if size < 1 || step < 1 || offset[a] < 0 {
			return nil, fmt.Errorf("bijector: %w: axis %d of lattice %v: size %d, step %d, offset %d",
				ErrTiles, a, shape, size, step, offset[a])
		}
		if step > n || size > n/step || n%(size*step) != 0 { // in this order, size*step cannot overflow
			return nil, fmt.Errorf("bijector: %w: extent %d of lattice %v is not a multiple of %d·%d "+
				"(tiles of %d sites, %d apart)",
				ErrTiles, n, shape, size, step, size, step)
		}
		count[a] = n / (size * step)
	}
	if _, err := lattice.Size(shape); err != nil {
		return nil, fmt.Errorf("bijector: %w: %w", ErrTiles, err)
	}
	for _, n := range size {
		sites *= n // at most those of the lattice
	}
	var tiles [][]int
	for _, t := range lattice.Points(count) {
		tile := make([]int, 0, sites)
		for _, c := range lattice.Points(size) {
			site := 0
			for a, n := range shape {
				site = site*n + (offset[a]%n+(t[a]*size[a]+c[a])*step[a])%n
			}
			tile = append(tile, site)
		}
		tiles = append(tiles, tile)
	}
	return tiles, nil
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
			return 0, fmt.Errorf("bijector: tile %d: %w: %d sites for a block of dimension %d",
				k, ErrTiles, len(t), dim)
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
				return 0, fmt.Errorf("bijector: tile %d: %w: site %d is of the context, and tile %d moves it",
					k, ErrTiles, t[j], o)
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
