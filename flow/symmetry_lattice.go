package flow

import (
	"fmt"

	"github.com/neuralrg/neuralrg/internal/lattice"
)

// Translations returns the translations of a periodic lattice by one site
// along each of its axes, which generate all. Sites are row-major. It fails with
// ErrShape for a shape without extents, for an extent below one, and if the sites
// times the number of axes are more than 2²⁶.
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

// Reflections returns generators of the point group of a periodic lattice: its
// reflections along each axis and, for every two neighbouring axes of one extent,
// their exchange, which with a reflection makes a rotation by a quarter turn. It
// fails as Translations does.
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

// checkLattice bounds the memory of one permutation for every axis.
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

// siteMap is the permutation that takes every site from where f moves its
// coordinates. checkLattice has accepted the shape.
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
