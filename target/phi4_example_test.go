package target_test

import (
	"fmt"
	"log"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/target"
)

// The theory of Albergo et al. on a small lattice, where ln Z is known.
func ExampleNewPhi4() {
	phi4, err := target.NewPhi4([]int{4, 4}, &target.Phi4Settings{Mass2: -4, Lambda: 6.975})
	if err != nil {
		log.Fatal(err)
	}
	logp := make([]float64, 2)
	x := mat.NewDense(2, 16, nil)
	x.SetRow(1, []float64{1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	if err := target.NewEvaluator(phi4).LogProbs(logp, x); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("ln π = %.3f at the origin, %.3f with one field at 1\n", logp[0], logp[1])
	// Output:
	// ln π = 0.000 at the origin, -6.975 with one field at 1
}

// ln Z of narrow strips is known.
func ExamplePhi4_ExactLogZ() {
	for _, shape := range [][]int{{2, 3}, {2, 30}, {16, 16}} {
		phi4, err := target.NewPhi4(shape, &target.Phi4Settings{Mass2: -4, Lambda: 6.975})
		if err != nil {
			log.Fatal(err)
		}
		if logZ, ok := phi4.ExactLogZ(); ok {
			fmt.Printf("%v: ln Z = %.5f, per site %.5f\n", shape, logZ, logZ/float64(phi4.Dim()))
		} else {
			fmt.Printf("%v: not known\n", shape)
		}
	}
	// Output:
	// [2 3]: ln Z = 1.52552, per site 0.25425
	// [2 30]: ln Z = 14.30377, per site 0.23840
	// [16 16]: not known
}

// The O(3) theory in three dimensions, given by a hopping parameter.
func ExamplePhi4Hopping() {
	s, err := target.Phi4Hopping(3, 0.2, 0.5)
	if err != nil {
		log.Fatal(err)
	}
	s.Components = 3
	phi4, err := target.NewPhi4([]int{8, 8, 8}, s)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("m² = %.3f, λ = %.3f, %d values\n", phi4.Mass2(), phi4.Lambda(), phi4.Dim())
	// Output:
	// m² = -6.000, λ = 12.500, 1536 values
}
