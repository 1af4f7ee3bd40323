package target

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/fourier"
	"github.com/neuralrg/neuralrg/internal/graph"
	"github.com/neuralrg/neuralrg/internal/kernel"
	"github.com/neuralrg/neuralrg/internal/num"
)

// Ising is the continuous dual of the Ising model on a periodic lattice (Li
// and Wang, eq. 7): with π(s) = exp(½ sᵀKs), K_ij = 1/T times the number of
// bonds between sites i and j, the spins are summed out of a Gaussian
// decoupling,
//
//	ln π(x) = −½ xᵀ(K+αI)⁻¹x + Σ ln cosh x_i.
//
// Temperatures are in units of the coupling, J = k_B = 1, and logarithms in nats.
// Given x the spins are independent, P(s_i = +1 | x) = 1/(1 + exp(−2x_i)), and
// distributed as π(s). It is safe for concurrent use.
type Ising struct {
	shape    []int
	temp     float64
	alpha    float64
	coupling *circulant
	work     sync.Pool // *isingWork
}

// isingWork is the scratch space of one goroutine.
type isingWork struct {
	ws *fourier.Workspace
	y  []float64 // (K+αI)⁻¹x of a block of rows
	e  []float64 // exp(−2|x|) − 1, filled up to whole tiles
}

// NewIsing returns the model on a periodic lattice at temperature T, in units
// of the coupling: J = k_B = 1, so K is the number of bonds over T and T_c of the
// square lattice is 2.269. α = 0.1 − λ_min(K) is the rule of the authors' code: 0.1
// + 4/T on a square lattice of even extents. shape has one extent (a chain) or
// two (the square lattice), each at least 2; an extent of 2 has double bonds.
//
// It fails with ErrShape for other shapes and for more than 2²⁶ sites, and with
// ErrSettings unless T is positive and finite. T of 1e-300 and less, where ln Z may
// overflow, is refused, too.
func NewIsing(shape []int, T float64) (*Ising, error) {
	if err := checkIsing(shape, T); err != nil {
		return nil, err
	}
	// λ_min(K+αI) is given as it is: to recover it from α would cost digits at low T.
	return newIsing(shape, T, leastOffset-couplingMin(shape, T), leastOffset), nil
}

// leastOffset is λ_min(K+αI) by the rule of the authors' code.
const leastOffset = 0.1

// NewIsingOffset is NewIsing with a given α. It fails with ErrSettings, too, if
// K+αI is not positive definite or so close to singular that its inverse overflows,
// and for α beyond 1e300.
func NewIsingOffset(shape []int, T, alpha float64) (*Ising, error) {
	if err := checkIsing(shape, T); err != nil {
		return nil, err
	}
	least := leastEigenvalue(shape, T, alpha)
	if !(least > 0) || math.IsInf(1/least, 1) || alpha > mostAlpha {
		const text = "target: Ising: %w: alpha is %g, want more than %g for K+αI to be positive definite, and at most %g"
		return nil, fmt.Errorf(text, ErrSettings, alpha, -couplingMin(shape, T), mostAlpha)
	}
	return newIsing(shape, T, alpha, least), nil
}

// newIsing returns the model with a given α and the least eigenvalue of K+αI, of
// which one follows from the other.
func newIsing(shape []int, T, alpha, least float64) *Ising {
	m := &Ising{shape: slices.Clone(shape), temp: T, alpha: alpha, coupling: newCirculant(shape, 1/T, least)}
	m.work.New = func() any {
		n := m.coupling.inverse.Block() * m.Dim()
		return &isingWork{m.coupling.newWorkspace(), make([]float64, n), make([]float64, wholeTiles(n))}
	}
	return m
}

// Within these ln Z of the largest lattice is finite.
const (
	leastT    = 1e-300
	mostAlpha = 1e300
)

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

// Spectrum returns the eigenvalues of K+αI, the covariance that x would have
// without the spins, one for each of the N wave vectors k_μ = 2πj_μ/L_μ,
// row-major: bijector.NewSpectral takes them.
func (m *Ising) Spectrum() []float64 { return slices.Clone(m.coupling.lambda) }

// Dim returns the number of sites N.
func (m *Ising) Dim() int { return m.coupling.size }

// Alpha returns the offset α.
func (m *Ising) Alpha() float64 { return m.alpha }

// LogProb is eq. 7.
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
			val[r] = isingRow(g, x[from:to], y[from:to], e[from:to])
			if !(val[r] <= math.MaxFloat64) && finite(x[from:to]) {
				val[r] = math.Inf(-1) // x is so large that terms of both signs have overflowed
			}
		}
		val, x = val[rows:], x[rows*n:]
		if grad != nil {
			grad = grad[rows*n:]
		}
	}
}

