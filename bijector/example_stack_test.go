package bijector_test

import (
	"fmt"
	"log"
	"math/rand/v2"

	"github.com/neuralrg/neuralrg/bijector"
)

// The network of the paper, layer by layer.
func ExampleNewStack() {
	src := rand.NewPCG(1, 2)
	block := func(sites int) (bijector.Bijector, error) {
		return bijector.NewRealNVP(sites, &bijector.RealNVPSettings{Src: src})
	}
	s := bijector.NewStack(16, 16) // a periodic lattice; fine to coarse
	for s.Sites() > 1 {            // sites that live on
		s.Disentangle(block, 2).Decimate(block, 2)
	}
	h, err := s.Hierarchy() // the first error of all
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(h.Layers()), "layers,", h.Levels(), "levels")
	// Output: 8 layers, 5 levels
}
