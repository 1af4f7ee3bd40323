package target

import (
	"fmt"
	"math"
	"slices"
	"sync"

	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/fourier"
	"github.com/neuralrg/neuralrg/internal/graph"
	"github.com/neuralrg/neuralrg/internal/kernel"
	"github.com/neuralrg/neuralrg/internal/lattice"
	"github.com/neuralrg/neuralrg/internal/num"
)

// Ising is the continuous dual of the Ising model on a periodic lattice, eq. 7 of
// S.-H. Li and L. Wang, Phys. Rev. Lett. 121, 260601 (2018):
//
//	ln π(x) = −½ xᵀ(K+αI)⁻¹x + Σ_i ln cosh x_i.
//
// The spins s_i = ±1 have the density π(s) = exp(½ sᵀKs), where K_ij is 1/T times the
// number of bonds between sites i and j. A Gaussian field x decouples them, and the sum
// over the spins gives ln π(x). Given x, the spins are independent,
//
//	P(s_i = +1 | x) = 1/(1 + exp(−2x_i)),
//
// and their distribution over all x is that of the Ising model.
//
// Temperatures are in units of the coupling, J = k_B = 1. Logarithms are in nats.
// Configurations have one value per site, row-major. It is safe for concurrent use.
type Ising struct {
	shape    []int
	temp     float64
	alpha    float64
	coupling *circulant
	work     sync.Pool // *isingWork

	// made at the first call
	root       func() *fourier.Diagonal // √(K+αI)
	sums, mean func() spinLogZ          // in three or more dimensions: ln Z, and with ⟨m²⟩
}

// isingWork is the scratch space of one goroutine.
type isingWork struct {
	ws *fourier.Workspace
	y  []float64 // (K+αI)⁻¹x of a block of rows
	e  []float64 // exp(−2|x|) − 1, of a length that is a multiple of kernel.Lanes
}

// NewIsing returns the model on a periodic lattice at temperature T, in units of the
// coupling, J = k_B = 1: T_c of the infinite square lattice is 2.269, that of the cubic
// lattice 4.512. shape has an extent for each dimension: one for a chain, two for a square
// lattice, three for a cubic one, and so on. Each extent is at least 2; along an extent of
// 2, neighbours share two bonds. Exact results are for one and two dimensions, and for
// small lattices of more: see SpinLogZ.
//
// The offset is α = 0.1 − λ_min(K), as in the code of Li and Wang. It is 0.1 + 2d/T in d
// dimensions with even extents.
//
// NewIsing fails with ErrShape for other shapes and for more than 2²⁶ sites. It fails
// with ErrSettings unless T is finite and more than 1e-300; ln Z may overflow at lower
// temperatures.
func NewIsing(shape []int, T float64) (*Ising, error) {
	if err := checkIsing(shape, T); err != nil {
		return nil, err
	}
	// λ_min(K+αI) computed from α would have fewer digits at low T.
	return newIsing(shape, T, leastOffset-couplingMin(shape, T), leastOffset), nil
}

// leastOffset is λ_min(K+αI) in the code of Li and Wang.
const leastOffset = 0.1

// NewIsingOffset returns the model of NewIsing with a given offset α. α changes the
// density of x, but not that of the spins. NewIsingOffset fails as NewIsing does. It
// also fails with ErrSettings if K+αI is not positive definite, if its inverse
// overflows, or if α is more than 1e300.
func NewIsingOffset(shape []int, T, alpha float64) (*Ising, error) {
	if err := checkIsing(shape, T); err != nil {
		return nil, err
	}
	least := leastEigenvalue(shape, T, alpha)
	if !(least > 0) || math.IsInf(1/least, 1) || alpha > mostAlpha {
		const text = "target: Ising: %w: alpha is %g, " +
			"want more than %g for K+αI to be positive definite, and at most %g"
		return nil, fmt.Errorf(text, ErrSettings, alpha, -couplingMin(shape, T), mostAlpha)
	}
	return newIsing(shape, T, alpha, least), nil
}

// newIsing returns the model with the given α. least is the least eigenvalue of K+αI. It
// is an argument, because α in float64 does not determine it to all digits.
func newIsing(shape []int, T, alpha, least float64) *Ising {
	m := &Ising{shape: slices.Clone(shape), temp: T, alpha: alpha, coupling: newCirculant(shape, 1/T, least)}
	m.work.New = func() any {
		n := m.coupling.inverse.Block() * m.Dim()
		return &isingWork{m.coupling.newWorkspace(), make([]float64, n), make([]float64, wholeTiles(n))}
	}
	m.root = sync.OnceValue(func() *fourier.Diagonal {
		factors := m.Spectrum()
		for k, v := range factors {
			factors[k] = math.Sqrt(v)
		}
		return fourier.NewDiagonal(m.shape, factors)
	})
	m.sums, m.mean = onceSums(m.graph, false), onceSums(m.graph, true)
	return m
}

// graph returns the bonds of the lattice.
func (m *Ising) graph() *spinGraph {
	bonds, _ := lattice.Bonds(m.shape, 1/m.temp) // checkIsing has accepted the shape
	return newSpinGraph(m.Dim(), bonds, nil)
}

