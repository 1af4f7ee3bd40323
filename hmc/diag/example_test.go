package diag_test

import (
	"fmt"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/hmc/diag"
)

// Chains that agree, and chains of which one is elsewhere.
func ExampleRHat() {
	rnd := rand.New(rand.NewPCG(1, 2))
	x := mat.NewDense(1000, 4, nil)
	x.Apply(func(_, _ int, _ float64) float64 { return rnd.NormFloat64() }, x)
	same, err := diag.RHat(x)
	if err != nil {
		panic(err)
	}
	x.Apply(func(_, c int, v float64) float64 { return v + float64(c/3) }, x)
	apart, err := diag.RHat(x)
	if err != nil {
		panic(err)
	}
	fmt.Println(same < 1.01, apart > 1.01)
	// Output: true true
}

// Four thousand independent measurements.
func ExampleESS() {
	rnd := rand.New(rand.NewPCG(1, 2))
	x := mat.NewDense(1000, 4, nil)
	x.Apply(func(_, _ int, _ float64) float64 { return rnd.NormFloat64() }, x)
	ess, err := diag.ESS(x)
	if err != nil {
		panic(err)
	}
	stdErr, err := diag.MCSE(x)
	if err != nil {
		panic(err)
	}
	fmt.Printf("ESS above 3000: %v, MCSE %.3f\n", ess > 3000, stdErr)
	// Output: ESS above 3000: true, MCSE 0.016
}
