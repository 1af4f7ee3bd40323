package bijector

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/kernel"
	"github.com/neuralrg/neuralrg/internal/num"
)

// ActNorm scales and shifts every position on its own,
//
//	x_i = exp(s_i)·z_i + t_i,  ln |det ∂x/∂z| = Σ s_i,
//
// the activation normalisation of Glow (Kingma and Dhariwal, arXiv:1807.03039,
// sec. 3.1). After Init, Inverse normalises the rows that were given to Init. In a layer i
// is the position within a tile, and all tiles share s and t. An ActNorm is safe for
// concurrent use as long as its parameters are not changed. Init changes them.
type ActNorm struct {
	fused
	self *fusedLayer
}

// NewActNorm returns the identity on rows of dim ≥ 1 values. It fails with ErrShape for a
// smaller dim or more than 2²⁸ parameters.
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

// Init sets s and t such that Inverse, x → z, maps the rows of x, (rows, Dim), to mean 0
// and variance 1 at every position. The rows must be samples on the physical side of b. In
// a Chain these are samples of x mapped by the Inverse of all later elements. To normalise
// samples on the latent side, call Init with them and use Invert(b).
//
// Init fails with ErrShape unless x has two rows or more of Dim values. It fails with
// ErrSettings if a value is not finite, if the values at a position are equal within
// rounding, or if their variance overflows. The parameters are then unchanged.
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
			if !num.Finite(v) {
				return fmt.Errorf("bijector: ActNorm: %w: element (%d, %d) is %g", ErrSettings, r, i, v)
			}
			offset += (v - first) / float64(rows) // relative to first, so that no digits of the mean are lost
		}
		mean := first + offset
		for r := range rows {
			d := x.At(r, i) - mean
			variance += d * d / float64(rows)
		}
		if math.IsInf(variance, 1) {
			return fmt.Errorf("bijector: ActNorm: %w: column %d has infinite variance in float64", ErrSettings, i)
		}
		// A smaller variance is rounding of the mean, or subnormal.
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

// Scale returns a copy of the present factors exp(s_i) of Forward.
func (b *ActNorm) Scale() []float64 {
	f := make([]float64, b.Dim())
	for i := range f {
		f[i] = math.Exp(b.weights.data[i])
	}
	return f
}

// Shift returns a copy of the present t.
func (b *ActNorm) Shift() []float64 { return slices.Clone(b.weights.data[b.Dim():]) }

// Forward maps z to exp(s)·z + t.
func (b *ActNorm) Forward(z *gorgonia.Node) (x, logDet *gorgonia.Node, err error) {
	return b.self.Forward(z)
}

// Inverse maps x to (x − t)·exp(−s).
func (b *ActNorm) Inverse(x *gorgonia.Node) (z, logDet *gorgonia.Node, err error) {
	return b.self.Inverse(x)
}

func (b *ActNorm) state(s packed, inverse bool) (packed, error) {
	return b.self.state(s, inverse)
}
