package target_test

import (
	"context"
	"fmt"
	"log"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/hmc"
	"github.com/neuralrg/neuralrg/hmc/diag"
	"github.com/neuralrg/neuralrg/target"
)

// Energy and specific heat of the spins from configurations x, with their errors. No
// spins are drawn.
func ExampleIsing_SpinEnergy() {
	const T = 4.0
	ising, err := target.NewIsing([]int{4, 4}, T)
	if err != nil {
		log.Fatal(err)
	}
	const chains, sweeps, burnIn = 100, 400, 50
	x0 := mat.NewDense(chains, ising.Dim(), nil)
	s, err := hmc.New(target.NewEvaluator(ising), x0, &hmc.Settings{
		Kernel: hmc.Gibbs{Update: ising.Gibbs}, Src: rand.NewPCG(1, 2),
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := s.Run(context.Background(), burnIn, nil); err != nil {
		log.Fatal(err)
	}
	e, square := mat.NewDense(sweeps, chains, nil), mat.NewDense(sweeps, chains, nil)
	err = s.Run(context.Background(), sweeps, func(sweep int) error {
		x := s.X()
		for c := range chains {
			a, b := ising.SpinEnergy(x.RawRowView(c))
			e.Set(sweep, c, a)
			square.Set(sweep, c, b)
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	energy, energyErr, err := diag.Jackknife([]*mat.Dense{e}, 1, func(m []float64) float64 { return m[0] })
	if err != nil {
		log.Fatal(err)
	}
	heat, heatErr, err := diag.Jackknife([]*mat.Dense{e, square}, 1, func(m []float64) float64 {
		return float64(ising.Dim()) * (m[1] - m[0]*m[0]) / (T * T)
	})
	if err != nil {
		log.Fatal(err)
	}
	exactEnergy, exactHeat, _ := ising.ExactEnergy()
	fmt.Printf("energy %.3f ± %.3f, exact %.3f\n", energy, energyErr, exactEnergy)
	fmt.Printf("specific heat %.3f ± %.3f, exact %.3f\n", heat, heatErr, exactHeat)
	// Output:
	// energy -0.622 ± 0.005, exact -0.625
	// specific heat 0.237 ± 0.003, exact 0.240
}
