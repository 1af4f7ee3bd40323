package target

import (
	"fmt"
	"math"
	"slices"
	"sync"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/graph"
	"github.com/neuralrg/neuralrg/internal/kernel"
	"github.com/neuralrg/neuralrg/internal/lattice"
	"github.com/neuralrg/neuralrg/internal/num"
)

// Bond joins two different sites. Several bonds may join the same two sites: their
// couplings add up. It is the same type as cluster.Bond of package hmc/cluster, so that
// the bonds of cluster.Lattice, of any dimension, can be used here.
type Bond = struct {
	// I and J are the two sites, in any order.
	I, J int
	// K is the coupling βJ_IJ, of either sign.
	K float64
}

// IsingGraph is the continuous dual of an Ising model on any graph, in any fields. The
// spins s_i = ±1 have the density
//
//	π(s) = exp(½ sᵀKs + hᵀs),
//
// where K_ij is the sum of the couplings βJ of the bonds between sites i and j, and h_i
// is β times the field at site i. Couplings have any sign: frustrated lattices and spin
// glasses are included. A Gaussian field x with mean h decouples the spins:
//
//	ln π(x) = −½ (x−h)ᵀ(K+αI)⁻¹(x−h) + Σ_i ln cosh x_i.
//
// This is eq. 7 of S.-H. Li and L. Wang, Phys. Rev. Lett. 121, 260601 (2018), shifted by h.
// Given x, the spins are independent,
//
//	P(s_i = +1 | x) = 1/(1 + exp(−2x_i)),
//
// and their distribution over all x is π(s)/Z. Ising is the same model on a periodic
// lattice without fields, at lower cost.
//
// ln π of one configuration takes 2N² operations, and (K+αI)⁻¹ takes 8N² bytes.
// Logarithms are in nats. It is safe for concurrent use.
type IsingGraph struct {
	spins   *spinGraph
	alpha   float64
	inverse []float64 // (K+αI)⁻¹, N×N
	lnDet   float64   // of K+αI
	work    sync.Pool // *graphWork

	// made at the first call
	lower      func() []float64 // L of K+αI = LLᵀ, N×N
	sums, mean func() spinLogZ  // ln Z, and with ⟨m²⟩
}

// IsingGraphSettings describe an IsingGraph. The zero value means no fields and the
// default α.
type IsingGraphSettings struct {
	// Fields are β times the field at every site. Nil means no fields.
	Fields []float64
	// Alpha is the offset α of the diagonal of K+αI. It changes the density of x, but not
	// that of the spins. 0 means 0.1 − λ, as in the code of Li and Wang. Up to 1024 sites λ
	// is the least eigenvalue of K, from all eigenvalues of the dense matrix. For more
	// sites it is the bound of Gershgorin, −max_i Σ_j |K_ij|.
	Alpha float64
}

const (
	maxGraphSites = 4096
	maxEigenSites = 1024 // all eigenvalues of as many sites take about a second
	maxCondition  = 1e8
)

// NewIsingGraph returns the model on a graph with the given number of sites, up to 4096.
// It takes N³ operations: about a second for 1000 sites. Nil settings mean all defaults.
//
// NewIsingGraph fails with
//
//   - ErrSettings for no sites, more than 4096, or a bond with a site out of range or with
//     two equal sites;
//   - ErrNotFinite if a coupling, a field, α, the sum of all |K| and |h|, or an element of
//     the inverse of K+αI is not finite;
//   - ErrShape if there are fields, but not one for every site;
//   - ErrSettings if α is more than 1e300, or if K+αI is not positive definite or has a
//     condition number of more than 1e8. With the default α this happens for couplings of the order of 1e6.
func NewIsingGraph(sites int, bonds []Bond, s *IsingGraphSettings) (*IsingGraph, error) {
	if s == nil {
		s = &IsingGraphSettings{}
	}
	if err := checkGraph(sites, bonds, s); err != nil {
		return nil, fmt.Errorf("target: Ising graph: %w", err)
	}
	m := &IsingGraph{spins: newSpinGraph(sites, bonds, s.Fields), alpha: s.Alpha}
	if m.alpha == 0 {
		m.alpha = leastOffset - m.spins.leastEigenvalue()
	}
	var chol mat.Cholesky
	if !chol.Factorize(m.spins.matrix(m.alpha)) || !(chol.Cond() <= maxCondition) {
		const text = "target: Ising graph: %w: alpha is %g, " +
			"want K+αI to be positive definite with a condition number of at most %g"
		return nil, fmt.Errorf(text, ErrSettings, m.alpha, maxCondition)
	}
	var inverse mat.SymDense
	err := chol.InverseTo(&inverse)
	m.inverse, m.lnDet = mat.DenseCopyOf(&inverse).RawMatrix().Data, chol.LogDet()
	if err != nil || !num.Finite(m.inverse...) {
		return nil, fmt.Errorf("target: Ising graph: %w: the inverse of K+αI with alpha %g", ErrNotFinite, m.alpha)
	}
	m.lower = sync.OnceValue(func() []float64 {
		var l mat.TriDense
		chol.LTo(&l)
		return mat.DenseCopyOf(&l).RawMatrix().Data
	})
	m.work.New = func() any { return newGraphWork(sites) }
	graph := func() *spinGraph { return m.spins }
	m.sums, m.mean = onceSums(graph, false), onceSums(graph, true)
	return m, nil
}

