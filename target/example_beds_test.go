package target_test

import (
	"fmt"
	"log"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/target"
)

// Two modes with the weights 1/4 and 3/4.
func ExampleNewMixture() {
	means := mat.NewDense(2, 2, []float64{
		-4, 0,
		4, 0,
	})
	mixture, err := target.NewMixture([]float64{1, 3}, means, 0.5)
	if err != nil {
		log.Fatal(err)
	}
	rnd, x, right := rand.New(rand.NewPCG(1, 2)), make([]float64, 2), 0
	for range 10000 {
		if mixture.Rand(x, rnd); x[0] > 0 {
			right++
		}
	}
	fmt.Printf("share of the right mode: %.2f\n", float64(right)/10000)
	// Output: share of the right mode: 0.75
}

func ExampleNewFunnel() {
	funnel, err := target.NewFunnel(10)
	if err != nil {
		log.Fatal(err)
	}
	logp := make([]float64, 1)
	if err := target.NewEvaluator(funnel).LogProbs(logp, mat.NewDense(1, 10, nil)); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("ln π = %.4f at the origin\n", logp[0])
	// Output: ln π = -10.2880 at the origin
}

func ExampleNewRing() {
	ring, err := target.NewRing(2, 0.1)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("ln Z = %.6f\n", ring.LogZ())
	// Output: ln Z = 1.147378
}

// A barrier of 5 between wells of different weights.
func ExampleNewDoubleWell() {
	well, err := target.NewDoubleWell(1, 5, 1)
	if err != nil {
		log.Fatal(err)
	}
	x, logp := mat.NewDense(3, 1, []float64{-1, 0, 1}), make([]float64, 3)
	if err := target.NewEvaluator(well).LogProbs(logp, x); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("ln π = %.1f\n", logp)
	// Output: ln π = [-1.0 -5.0 1.0]
}

// A ring of ten angles, where ln Z is known, and a square lattice.
func ExampleNewXY() {
	ring, err := target.NewXY([]int{10}, 1)
	if err != nil {
		log.Fatal(err)
	}
	logZ, _ := ring.LogZ()
	m2, _ := ring.ExactStructureFactor()
	fmt.Printf("ring: ln Z = %.6f, ⟨m²⟩ = %.6f\n", logZ, m2)

	square, err := target.NewXY([]int{4, 4}, 1)
	if err != nil {
		log.Fatal(err)
	}
	aligned := make([]float64, 16)
	fmt.Printf("aligned: e = %g, m² = %g, Υ = %g\n",
		square.Energy(aligned), square.StructureFactor(aligned), square.HelicityModulus(aligned))
	// Output:
	// ring: ln Z = 20.738542, ⟨m²⟩ = 0.261070
	// aligned: e = -2, m² = 1, Υ = 1
}
