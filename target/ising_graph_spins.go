package target

import (
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/internal/kernel"
)

// LogZOffset returns the exact difference of ln Z = ln ∫ π(x) dx and the ln Z of the spins,
//
//	ln Z − ln Z_Ising = ½ ln det(K+αI) − (N/2)[ln(2/π) − α].
func (m *IsingGraph) LogZOffset() float64 {
	return logZOffset(m.lnDet, m.alpha, m.Dim())
}

// SpinLogZ returns the exact ln Z_Ising = ln Σ_s exp(½ sᵀKs + hᵀs) of the spins, in nats,
// from a transfer matrix. ln Z of x is its sum with LogZOffset. Within the limits are all
// graphs of up to 24 sites, periodic square lattices whose shorter extent is at most 12,
// and the periodic 4×4×4 lattice, which takes several seconds and 200 MB.
//
// SpinLogZ returns 0 and false where it would take more than about a minute, or more than
// 2²⁴ states at a time. The first call of a model does the work.
func (m *IsingGraph) SpinLogZ() (logZ float64, ok bool) {
	z := m.sums()
	return z.logZ, z.ok
}

// ExactStructureFactor returns the exact ⟨m²⟩ = ⟨(Σ s_i)²⟩/N² of the spins, from the same
// transfer matrix and within the same limits as SpinLogZ. It takes three times the memory.
func (m *IsingGraph) ExactStructureFactor() (m2 float64, ok bool) {
	return m.mean().structureFactor(m.Dim())
}

// StructureFactor returns the expectation of m² over the spins given one configuration
// x of length N, as Ising.StructureFactor does. It panics if x has another length.
func (m *IsingGraph) StructureFactor(x []float64) float64 { return meanSquare(x, m.Dim()) }

// Spins draws spins ±1 given the configurations x, (rows, N), and stores them in dst,
// (rows, N), which may be x. It fails as Ising.Spins does.
func (m *IsingGraph) Spins(dst, x *mat.Dense, src rand.Source) error {
	return drawSpins(dst, x, m.Dim(), src)
}

// FieldsGivenSpins draws configurations x given spins s, (rows, N), and stores them in x,
// (rows, N), which may be s. Given s, x is normal with mean h + (K+αI)s and covariance
// K+αI. So spins of the Ising model give exact samples of π(x)/Z. It fails as
// Ising.FieldsGivenSpins does.
func (m *IsingGraph) FieldsGivenSpins(x, s *mat.Dense, src rand.Source) error {
	n := m.Dim()
	if err := checkSpins(x, s, n, src); err != nil {
		return err
	}
	rnd, lower := rand.New(src), m.lower()
	w := m.work.Get().(*graphWork)
	defer m.work.Put(w)
	rows, _ := s.Dims()
	for from := 0; from < rows; from += kernel.Lanes {
		tile := min(rows-from, kernel.Lanes)
		for r := range tile {
			for i := range n {
				w.in[i*kernel.Lanes+r] = rnd.NormFloat64()
			}
		}
		kernel.Product(w.out, lower, w.in, n, n)
		for r := range tile {
			m.fieldMean(w.y, s.RawRowView(from+r))
			row := x.RawRowView(from + r)
			for i, v := range w.y {
				row[i] = v + w.out[i*kernel.Lanes+r]
			}
		}
	}
	return nil
}

// fieldMean stores h + (K+αI)s in y.
func (m *IsingGraph) fieldMean(y, s []float64) {
	for i, near := range m.spins.near {
		y[i] = m.spins.fields[i] + m.alpha*s[i]
		for _, n := range near {
			y[i] += n.k * s[n.site]
		}
	}
}

// Gibbs redraws the spins given x and then x given the spins, for every row of x,
// (rows, N). Both draws are exact, so that Gibbs leaves π(x)/Z invariant. It fails as
// Ising.Gibbs does.
func (m *IsingGraph) Gibbs(x *mat.Dense, rnd *rand.Rand) error { return gibbs(m, x, rnd) }
