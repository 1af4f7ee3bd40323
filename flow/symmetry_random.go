package flow

import (
	"fmt"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"
)

// RandomImages replaces every row of x, (rows, Dim), by its image under a random element
// of the symmetry group. If x is Decode(z) for a sample z of the prior, the image is a
// sample of the symmetrised model. If z is a sample of Latent, the image is a sample of the
// target with its whole symmetry. For a model that is not symmetrised, RandomImages changes
// nothing. It fails with ErrShape if the extents do not fit and with ErrSettings for a nil
// source.
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

// randomImages replaces every row by a random image, as RandomImages does. copied is a
// buffer for one row.
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
