package bijector

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/kernel"
)

// ActNorm stretches and shifts every position by itself,
//
//	x_i = exp(s_i)·z_i + t_i,  ln |det ∂x/∂z| = Σ s_i,
//
// the activation normalisation of Glow (Kingma and Dhariwal, arXiv:1807.03039,
// sec. 3.1), whose Inverse normalises what Init has seen. On the tiles of a layer
// a position is that in the tile, so that all tiles share s and t. An ActNorm
// is safe for concurrent use as long as its parameters are not changed, which
// Init does.
type ActNorm struct {
	fused
	self *fusedLayer
}

// NewActNorm returns a map on rows of dim ≥ 1 values, which starts as the
// identity. It fails with ErrShape for a smaller dim or more than 2²⁸ parameters.
func NewActNorm(dim int) (*ActNorm, error) {
	if dim < 1 {
		return nil, fmt.Errorf("bijector: %w: ActNorm of dimension %d", ErrShape, dim)
	}
	if err := afford(ErrShape, 2*float64(dim), "ActNorm of dimension %d", dim); err != nil {
		return nil, err
	}
	w, err := NewParam(actNormKind, make([]float64, 2*dim), 2, dim)
	if err != nil {
		return nil, err
	}
	b := &ActNorm{fused: fused{w, kernel.NewActNorm[float64](dim), kernel.NewActNorm[float32](dim)}}
	b.self = b.alone()
	return b, nil
}

// Init sets s and t such that Inverse, x → z, maps the rows of x, (rows, Dim),
// to mean 0 and mean square 1 at every position, and Forward maps what is
// normalised so to the means and variances of x. The rows are thus samples on
// the physical side of this bijector: in a Chain, images under the Inverse of
// the elements after it. For samples on its latent side, Init the ActNorm and
// use its Invert.
//
// Init fails with ErrShape unless there are two rows or more of Dim values, and
// with ErrSettings if a value is not finite or those at a position are all the
// same to working precision or too large for their squares. The parameters are
// then what they were.
func (b *ActNorm) Init(x *mat.Dense) error {
	if x == nil {
		return fmt.Errorf("bijector: ActNorm: %w: nil matrix", ErrShape)
	}
	dim := b.Dim()
	rows, cols := x.Dims()
	if rows < 2 || cols != dim {
		return fmt.Errorf("bijector: ActNorm: %w: matrix is (%d, %d), want two rows or more of %d values",
			ErrShape, rows, cols, dim)
	}
	w := make([]float64, 2*dim)
	for i := range dim {
		first, offset, variance := x.At(0, i), 0.0, 0.0
		for r := range rows {
			v := x.At(r, i)
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return fmt.Errorf("bijector: ActNorm: %w: element (%d, %d) is %g", ErrSettings, r, i, v)
			}
			offset += (v - first) / float64(rows) // of the mean, with all its digits
		}
		mean := first + offset
		for r := range rows {
			d := x.At(r, i) - mean
			variance += d * d / float64(rows)
		}
		if math.IsInf(variance, 1) {
			return fmt.Errorf("bijector: ActNorm: %w: column %d has infinite variance in float64", ErrSettings, i)
		}
		// Below, it is rounding of the mean, or a number without all its digits.
		if !(variance > max(0x1p-1022, 0x1p-100*mean*mean)) {
			return fmt.Errorf("bijector: ActNorm: %w: column %d is constant: variance %.2g about %g",
				ErrSettings, i, variance, mean)
		}
		w[i], w[dim+i] = 0.5*math.Log(variance), mean
	}
	copy(b.weights.data, w)
	return nil
}

const actNormKind = "actnorm"

// Describe returns a description without settings.
func (b *ActNorm) Describe() *Description { return &Description{Kind: actNormKind, of: b} }

func buildActNorm(s Stored) (Bijector, error) {
	if err := s.ExpectParam(actNormKind, 2, s.Dim()); err != nil {
		return nil, err
	}
	return NewActNorm(s.Dim())
}

// Dim returns the number of values per row.
func (b *ActNorm) Dim() int { return b.f64.Dim() }

// Params returns the one parameter, a (2, Dim) matrix: s, then t.
func (b *ActNorm) Params() []*Param { return []*Param{b.weights} }

// Scale returns the factors exp(s_i) of Forward as they are now; it is a copy.
func (b *ActNorm) Scale() []float64 {
	f := make([]float64, b.Dim())
	for i := range f {
		f[i] = math.Exp(b.weights.data[i])
	}
	return f
}

// Shift returns t as it is now; it is a copy.
func (b *ActNorm) Shift() []float64 { return slices.Clone(b.weights.data[b.Dim():]) }

// Forward maps z to exp(s)·z + t.
func (b *ActNorm) Forward(z *gorgonia.Node) (x, logDet *gorgonia.Node, err error) {
	return b.self.Forward(z)
}

// Inverse maps x to (x − t)·exp(−s).
func (b *ActNorm) Inverse(x *gorgonia.Node) (z, logDet *gorgonia.Node, err error) {
	return b.self.Inverse(x)
}

func (b *ActNorm) state(s *gorgonia.Node, inverse bool) (*gorgonia.Node, error) {
	return b.self.state(s, inverse)
}
