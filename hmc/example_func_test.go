package hmc_test

import (
	"context"
	"fmt"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/hmc"
	"github.com/neuralrg/neuralrg/hmc/diag"
)

// A quartic oscillator as a plain Go function: ln π(x) = −x⁴/4. The exact
// second moment is 2Γ(3/4)/Γ(1/4) = 0.676.
func ExampleFunc() {
	quartic := func(grad, x []float64) float64 {
		v := x[0]
		if grad != nil {
			grad[0] = -v * v * v
		}
		return -v * v * v * v / 4
	}
	const chains, warmup, sweeps = 100, 50, 1000
	s, err := hmc.New(hmc.Func(1, quartic), mat.NewDense(chains, 1, nil), &hmc.Settings{
		Kernel: hmc.HMC{StepSize: 0.3, Steps: 5},
		Src:    rand.NewPCG(1, 2),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	means := make([]float64, chains)
	err = s.Run(context.Background(), warmup+sweeps, func(sweep int) error {
		if sweep < warmup {
			return nil
		}
		x := s.X()
		for i := range means {
			means[i] += x.At(i, 0) * x.At(i, 0) / sweeps
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	mean, stdErr := diag.MeanStdErr(means)
	fmt.Printf("⟨x²⟩ = %.3f ± %.3f\n", mean, stdErr)
	// Output: ⟨x²⟩ = 0.676 ± 0.002
}
