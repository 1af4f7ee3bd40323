package target

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/internal/lattice"
)

var circulantShapes = [][]int{
	{2}, {3}, {4}, {5}, {16}, {17}, {2, 2}, {3, 3}, {2, 3}, {3, 2}, {4, 4}, {5, 7}, {16, 16}, {2, 3, 4}, {3, 5, 2, 2},
}

// normalRows returns n standard normal values.
func normalRows(seed uint64, n int) []float64 {
	rnd := rand.New(rand.NewPCG(seed, 1))
	x := make([]float64, n)
	for i := range x {
		x[i] = rnd.NormFloat64()
	}
	return x
}

// circulantOf returns K+αI at temperature T.
func circulantOf(shape []int, T, alpha float64) *circulant {
	return newCirculant(shape, 1/T, leastEigenvalue(shape, T, alpha))
}

// latticeBonds returns the two sites of every bond: one from each site to the next along
// each axis.
func latticeBonds(shape []int) (pairs [][2]int) {
	for axis, extent := range shape {
		for i, at := range lattice.Points(shape) {
			next := slices.Clone(at)
			next[axis] = (at[axis] + 1) % extent
			pairs = append(pairs, [2]int{i, lattice.Site(shape, next)})
		}
	}
	return pairs
}

// denseCirculant returns K+αI as a dense matrix, bond by bond.
func denseCirculant(shape []int, T, alpha float64) *mat.SymDense {
	size, err := lattice.Size(shape)
	if err != nil {
		panic(err)
	}
	k := mat.NewSymDense(size, nil)
	for _, p := range latticeBonds(shape) {
		k.SetSym(p[0], p[1], k.At(p[0], p[1])+1/T)
	}
	for i := range size {
		k.SetSym(i, i, k.At(i, i)+alpha)
	}
	return k
}

func TestCirculantSolveInvertsMultiply(t *testing.T) {
	const rows = 7
	for _, shape := range circulantShapes {
		for _, T := range []float64{0.5, criticalT, 10} {
			c := circulantOf(shape, T, 0.1-couplingMin(shape, T))
			x := normalRows(1, rows*c.size)
			y := make([]float64, len(x))
			z := make([]float64, len(x))
			multiplyRows(y, x, shape, T, 0.1-couplingMin(shape, T))
			c.solveRows(z, y, rows, c.newWorkspace())
			// The condition number (least eigenvalue 0.1, greatest of order 8/T)
			// multiplies the rounding of y.
			tol := 1e-14 * max(1, 1-couplingMin(shape, T)/0.1)
			for i := range x {
				if math.Abs(z[i]-x[i]) > tol {
					t.Errorf("%v T=%v: element %d: got %v, want %v", shape, T, i, z[i], x[i])
					break
				}
			}
		}
	}
}

func TestCirculantAgainstDense(t *testing.T) {
	const rows = 3
	for _, shape := range circulantShapes {
		const T = 1.9
		alpha := 0.1 - couplingMin(shape, T)
		c := circulantOf(shape, T, alpha)
		dense := denseCirculant(shape, T, alpha)

		var eig mat.EigenSym
		if !eig.Factorize(dense, false) {
			t.Fatal("no eigenvalues")
		}
		least := eig.Values(nil)[0]
		if math.Abs(least-0.1) > 1e-13 {
			t.Errorf("%v: least eigenvalue of K+αI is %v, want 0.1", shape, least)
		}
		var chol mat.Cholesky
		if !chol.Factorize(dense) {
			t.Fatal("not positive definite")
		}
		if math.Abs(c.logDet()-chol.LogDet()) > 1e-13*float64(c.size) {
			t.Errorf("%v: ln det %v, want %v", shape, c.logDet(), chol.LogDet())
		}

		x := normalRows(2, rows*c.size)
		solved, multiplied := make([]float64, len(x)), make([]float64, len(x))
		c.solveRows(solved, x, rows, c.newWorkspace())
		multiplyRows(multiplied, x, shape, T, alpha)
		for r := range rows {
			row := mat.NewVecDense(c.size, x[r*c.size:(r+1)*c.size])
			var inverse, product mat.VecDense
			if err := chol.SolveVecTo(&inverse, row); err != nil {
				t.Fatal(err)
			}
			product.MulVec(dense, row)
			for i := range c.size {
				if math.Abs(solved[r*c.size+i]-inverse.AtVec(i)) > 1e-12 {
					t.Errorf("%v: solved row %d, site %d: %v, want %v",
						shape, r, i, solved[r*c.size+i], inverse.AtVec(i))
				}
				if math.Abs(multiplied[r*c.size+i]-product.AtVec(i)) > 1e-13 {
					t.Errorf("%v: multiplied row %d, site %d: %v, want %v",
						shape, r, i, multiplied[r*c.size+i], product.AtVec(i))
				}
			}
		}
	}
}

