package flow

import (
	"fmt"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"
)

// RandomImages replaces every row of x, (rows, Dim), by its image under a
// random element of the symmetry group. It turns configurations g(z) of
// latent samples (Decode) of a symmetrised model into samples of the target,
// and leaves those of other models alone. It fails with ErrShape if the
// extents do not fit and with ErrSettings for a nil source.
func (m *Model) RandomImages(x *mat.Dense, src rand.Source) error {
	if _, err := m.rows("RandomImages", nil, x); err != nil {
		return err
	}
	if missing(src) {
		return fmt.Errorf("flow: RandomImages: %w: nil source", ErrSettings)
	}
	m.randomImages(x, make([]float64, m.Dim()), rand.New(src))
	return nil
}

// randomImages makes q_sym, the density of ηg(z) with a random η of the group,
// of the density of g(z). copied is room for a row.
func (m *Model) randomImages(x *mat.Dense, copied []float64, rnd *rand.Rand) {
	if m.group == nil {
		return
	}
	rows, _ := x.Dims()
	for r := range rows {
		y := x.RawRowView(r)
		copy(copied, y)
		m.group[rnd.IntN(len(m.group))].apply(y, copied)
	}
}
