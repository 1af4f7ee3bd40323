package hmc_test

import (
	"context"
	"fmt"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/hmc"
)

// Two scales that differ by a factor of 1000: the warm-up finds them.
func ExampleSampler_WarmUp() {
	density := hmc.Func(2, func(grad, x []float64) float64 {
		if grad != nil {
			grad[0], grad[1] = -x[0], -x[1]/1e6
		}
		return -x[0]*x[0]/2 - x[1]*x[1]/2e6
	})
	s, err := hmc.New(density, mat.NewDense(64, 2, nil), &hmc.Settings{
		Kernel: hmc.Mix{{Kernel: hmc.HMC{}, Weight: 3}, {Kernel: hmc.RandomWalk{}}},
		Src:    rand.NewPCG(1, 2),
	})
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	if err := s.WarmUp(ctx, 500, nil); err != nil {
		panic(err)
	}
	if err := s.Run(ctx, 500, nil); err != nil {
		panic(err)
	}
	for _, k := range s.Stats() {
		switch kernel := k.Kernel.(type) {
		case hmc.HMC:
			fmt.Printf("HMC: variances of order %.0g and %.0g\n", kernel.InverseMass[0], kernel.InverseMass[1])
		case hmc.RandomWalk:
			fmt.Printf("random walk: scale above 0.1: %v\n", kernel.Scale > 0.1)
		}
	}
	// Output:
	// HMC: variances of order 1 and 1e+06
	// random walk: scale above 0.1: true
}
