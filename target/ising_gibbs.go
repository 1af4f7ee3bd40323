package target

import (
	"fmt"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/internal/kernel"
)

// FieldsGivenSpins draws configurations x given spins s, (rows, N), and stores them in x,
// (rows, N). x may be s. Given s, x is normal with mean (K+αI)s and covariance K+αI. So
// spins of the Ising model give exact samples of π(x)/Z.
//
// It fails with ErrShape for other extents, and with ErrSettings if src is nil or if a
// spin is not ±1, naming row and site. It then draws nothing.
func (m *Ising) FieldsGivenSpins(x, s *mat.Dense, src rand.Source) error {
	if err := checkSpins(x, s, m.Dim(), src); err != nil {
		return err
	}
	// With R = √(K+αI) and white noise ξ, x = R(Rs + ξ).
	m.applyRoot(x, s)
	rnd := rand.New(src)
	for i := range x.RawMatrix().Rows {
		row := x.RawRowView(i)
		for j := range row {
			row[j] += rnd.NormFloat64()
		}
	}
	m.applyRoot(x, x)
	return nil
}

// checkSpins checks the arguments of FieldsGivenSpins for n sites.
func checkSpins(x, s *mat.Dense, n int, src rand.Source) error {
	if x == nil || s == nil {
		return fmt.Errorf("target: Ising: %w: nil matrix", ErrShape)
	}
	rows, cols := s.Dims()
	if r, c := x.Dims(); cols != n || r != rows || c != cols {
		return fmt.Errorf("target: Ising: %w: configurations (%d, %d) of spins (%d, %d), want (rows, %d)",
			ErrShape, r, c, rows, cols, n)
	}
	if src == nil {
		return fmt.Errorf("target: Ising: %w: nil source", ErrSettings)
	}
	for i := range rows {
		for j, v := range s.RawRowView(i) {
			if v != 1 && v != -1 {
				return fmt.Errorf("target: Ising: %w: spin %g at row %d, site %d, want 1 or -1", ErrSettings, v, i, j)
			}
		}
	}
	return nil
}

// applyRoot stores √(K+αI) times each row of x in the same row of dst, which may be x.
func (m *Ising) applyRoot(dst, x *mat.Dense) {
	root, n := m.root(), m.Dim()
	rows, _ := x.Dims()
	kernel.Rows(rows, func(from, to int) {
		w := m.work.Get().(*isingWork)
		defer m.work.Put(w)
		for from < to {
			block := min(to-from, len(w.y)/n)
			y := w.y[:block*n]
			for r := range block {
				copy(y[r*n:(r+1)*n], x.RawRowView(from+r))
			}
			root.Apply(y, y, w.ws)
			for r := range block {
				dst.SetRow(from+r, y[r*n:(r+1)*n])
			}
			from += block
		}
	})
}

// Gibbs redraws the spins given x and then x given the spins, for every row of x,
// (rows, N). Both draws are exact, so that Gibbs leaves π(x)/Z invariant and every draw
// is accepted. It is slow near T_c: the autocorrelation time of m² is about 10 updates on
// the 4×4 lattice at T_c and 40 on the 8×8 lattice.
//
// Gibbs fails as Spins does, and with ErrSettings if rnd is nil. It then draws nothing.
func (m *Ising) Gibbs(x *mat.Dense, rnd *rand.Rand) error {
	return gibbs(m, x, rnd)
}

// conditional draws spins given fields and fields given spins.
type conditional interface {
	Spins(dst, x *mat.Dense, src rand.Source) error
	FieldsGivenSpins(x, s *mat.Dense, src rand.Source) error
}

// gibbs is the method Gibbs of m.
func gibbs(m conditional, x *mat.Dense, rnd *rand.Rand) error {
	if x == nil {
		return fmt.Errorf("target: Ising: %w: nil matrix", ErrShape)
	}
	if rnd == nil {
		return fmt.Errorf("target: Ising: %w: nil generator", ErrSettings)
	}
	if err := m.Spins(x, x, rnd); err != nil {
		return err
	}
	return m.FieldsGivenSpins(x, x, rnd)
}
