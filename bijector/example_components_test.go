package bijector_test

import (
	"fmt"

	"github.com/neuralrg/neuralrg/bijector"
)

// Tiles of 2 × 2 sites for a field with two components at each site.
func ExampleWithComponents() {
	tiles := must(bijector.Tiles([]int{2, 4}, 2, 1, 0))
	fmt.Println(tiles)
	fmt.Println(must(bijector.WithComponents(tiles, 2)))
	// Output:
	// [[0 1 4 5] [2 3 6 7]]
	// [[0 1 2 3 8 9 10 11] [4 5 6 7 12 13 14 15]]
}

// A network of vectors: the blocks of 2 × 2 sites act on 12 values.
func ExampleStack_WithComponents() {
	s := bijector.NewStack(4, 4).WithComponents(3)
	for s.Sites() > 1 {
		s.Disentangle(small(1)).Decimate(small(2))
	}
	h := must(s.Hierarchy())
	fmt.Println(h.Dim(), "values, blocks on", h.Layers()[0].Block().Dim())
	// Output: 48 values, blocks on 12
}
