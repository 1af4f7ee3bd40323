package bijector

import (
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/kernel"
	"github.com/neuralrg/neuralrg/internal/num"
)

// Linear is the map x = W·z with an invertible matrix in the parametrisation
// of Glow (Kingma and Dhariwal, arXiv:1807.03039, eq. 10),
//
//	W = P·L·U,  ln |det W| = Σ d_i,
//
// L is lower triangular with ones on the diagonal. U is upper triangular with ±exp(d_i) on
// the diagonal. The permutation P and the signs are fixed at construction. The inverse
// exists for all values of the parameters and takes two triangular substitutions. With
// Linear blocks and a normal prior, a flow is a Gaussian of mean zero. A Linear is safe for
// concurrent use as long as its parameters are not changed.
type Linear struct {
	fused
	self     *fusedLayer
	perm     []int
	negative []bool
}

// NewLinear returns a map on rows of dim ≥ 1 values near the identity. The elements of its
// parameter are normal with standard deviation 0.1/√dim, P is the identity and the signs
// are positive. It fails with ErrShape for a smaller dim or more than 2²⁸ parameters, and
// with ErrSettings for a nil source.
func NewLinear(dim int, src rand.Source) (*Linear, error) {
	if src == nil {
		return nil, fmt.Errorf("bijector: %w: Linear needs a source of randomness", ErrSettings)
	}
	if dim < 1 {
		return nil, fmt.Errorf("bijector: %w: Linear of dimension %d", ErrShape, dim)
	}
	if err := afford(ErrShape, float64(dim)*float64(dim), "Linear of dimension %d", dim); err != nil {
		return nil, err
	}
	rnd := rand.New(src)
	lu := make([]float64, dim*dim)
	for i := range lu {
		lu[i] = 0.1 / math.Sqrt(float64(dim)) * rnd.NormFloat64()
	}
	return newLinear(lu, num.UpTo(dim), make([]bool, dim))
}

// LinearFrom returns the map x = w·z of an invertible matrix. It fails with ErrShape unless
// w is square, and with ErrSettings if an element is not finite or w is singular within
// rounding. Large differences of scale between rows or columns do no harm.
func LinearFrom(w mat.Matrix) (*Linear, error) {
	a, err := square(w)
	if err != nil {
		return nil, fmt.Errorf("bijector: Linear: %w", err)
	}
	rows, cols, err := balance(a)
	if err != nil {
		return nil, fmt.Errorf("bijector: Linear: %w", err)
	}
	var f mat.LU
	f.Factorize(a)
	if c := f.Cond(); !(c < 0x1p52) {
		return nil, fmt.Errorf(
			"bijector: Linear: %w: matrix is singular: condition number %.2g with rows and columns of one scale",
			ErrSettings, c)
	}
	var l, u mat.TriDense
	f.LTo(&l)
	f.UTo(&u)
	// The balanced matrix is P·L·U. If R and C are the scales of rows and columns, the
	// factors of w are R'·L·R'⁻¹ and R'·U·C, where R' is R in the order of the pivots.
	perm := f.RowPivots(nil)
	scale := make([]int, len(perm))
	for i, p := range perm {
		scale[p] = rows[i]
	}
	return unbalanced(&l, &u, scale, cols, perm)
}

// balance divides the rows and columns of a by powers of two and returns their exponents.
// First it divides by the geometric means of their elements; this undoes scales that were
// multiplied into a full matrix. Then it makes the largest element of each about 1.
func balance(a *mat.Dense) (rows, cols []int, err error) {
	raw := a.RawMatrix()
	n := raw.Rows
	for i := range n {
		for j := range n {
			if v := a.At(i, j); !num.Finite(v) {
				return nil, nil, fmt.Errorf("%w: element (%d, %d) is %g", ErrSettings, i, j, v)
			}
		}
	}
	rows, cols = make([]int, n), make([]int, n)
	for _, mean := range []bool{true, false} {
		for k := range n {
			if !divide(raw.Data[k*raw.Stride:], n, 1, mean, &rows[k]) {
				return nil, nil, fmt.Errorf("%w: matrix is singular: row %d is zero", ErrSettings, k)
			}
		}
		for k := range n {
			if !divide(raw.Data[k:], n, raw.Stride, mean, &cols[k]) {
				return nil, nil, fmt.Errorf("%w: matrix is singular: column %d is zero", ErrSettings, k)
			}
		}
	}
	return rows, cols, nil
}

// divide divides n elements of v, step apart, by a power of two and adds its power to
// exponent. The power of two is near the geometric mean of the elements other than zero
// or, if mean is false, near the largest element. divide returns false if all are zero.
func divide(v []float64, n, step int, mean bool, exponent *int) bool {
	sum, count, most := 0, 0, math.MinInt
	for k := range n {
		if x := v[k*step]; x != 0 {
			_, e := math.Frexp(x)
			sum, count, most = sum+e, count+1, max(most, e)
		}
	}
	if count == 0 {
		return false
	}
	by := most
	if mean {
		by = max(int(math.Round(float64(sum)/float64(count))), most-1000) // without overflow
	}
	for k := range n {
		v[k*step] = math.Ldexp(v[k*step], -by)
	}
	*exponent += by
	return true
}