// isingRow is ln π of one configuration and, unless grad is nil, its gradient
// tanh x − y, where y = (K+αI)⁻¹x and e = exp(−2|x|) − 1: ln cosh x = |x| +
// ln(1 + e/2) and tanh |x| = −e/(2 + e). The factors 1 + e/2 lie between 1/2
// and 1, so a few dozen of them can share a logarithm.
func isingRow(grad, x, y, e []float64) float64 {
	y, e = y[:len(x)], e[:len(x)]
	sum, product := 0.0, 1.0
	for i, v := range x {
		sum += math.Abs(v) - 0.5*v*y[i]
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

func finite(x []float64) bool {
	for _, v := range x {
		if !num.Finite(v) {
			return false
		}
	}
	return true
}

// wholeTiles rounds a number of values up to whole tiles.
func wholeTiles(n int) int { return (n + kernel.Lanes - 1) / kernel.Lanes * kernel.Lanes }

// LogZ returns the exact ln ∫ π(x) dx = ln Z_Ising + ½ ln det(K+αI) −
// (N/2)[ln(2/π) − α].
func (m *Ising) LogZ() float64 {
	return m.SpinLogZ() + 0.5*m.coupling.logDet() - 0.5*float64(m.Dim())*(math.Log(2/math.Pi)-m.alpha)
}

// SpinLogZ returns the exact ln Z_Ising of the spins: Kaufman's formula (Phys.
// Rev. 76, 1232 (1949)) on the torus, the transfer matrix on a chain.
func (m *Ising) SpinLogZ() float64 {
	if len(m.shape) == 1 {
		return ringLogZ(m.shape[0], m.temp)
	}
	return torusLogZ(m.shape[0], m.shape[1], m.temp)
}

// ExactStructureFactor returns the exact ⟨m²⟩ = ⟨(Σ s_i)²⟩/N² by transfer
// matrix, and false where that takes too long: on a square lattice whose shorter
// extent l is beyond 12, or whose longer one is beyond 2³⁴/4^l.
func (m *Ising) ExactStructureFactor() (m2 float64, ok bool) {
	if len(m.shape) == 1 {
		return ringM2(m.shape[0], m.temp), true
	}
	return torusM2(m.shape[0], m.shape[1], m.temp)
}

// StructureFactor returns the estimate of ⟨m²⟩ from one configuration x, of
// length N: its expectation over the spins given x,
//
//	[(Σ tanh x_i)² − Σ tanh² x_i + N]/N².
//
// It panics if x has another length.
func (m *Ising) StructureFactor(x []float64) float64 {
	if len(x) != m.Dim() {
		panic(fmt.Sprintf("target: structure factor of %d values on %d sites", len(x), m.Dim()))
	}
	var sum, rest float64
	for _, v := range x {
		sum += math.Tanh(v)
		e := math.Exp(-2 * math.Abs(v))
		rest += 4 * e / ((1 + e) * (1 + e)) // 1 − tanh² v, which cancels where |v| is large
	}
	n := float64(len(x))
	return (sum*sum + rest) / (n * n)
}

// Spins draws spins ±1 given configurations x, (rows, N), into dst of the same
// shape, which may be x itself. It fails with ErrShape if the extents do not fit,
// with ErrSettings for a nil source and with ErrNotFinite for a configuration with
// NaN, naming row and site; nothing is drawn then. An infinite x is a spin that is
// certain.
func (m *Ising) Spins(dst, x *mat.Dense, src rand.Source) error {
	if dst == nil || x == nil {
		return fmt.Errorf("target: Ising: %w: nil matrix", ErrShape)
	}
	rows, cols := x.Dims()
	if r, c := dst.Dims(); cols != m.Dim() || r != rows || c != cols {
		return fmt.Errorf("target: Ising: %w: spins (%d, %d) of configurations (%d, %d), want (rows, %d)",
			ErrShape, r, c, rows, cols, m.Dim())
	}
	if src == nil {
		return fmt.Errorf("target: Ising: %w: nil source", ErrSettings)
	}
	for i := range rows {
		for j, v := range x.RawRowView(i) {
			if math.IsNaN(v) {
				return fmt.Errorf("target: Ising: spins of row %d: %w: site %d is %g", i, ErrNotFinite, j, v)
			}
		}
	}
	rnd := rand.New(src)
	for i := range rows {
		s := dst.RawRowView(i)
		for j, v := range x.RawRowView(i) {
			s[j] = -1
			if rnd.Float64()*(1+math.Exp(-2*v)) < 1 {
				s[j] = 1
			}
		}
	}
	return nil
}
