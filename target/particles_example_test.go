package target_test

import (
	"fmt"
	"log"
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/target"
)

// Eight particles in a square box at density .78, one of them pinned, on a grid of 3 × 3
// places with a vacancy.
func ExampleNewParticles() {
	p, err := target.NewParticles(8, []float64{3.2, 3.2}, &target.ParticlesSettings{Pinned: true})
	if err != nil {
		log.Fatal(err)
	}
	x := mat.NewDense(1, p.Dim(), nil)
	for i := range 7 {
		place := i + 1
		x.Set(0, 2*i, 2*math.Pi*float64(place%3)/3)
		x.Set(0, 2*i+1, 2*math.Pi*float64(place/3)/3)
	}
	logp := make([]float64, 1)
	if err := target.NewEvaluator(p).LogProbs(logp, x); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d angles, ln π = %.4f\n", p.Dim(), logp[0])
	fmt.Printf("ln Q = ln Z − %.4f\n", -p.LogUnits())
	// Output:
	// 14 angles, ln π = -1.7930
	// ln Q = ln Z − 7.1199
}

// Two atoms in a trap.
func ExampleNewTrappedParticles() {
	atoms, err := target.NewLennardJones(&target.LennardJonesSettings{Cutoff: 4})
	if err != nil {
		log.Fatal(err)
	}
	p, err := target.NewTrappedParticles(2, []float64{0.1, 0.1, 0.1}, &target.ParticlesSettings{Pair: atoms})
	if err != nil {
		log.Fatal(err)
	}
	distance := math.Pow(2, 1.0/6)
	fmt.Printf("U = %.4f\n", p.Energy([]float64{distance / 2, 0, 0, -distance / 2, 0, 0}))
	// Output: U = -0.9675
}

func ExampleNewLennardJones() {
	argon, err := target.NewLennardJones(nil)
	if err != nil {
		log.Fatal(err)
	}
	u, _ := argon.Pair(math.Pow(2, 1.0/3))
	fmt.Printf("at the minimum %.4f, cut off at %g\n", u, argon.Cutoff())
	// Output: at the minimum -0.9837, cut off at 2.5
}

func ExampleNewWCA() {
	wca, err := target.NewWCA(&target.LennardJonesSettings{Sigma: 2})
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range []float64{2, 2.2, 2.3} {
		u, _ := wca.Pair(r * r)
		fmt.Printf("u(%g) = %.4f\n", r, u)
	}
	// Output:
	// u(2) = 1.0000
	// u(2.2) = 0.0166
	// u(2.3) = 0.0000
}

// Chains may start with dimers of several lengths. The grid of the solvent overlaps with them
// at first, with a finite energy.
func ExampleNewDimer() {
	dimer, err := target.NewDimer(nil)
	if err != nil {
		log.Fatal(err)
	}
	x := make([]float64, dimer.Dim())
	for _, r := range []float64{1, 1.5, 2} {
		dimer.Start(x, r)
		fmt.Printf("r = %.1f: U = %.1f\n", dimer.Distance(x), dimer.Energy(x))
	}
	// Output:
	// r = 1.0: U = 2087.5
	// r = 1.5: U = 1940.3
	// r = 2.0: U = 685.7
}
