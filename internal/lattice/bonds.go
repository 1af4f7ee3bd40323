package lattice

import (
	"fmt"
	"math"

	"github.com/neuralrg/neuralrg/internal/errs"
	"github.com/neuralrg/neuralrg/internal/num"
)

// Bond joins the sites I and J with the coupling K. It has no name of its own, so that the
// Bond of every package is the same type.
type Bond = struct {
	I, J int
	K    float64
}

// Bonds returns the bonds of a periodic lattice. Every site has one bond of coupling K to
// the next site along each axis, so that along an extent of 2 neighbours share two bonds.
// It fails with ErrShape if an extent is less than 2 or if Size refuses the shape.
func Bonds(shape []int, K float64) ([]Bond, error) {
	size, err := Size(shape)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errs.ErrShape, err)
	}
	for _, extent := range shape {
		if extent < 2 {
			return nil, fmt.Errorf("%w: lattice %v, want extents of 2 or more", errs.ErrShape, shape)
		}
	}
	bonds := make([]Bond, 0, size*len(shape))
	strides := Strides(shape)
	for site, at := range Points(shape) {
		for axis, extent := range shape {
			next := site + strides[axis]
			if at[axis] == extent-1 {
				next -= extent * strides[axis]
			}
			bonds = append(bonds, Bond{site, next, K})
		}
	}
	return bonds, nil
}

// CheckBonds fails with ErrSettings for fewer than 1 or more than MaxSites sites, and for
// a bond with a site out of range or with two equal sites. It fails with ErrNotFinite if
// a coupling or the sum of all |K| is not finite. Errors name the bond.
func CheckBonds(sites int, bonds []Bond) error {
	if sites < 1 || sites > MaxSites {
		return fmt.Errorf("%w: %d sites, want between 1 and %d", errs.ErrSettings, sites, MaxSites)
	}
	total := 0.0
	for b, bond := range bonds {
		switch {
		case bond.I < 0 || bond.I >= sites || bond.J < 0 || bond.J >= sites:
			return fmt.Errorf("%w: bond %d joins sites %d and %d, want sites from 0 to %d",
				errs.ErrSettings, b, bond.I, bond.J, sites-1)
		case bond.I == bond.J:
			return fmt.Errorf("%w: bond %d joins site %d to itself", errs.ErrSettings, b, bond.I)
		case !num.Finite(bond.K):
			return fmt.Errorf("%w: the coupling of bond %d is %g", errs.ErrNotFinite, b, bond.K)
		}
		if total += math.Abs(bond.K); !num.Finite(total) {
			return fmt.Errorf("%w: the sum of |K| up to bond %d", errs.ErrNotFinite, b)
		}
	}
	return nil
}
