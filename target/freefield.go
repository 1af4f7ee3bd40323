package target

import (
	"fmt"
	"math"
	"slices"

	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/graph"
)

// FreeField is the free scalar field φ on a periodic lattice, a Gaussian:
//
//	ln π(φ) = −½ φᵀ(−Δ+m²)φ = −½ Σ_bonds (φ_i−φ_j)² − ½ m² Σ φ_i².
//
// Lengths are in units of the lattice spacing, so that m² is a number. Logarithms are
// in nats. Configurations have one value per site, row-major. It is safe for concurrent
// use.
type FreeField struct {
	shape    []int
	mass2    float64
	walk     walk
	operator *circulant // −Δ+m²
}

// NewFreeField returns the field with the given m², in units of the lattice spacing.
// shape has an extent for each dimension: one for a chain, two for a square lattice, three
// for a cubic one, and so on. Each extent is at least 2; along an extent of 2, neighbours
// share two bonds.
//
// NewFreeField fails with ErrShape for other shapes and for more than 2²⁶ sites. It
// fails with ErrSettings unless m² and 1/m² are positive and finite: for m² = 0 the
// integral of the density diverges.
func NewFreeField(shape []int, mass2 float64) (*FreeField, error) {
	if err := checkLattice(shape); err != nil {
		return nil, fmt.Errorf("target: free field: %w", err)
	}
	if !(mass2 > 0) || math.IsInf(mass2, 1) || math.IsInf(1/mass2, 1) {
		return nil, fmt.Errorf("target: free field: %w: m² is %g, want a positive number with a finite inverse",
			ErrSettings, mass2)
	}
	// Every bond of −Δ is −1. The least eigenvalue of −Δ+m² is m², of the constant field.
	return &FreeField{slices.Clone(shape), mass2, newWalk(shape, 1, nil), newCirculant(shape, -1, mass2)}, nil
}

// Shape returns the extents of the lattice.
func (f *FreeField) Shape() []int { return slices.Clone(f.shape) }

// Dim returns the number of sites N.
func (f *FreeField) Dim() int { return f.operator.size }

// LogProb returns the node ln π(φ) in nats, minus the action, of shape (rows), for phi
// of shape (rows, N). It fails with ErrShape for other shapes.
func (f *FreeField) LogProb(phi *gorgonia.Node) (*gorgonia.Node, error) {
	return graph.PerRow("target: free field", phi, f.Dim(), func() graph.RowsFunc {
		return graph.InParallel(f.Dim(), f.logProb)
	})
}

func (f *FreeField) logProb(val, grad, phi []float64) {
	n := f.Dim()
	for r := range val {
		var g []float64
		if grad != nil {
			g = grad[r*n : (r+1)*n]
		}
		val[r] = f.row(g, phi[r*n:(r+1)*n])
	}
}

// row returns ln π of one configuration. It stores the gradient in grad unless grad is
// nil.
func (f *FreeField) row(grad, phi []float64) float64 {
	sum := 0.0
	for i, v := range phi {
		sum -= f.mass2 * v * v
		if grad != nil {
			grad[i] = -f.mass2 * v
		}
	}
	f.walk.bonds(func(i, j, n int) {
		next := phi[j : j+n]
		for k, v := range phi[i : i+n] {
			d := v - next[k]
			sum -= d * d
			if grad != nil {
				grad[i+k] -= d
				grad[j+k] += d
			}
		}
	})
	return 0.5 * sum
}

// Spectrum returns the N eigenvalues of the covariance (−Δ+m²)⁻¹,
//
//	1/(m² + Σ_μ 4 sin²(k_μ/2)), k_μ = 2πj_μ/L_μ,
//
// row-major in the wave numbers j. bijector.NewSpectral takes them in this order.
func (f *FreeField) Spectrum() []float64 {
	s := make([]float64, f.Dim())
	for k, v := range f.operator.lambda {
		s[k] = 1 / v
	}
	return s
}

// LogZ returns the exact ln Z in nats,
//
//	ln Z = ln ∫ π(φ) dφ = (N/2) ln 2π − ½ Σ_k ln(m² + Σ_μ 4 sin²(k_μ/2)).
func (f *FreeField) LogZ() float64 {
	return 0.5*float64(f.Dim())*math.Log(2*math.Pi) - 0.5*f.operator.logDet()
}

// Correlator returns the exact ⟨φ_0 φ_i⟩ for all N sites i, row-major. Other pairs of
// sites follow by translation. The rounding error is about 1e-16·⟨φ_0²⟩.
func (f *FreeField) Correlator() []float64 {
	c := make([]float64, f.Dim())
	c[0] = 1
	f.operator.solveRows(c, c, 1, f.operator.newWorkspace())
	return c
}