// checkGraph checks the arguments of NewIsingGraph.
func checkGraph(sites int, bonds []Bond, s *IsingGraphSettings) error {
	if sites < 1 || sites > maxGraphSites {
		return fmt.Errorf("%w: %d sites, want between 1 and %d", ErrSettings, sites, maxGraphSites)
	}
	if err := lattice.CheckBonds(sites, bonds); err != nil {
		return err
	}
	if s.Fields != nil && len(s.Fields) != sites {
		return fmt.Errorf("%w: %d fields of %d sites", ErrShape, len(s.Fields), sites)
	}
	if !num.Finite(s.Alpha) {
		return fmt.Errorf("%w: alpha is %g", ErrNotFinite, s.Alpha)
	}
	if s.Alpha > mostAlpha {
		return fmt.Errorf("%w: alpha is %g, want at most %g", ErrSettings, s.Alpha, mostAlpha)
	}
	total := 0.0
	for _, b := range bonds {
		total += math.Abs(b.K)
	}
	for i, h := range s.Fields {
		if total += math.Abs(h); !num.Finite(total) {
			return fmt.Errorf("%w: the field of site %d is %g, the sum of |K| and |h| %g", ErrNotFinite, i, h, total)
		}
	}
	return nil
}

// matrix returns K+αI.
func (g *spinGraph) matrix(alpha float64) *mat.SymDense {
	k := mat.NewSymDense(len(g.near), nil)
	for i, near := range g.near {
		k.SetSym(i, i, alpha)
		for _, n := range near {
			k.SetSym(i, n.site, n.k)
		}
	}
	return k
}

// leastEigenvalue returns λ_min(K), and for many sites a lower bound.
func (g *spinGraph) leastEigenvalue() float64 {
	if len(g.near) <= maxEigenSites {
		var e mat.EigenSym
		if e.Factorize(g.matrix(0), false) {
			return slices.Min(e.Values(nil))
		}
	}
	most := 0.0
	for _, near := range g.near {
		sum := 0.0
		for _, n := range near {
			sum += math.Abs(n.k)
		}
		most = max(most, sum)
	}
	return -most
}

// Dim returns the number of sites N.
func (m *IsingGraph) Dim() int { return len(m.spins.near) }

// Alpha returns the offset α of the diagonal of K+αI.
func (m *IsingGraph) Alpha() float64 { return m.alpha }

// LogProb returns the node ln π(x) in nats, of shape (rows), for x of shape (rows, N). It
// fails with ErrShape for other shapes. A finite x so large that the terms overflow has
// ln π = −Inf.
func (m *IsingGraph) LogProb(x *gorgonia.Node) (*gorgonia.Node, error) {
	return graph.PerRow("target: Ising graph", x, m.Dim(), func() graph.RowsFunc {
		var val, grad, x []float64
		part := func(from, to int) {
			w := m.work.Get().(*graphWork)
			defer m.work.Put(w)
			for t := from; t < to; t++ {
				m.logProb(val, grad, x, t*kernel.Lanes, w)
			}
		}
		return func(v, g, rows []float64) error {
			val, grad, x = v, g, rows
			kernel.Rows((len(val)+kernel.Lanes-1)/kernel.Lanes, part)
			return nil
		}
	})
}

// logProb computes the rows of one tile, from the given one on.
func (m *IsingGraph) logProb(val, grad, x []float64, from int, w *graphWork) {
	n := m.Dim()
	rows := min(len(val)-from, kernel.Lanes)
	for r := range rows {
		for i, v := range x[(from+r)*n : (from+r+1)*n] {
			w.in[i*kernel.Lanes+r] = v - m.spins.fields[i]
		}
	}
	kernel.Product(w.out, m.inverse, w.in, n, n)
	for r := range rows {
		row := x[(from+r)*n : (from+r+1)*n]
		for i, v := range row {
			w.d[i], w.y[i] = w.in[i*kernel.Lanes+r], w.out[i*kernel.Lanes+r]
			w.e[i] = -2 * math.Abs(v)
		}
		kernel.Expm1(w.e)
		var g []float64
		if grad != nil {
			g = grad[(from+r)*n : (from+r+1)*n]
		}
		v := isingRow(g, row, w.d, w.y, w.e[:n])
		if !(v <= math.MaxFloat64) && num.Finite(row...) {
			v = math.Inf(-1) // terms of both signs have overflowed
		}
		val[from+r] = v
	}
}

// graphWork is the scratch space of one goroutine.
type graphWork struct {
	in, out []float64 // a tile before and after a product with a matrix
	d, y    []float64 // x−h and (K+αI)⁻¹(x−h) of one row
	e       []float64 // exp(−2|x|) − 1 of one row, of a length that is a multiple of kernel.Lanes
}

func newGraphWork(n int) *graphWork {
	return &graphWork{
		in: make([]float64, n*kernel.Lanes), out: make([]float64, n*kernel.Lanes),
		d: make([]float64, n), y: make([]float64, n), e: make([]float64, wholeTiles(n)),
	}
}
