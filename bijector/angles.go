package bijector

import (
	"fmt"
	"math"

	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/graph"
)

// Angles maps independent standard normal values to independent angles that are uniform on
// the circle, value by value,
//
//	x_i = π erf(z_i/√2),  ln |det ∂x/∂z| = Σ (½ ln 2π − ½ z_i²).
//
// As the first element of a Chain it makes a flow of angles whose prior is target.Normal,
// as flow.Measure and flow.AIS need it. With the prior target.UniformAngles the chain is
// the same flow without Angles, and its latent density has no tails.
//
// Inverse takes angles modulo 2π. At π it gives a value of 8.2, because there the exact one
// is infinite. Angles is safe for concurrent use.
type Angles struct{ dim int }

// NewAngles returns the map on rows of dim ≥ 1 values. It fails with ErrShape for a smaller
// dim or more than 2²⁸ values.
func NewAngles(dim int) (*Angles, error) {
	if dim < 1 {
		return nil, fmt.Errorf("bijector: %w: Angles of dimension %d", ErrShape, dim)
	}
	if err := afford(ErrShape, float64(dim), "Angles of dimension %d", dim); err != nil {
		return nil, err
	}
	return &Angles{dim}, nil
}

const anglesKind = "angles"

// Describe returns a description without settings.
func (a *Angles) Describe() *Description { return &Description{Kind: anglesKind, of: a} }

func buildAngles(s Stored) (Bijector, error) { return NewAngles(s.Dim()) }

// Dim returns the number of values per row.
func (a *Angles) Dim() int { return a.dim }

// Params returns nil: Angles has no parameters.
func (a *Angles) Params() []*Param { return nil }

func (a *Angles) passed() []bool { return make([]bool, a.dim) }

// Forward maps z to π·erf(z/√2).
func (a *Angles) Forward(z *gorgonia.Node) (x, logDet *gorgonia.Node, err error) {
	x, err = a.each(z, func(z float64) float64 { return math.Pi * math.Erf(z/math.Sqrt2) }, angleSlope)
	if err != nil {
		return nil, nil, err
	}
	logDet, err = a.sum(z, func(z float64) (float64, float64) { return angleLogSlope - 0.5*z*z, -z })
	return x, logDet, err
}

// Inverse maps x, modulo 2π, to √2·erf⁻¹(x/π).
func (a *Angles) Inverse(x *gorgonia.Node) (z, logDet *gorgonia.Node, err error) {
	z, err = a.each(x, normalOf, func(_, z float64) float64 { return 1 / angleSlope(z, 0) })
	if err != nil {
		return nil, nil, err
	}
	logDet, err = a.sum(x, func(x float64) (float64, float64) {
		z := normalOf(x)
		return 0.5*z*z - angleLogSlope, z / angleSlope(z, 0)
	})
	return z, logDet, err
}

// angleLogSlope is ln ∂x/∂z at z = 0, ½ ln 2π.
var angleLogSlope = 0.5 * math.Log(2*math.Pi)

// angleSlope is ∂x/∂z.
func angleSlope(z, _ float64) float64 { return math.Exp(angleLogSlope - 0.5*z*z) }

// normalOf is the z of an angle.
func normalOf(x float64) float64 {
	x = math.Remainder(x, 2*math.Pi)
	tail := max(1-math.Abs(x)/math.Pi, 0x1p-53) // 1 − |erf|
	return math.Copysign(math.Sqrt2*math.Erfcinv(tail), x)
}

// each maps every value by f with the given derivative.
func (a *Angles) each(x *gorgonia.Node, f func(float64) float64, slope func(x, y float64) float64) (
	*gorgonia.Node, error) {
	if _, err := graph.Rows(x, a.dim); err != nil {
		return nil, fmt.Errorf("bijector: Angles: %w", err)
	}
	return graph.Elementwise("angles", x, f, slope)
}

// sum adds up a function of every value, given with its derivative.
func (a *Angles) sum(x *gorgonia.Node, f func(x float64) (value, slope float64)) (*gorgonia.Node, error) {
	return graph.PerRow("log-determinant of Angles", x, a.dim, func() graph.RowsFunc {
		return graph.InParallel(a.dim, func(val, grad, x []float64) {
			clear(val)
			for i, v := range x {
				value, slope := f(v)
				val[i/a.dim] += value
				if grad != nil {
					grad[i] = slope
				}
			}
		})
	})
}
