package flow

import (
	"math/rand/v2"
	"testing"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/target"
)

// The largest lattice and the largest batch that are promised to work, and the
// smallest batch.
func TestExtremes(t *testing.T) {
	for _, c := range []struct{ l, batch int }{{128, 2}, {2, 65536}, {8, 1}} {
		src := rand.NewPCG(1, 1)
		h, err := bijector.NewMERA([]int{c.l, c.l}, func(int) (bijector.Bijector, error) {
			return bijector.NewRealNVP(4, &bijector.RealNVPSettings{Couplings: 2, Hidden: []int{4}, Src: src})
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		n := c.l * c.l
		m := symmetrize(t, must(New(target.NewNormal(n), h)).Float32(), Inversion(n))
		res := train(t, m, ising(t, c.l), &Settings{Steps: 2, Batch: c.batch, Src: src})
		if res.Samples != 2*c.batch || !(res.Loss > -ising(t, c.l).LogZ()) {
			t.Errorf("L=%d, batch %d: loss %g of %d samples", c.l, c.batch, res.Loss, res.Samples)
		}
	}
}
