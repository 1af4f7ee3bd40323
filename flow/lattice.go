package flow

import (
	"fmt"
	"slices"
)

// Translations returns the translations of a periodic lattice by one site
// along each of its axes, which generate all. Sites are row-major. It fails with
// ErrShape for an extent below one.
func Translations(shape []int) ([]Symmetry, error) {
	var all []Symmetry
	for axis := range shape {
		s, err := siteMap(shape, func(at []int) { at[axis] = (at[axis] + 1) % shape[axis] })
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// Reflections returns generators of the point group of a periodic lattice: its
// reflections along each axis and, for every two neighbouring axes of one extent,
// their exchange, which with a reflection makes a rotation by a quarter turn. It
// fails with ErrShape for an extent below one.
func Reflections(shape []int) ([]Symmetry, error) {
	var all []Symmetry
	for axis := range shape {
		s, err := siteMap(shape, func(at []int) { at[axis] = shape[axis] - 1 - at[axis] })
		if err != nil {
			return nil, err
		}
		all = append(all, s)
		if axis > 0 && shape[axis] == shape[axis-1] {
			s, _ := siteMap(shape, func(at []int) { at[axis], at[axis-1] = at[axis-1], at[axis] })
			all = append(all, s)
		}
	}
	return all, nil
}

// siteMap is the permutation that takes every site from where f moves its
// coordinates.
func siteMap(shape []int, f func(at []int)) (Symmetry, error) {
	n := 1
	for _, extent := range shape {
		if extent < 1 {
			return Symmetry{}, fmt.Errorf("flow: %w: lattice %v", ErrShape, shape)
		}
		n *= extent
	}
	s := Symmetry{Perm: make([]int, n)}
	at := make([]int, len(shape))
	for i := range s.Perm {
		rest := i
		for axis, extent := range slices.Backward(shape) {
			at[axis], rest = rest%extent, rest/extent
		}
		f(at)
		for axis, extent := range shape {
			s.Perm[i] = s.Perm[i]*extent + at[axis]
		}
	}
	return s, nil
}
