package target

import (
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/internal/fourier"
)

// FieldsGivenSpins draws configurations x given spins s, (rows, N), and stores them in x,
// (rows, N). x may be s. Given s, x is normal with mean (K+αI)s and covariance K+αI. So
// spins of the Ising model give exact samples of π(x)/Z.
//
// It fails with ErrShape for other extents, with ErrSettings if src is nil or if a spin
// is not ±1, and then draws nothing.
func (m *Ising) FieldsGivenSpins(x, s *mat.Dense, src rand.Source) error {
	if x == nil || s == nil {
		return fmt.Errorf("target: Ising: %w: nil matrix", ErrShape)
	}
	rows, cols := s.Dims()
	if r, c := x.Dims(); cols != m.Dim() || r != rows || c != cols {
		return fmt.Errorf("target: Ising: %w: configurations (%d, %d) of spins (%d, %d), want (rows, %d)",
			ErrShape, r, c, rows, cols, m.Dim())
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
	factors := m.Spectrum()
	for k, v := range factors {
		factors[k] = math.Sqrt(v)
	}
	// With R = √(K+αI) and white noise ξ, x = R(Rs + ξ).
	root := fourier.NewDiagonal(m.shape, factors)
	ws, rnd := root.NewWorkspace(), rand.New(src)
	for i := range rows {
		row := x.RawRowView(i)
		root.Apply(row, s.RawRowView(i), ws)
		for j := range row {
			row[j] += rnd.NormFloat64()
		}
		root.Apply(row, row, ws)
	}
	return nil
}

// Gibbs redraws the spins given x and then x given the spins, for every row of x,
// (rows, N). It leaves π(x)/Z invariant. It fails as Spins and FieldsGivenSpins do.
func (m *Ising) Gibbs(x *mat.Dense, rnd *rand.Rand) error {
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
