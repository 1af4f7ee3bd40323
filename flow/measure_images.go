package flow

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/target"
)

// mostPowers is the largest number of values of all powers of a symmetry.
const mostPowers = 1 << 24

// powersOf returns the powers of every symmetry, from the identity on, all of them if there is
// room. It fails if the target does not have the symmetries.
func powersOf(m *Model, t target.Density, symmetries []Symmetry) ([][]Symmetry, error) {
	var gens []Symmetry
	for k, s := range symmetries {
		g, err := s.complete(m.Dim())
		if err != nil {
			return nil, fmt.Errorf("symmetry %d: %w", k, err)
		}
		gens = append(gens, g)
	}
	if err := checkElements(m, gens, t); err != nil {
		return nil, fmt.Errorf("Symmetries: %w", err)
	}
	var all [][]Symmetry
	for _, g := range gens {
		one, _ := Symmetry{}.complete(m.Dim())
		powers := []Symmetry{one}
		for p := g; !p.equal(one) && len(powers) < max(2, mostPowers/m.Dim()); {
			powers = append(powers, p)
			next := Symmetry{make([]int, m.Dim()), make([]float64, m.Dim())}
			next.product(p, g)
			p = next
		}
		all = append(all, powers)
	}
	return all, nil
}

// equal reports whether two complete symmetries are the same.
func (s Symmetry) equal(t Symmetry) bool {
	return slices.Equal(s.Perm, t.Perm) && slices.Equal(s.Sign, t.Sign)
}

// toImages moves every chain from x = g(z) to an image of x under a random product of powers
// of Symmetries. If z has the density of Latent, a random image under the group of the
// model has the density of the target, which no symmetry changes, and Posterior returns to
// the density of Latent.
func (r *measurer) toImages(z *mat.Dense, rnd *rand.Rand) error {
	if err := r.m.Decode(r.image, nil, z); err != nil {
		return err
	}
	r.m.randomImages(r.image, r.copied, rnd)
	for c := range r.s.Chains {
		row := r.image.RawRowView(c)
		for _, powers := range r.powers {
			copy(r.copied, row)
			powers[rnd.IntN(len(powers))].apply(row, r.copied)
		}
	}
	return r.m.Posterior(z, nil, r.image, rnd)
}
