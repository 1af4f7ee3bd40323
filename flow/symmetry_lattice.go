package flow

import (
	"fmt"

	"github.com/neuralrg/neuralrg/internal/lattice"
)

// Translations returns the translations of a periodic lattice by one site along each of
// its axes. They generate all translations. Sites are row-major. It fails with ErrShape
// for a shape without extents, for an extent below one, and if the number of sites times
// the number of axes is more than 2²⁶.
func Translations(shape []int) ([]Symmetry, error) {
	if err := checkLattice(shape); err != nil {
		return nil, fmt.Errorf("flow: Translations: %w", err)
	}
	var all []Symmetry
	for axis := range shape {
		all = append(all, siteMap(shape, func(at []int) { at[axis] = (at[axis] + 1) % shape[axis] }))
	}
	return all, nil
}

// Reflections returns generators of the point group of a periodic lattice: the reflection
// along each axis, and the exchange of axes a−1 and a wherever these have the same extent.
// An exchange followed by a reflection is a rotation by a quarter turn. It fails as
// Translations does.
func Reflections(shape []int) ([]Symmetry, error) {
	if err := checkLattice(shape); err != nil {
		return nil, fmt.Errorf("flow: Reflections: %w", err)
	}
	var all []Symmetry
	for axis := range shape {
		all = append(all, siteMap(shape, func(at []int) { at[axis] = shape[axis] - 1 - at[axis] }))
		if axis > 0 && shape[axis] == shape[axis-1] {
			all = append(all, siteMap(shape, func(at []int) { at[axis], at[axis-1] = at[axis-1], at[axis] }))
		}
	}
	return all, nil
}

// checkLattice fails for a lattice that is invalid or so large that one permutation for
// every axis takes too much memory.
func checkLattice(shape []int) error {
	n, err := lattice.Size(shape)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrShape, err)
	}
	if n > lattice.MaxSites/len(shape) {
		return fmt.Errorf("%w: lattice %v has more than %d sites times axes", ErrShape, shape, lattice.MaxSites)
	}
	return nil
}

// siteMap returns the permutation y_i = x_j, where f changes the coordinates of site i to
// those of site j. checkLattice has accepted the shape.
func siteMap(shape []int, f func(at []int)) Symmetry {
	n, _ := lattice.Size(shape)
	s := Symmetry{Perm: make([]int, n)}
	from := make([]int, len(shape))
	for i, at := range lattice.Points(shape) {
		copy(from, at)
		f(from)
		s.Perm[i] = lattice.Site(shape, from)
	}
	return s
}
