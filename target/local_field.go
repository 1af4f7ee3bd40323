package target

import (
	"fmt"
	"slices"

	"github.com/neuralrg/neuralrg/internal/lattice"
)

// Field describes the configurations of a field on a periodic lattice and measures them.
// Every site has n real values, its components. The components of a site are consecutive,
// and sites are row-major: value i·n + a of a configuration is component a of site i.
// It is safe for concurrent use.
type Field struct {
	shape      []int
	components int
	dim        int
}

// NewField returns the description of a field on a lattice of the given shape, with the
// given number of components at each site. shape has an extent for each dimension. Each
// extent is at least 2. NewField fails with ErrShape for other shapes and for more than
// 2²⁶ values, and with ErrSettings for less than one component.
func NewField(shape []int, components int) (*Field, error) {
	f, err := newField(shape, components)
	if err != nil {
		return nil, fmt.Errorf("target: field: %w", err)
	}
	return f, nil
}

func newField(shape []int, components int) (*Field, error) {
	if err := checkLattice(shape); err != nil {
		return nil, err
	}
	if components < 1 {
		return nil, fmt.Errorf("%w: %d components, want 1 or more", ErrSettings, components)
	}
	sites, _ := lattice.Size(shape) // checkLattice has accepted it
	if components > lattice.MaxSites/sites {
		return nil, fmt.Errorf("%w: lattice %v of %d components has more than %d values",
			ErrShape, shape, components, lattice.MaxSites)
	}
	return &Field{slices.Clone(shape), components, sites * components}, nil
}

// Shape returns the extents of the lattice.
func (f *Field) Shape() []int { return slices.Clone(f.shape) }

// Components returns the number n of values of a site.
func (f *Field) Components() int { return f.components }

// Dim returns the number of values of one configuration, n for each of the N sites.
func (f *Field) Dim() int { return f.dim }

// Magnetization stores in m, of length n, the mean (1/N) Σ_i φ_i of one configuration phi.
// The moments of m give the Binder cumulant 1 − ⟨|m|⁴⟩/(3⟨|m|²⟩²). Magnetization panics if
// m or phi has another length.
func (f *Field) Magnetization(m, phi []float64) {
	f.mustFit(phi)
	if len(m) != f.components {
		panic(fmt.Sprintf("target: room for %d components of a magnetisation of %d", len(m), f.components))
	}
	clear(m)
	for i := 0; i < len(phi); i += len(m) {
		for a, v := range phi[i : i+len(m)] {
			m[a] += v
		}
	}
	for a := range m {
		m[a] /= float64(f.dim / f.components)
	}
}

// Susceptibility returns (1/N) |Σ_i φ_i|² of one configuration phi. Its mean over
// configurations is χ = Σ_i ⟨φ_0·φ_i⟩ where ⟨φ⟩ = 0. It panics if phi has another length.
func (f *Field) Susceptibility(phi []float64) float64 {
	m, sum := make([]float64, f.components), 0.0
	f.Magnetization(m, phi)
	for _, v := range m {
		sum += v * v
	}
	return sum * float64(f.dim/f.components)
}

// Correlator stores in c the two-point function at zero momentum of one configuration phi,
//
//	c[t] = (1/N) Σ_s Φ(s)·Φ(s+t), Φ(s) = Σ φ over the sites with coordinate s on the axis,
//
// for the distances t = 0 … L−1 along the axis of extent L. The sum of all c[t] is
// Susceptibility. The means over configurations, C(t), fall as exp(−t/ξ) at large t. The
// second-moment correlation length follows from F = Σ_t C(t) cos(2πt/L):
//
//	ξ = √(χ/F − 1)/(2 sin(π/L)).
//
// Correlator panics if there is no such axis or if c or phi has another length.
func (f *Field) Correlator(c, phi []float64, axis int) {
	f.mustFit(phi)
	if axis < 0 || axis >= len(f.shape) || len(c) != f.shape[axis] {
		panic(fmt.Sprintf("target: room for %d distances along axis %d of lattice %v", len(c), axis, f.shape))
	}
	n, L := f.components, len(c)
	slice := make([]float64, L*n) // Φ
	stride := lattice.Strides(f.shape)[axis]
	for i := 0; i < len(phi); i += stride * n {
		to := slice[i/(stride*n)%L*n:][:n]
		for j := i; j < i+stride*n; j += n {
			for a, v := range phi[j : j+n] {
				to[a] += v
			}
		}
	}
	for t := range c {
		sum := 0.0
		for s := range L {
			for a, v := range slice[s*n:][:n] {
				sum += v * slice[(s+t)%L*n+a]
			}
		}
		c[t] = sum / float64(f.dim/n)
	}
}

// mustFit panics unless phi is a configuration of the field.
func (f *Field) mustFit(phi []float64) {
	if len(phi) != f.dim {
		panic(fmt.Sprintf("target: configuration of %d values, want %d", len(phi), f.dim))
	}
}
