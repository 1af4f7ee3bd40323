package target

import (
	"fmt"
	"math"
	"math/big"
	"slices"

	"gonum.org/v1/gonum/floats"

	"github.com/neuralrg/neuralrg/internal/fourier"
	"github.com/neuralrg/neuralrg/internal/lattice"
	"github.com/neuralrg/neuralrg/internal/num"
)

// circulant is a positive definite matrix on the N sites of a periodic lattice, the same
// at every site. All diagonal elements are equal. Every bond adds the number bond to the
// element of its two sites. Each site has one bond to the next site along each axis, so
// that along an extent of 2 neighbours share two bonds. Plane waves diagonalise the
// matrix, with the eigenvalues
//
//	λ(k) = 2·bond Σ_μ cos k_μ + diagonal, k_μ = 2πj_μ/L_μ.
//
// No N×N array is stored. Sites are row-major. A circulant does not change after
// construction and is safe for concurrent use; a workspace is not.
type circulant struct {
	size    int       // number of sites N
	lambda  []float64 // λ(k), row-major in k
	inverse *fourier.Diagonal
	lnDet   float64
}

// checkLattice checks that shape is a periodic lattice of any number of dimensions.
func checkLattice(shape []int) error {
	for _, n := range shape {
		if n < 2 {
			return fmt.Errorf("%w: lattice %v, want extents of 2 or more", ErrShape, shape)
		}
	}
	if _, err := lattice.Size(shape); err != nil {
		return fmt.Errorf("%w: %w", ErrShape, err)
	}
	return nil
}

// newCirculant returns the matrix with the given bond and least eigenvalue. checkLattice
// accepts shape, and 1/least is finite.
//
// The least eigenvalue stands for the diagonal: it is a difference of the diagonal and
// the bonds, which are nearly equal where least is small. Here every λ(k) is a sum of
// least and of terms that are not negative, and no digits are lost.
func newCirculant(shape []int, bond, least float64) *circulant {
	lambda := eigenvalues(shape, slices.Repeat([]float64{bond}, len(shape)), least)
	c := &circulant{size: len(lambda), lambda: lambda}
	inverse, logs := make([]float64, c.size), make([]float64, c.size)
	for k, v := range lambda {
		inverse[k], logs[k] = 1/v, logOf(v)
	}
	c.lnDet = floats.SumCompensated(logs)
	c.inverse = fourier.NewDiagonal(shape, inverse)
	return c
}

// eigenvalues returns λ(k), row-major in k, of the matrix with the given bond along each
// axis and the given least eigenvalue. checkLattice accepts shape.
func eigenvalues(shape []int, bond []float64, least float64) []float64 {
	above := make([][]float64, len(shape)) // contribution of each axis to λ(k) − least
	for axis, n := range shape {
		above[axis] = make([]float64, n)
		for j := range n {
			above[axis][j] = 2 * math.Abs(bond[axis]) * cosineGap(j, n, bond[axis] < 0)
		}
	}
	size, _ := lattice.Size(shape) // checkLattice has accepted it
	lambda := make([]float64, size)
	for k, wave := range lattice.Points(shape) {
		v := least
		for axis, j := range wave {
			v += above[axis][j]
		}
		lambda[k] = v
	}
	return lambda
}

// logOf returns ln v. On some processors math.Log is wrong for v below the least normal
// number.
func logOf(v float64) float64 {
	if v < 0x1p-1022 {
		return math.Log(v*0x1p64) - 64*math.Ln2
	}
	return math.Log(v)
}

// cosineGap returns |cos(2πj/n) − c| without cancellation. c is 1 if top is true and the
// least of all cosines otherwise. The results for j and n−j have the same bits.
func cosineGap(j, n int, top bool) float64 {
	j = min(j, n-j)
	if top {
		s := sinPi(j, n)
		return 2 * s * s
	}
	h := n / 2 // the wave of the least cosine
	return 2 * sinPi(h+j, n) * sinPi(h-j, n)
}

// sinPi returns sin(πj/n) for 0 ≤ j ≤ n. It keeps all digits near 0 and near n.
func sinPi(j, n int) float64 {
	return math.Sin(math.Pi * float64(min(j, n-j)) / float64(n))
}

// couplingMin returns the least eigenvalue λ_min(K) = −(2/T) Σ_μ c_μ of the matrix K with
// 1/T for every bond. c_μ is 1 for an even extent and cos(π/L_μ) for an odd one.
func couplingMin(shape []int, T float64) float64 {
	v, _ := exactCouplingMin(shape, T).Float64()
	return v
}

// leastEigenvalue returns λ_min(K) + alpha with all digits, also where the two nearly
// cancel. It returns NaN if alpha is not finite.
func leastEigenvalue(shape []int, T, alpha float64) float64 {
	if !num.Finite(alpha) {
		return math.NaN()
	}
	sum := exactCouplingMin(shape, T)
	v, _ := sum.Add(sum, newBig(alpha)).Float64()
	return v
}

// exactCouplingMin returns λ_min(K) to bigBits.
func exactCouplingMin(shape []int, T float64) *big.Float {
	sum := newBig(0)
	for _, n := range shape {
		sum.Sub(sum, leastCosine(n))
	}
	return sum.Quo(sum.Mul(sum, newBig(2)), newBig(T))
}

// bigBits is a precision at which sums of a few float64 numbers lose nothing that
// matters: the difference of two nearly equal numbers keeps more than 53 bits.
const bigBits = 256

// newBig returns v to bigBits.
func newBig(v float64) *big.Float { return new(big.Float).SetPrec(bigBits).SetFloat64(v) }

// leastCosine returns the magnitude of the least of all cos(2πj/n): 1 for even n and
// cos(π/n), by its power series, for odd n.
func leastCosine(n int) *big.Float {
	sum := newBig(1)
	if n%2 == 0 {
		return sum
	}
	x, _, _ := big.ParseFloat(piDigits, 10, bigBits, big.ToNearestEven)
	x.Quo(x, newBig(float64(n)))
	x.Mul(x, x)
	term := newBig(1)
	for i := 2; i <= 60; i += 2 { // the last term is below 1e-50 for any n ≥ 3
		term.Mul(term, x)
		term.Quo(term, newBig(float64(-i*(i-1))))
		sum.Add(sum, term)
	}
	return sum
}

// piDigits is π to more digits than bigBits hold.
const piDigits = "3.14159265358979323846264338327950288419716939937510582097494459230781640628620899862803482534"

// logDet returns the logarithm of the determinant.
func (c *circulant) logDet() float64 { return c.lnDet }

// solveRows stores the inverse of the matrix times each row of x in the same row of dst.
// Both are rows×N, row-major, and may be the same slice. It does not allocate.
func (c *circulant) solveRows(dst, x []float64, rows int, ws *fourier.Workspace) {
	if len(x) != rows*c.size || len(dst) != rows*c.size {
		panic("target: length of rows does not match the lattice")
	}
	c.inverse.Apply(dst, x, ws)
}

// newWorkspace returns a workspace for one goroutine at a time.
func (c *circulant) newWorkspace() *fourier.Workspace { return c.inverse.NewWorkspace() }
