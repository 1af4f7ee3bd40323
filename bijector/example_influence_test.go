package bijector_test

import (
	"fmt"
	"log"
	"math/rand/v2"

	"github.com/neuralrg/neuralrg/bijector"
)

// A latent variable of a coarse level has influence on many sites.
func ExampleHierarchy_Influence() {
	src := rand.NewPCG(1, 2)
	block := func(int) (bijector.Bijector, error) { return bijector.NewLinear(2, src) }
	mera, err := bijector.NewMERA([]int{32}, block, nil)
	if err != nil {
		log.Fatal(err)
	}
	for _, site := range []int{1, 2, 4, 8} {
		fmt.Printf("z_%d, level %d: %d sites\n", site, mera.Level(site), len(mera.Influence(site)))
	}
	// Output:
	// z_1, level 0: 4 sites
	// z_2, level 1: 10 sites
	// z_4, level 2: 22 sites
	// z_8, level 3: 32 sites
}
