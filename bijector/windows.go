package bijector

import (
	"fmt"
	"slices"

	"github.com/neuralrg/neuralrg/internal/lattice"
	"github.com/neuralrg/neuralrg/internal/num"
)

// Windows returns the sites of hypercubic windows of a periodic lattice of any dimension,
// row-major within each window. Sites of the lattice are numbered row-major. Windows may
// overlap, unlike Tiles.
//
// A window has size sites along each axis, or all sites of a shorter axis. Along an axis
// the windows begin at 0, stride, 2·stride and so on, and wrap around the boundary. An axis
// that one window covers has only one. A stride of 0 means half of size, rounded up. Every
// site is in about (size/stride)^d windows, and in at least one.
//
// The latent variables of a Hierarchy are numbered like the sites of the lattice; with
// several components, WithComponents gives their positions. A window
// is therefore a set of neighbouring latent variables, of coarse and fine levels. The
// kernel hmc.Windows redraws the variables of one window.
//
// It fails with ErrTiles for a size below 1, for a stride that is negative or larger than
// size, for a lattice that Tiles does not accept, and for more than 2²⁶ sites in all windows.
func Windows(shape []int, size, stride int) ([][]int, error) {
	if _, err := lattice.Size(shape); err != nil {
		return nil, fmt.Errorf("bijector: %w: %w", ErrTiles, err)
	}
	if size < 1 || stride < 0 || stride > size {
		return nil, fmt.Errorf("bijector: %w: windows of size %d at a stride of %d, want a size of 1 or more"+
			" and a stride of at most that", ErrTiles, size, stride)
	}
	if stride == 0 {
		stride = size - size/2
	}
	extent, count := make([]int, len(shape)), make([]int, len(shape)) // of a window; windows along each axis
	for a, n := range shape {
		extent[a], count[a] = min(size, n), 1
		if size < n {
			count[a] = 1 + (n-1)/stride
		}
	}
	sites, _ := lattice.Size(extent) // both at most the size of the lattice
	windows, _ := lattice.Size(count)
	if windows > lattice.MaxSites/sites {
		return nil, fmt.Errorf("bijector: %w: %d windows of %d sites, at most %d sites in all are possible",
			ErrTiles, windows, sites, lattice.MaxSites)
	}
	list := make([][]int, 0, windows)
	for _, w := range lattice.Points(count) {
		window := make([]int, 0, sites)
		for _, c := range lattice.Points(extent) {
			site := 0
			for a, n := range shape {
				site = site*n + (w[a]*stride+c[a])%n
			}
			window = append(window, site)
		}
		list = append(list, window)
	}
	return list, nil
}

// Cells divides the sites of the latent variables into cells and returns the sites of each
// cell, ascending. Two sites are in one cell of level k if the tiles of the decimators of
// levels 0 to k connect them. In a hierarchy of Stack a cell has one site that lives on, and
// the sites that these decimators have removed around it. Every site is in one cell. The
// cells of NewMERA and NewTree are boxes of the lattice. The kernel hmc.Windows can use them
// as windows if the extents of the lattice are not known.
//
// All sites of a tile of a decimator are in the same cell. For a conditional decimator, the
// sites that a tile moves are in the cell of one site of its context: the middle one, or the
// first one if the context has an even number of sites. In the layers of Stack.DecimateGiven
// this is the coarse site of the tile, in those of Stack.DecimateOdd and NewCheckerboard it
// is a nearest neighbour.
//
// With components at each site, the values of a site are always in the same cell.
//
// level goes from 0 to Levels()−2, one level for each decimator layer. For other levels
// Cells returns nil.
func (h *Hierarchy) Cells(level int) [][]int {
	if level < 0 || level > h.levels-2 {
		return nil
	}
	f := newForest(h.Dim() / h.components) // of sites
	decimators := 0
	for _, l := range h.layers {
		if l.keep == nil {
			continue
		}
		if decimators++; decimators > level+1 {
			break
		}
		with := 0 // position of the site of the context that the others join
		if around := len(l.keep) / h.components; l.context != nil && around%2 != 0 {
			with = around / 2 * h.components
		}
		sites := make([]int, 0, l.block.Dim())
		for _, tile := range l.tiles {
			sites = sites[:0]
			if l.context != nil {
				sites = append(sites, tile[l.keep[with]]/h.components)
			}
			for j, value := range tile {
				if l.context == nil || !slices.Contains(l.keep, j) {
					sites = append(sites, value/h.components)
				}
			}
			f.join(sites)
		}
	}
	cells := f.groups(num.UpTo(h.Dim() / h.components))
	if h.components > 1 {
		cells = valuesOf(cells, h.components)
	}
	return cells
}
