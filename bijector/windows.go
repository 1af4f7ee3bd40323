package bijector

import (
	"fmt"
	"slices"

	"github.com/neuralrg/neuralrg/internal/lattice"
	"github.com/neuralrg/neuralrg/internal/num"
)

// Windows lists hypercubic windows of a periodic lattice of any dimension: the sites of
// each window, row-major within the window. Sites of the lattice are numbered row-major.
// A window has size sites along each axis, or all sites of an axis that is shorter. Along
// an axis the windows begin at 0, stride, 2·stride and so on, and wrap around the
// boundary; an axis that a window covers has one of them. A stride of 0 means half of
// size, rounded up. Every site is in a window, and in about (size/stride)^d of them.
//
// The latent variables of a Hierarchy are numbered by sites of the lattice. Windows so
// lists sets of latent variables of one neighbourhood, the coarse ones with the fine
// ones around them, for moves that redraw some of them (hmc.Windows).
//
// It fails with ErrTiles for a size below 1, a stride that is negative or larger than
// size, a lattice that Tiles does not take, and more than 2²⁶ sites in all windows.
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

// Cells lists the latent variables in groups, each the sites of its variables,
// ascending: those that the decimators of the levels up to the given one left behind in
// one cell, and those of the variables that live on there. Every variable is in one
// group. The cells of NewMERA and NewTree are boxes of the lattice. They serve as windows
// (hmc.Windows) where the extents of the lattice are not known.
//
// A tile of a decimator is in one cell. So are the sites that a tile of a conditional
// decimator moves, together with the middle one of its context, which is their own coarse
// site in the decimators of Stack.DecimateGiven.
//
// Levels go from 0 to Levels()−2, as many as there are decimator layers. For other
// levels Cells returns nil.
func (h *Hierarchy) Cells(level int) [][]int {
	if level < 0 || level > h.levels-2 {
		return nil
	}
	f := newForest(h.Dim())
	decimators := 0
	for _, l := range h.layers {
		if l.keep == nil {
			continue
		}
		if decimators++; decimators > level+1 {
			break
		}
		moved := make([]int, 0, l.block.Dim())
		for _, tile := range l.tiles {
			if l.conditional {
				moved = append(moved[:0], tile[l.keep[len(l.keep)/2]])
				for j, site := range tile {
					if !slices.Contains(l.keep, j) {
						moved = append(moved, site)
					}
				}
				tile = moved
			}
			f.join(tile)
		}
	}
	return f.groups(num.UpTo(h.Dim()))
}
