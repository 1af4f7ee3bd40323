package flow

import (
	"fmt"
	"slices"

	"github.com/neuralrg/neuralrg/internal/lattice"
	"github.com/neuralrg/neuralrg/internal/num"
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

// WithComponents returns symmetries of the values of a field with n components at every
// site, given symmetries of the sites: every one of them maps each component of a site as it
// maps the site. Value i·n + a is component a of site i, as in target.Field.
//
// It fails with ErrSymmetry for n below 1, for a symmetry that is no signed permutation, and
// if there are more than 2²⁶ values.
func WithComponents(sites []Symmetry, n int) ([]Symmetry, error) {
	all := make([]Symmetry, len(sites))
	for k, s := range sites {
		full, err := s.complete(max(len(s.Perm), len(s.Sign)))
		if err == nil && (n < 1 || len(full.Perm) > lattice.MaxSites/n) {
			err = fmt.Errorf("%w: %d components at each of %d sites, want 1 or more and at most %d values",
				ErrSymmetry, n, len(full.Perm), lattice.MaxSites)
		}
		if err != nil {
			return nil, fmt.Errorf("flow: WithComponents: symmetry %d: %w", k, err)
		}
		for i, p := range full.Perm {
			for a := range n {
				all[k].Perm = append(all[k].Perm, p*n+a)
				all[k].Sign = append(all[k].Sign, full.Sign[i])
			}
		}
	}
	return all, nil
}

// InternalSymmetries returns generators of the signed permutations of the n components of a
// field, the same ones at every site: a change of sign of component 0, and the exchange of
// components a−1 and a for a = 1 … n−1. They generate 2ⁿ·n! symmetries. These are all
// elements of O(n) that Symmetrize can use. For one component it is the Inversion.
//
// It fails with ErrSymmetry for fewer than one site or component, and if the number of
// values times the number of components is more than 2²⁶.
func InternalSymmetries(sites, n int) ([]Symmetry, error) {
	if sites < 1 || n < 1 || n > lattice.MaxSites/sites || n > lattice.MaxSites/(sites*n) {
		return nil, fmt.Errorf("flow: InternalSymmetries: %w: %d components at each of %d sites", ErrSymmetry, n, sites)
	}
	flip := Symmetry{Sign: slices.Repeat([]float64{1}, sites*n)}
	for i := 0; i < sites*n; i += n {
		flip.Sign[i] = -1
	}
	all := []Symmetry{flip}
	for a := 1; a < n; a++ {
		exchange := Symmetry{Perm: num.UpTo(sites * n)}
		for i := a; i < sites*n; i += n {
			exchange.Perm[i-1], exchange.Perm[i] = i, i-1
		}
		all = append(all, exchange)
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