// unbalanced returns the map of the original matrix, given the factors l and u of the
// balanced one. rows and cols are the exponents of the powers of two by which rows, in the
// order of the pivots, and columns were divided.
func unbalanced(l, u *mat.TriDense, rows, cols, perm []int) (*Linear, error) {
	dim := len(perm)
	lu := make([]float64, dim*dim)
	negative := make([]bool, dim)
	for i := range dim {
		for j := range dim {
			v := &lu[i*dim+j]
			switch {
			case j < i:
				*v = math.Ldexp(l.At(i, j), rows[i]-rows[j])
			case j > i:
				*v = math.Ldexp(u.At(i, j), rows[i]+cols[j])
			default:
				*v = math.Log(math.Ldexp(math.Abs(u.At(i, i)), rows[i]+cols[i]))
				negative[i] = u.At(i, i) < 0
			}
			if math.IsInf(*v, 0) || i == j && math.Abs(*v) > 708 {
				return nil, fmt.Errorf(
					"bijector: Linear: %w: the triangles of a matrix with elements of such sizes exceed float64",
					ErrSettings)
			}
		}
	}
	return newLinear(lu, perm, negative)
}

func newLinear(lu []float64, perm []int, negative []bool) (*Linear, error) {
	w, err := NewParam(linearKind, lu, len(perm), len(perm))
	if err != nil {
		return nil, err
	}
	f := fused{w, kernel.NewLU[float64](perm, negative), kernel.NewLU[float32](perm, negative)}
	b := &Linear{fused: f, perm: perm, negative: negative}
	b.self = b.alone()
	return b, nil
}

const (
	linearKind  = "linear"
	pivotsArray = "pivots"
)

// Describe returns the matrix that is fixed at construction: P, with the signs of the
// diagonal of U in its columns.
func (b *Linear) Describe() *Description {
	return &Description{Kind: linearKind, of: b, Arrays: func() []Array {
		n := b.Dim()
		unit, err := newLinear(make([]float64, n*n), b.perm, b.negative)
		if err != nil {
			return nil // the dimension is known to be positive
		}
		return []Array{{Name: pivotsArray, Shape: []int{n, n}, Floats: unit.Matrix().RawMatrix().Data}}
	}}
}

func buildLinear(s Stored) (Bijector, error) {
	n := s.Dim()
	if err := s.ExpectParam(linearKind, n, n); err != nil {
		return nil, err
	}
	pivots, err := s.Floats(pivotsArray, n, n)
	if err != nil {
		return nil, err
	}
	perm, negative, found := make([]int, n), make([]bool, n), make([]bool, n)
	for i := range n {
		count := 0 // elements of row i other than zero
		for j, v := range pivots[i*n : (i+1)*n] {
			if v == 0 {
				continue
			}
			if math.Abs(v) != 1 || found[j] {
				return nil, fmt.Errorf("bijector: Linear: %w: pivots are no signed permutation: element (%d, %d) is %g",
					ErrPartition, i, j, v)
			}
			perm[i], negative[j], found[j] = j, v < 0, true
			count++
		}
		if count != 1 {
			return nil, fmt.Errorf("bijector: Linear: %w: pivots are no signed permutation: row %d has %d elements",
				ErrPartition, i, count)
		}
	}
	return newLinear(make([]float64, n*n), perm, negative)
}

// Dim returns the number of values per row.
func (b *Linear) Dim() int { return b.f64.Dim() }

// Params returns the only parameter, a (Dim, Dim) matrix: L below the diagonal, U above it
// and d on it.
func (b *Linear) Params() []*Param { return []*Param{b.weights} }

// Matrix returns a copy of the present W.
func (b *Linear) Matrix() *mat.Dense { return matrixOf(&b.fused) }

// Forward maps z to W·z.
func (b *Linear) Forward(z *gorgonia.Node) (x, logDet *gorgonia.Node, err error) {
	return b.self.Forward(z)
}

// Inverse maps x to W⁻¹·x.
func (b *Linear) Inverse(x *gorgonia.Node) (z, logDet *gorgonia.Node, err error) {
	return b.self.Inverse(x)
}

func (b *Linear) state(s packed, inverse bool) (packed, error) {
	return b.self.state(s, inverse)
}

// matrixOf returns the matrix of a linear transform: its columns are the
// images of the unit vectors.
func matrixOf(f *fused) *mat.Dense {
	n := f.f64.Dim()
	l := kernel.NewLayer(f.f64, n, [][]int{num.UpTo(n)})
	in, out := make([]float64, l.StateLen(n)), make([]float64, l.StateLen(n))
	unit := mat.NewDense(n, n, nil)
	for i := range n {
		unit.Set(i, i, 1)
	}
	kernel.Pack(in, unit.RawMatrix().Data, n, n, 0, kernel.Groups(n))
	l.Run(out, in, f.weights.data, n, false)
	kernel.Unpack(unit.RawMatrix().Data, out, n, n, 0, kernel.Groups(n))
	return mat.DenseCopyOf(unit.T())
}
