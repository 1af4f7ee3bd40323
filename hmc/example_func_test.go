package hmc_test

import (
	"fmt"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/hmc"
)

// ExampleFunc samples a quartic oscillator without any graph.
func ExampleFunc() {
	quartic := func(grad, x []float64) float64 { // ln π(x) = −x⁴/4
		v := x[0]
		if grad != nil {
			grad[0] = -v * v * v
		}
		return -v * v * v * v / 4
	}
	const chains = 1000
	sampler, err := hmc.New(hmc.Func(1, quartic), mat.NewDense(chains, 1, nil),
		&hmc.Settings{StepSize: 0.4, Leapfrog: 5, Src: rand.NewPCG(1, 2)})
	if err != nil {
		fmt.Println(err)
		return
	}
	mean, n := 0.0, 0
	for sweep := range 120 {
		if err := sampler.Sweep(); err != nil {
			fmt.Println(err)
			return
		}
		if sweep >= 20 {
			for _, x := range sampler.X().RawMatrix().Data {
				mean += x * x
				n++
			}
		}
	}
	fmt.Printf("⟨x²⟩ = %.1f, exactly 0.676\n", mean/float64(n))
	// Output: ⟨x²⟩ = 0.7, exactly 0.676
}
