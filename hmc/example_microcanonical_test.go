package hmc_test

import (
	"context"
	"fmt"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/hmc"
)

// The radius of a normal distribution in ten dimensions.
func ExampleMicrocanonical() {
	density := hmc.Func(10, func(grad, x []float64) float64 {
		var sum float64
		for j, v := range x {
			sum -= v * v / 2
			if grad != nil {
				grad[j] = -v
			}
		}
		return sum
	})
	s, err := hmc.New(density, mat.NewDense(64, 10, nil), &hmc.Settings{
		Kernel: hmc.Microcanonical{},
		Src:    rand.NewPCG(1, 2),
	})
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	if err := s.WarmUp(ctx, 300, nil); err != nil {
		panic(err)
	}
	var sum float64
	err = s.Run(ctx, 300, func(int) error {
		sum += mat.Norm(s.X(), 2) * mat.Norm(s.X(), 2) / 64 / 300
		return nil
	})
	if err != nil {
		panic(err)
	}
	fmt.Printf("⟨x²⟩ = %.1f, warnings: %q\n", sum, s.Warnings())
	// Output:
	// ⟨x²⟩ = 10.0, warnings: []
}
