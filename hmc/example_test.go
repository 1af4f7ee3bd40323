package hmc_test

import (
	"context"
	"fmt"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/hmc"
	"github.com/neuralrg/neuralrg/hmc/diag"
)

// quartic is the density proportional to exp(−x⁴/4).
type quartic struct{}

func (quartic) Dim() int { return 1 }

func (quartic) LogProbGrad(logp []float64, grad, x *mat.Dense) error {
	for i := range logp {
		a := x.At(i, 0)
		logp[i] = -a * a * a * a / 4
		grad.Set(i, 0, -a*a*a)
	}
	return nil
}

// One hundred chains measure the second moment of a quartic oscillator, whose
// exact value is 2Γ(3/4)/Γ(1/4) = 0.676.
func ExampleNew() {
	const chains, warmup, sweeps = 100, 50, 1000
	s, err := hmc.New(quartic{}, mat.NewDense(chains, 1, nil), &hmc.Settings{
		Kernel: hmc.HMC{StepSize: 0.3, Steps: 5},
		Src:    rand.NewPCG(1, 2),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	if err := s.Run(ctx, warmup, nil); err != nil {
		fmt.Println(err)
		return
	}
	means := make([]float64, chains)
	if err := s.Run(ctx, sweeps, func(int) error {
		x := s.X()
		for i := range means {
			means[i] += x.At(i, 0) * x.At(i, 0) / sweeps
		}
		return nil
	}); err != nil {
		fmt.Println(err)
		return
	}
	mean, stdErr := diag.MeanStdErr(means)
	fmt.Printf("⟨x²⟩ = %.3f ± %.3f\n", mean, stdErr)
	fmt.Printf("accepted %.0f%%, divergent %d\n", 100*s.AcceptRate(), s.Divergent())
	// Output:
	// ⟨x²⟩ = 0.676 ± 0.002
	// accepted 99%, divergent 0
}
