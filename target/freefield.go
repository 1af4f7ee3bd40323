package target

import (
	"fmt"
	"math"
	"slices"

	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/graph"
)

// FreeField is the free scalar field on a periodic lattice, a Gaussian,
//
//	ln π(φ) = −½ φᵀ(−Δ+m²)φ = −½ Σ_bonds (φ_i−φ_j)² − ½ m² Σ φ_i²,
//
// in units of the lattice spacing; logarithms are in nats. It is safe for concurrent use.
type FreeField struct {
	shape    []int
	mass2    float64
	operator *circulant // −Δ+m²
}

// NewFreeField returns the field with the given m². shape has one extent (a
// chain) or two (the square lattice), each at least 2; an extent of 2 has
// double bonds. It fails with ErrShape for other shapes and for more than 2²⁶ sites,
// and with ErrSettings unless m² and 1/m² are positive and finite: without a mass
// the density has no integral.
func NewFreeField(shape []int, mass2 float64) (*FreeField, error) {
	if err := checkLattice(shape); err != nil {
		return nil, fmt.Errorf("target: free field: %w", err)
	}
	if !(mass2 > 0) || math.IsInf(mass2, 1) || math.IsInf(1/mass2, 1) {
		return nil, fmt.Errorf("target: free field: %w: m² is %g, want a positive number with a finite inverse",
			ErrSettings, mass2)
	}
	// Every bond of −Δ is −1, and a constant field costs nothing but its mass.
	return &FreeField{slices.Clone(shape), mass2, newCirculant(shape, -1, mass2)}, nil
}

// Dim returns the number of sites N.
func (f *FreeField) Dim() int { return f.operator.size }

// LogProb is minus the action.
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

// row is ln π of one configuration and, unless grad is nil, its gradient.
func (f *FreeField) row(grad, phi []float64) float64 {
	sum := 0.0
	for i, v := range phi {
		sum -= f.mass2 * v * v
		if grad != nil {
			grad[i] = -f.mass2 * v
		}
	}
	stride := 1
	for axis := len(f.shape) - 1; axis >= 0; axis-- {
		span := f.shape[axis] * stride
		for i, v := range phi {
			j := i + stride // the next site along the axis
			if j/span != i/span {
				j -= span
			}
			d := v - phi[j]
			sum -= d * d
			if grad != nil {
				grad[i] -= d
				grad[j] += d
			}
		}
		stride = span
	}
	return 0.5 * sum
}

// Spectrum returns the eigenvalues of the covariance (−Δ+m²)⁻¹, one for each
// of the N wave vectors k_μ = 2πj_μ/L_μ, row-major: bijector.NewSpectral takes
// them.
func (f *FreeField) Spectrum() []float64 {
	s := make([]float64, f.Dim())
	for k, v := range f.operator.lambda {
		s[k] = 1 / v
	}
	return s
}

// LogZ returns the exact ln ∫ π(φ) dφ = (N/2) ln 2π − ½ Σ_k ln(m² + Σ_μ 4
// sin²(k_μ/2)).
func (f *FreeField) LogZ() float64 {
	return 0.5*float64(f.Dim())*math.Log(2*math.Pi) - 0.5*f.operator.logDet()
}

// Correlator returns the exact ⟨φ_0 φ_i⟩ for every site i, up to rounding of some
// 1e-16 of ⟨φ_0²⟩; any other pair of sites follows by translation.
func (f *FreeField) Correlator() []float64 {
	c := make([]float64, f.Dim())
	c[0] = 1
	f.operator.solveRows(c, c, 1, f.operator.newWorkspace())
	return c
}
