package bijector

import (
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/graph"
	"github.com/neuralrg/neuralrg/internal/kernel"
)

// Orthogonal is the map x = Q·z with an orthogonal matrix Q. Its log-determinant is zero. Q
// is a product of plane (Givens) rotations, one for every pair of positions:
//
//	Q = G_01 G_02 … G_12 … D.
//
// The parameter holds the angles. D is the identity, or the reflection of the last
// position. Training changes the angles, not D, so that det Q = ±1 keeps its sign. An
// Orthogonal is safe for concurrent use as long as its parameters are not changed.
type Orthogonal struct {
	fused
	self *fusedLayer
	flip bool // D reflects the last position
}

// NewOrthogonal returns a map on rows of dim ≥ 2 values near the identity. Its angles are
// normal with standard deviation 0.1, in radians, and D is the identity. It fails with
// ErrShape for a smaller dim or more than 2²⁸ parameters, and with ErrSettings for a nil
// source.
func NewOrthogonal(dim int, src rand.Source) (*Orthogonal, error) {
	if src == nil {
		return nil, fmt.Errorf("bijector: %w: Orthogonal needs a source of randomness", ErrSettings)
	}
	if dim < 2 {
		return nil, fmt.Errorf("bijector: %w: Orthogonal of dimension %d, want 2 or more", ErrShape, dim)
	}
	if err := afford(ErrShape, float64(dim)*float64(dim)/2, "Orthogonal of dimension %d", dim); err != nil {
		return nil, err
	}
	rnd := rand.New(src)
	angles := make([]float64, dim*(dim-1)/2)
	for i := range angles {
		angles[i] = 0.1 * rnd.NormFloat64()
	}
	return newOrthogonal(dim, angles, false)
}

// OrthogonalFrom returns the map x = q·z of an orthogonal matrix. Its determinant may be 1
// or −1. It fails with ErrShape unless q is square of dimension 2 or more, and with
// ErrSettings if an element of qᵀq differs from that of the identity by more than 1e-8.
func OrthogonalFrom(q mat.Matrix) (*Orthogonal, error) {
	a, err := square(q)
	if err != nil {
		return nil, fmt.Errorf("bijector: Orthogonal: %w", err)
	}
	dim := a.RawMatrix().Rows
	if dim < 2 {
		return nil, fmt.Errorf("bijector: Orthogonal: %w: matrix must be square of dimension 2 or more", ErrShape)
	}
	var qtq mat.Dense
	qtq.Mul(a.T(), a)
	for i := range dim {
		qtq.Set(i, i, qtq.At(i, i)-1)
	}
	for i, v := range qtq.RawMatrix().Data {
		if !(math.Abs(v) <= 1e-8) {
			return nil, fmt.Errorf("bijector: Orthogonal: %w: matrix is not orthogonal: QᵀQ is off by %.2g at (%d, %d)",
				ErrSettings, v, i/dim, i%dim)
		}
	}
	// Rotations make the elements below the diagonal zero, column by column, and all
	// diagonal elements positive but the last. An orthogonal triangular matrix with a
	// positive diagonal is the identity. If the last element is negative, D is a reflection.
	var angles []float64
	for j := range dim {
		for i := j + 1; i < dim; i++ {
			angle := math.Atan2(a.At(i, j), a.At(j, j))
			s, c := math.Sincos(angle)
			for k := range dim {
				u, v := a.At(j, k), a.At(i, k)
				a.Set(j, k, c*u+s*v)
				a.Set(i, k, c*v-s*u)
			}
			angles = append(angles, angle)
		}
	}
	return newOrthogonal(dim, angles, a.At(dim-1, dim-1) < 0)
}

// square returns a copy of a square matrix.
func square(m mat.Matrix) (a *mat.Dense, err error) {
	if m == nil {
		return nil, fmt.Errorf("%w: nil matrix, want a square one", ErrShape)
	}
	// A user's matrix may panic, for example a nil pointer.
	guarded := graph.Guard(func() error {
		r, c := m.Dims()
		if r != c || r < 1 {
			err = fmt.Errorf("%w: matrix is (%d, %d), want a square one", ErrShape, r, c)
		} else if err = afford(ErrShape, float64(r)*float64(c), "a matrix of (%d, %d)", r, c); err == nil {
			a = mat.DenseCopyOf(m)
		}
		return nil
	})
	if guarded != nil {
		return nil, fmt.Errorf("%w: matrix of type %T: %w", ErrShape, m, guarded)
	}
	return a, err
}

func newOrthogonal(dim int, angles []float64, flip bool) (*Orthogonal, error) {
	w, err := NewParam(orthogonalKind, angles, len(angles))
	if err != nil {
		return nil, err
	}
	f := fused{w, kernel.NewRotations[float64](dim, flip), kernel.NewRotations[float32](dim, flip)}
	b := &Orthogonal{fused: f, flip: flip}
	b.self = b.alone()
	return b, nil
}

const orthogonalKind = "orthogonal"

// orthogonalConfig are the settings of an Orthogonal in a file.
type orthogonalConfig struct {
	Flip bool `json:"flip,omitempty"` // D reflects the last position
}

// Describe says whether D is a reflection.
func (b *Orthogonal) Describe() *Description {
	return &Description{Kind: orthogonalKind, Config: &orthogonalConfig{b.flip}, of: b}
}

func buildOrthogonal(s Stored) (Bijector, error) {
	var c orthogonalConfig
	if err := s.Config(&c); err != nil {
		return nil, err
	}
	dim := s.Dim()
	if dim < 2 {
		return nil, fmt.Errorf("bijector: %w: Orthogonal of dimension %d, want 2 or more", ErrShape, dim)
	}
	angles := dim * (dim - 1) / 2
	if err := s.ExpectParam(orthogonalKind, angles); err != nil {
		return nil, err
	}
	return newOrthogonal(dim, make([]float64, angles), c.Flip)
}

// Dim returns the number of values per row.
func (b *Orthogonal) Dim() int { return b.f64.Dim() }

// Params returns the only parameter, a vector: the angles of the pairs of positions (0, 1),
// (0, 2), …, (1, 2), … in radians.
func (b *Orthogonal) Params() []*Param { return []*Param{b.weights} }

// Matrix returns a copy of the present Q.
func (b *Orthogonal) Matrix() *mat.Dense { return matrixOf(&b.fused) }

// Forward maps z to Q·z.
func (b *Orthogonal) Forward(z *gorgonia.Node) (x, logDet *gorgonia.Node, err error) {
	return b.self.Forward(z)
}

// Inverse maps x to Qᵀ·x.
func (b *Orthogonal) Inverse(x *gorgonia.Node) (z, logDet *gorgonia.Node, err error) {
	return b.self.Inverse(x)
}

func (b *Orthogonal) state(s packed, inverse bool) (packed, error) {
	return b.self.state(s, inverse)
}