// ln Z of the largest lattice is finite within these limits.
const (
	leastT    = 1e-300
	mostAlpha = 1e300
)

// checkIsing checks the arguments of NewIsing.
func checkIsing(shape []int, T float64) error {
	if err := checkLattice(shape); err != nil {
		return fmt.Errorf("target: Ising: %w", err)
	}
	if !(T > leastT) || math.IsInf(T, 1) {
		return fmt.Errorf("target: Ising: %w: temperature %g, want a positive one beyond %g", ErrSettings, T, leastT)
	}
	return nil
}

// CriticalTemperature returns T_c = 2/ln(1+√2) of the infinite square lattice.
func CriticalTemperature() float64 { return 2 / math.Log1p(math.Sqrt2) }

// Spectrum returns the N eigenvalues of K+αI,
//
//	α + (2/T) Σ_μ cos k_μ, k_μ = 2πj_μ/L_μ,
//
// row-major in the wave numbers j. K+αI is the covariance of the Gaussian factor of
// π(x). bijector.NewSpectral takes the eigenvalues in this order.
func (m *Ising) Spectrum() []float64 { return slices.Clone(m.coupling.lambda) }

// Dim returns the number of sites N.
func (m *Ising) Dim() int { return m.coupling.size }

// Alpha returns the offset α of the diagonal of K+αI.
func (m *Ising) Alpha() float64 { return m.alpha }

// LogProb returns the node ln π(x) of eq. 7, in nats, of shape (rows), for x of shape
// (rows, N). It fails with ErrShape for other shapes. A finite x so large that the terms
// overflow has ln π = −Inf.
func (m *Ising) LogProb(x *gorgonia.Node) (*gorgonia.Node, error) {
	return graph.PerRow("target: Ising", x, m.Dim(), func() graph.RowsFunc {
		return graph.InParallel(m.Dim(), m.logProb)
	})
}

func (m *Ising) logProb(val, grad, x []float64) {
	n := m.Dim()
	w := m.work.Get().(*isingWork)
	defer m.work.Put(w)
	for len(val) > 0 {
		rows := min(len(val), len(w.y)/n)
		y, e := w.y[:rows*n], w.e[:wholeTiles(rows*n)]
		m.coupling.solveRows(y, x[:rows*n], rows, w.ws)
		for i, v := range x[:rows*n] {
			e[i] = -2 * math.Abs(v)
		}
		kernel.Expm1(e)
		for r := range rows {
			from, to := r*n, (r+1)*n
			var g []float64
			if grad != nil {
				g = grad[from:to]
			}
			val[r] = isingRow(g, x[from:to], x[from:to], y[from:to], e[from:to])
			if !(val[r] <= math.MaxFloat64) && num.Finite(x[from:to]...) {
				val[r] = math.Inf(-1) // terms of both signs have overflowed
			}
		}
		val, x = val[rows:], x[rows*n:]
		if grad != nil {
			grad = grad[rows*n:]
		}
	}
}

// isingRow returns ln π of one configuration, given its distance d from the mean of the
// Gaussian factor, y = (K+αI)⁻¹d and e = exp(−2|x|) − 1. d is x if there are no fields. It
// stores the gradient tanh x − y in grad unless grad is nil.
//
// It uses ln cosh x = |x| + ln(1 + e/2) and tanh |x| = −e/(2 + e). The factors 1 + e/2
// lie between 1/2 and 1, so that the product of 32 of them does not underflow and one
// logarithm serves for all.
func isingRow(grad, x, d, y, e []float64) float64 {
	d, y, e = d[:len(x)], y[:len(x)], e[:len(x)]
	sum, product := 0.0, 1.0
	for i, v := range x {
		sum += math.Abs(v) - 0.5*d[i]*y[i]
		if product *= 1 + e[i]/2; i%32 == 31 {
			sum += math.Log(product)
			product = 1
		}
	}
	if grad != nil {
		grad = grad[:len(x)]
		for i, v := range x {
			grad[i] = math.Copysign(-e[i]/(2+e[i]), v) - y[i]
		}
	}
	return sum + math.Log(product)
}

// wholeTiles rounds n up to a multiple of kernel.Lanes.
func wholeTiles(n int) int { return (n + kernel.Lanes - 1) / kernel.Lanes * kernel.Lanes }

// LogZ returns the exact ln Z in nats,
//
//	ln Z = ln ∫ π(x) dx = ln Z_Ising + ½ ln det(K+αI) − (N/2)[ln(2/π) − α],
//
// where ln Z_Ising is SpinLogZ. It is NaN where SpinLogZ is.
func (m *Ising) LogZ() float64 { return m.SpinLogZ() + m.LogZOffset() }

// LogZOffset returns the exact difference of ln Z and ln Z_Ising in LogZ, on any lattice.
func (m *Ising) LogZOffset() float64 {
	return logZOffset(m.coupling.logDet(), m.alpha, m.Dim())
}

// logZOffset returns ln Z − ln Z_Ising of n sites, given ln det(K+αI).
func logZOffset(lnDet, alpha float64, n int) float64 {
	return 0.5*lnDet - 0.5*float64(n)*(math.Log(2/math.Pi)-alpha)
}
