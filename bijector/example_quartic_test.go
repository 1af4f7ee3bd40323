package bijector_test

import (
	"fmt"
	"log"
	"math/rand/v2"

	"github.com/neuralrg/neuralrg/bijector"
)

// A φ⁴ theory at m² = −4 on 6 × 6 sites: the odd sites are exact given the even ones,
// which conditional blocks correlate.
func ExampleNewQuartic() {
	exact := func(neighbours, _ int) (bijector.Bijector, error) {
		coupling := make([]float64, neighbours)
		for j := range coupling {
			coupling[j] = 2
		}
		return bijector.NewQuartic(&bijector.QuarticSettings{Quartic: 6.975, Coupling: coupling})
	}
	src := rand.NewPCG(1, 2)
	given := func(context, moved int) (bijector.Bijector, error) {
		var kept []int
		for j := range context {
			kept = append(kept, j)
		}
		return bijector.NewSmoothSpline(context+moved, &bijector.SplineSettings{Keep: [][]int{kept}, Src: src})
	}
	s := bijector.NewStack(6, 6)
	s.DecimateOdd(exact).DisentangleGiven(given).DecimateGiven(given)
	s.Top(func(sites int) (bijector.Bijector, error) {
		return bijector.NewSmoothSpline(sites, &bijector.SplineSettings{Src: src})
	})
	h, err := s.Hierarchy()
	if err != nil {
		log.Fatal(err)
	}
	for level := range h.Levels() {
		fmt.Println(len(h.Latents(level)), "latent variables of level", level)
	}
	// Output:
	// 18 latent variables of level 0
	// 9 latent variables of level 1
	// 9 latent variables of level 2
}

// Site 1 is moved given its neighbours 0 and 2, and stays.
func ExampleConditionalDisentangler() {
	b, err := bijector.NewSmoothSpline(3, &bijector.SplineSettings{Keep: [][]int{{0, 1}}, Src: rand.NewPCG(1, 2)})
	if err != nil {
		log.Fatal(err)
	}
	l, err := bijector.ConditionalDisentangler(b, [][]int{{0, 2, 1}, {2, 0, 3}}, 0, 1)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(l.Context(), l.Keep() == nil)
	// Output: [0 1] true
}
