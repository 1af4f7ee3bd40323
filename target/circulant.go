package target

import (
	"fmt"
	"math"
	"slices"

	"github.com/neuralrg/neuralrg/internal/fourier"
)

// circulant is the matrix K+αI of a periodic lattice, where K_ij is 1/T times the
// number of bonds between the sites i and j: one bond from every site to the next
// along each axis, so that an extent of 2 has double bonds. Plane waves diagonalise
// it, with eigenvalues
//
//	λ(k) = (2/T) Σ_μ cos k_μ + α, k_μ = 2πj/L_μ,
//
// and nothing of size N×N is ever stored. Sites are row-major. A circulant is
// read-only after construction and safe for concurrent use; a workspace is not.
type circulant struct {
	shape   []int
	size    int     // number of sites N
	bond    float64 // 1/T
	alpha   float64
	lambda  []float64 // λ(k), row-major in k
	inverse *fourier.Diagonal
	lnDet   float64
}

// checkLattice checks that shape is a chain or a square lattice.
func checkLattice(shape []int) error {
	if len(shape) < 1 || len(shape) > 2 {
		return fmt.Errorf("%w: lattice %v, want one or two extents", ErrShape, shape)
	}
	for _, n := range shape {
		if n < 2 {
			return fmt.Errorf("%w: lattice %v, want extents of 2 or more", ErrShape, shape)
		}
	}
	return nil
}

// newCirculant returns K+αI for a lattice of the given extents, each at least 2, at
// temperature T ≠ 0. The inverse and logDet are meaningful where K+αI is positive
// definite: for T > 0 where α > −couplingMin(shape, T).
func newCirculant(shape []int, T, alpha float64) *circulant {
	c := &circulant{shape: slices.Clone(shape), size: 1, bond: 1 / T, alpha: alpha}
	for _, n := range shape {
		c.size *= n
	}
	inverse := make([]float64, c.size)
	c.lambda = make([]float64, c.size)
	for k := range c.size {
		cosines := 0.0
		for axis, rest := len(shape)-1, k; axis >= 0; axis-- {
			cosines += waveCosine(rest%shape[axis], shape[axis])
			rest /= shape[axis]
		}
		c.lambda[k] = 2/T*cosines + alpha
		inverse[k] = 1 / c.lambda[k]
		c.lnDet += math.Log(c.lambda[k])
	}
	c.inverse = fourier.NewDiagonal(shape, inverse)
	return c
}

// couplingMin returns the least eigenvalue of K. An axis of even extent contributes
// −2/T, one of odd extent L only −(2/T) cos(π/L).
func couplingMin(shape []int, T float64) float64 {
	cosines := 0.0
	for _, n := range shape {
		cosines += waveCosine(n/2, n)
	}
	return 2 / T * cosines
}

// waveCosine returns cos(2πk/n), the same to the bit for k and n−k.
func waveCosine(k, n int) float64 {
	return math.Cos(2 * math.Pi * float64(min(k, n-k)) / float64(n))
}

// logDet returns ln det(K+αI).
func (c *circulant) logDet() float64 { return c.lnDet }

// solveRows sets each of the rows of dst (rows×N, row-major) to (K+αI)⁻¹ times that
// of x. dst and x may be the same slice. It does not allocate.
func (c *circulant) solveRows(dst, x []float64, rows int, ws *fourier.Workspace) {
	c.checkRows(dst, x, rows)
	c.inverse.Apply(dst, x, ws)
}

func (c *circulant) checkRows(dst, x []float64, rows int) {
	if len(x) != rows*c.size || len(dst) != rows*c.size {
		panic("target: length of rows does not match the lattice")
	}
}

// newWorkspace returns a workspace for one goroutine at a time.
func (c *circulant) newWorkspace() *fourier.Workspace { return c.inverse.NewWorkspace() }
