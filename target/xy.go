package target

import (
	"fmt"
	"math"
	"slices"
	"sync"

	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/graph"
)

// XY is the XY model, also known as the planar rotor or O(2) model, on a periodic lattice:
//
//	ln π(θ) = β Σ_bonds cos(θ_i − θ_j).
//
// Every site has an angle θ in radians. ln π is periodic in each angle with period 2π, and
// Z is the integral over (−π, π] at every site. A flow for this density needs blocks that
// keep angles within the interval.
//
// β is 1/T in units of the coupling, J = k_B = 1. The transition of Kosterlitz and Thouless
// on the square lattice is at β ≈ 1.12. A negative β is an antiferromagnet. Logarithms are
// in nats. Configurations have one angle per site, row-major. It is safe for concurrent use.
type XY struct {
	shape []int
	beta  float64
	walk  walk
	work  sync.Pool // *xyWork
}

// xyWork is the scratch space of one goroutine: cos θ and sin θ of every site, and their
// sums over the neighbours of the site.
type xyWork struct{ c, s, nearC, nearS []float64 }

// mostBeta limits |β|, so that exact results take no more than about 10⁶ Bessel functions.
const mostBeta = 1e10

// NewXY returns the model at inverse temperature β. shape has an extent for each dimension.
// Each extent is at least 2; along an extent of 2, neighbours share two bonds.
//
// NewXY fails with ErrShape for other shapes and for more than 2²⁶ sites, and with
// ErrSettings if β is NaN or if |β| is more than 1e10.
func NewXY(shape []int, beta float64) (*XY, error) {
	if err := checkLattice(shape); err != nil {
		return nil, fmt.Errorf("target: XY: %w", err)
	}
	if !(math.Abs(beta) <= mostBeta) {
		return nil, fmt.Errorf("target: XY: %w: beta is %g, want a number between %g and %g",
			ErrSettings, beta, -mostBeta, mostBeta)
	}
	m := &XY{shape: slices.Clone(shape), beta: beta, walk: newWalk(shape, 1, nil)}
	n := m.walk.size
	m.work.New = func() any {
		return &xyWork{make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n)}
	}
	return m, nil
}

// Dim returns the number of sites N.
func (m *XY) Dim() int { return m.walk.size }

// Shape returns the extents of the lattice.
func (m *XY) Shape() []int { return slices.Clone(m.shape) }

// LogProb returns the node ln π(θ) in nats, of shape (rows), for theta of shape (rows, N).
// It fails with ErrShape for other shapes.
func (m *XY) LogProb(theta *gorgonia.Node) (*gorgonia.Node, error) {
	return graph.PerRow("target: XY", theta, m.Dim(), func() graph.RowsFunc {
		return graph.InParallel(m.Dim(), m.logProb)
	})
}

func (m *XY) logProb(val, grad, theta []float64) {
	n := m.Dim()
	w := m.work.Get().(*xyWork)
	defer m.work.Put(w)
	for r := range val {
		w.set(theta[r*n : (r+1)*n])
		if grad == nil {
			val[r] = m.beta * m.cosines(w)
			continue
		}
		val[r] = m.beta * m.cosinesNear(w)
		for i, c := range w.c {
			grad[r*n+i] = m.beta * (c*w.nearS[i] - w.s[i]*w.nearC[i])
		}
	}
}

// set computes cos θ and sin θ.
func (w *xyWork) set(theta []float64) {
	for i, v := range theta {
		w.s[i], w.c[i] = math.Sincos(v)
	}
}

// cosines returns Σ_bonds cos(θ_i − θ_j).
func (m *XY) cosines(w *xyWork) float64 {
	sum := 0.0
	m.walk.bonds(func(i, j, n int) {
		c, s := w.c[j:j+n], w.s[j:j+n]
		for k, v := range w.c[i : i+n] {
			sum += v*c[k] + w.s[i+k]*s[k]
		}
	})
	return sum
}

// cosinesNear is cosines, with the same bits, and computes the sums over neighbours.
func (m *XY) cosinesNear(w *xyWork) float64 {
	clear(w.nearC)
	clear(w.nearS)
	sum := 0.0
	m.walk.bonds(func(i, j, n int) {
		for k := range n {
			a, b := i+k, j+k
			sum += w.c[a]*w.c[b] + w.s[a]*w.s[b]
			w.nearC[a] += w.c[b]
			w.nearC[b] += w.c[a]
			w.nearS[a] += w.s[b]
			w.nearS[b] += w.s[a]
		}
	})
	return sum
}

// use calls f with cos θ and sin θ of one configuration. It panics if theta does not have
// one angle per site.
func (m *XY) use(theta []float64, f func(w *xyWork)) {
	if len(theta) != m.Dim() {
		panic(fmt.Sprintf("target: XY: %d angles on %d sites", len(theta), m.Dim()))
	}
	w := m.work.Get().(*xyWork)
	defer m.work.Put(w)
	w.set(theta)
	f(w)
}

// Energy returns the energy per site of one configuration, −Σ_bonds cos(θ_i − θ_j)/N, in
// units of the coupling. It panics if theta does not have length N.
func (m *XY) Energy(theta []float64) (energy float64) {
	m.use(theta, func(w *xyWork) { energy = -m.cosines(w) / float64(m.Dim()) })
	return energy
}

// Magnetization returns the two components of the magnetisation per site of one
// configuration, Σ cos θ_i/N and Σ sin θ_i/N. It panics if theta does not have length N.
func (m *XY) Magnetization(theta []float64) (x, y float64) {
	m.use(theta, func(w *xyWork) {
		for i, c := range w.c {
			x += c
			y += w.s[i]
		}
	})
	n := float64(m.Dim())
	return x / n, y / n
}

// StructureFactor returns m² of one configuration, the square of its magnetisation per
// site. N⟨m²⟩ is the susceptibility. It panics if theta does not have length N.
func (m *XY) StructureFactor(theta []float64) float64 {
	x, y := m.Magnetization(theta)
	return x*x + y*y
}

// HelicityModulus returns the number whose mean over configurations is the helicity
// modulus Υ, in units of the coupling. Υ is the response of the free energy F = −T ln Z to
// a twist, by which every bond along an axis gets cos(θ_i − θ_j + δ):
//
//	Υ = (1/N) ∂²F/∂δ² = (1/N) ⟨C − βS²⟩ at δ = 0,
//
// where C and S are the sums of cos(θ_i − θ_j) and sin(θ_i − θ_j) over the bonds along the
// axis. The number is the mean of (C − βS²)/N over the axes. At the transition of
// Kosterlitz and Thouless, Υ of a large square lattice jumps from 2T/π to 0. HelicityModulus
// panics if theta does not have length N.
func (m *XY) HelicityModulus(theta []float64) (upsilon float64) {
	m.use(theta, func(w *xyWork) {
		for axis := range m.shape {
			var cos, sin float64
			one := walk{size: m.walk.size, axes: m.walk.axes[axis : axis+1]}
			one.bonds(func(i, j, n int) {
				for k := range n {
					a, b := i+k, j+k
					cos += w.c[a]*w.c[b] + w.s[a]*w.s[b]
					sin += w.s[a]*w.c[b] - w.c[a]*w.s[b]
				}
			})
			upsilon += cos - m.beta*sin*sin
		}
	})
	return upsilon / float64(m.Dim()*len(m.shape))
}
