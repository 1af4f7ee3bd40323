package bijector_test

import (
	"fmt"
	"math/rand/v2"

	"github.com/neuralrg/neuralrg/bijector"
)

// Windows of 8 × 8 latent variables of a lattice of 16 × 16 sites: four along each axis,
// each half over the next.
func ExampleWindows() {
	windows := must(bijector.Windows([]int{16, 16}, 8, 0))
	fmt.Println(len(windows), "windows of", len(windows[0]))
	fmt.Println("the first row of windows 0, 1 and 3:", windows[0][:8], windows[1][:8], windows[3][:8])
	// Output:
	// 16 windows of 64
	// the first row of windows 0, 1 and 3: [0 1 2 3 4 5 6 7] [4 5 6 7 8 9 10 11] [12 13 14 15 0 1 2 3]
}

// Sets of latent variables to redraw together: those of one cell, those of one level,
// and those on which one site depends.
func ExampleHierarchy_Cells() {
	src := rand.NewPCG(1, 2)
	block := func(sites int) (bijector.Bijector, error) {
		return bijector.NewRealNVP(sites, &bijector.RealNVPSettings{Src: src})
	}
	h := must(bijector.NewTree([]int{8}, block, nil))
	for level := range h.Levels() - 1 {
		fmt.Println("cells:", h.Cells(level))
	}
	fmt.Println("finest level:", h.Latents(0))
	fmt.Println("cone of site 5:", h.Cone(5))
	// Output:
	// cells: [[0 1] [2 3] [4 5] [6 7]]
	// cells: [[0 1 2 3] [4 5 6 7]]
	// cells: [[0 1 2 3 4 5 6 7]]
	// finest level: [1 3 5 7]
	// cone of site 5: [0 4 5 6]
}
