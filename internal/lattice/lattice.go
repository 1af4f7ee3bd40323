// Package lattice counts the sites of periodic lattices and converts between sites
// and coordinates.
package lattice

import (
	"errors"
	"fmt"
)

// MaxSites is the largest number of sites that Size accepts, 8192 × 8192. One
// configuration then takes half a gigabyte; a larger lattice is most likely a
// mistake.
const MaxSites = 1 << 26

// MaxAxes is the largest number of axes that Size accepts.
const MaxAxes = 64

// Size returns the number of sites of a lattice of the given extents. There must be
// between 1 and MaxAxes extents, each at least 1, with a product of at most MaxSites.
// Otherwise Size fails with an error that names the shape. The product never
// overflows.
func Size(shape []int) (int, error) {
	if len(shape) == 0 {
		return 0, errors.New("lattice without extents")
	}
	if len(shape) > MaxAxes {
		return 0, fmt.Errorf("lattice of %d axes, want at most %d", len(shape), MaxAxes)
	}
	for axis, extent := range shape {
		if extent < 1 {
			return 0, fmt.Errorf("lattice %v: extent %d of axis %d, want 1 or more", shape, extent, axis)
		}
	}
	size := 1
	for _, extent := range shape {
		if extent > MaxSites/size {
			return 0, fmt.Errorf("lattice %v has more than %d sites", shape, MaxSites)
		}
		size *= extent
	}
	return size, nil
}
