package bijector_test

import (
	"fmt"
	"log"
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/target"
)

// A tree of Haar blocks is the wavelet transform: of a step in the middle of
// a chain, the mean and the coarsest difference remain. Their squares add up to
// those of the sites, 4·1 + 4·9.
func ExampleNewTree_wavelet() {
	h := math.Sqrt2 / 2
	haar, err := bijector.OrthogonalFrom(mat.NewDense(2, 2, []float64{h, h, h, -h}))
	if err != nil {
		log.Fatal(err)
	}
	tree, err := bijector.NewTree([]int{8}, func(int) (bijector.Bijector, error) { return haar, nil }, nil)
	if err != nil {
		log.Fatal(err)
	}
	m, err := flow.New(target.NewNormal(8), tree)
	if err != nil {
		log.Fatal(err)
	}
	x := mat.NewDense(1, 8, []float64{1, 1, 1, 1, 3, 3, 3, 3})
	z := mat.NewDense(1, 8, nil)
	if err := m.Encode(z, nil, x); err != nil {
		log.Fatal(err)
	}
	for level := range tree.Levels() {
		sum := 0.0
		for _, site := range tree.Latents(level) {
			sum += z.At(0, site) * z.At(0, site)
		}
		fmt.Printf("level %d: z of sites %v, Σz² = %.3f\n", level, tree.Latents(level), sum)
	}
	// Output:
	// level 0: z of sites [1 3 5 7], Σz² = 0.000
	// level 1: z of sites [2 6], Σz² = 0.000
	// level 2: z of sites [4], Σz² = 8.000
	// level 3: z of sites [0], Σz² = 32.000
}
