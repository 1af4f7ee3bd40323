package target_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/hmc"
	"github.com/neuralrg/neuralrg/target"
)

// Chains stay within hard walls, beyond which a Func returns −Inf or NaN and no gradient.
// ⟨x²⟩ is that of the uniform density, 1/3.
func TestChainsStayWithinWalls(t *testing.T) {
	for _, beyond := range []float64{math.Inf(-1), math.NaN()} {
		box := target.Func(1, func(grad, x []float64) float64 {
			if !(math.Abs(x[0]) < 1) {
				return beyond
			}
			copy(grad, []float64{0})
			return 0
		})
		const chains, sweeps = 50, 400
		s, err := hmc.New(target.NewEvaluator(box), mat.NewDense(chains, 1, nil), &hmc.Settings{
			Kernel: hmc.HMC{StepSize: 0.5, Steps: 1},
			Src:    rand.NewPCG(1, 1),
		})
		if err != nil {
			t.Fatal(err)
		}
		means := make([]float64, chains) // of x² along each chain; chains are independent
		err = s.Run(t.Context(), sweeps, func(int) error {
			for i := range chains {
				v := s.X().At(i, 0)
				if !(math.Abs(v) < 1) {
					t.Fatalf("%g beyond the walls: chain %d is at %g", beyond, i, v)
				}
				means[i] += v * v / sweeps
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		var mean, variance float64
		for _, v := range means {
			mean += v / chains
		}
		for _, v := range means {
			variance += (v - mean) * (v - mean) / (chains - 1)
		}
		// 4 standard errors, and 1 % for the first sweeps, which depend on the start at 0
		if d := math.Abs(mean - 1.0/3); d > 4*math.Sqrt(variance/chains)+1.0/300 {
			t.Errorf("%g beyond the walls: ⟨x²⟩ is %g ± %g, want 1/3", beyond, mean, math.Sqrt(variance/chains))
		}
		if s.Divergent() == 0 {
			t.Error("no chain met a wall: no test")
		}
	}
}
