package target

import (
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"
)

// SpinLogZ returns the exact ln Z_Ising = ln Σ_s exp(½ sᵀKs) of the spins, in nats. On a
// square lattice it is the formula of B. Kaufman, Phys. Rev. 76, 1232 (1949). On a chain
// it comes from the 2×2 transfer matrix.
//
// In three and more dimensions it comes from a transfer matrix that adds site after site,
// for lattices as small as 4×4×4, which takes several seconds at the first call and
// 200 MB. It is NaN for larger ones, where that would take more than about a minute, or
// more than 2²⁴ states at a time.
func (m *Ising) SpinLogZ() float64 {
	switch len(m.shape) {
	case 1:
		return ringLogZ(m.shape[0], m.temp)
	case 2:
		return torusLogZ(m.shape[0], m.shape[1], m.temp)
	}
	if z := m.sums(); z.ok {
		return z.logZ
	}
	return math.NaN()
}

// ExactStructureFactor returns the exact ⟨m²⟩ = ⟨(Σ s_i)²⟩/N² of the spins, from a
// transfer matrix. The cost on a square lattice whose shorter extent is l is proportional
// to the longer extent and to 4^l: 12×12 takes about a tenth of a second on one core,
// 16×16 half a minute. ExactStructureFactor returns 0 and false where that takes too long: on
// a square lattice with l > 16 or with a longer extent of more than 2³⁷/4^l, and in more
// dimensions where SpinLogZ is NaN.
func (m *Ising) ExactStructureFactor() (m2 float64, ok bool) {
	switch len(m.shape) {
	case 1:
		return ringM2(m.shape[0], m.temp), true
	case 2:
		return torusM2(m.shape[0], m.shape[1], m.temp)
	}
	return m.mean().structureFactor(m.Dim())
}

// StructureFactor returns the expectation of m² over the spins given one configuration
// x of length N,
//
//	[(Σ tanh x_i)² − Σ tanh² x_i + N]/N².
//
// Its mean over configurations is ⟨m²⟩. It panics if x has another length.
func (m *Ising) StructureFactor(x []float64) float64 {
	return meanSquare(x, m.Dim())
}

// meanSquare returns the expectation of (Σ s_i)²/n² over the spins given n values x. It
// panics if x has another length.
func meanSquare(x []float64, n int) float64 {
	if len(x) != n {
		panic(fmt.Sprintf("target: structure factor of %d values on %d sites", len(x), n))
	}
	var sum, rest float64
	for _, v := range x {
		sum += math.Tanh(v)
		e := math.Exp(-2 * math.Abs(v))
		rest += 4 * e / ((1 + e) * (1 + e)) // 1 − tanh² v, without cancellation
	}
	return (sum*sum + rest) / (float64(n) * float64(n))
}

// Spins draws spins ±1 given the configurations x, (rows, N), and stores them in dst,
// (rows, N). dst may be x. An infinite x_i gives s_i the sign of x_i.
//
// Spins fails with ErrShape for other extents, with ErrSettings if src is nil, and with
// ErrNotFinite, naming row and site, if x contains NaN. It then draws nothing.
func (m *Ising) Spins(dst, x *mat.Dense, src rand.Source) error {
	return drawSpins(dst, x, m.Dim(), src)
}

// drawSpins draws spins given the values x of n sites, for every row: the method Spins.
func drawSpins(dst, x *mat.Dense, n int, src rand.Source) error {
	if dst == nil || x == nil {
		return fmt.Errorf("target: Ising: %w: nil matrix", ErrShape)
	}
	rows, cols := x.Dims()
	if r, c := dst.Dims(); cols != n || r != rows || c != cols {
		return fmt.Errorf("target: Ising: %w: spins (%d, %d) of configurations (%d, %d), want (rows, %d)",
			ErrShape, r, c, rows, cols, n)
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