func TestCouplingMinEven(t *testing.T) {
	for _, T := range []float64{0.3, criticalT, 7} {
		if got := couplingMin([]int{16, 4}, T); got != -4/T {
			t.Errorf("torus: got %v, want %v", got, -4/T)
		}
		if got := couplingMin([]int{6}, T); got != -2/T {
			t.Errorf("ring: got %v, want %v", got, -2/T)
		}
	}
}

// The result of a row has the same bits at every place in a batch, beside any other rows
// and after any earlier use of the workspace.
func TestCirculantRowsIndependent(t *testing.T) {
	const rows = 6
	for _, shape := range circulantShapes {
		c := circulantOf(shape, 2, 0.1-couplingMin(shape, 2))
		x := normalRows(3, rows*c.size)
		batch := make([]float64, len(x))
		ws := c.newWorkspace()
		c.solveRows(batch, x, rows, ws)
		for r := range rows {
			alone := make([]float64, c.size)
			c.solveRows(alone, x[r*c.size:(r+1)*c.size], 1, c.newWorkspace())
			checkSameBits(t, fmt.Sprint(shape, " alone"), batch[r*c.size:(r+1)*c.size], alone)
		}

		// in place, the rows in reverse order and one of them NaN
		turned := make([]float64, len(x))
		for r := range rows {
			copy(turned[(rows-1-r)*c.size:], x[r*c.size:(r+1)*c.size])
		}
		turned[0] = math.NaN()
		c.solveRows(turned, turned, rows, ws)
		for r := range rows - 1 {
			checkSameBits(t, fmt.Sprint(shape, " reversed"), batch[r*c.size:(r+1)*c.size],
				turned[(rows-1-r)*c.size:(rows-r)*c.size])
		}
	}
}

// The solution for −x is minus that for x, to the bit: the Z₂ symmetry of the model.
func TestCirculantSolveIsOdd(t *testing.T) {
	for _, shape := range circulantShapes {
		c := circulantOf(shape, 2, 0.1-couplingMin(shape, 2))
		x := normalRows(4, c.size)
		plus, minus := make([]float64, c.size), make([]float64, c.size)
		ws := c.newWorkspace()
		c.solveRows(plus, x, 1, ws)
		for i := range x {
			x[i] = -x[i]
		}
		c.solveRows(minus, x, 1, ws)
		for i := range minus {
			minus[i] = -minus[i]
		}
		checkSameBits(t, fmt.Sprint(shape), plus, minus)
	}
}

func checkSameBits(t *testing.T, what string, a, b []float64) {
	t.Helper()
	for i := range a {
		if math.Float64bits(a[i]) != math.Float64bits(b[i]) {
			t.Errorf("%s: site %d: %v and %v differ", what, i, a[i], b[i])
			return
		}
	}
}

func TestCirculantSolveDoesNotAllocate(t *testing.T) {
	for _, shape := range circulantShapes {
		c := circulantOf(shape, 2, 5)
		x := normalRows(5, 4*c.size)
		ws := c.newWorkspace()
		if n := testing.AllocsPerRun(10, func() { c.solveRows(x, x, 4, ws) }); n != 0 {
			t.Errorf("%v: %v allocations per call", shape, n)
		}
	}
}

func BenchmarkCirculantSolve(b *testing.B) {
	for _, shape := range [][]int{{16}, {16, 16}, {64, 64}} {
		b.Run(fmt.Sprint(shape), func(b *testing.B) {
			const rows = 512
			c := circulantOf(shape, criticalT, 0.1-couplingMin(shape, criticalT))
			x := normalRows(6, rows*c.size)
			dst := make([]float64, len(x))
			ws := c.newWorkspace()
			b.ReportAllocs()
			for b.Loop() {
				c.solveRows(dst, x, rows, ws)
			}
		})
	}
}

// multiplyRows stores (K+αI) times each row of x in the same row of dst, by a sum over
// neighbours. Both are rows×N, row-major, and must not overlap.
func multiplyRows(dst, x []float64, shape []int, T, alpha float64) {
	for i, v := range x {
		dst[i] = alpha * v
	}
	stride := 1
	for _, n := range shape {
		stride *= n
	}
	// Consecutive rows are like one lattice with a further axis that has no bonds.
	for _, n := range shape {
		block := stride
		stride /= n
		for start := 0; start < len(x); start += block {
			prev := start + block - stride
			for here := start; here < start+block; here += stride {
				for s := range stride {
					dst[here+s] += x[prev+s] / T
					dst[prev+s] += x[here+s] / T
				}
				prev = here
			}
		}
	}
}
