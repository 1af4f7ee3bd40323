package bijector_test

import (
	"fmt"
	"log"
	"math/rand/v2"
	"slices"

	"github.com/neuralrg/neuralrg/bijector"
)

// How far correlations can reach on a ring of 64 sites: in proportion to the
// depth without decimation, exponentially with it (paper, Fig. 2(a)). Both
// networks have two layers per unit of depth.
func ExampleHierarchy_Cone() {
	src := rand.NewPCG(1, 2)
	block := func(int) (bijector.Bijector, error) { return bijector.NewLinear(2, src) }
	fmt.Println("depth TEBD MERA")
	for depth := 1; depth <= 5; depth++ {
		s := &bijector.NetworkSettings{Depth: depth}
		tebd, err := bijector.NewTEBD([]int{64}, block, s)
		if err != nil {
			log.Fatal(err)
		}
		mera, err := bijector.NewMERA([]int{64}, block, s)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%5d %4d %4d\n", depth, reach(tebd), reach(mera))
	}
	// Output:
	// depth TEBD MERA
	//     1    3    3
	//     2    7    9
	//     3   11   21
	//     4   15   32
	//     5   19   32
}

// reach is the largest distance on a ring of two sites whose cones overlap.
func reach(h *bijector.Hierarchy) int {
	n := h.Dim()
	far := 0
	for i := range n {
		cone := h.Cone(i)
		for j := range i {
			if slices.ContainsFunc(h.Cone(j), func(z int) bool { return slices.Contains(cone, z) }) {
				far = max(far, min(i-j, n-i+j))
			}
		}
	}
	return far
}

// Of a 14 × 14 lattice, tiles of 2 × 2 leave 7 × 7 variables that stay independent, unless
// a block joins them.
func ExampleHierarchy_Independent() {
	src := rand.NewPCG(1, 2)
	block := func(sites int) (bijector.Bijector, error) {
		return bijector.NewRealNVP(sites, &bijector.RealNVPSettings{Src: src})
	}
	for _, s := range []*bijector.NetworkSettings{nil, {Join: true}} {
		h := must(bijector.NewMERA([]int{14, 14}, block, s))
		fmt.Println(len(h.Layers()), "layers, groups of latent variables:", len(h.Independent()))
	}
	// Output:
	// 2 layers, groups of latent variables: 49
	// 4 layers, groups of latent variables: 1
}
