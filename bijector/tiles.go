package bijector

import (
	"fmt"
	"slices"

	"github.com/neuralrg/neuralrg/internal/lattice"
)

// Tiles cuts a periodic lattice of any dimension into hypercubic tiles. It returns the
// sites of each tile, row-major within the tile. Sites of the lattice are numbered
// row-major.
//
// A tile has size sites along each axis, at a distance of step. The first tile starts at
// offset along each axis; the distance between tiles is size·step. Tiles wrap around the
// boundary. With step 1 they cover the lattice; with a larger step they cover the coarse
// lattice of every step-th site. The layers of scale k in the paper's Fig. 2(c) are
// Tiles(shape, 2, 2^k, 2^k) and Tiles(shape, 2, 2^k, 0).
//
// It fails with ErrTiles if an extent is not a multiple of size·step, if size or step is
// below 1 or offset is negative, and for a lattice of more than 2²⁶ sites or 64 axes.
func Tiles(shape []int, size, step, offset int) ([][]int, error) {
	if len(shape) == 0 || size < 1 || step < 1 || offset < 0 {
		return nil, fmt.Errorf("bijector: %w: shape %v, size %d, step %d, offset %d",
			ErrTiles, shape, size, step, offset)
	}
	each := func(v int) []int { return slices.Repeat([]int{v}, len(shape)) }
	return Boxes(shape, each(size), each(step), each(offset))
}

// Boxes is Tiles with separate sizes, steps and offsets for the axes: along axis a, tiles
// have size[a] sites at a distance of step[a], and the first tile starts at offset[a].
//
// It fails as Tiles does, and with ErrTiles unless there is one size, step and offset for
// every axis.
func Boxes(shape, size, step, offset []int) ([][]int, error) {
	if d := len(shape); d == 0 || len(size) != d || len(step) != d || len(offset) != d {
		return nil, fmt.Errorf("bijector: %w: shape %v, size %v, step %v, offset %v: want one number for each axis",
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

// WithComponents returns tiles of values for a field with n components at every site: site i
// of a tile becomes the n positions i·n … i·n + n − 1, those of target.Field. So the tiles
// of Tiles and Boxes can be used for layers of such a field, and those of Windows for its
// latent variables.
//
// It fails with ErrSettings for n below 1 and with ErrTiles if a position would be 2²⁶ or
// more.
func WithComponents(tiles [][]int, n int) ([][]int, error) {
	if n < 1 {
		return nil, fmt.Errorf("bijector: %w: %d components, want 1 or more", ErrSettings, n)
	}
	for k, t := range tiles {
		for _, site := range t {
			if site < 0 || site >= lattice.MaxSites/n {
				return nil, fmt.Errorf("bijector: tile %d: %w: site %d with %d components, want at most %d values",
					k, ErrTiles, site, n, lattice.MaxSites)
			}
		}
	}
	return valuesOf(tiles, n), nil
}

// valuesOf returns tiles with the positions of the n values of every site.
func valuesOf(tiles [][]int, n int) [][]int {
	values := make([][]int, len(tiles))
	for k, t := range tiles {
		values[k] = make([]int, 0, n*len(t))
		for _, site := range t {
			for a := range n {
				values[k] = append(values[k], site*n+a)
			}
		}
	}
	return values
}

// checkComponents checks the number of components of a field on so many sites.
func checkComponents(n, sites int) error {
	if n < 1 || n > lattice.MaxSites/sites {
		return fmt.Errorf("%w: %d components at each of %d sites, want 1 or more and at most %d values",
			ErrSettings, n, sites, lattice.MaxSites)
	}
	return nil
}

// checkTiles checks that every tile has dim sites and that no site occurs twice, and
// returns the largest site. A site at a position of the context may occur any number of
// times, but at such positions only.
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
