package bijector_test

import (
	"fmt"
	"math/rand/v2"

	"github.com/neuralrg/neuralrg/bijector"
)

// realNVP makes blocks, each with weights of its own.
func realNVP(src rand.Source) bijector.BlockFunc {
	return func(sites int) (bijector.Bijector, error) {
		return bijector.NewRealNVP(sites, &bijector.RealNVPSettings{Src: src})
	}
}

// The network of the paper, layer by layer. Any other choice of blocks and
// tiles makes a hierarchy too, as long as no layer touches a site that a
// decimator has left behind.
func ExampleNewHierarchy() {
	shape, src := []int{16, 16}, rand.NewPCG(1, 2)
	block := func() bijector.Bijector { return must(realNVP(src)(4)) }
	tiles := func(step, offset int) [][]int { return must(bijector.Tiles(shape, 2, step, offset)) }

	var layers []*bijector.Layer // fine to coarse
	for step := 1; step < 16; step *= 2 {
		layers = append(layers,
			must(bijector.Disentangler(block(), tiles(step, step))),
			must(bijector.Decimator(block(), tiles(step, 0), 0))) // output 0 of each tile lives on
	}
	h := must(bijector.NewHierarchy(256, layers...))

	fmt.Println("sites:", h.Dim())
	for level := range h.Levels() {
		fmt.Printf("level %d: %d latent variables\n", level, len(h.Latents(level)))
	}

	twice := append(layers, must(bijector.Decimator(block(), tiles(1, 0), 0)))
	_, err := bijector.NewHierarchy(256, twice...)
	fmt.Println(err)
	// Output:
	// sites: 256
	// level 0: 192 latent variables
	// level 1: 48 latent variables
	// level 2: 12 latent variables
	// level 3: 3 latent variables
	// level 4: 1 latent variables
	// bijector: layer 8: tile 0: invalid hierarchy: site 1 was decimated by layer 1
}

func ExampleNewMERA() {
	h := must(bijector.NewMERA([]int{8, 8}, realNVP(rand.NewPCG(1, 2)), nil))
	for k, l := range h.Layers() {
		fmt.Printf("layer %d: %2d tiles, %2d sites decimated\n", k, len(l.Tiles()), len(l.Decimated()))
	}
	fmt.Println("levels of latent variables:", h.Levels())
	// Output:
	// layer 0: 16 tiles,  0 sites decimated
	// layer 1: 16 tiles, 48 sites decimated
	// layer 2:  4 tiles,  0 sites decimated
	// layer 3:  4 tiles, 12 sites decimated
	// layer 4:  1 tiles,  0 sites decimated
	// layer 5:  1 tiles,  3 sites decimated
	// levels of latent variables: 4
}

// The network without coarse-graining.
func ExampleNewTEBD() {
	h := must(bijector.NewTEBD([]int{4, 4}, realNVP(rand.NewPCG(1, 2)), &bijector.NetworkSettings{Depth: 2}))
	fmt.Println(len(h.Layers()), "layers,", h.Levels(), "level of", len(h.Latents(0)), "latent variables")
	// Output: 4 layers, 1 level of 16 latent variables
}

// Decimators alone make a tree: every scale is half as wide as the one before.
func ExampleNewTree() {
	h := must(bijector.NewTree([]int{16}, realNVP(rand.NewPCG(1, 2)), nil))
	for level := range h.Levels() {
		fmt.Println("level", level, "latent variables:", len(h.Latents(level)))
	}
	// Output:
	// level 0 latent variables: 8
	// level 1 latent variables: 4
	// level 2 latent variables: 2
	// level 3 latent variables: 1
	// level 4 latent variables: 1
}
