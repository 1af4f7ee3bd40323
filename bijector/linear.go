package bijector

import (
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/kernel"
)

// Linear is the map x = W·z with an invertible matrix in the parametrisation
// of Glow (Kingma and Dhariwal, arXiv:1807.03039, eq. 10),
//
//	W = P·L·U,  ln |det W| = Σ d_i,
//
// with L lower triangular, one on the diagonal, and U upper triangular,
// ±exp(d_i) on the diagonal. The permutation P and the signs are fixed at
// construction. Whatever the parameters are, the inverse exists and takes two
// triangular substitutions. With Linear blocks and a normal prior a flow is
// the general Gaussian of its network, of mean zero. A Linear is safe for
// concurrent use as long as its parameters are not changed.
type Linear struct {
	fused
	self     *fusedLayer
	perm     []int
	negative []bool
}

// NewLinear returns a map on rows of dim ≥ 1 values near the identity: the
// elements of its parameter are drawn normal with standard deviation
// 0.1/√dim, P is the identity and the signs are positive. It fails with
// ErrShape for a smaller dim and with ErrSettings for a nil source.
func NewLinear(dim int, src rand.Source) (*Linear, error) {
	if src == nil {
		return nil, fmt.Errorf("bijector: %w: Linear needs a source of randomness", ErrSettings)
	}
	if dim < 1 {
		return nil, fmt.Errorf("bijector: %w: Linear of dimension %d", ErrShape, dim)
	}
	rnd := rand.New(src)
	lu := make([]float64, dim*dim)
	for i := range lu {
		lu[i] = 0.1 / math.Sqrt(float64(dim)) * rnd.NormFloat64()
	}
	return newLinear(lu, identity(dim), make([]bool, dim))
}

// LinearFrom returns the map of a given invertible matrix. It fails with
// ErrShape unless w is square and with ErrSettings if it is singular to
// working precision or not finite.
func LinearFrom(w mat.Matrix) (*Linear, error) {
	dim, err := square(w)
	if err != nil {
		return nil, fmt.Errorf("bijector: Linear: %w", err)
	}
	for i := range dim {
		for j := range dim {
			if v := w.At(i, j); math.IsNaN(v) || math.IsInf(v, 0) {
				return nil, fmt.Errorf("bijector: Linear: %w: element (%d, %d) is %g", ErrSettings, i, j, v)
			}
		}
	}
	var f mat.LU
	f.Factorize(w)
	if c := f.Cond(); !(c < 0x1p52) {
		return nil, fmt.Errorf("bijector: Linear: %w: matrix is singular: condition number %.2g", ErrSettings, c)
	}
	var l, u mat.TriDense
	f.LTo(&l)
	f.UTo(&u)
	lu := make([]float64, dim*dim)
	negative := make([]bool, dim)
	for i := range dim {
		for j := range dim {
			if j < i {
				lu[i*dim+j] = l.At(i, j)
			} else {
				lu[i*dim+j] = u.At(i, j)
			}
		}
		negative[i] = u.At(i, i) < 0
		lu[i*dim+i] = math.Log(math.Abs(u.At(i, i)))
	}
	return newLinear(lu, f.RowPivots(nil), negative)
}

func newLinear(lu []float64, perm []int, negative []bool) (*Linear, error) {
	w, err := NewParam("linear", lu, len(perm), len(perm))
	if err != nil {
		return nil, err
	}
	b := &Linear{fused: fused{w, kernel.NewLU[float64](perm, negative), kernel.NewLU[float32](perm, negative)}, perm: perm, negative: negative}
	b.self = b.alone()
	return b, nil
}

// Dim returns the number of values per row.
func (b *Linear) Dim() int { return b.f64.Dim() }

// Params returns the one parameter, a (Dim, Dim) matrix: L below the
// diagonal, U above it and d on it.
func (b *Linear) Params() []*Param { return []*Param{b.weights} }

// SignedPermutation returns what is fixed at construction, P with the signs of
// the diagonal of U in its columns. LinearFrom of it is a map that differs
// from this one in its parameter alone.
func (b *Linear) SignedPermutation() *mat.Dense {
	unit := make([]float64, b.Dim()*b.Dim())
	c, err := newLinear(unit, b.perm, b.negative)
	if err != nil {
		return nil // the dimension is known to be positive
	}
	return c.Matrix()
}

// Matrix returns W as it is now; it is a copy.
func (b *Linear) Matrix() *mat.Dense { return matrixOf(&b.fused) }

// Forward maps z to W·z.
func (b *Linear) Forward(z *gorgonia.Node) (x, logDet *gorgonia.Node, err error) {
	return b.self.Forward(z)
}

// Inverse maps x to W⁻¹·x.
func (b *Linear) Inverse(x *gorgonia.Node) (z, logDet *gorgonia.Node, err error) {
	return b.self.Inverse(x)
}

func (b *Linear) state(s *gorgonia.Node, inverse bool) (*gorgonia.Node, error) {
	return b.self.state(s, inverse)
}

// matrixOf returns the matrix of a linear transform: its columns are the
// images of the unit vectors.
func matrixOf(f *fused) *mat.Dense {
	n := f.f64.Dim()
	l := kernel.NewLayer(f.f64, n, [][]int{identity(n)})
	in, out := make([]float64, l.StateLen(n)), make([]float64, l.StateLen(n))
	for i := range n {
		in[i*n+i] = 1
	}
	l.Run(out, in, f.weights.data, n, false)
	return mat.DenseCopyOf(mat.NewDense(n, n, out[:n*n]).T())
}
