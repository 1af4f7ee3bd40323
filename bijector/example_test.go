package bijector_test

import (
	"fmt"
	"log"
	"math/rand/v2"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/bijector"
)

// A block is drawn near the identity. Evaluated in a graph, it maps rows of
// values and says how it changes their volume.
func ExampleNewRealNVP() {
	b, err := bijector.NewRealNVP(4, &bijector.RealNVPSettings{
		Couplings: 6,
		Hidden:    []int{16, 16},
		Src:       rand.NewPCG(1, 2),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(b.Dim(), "values,", b.Params()[0].Value().Size(), "weights")

	g := gorgonia.NewGraph()
	z := gorgonia.NewMatrix(g, tensor.Float64, gorgonia.WithName("z"), gorgonia.WithShape(2, 4),
		gorgonia.WithValue(tensor.New(tensor.WithShape(2, 4), tensor.WithBacking([]float64{
			0.5, -1, 0, 2,
			1.5, 1, -1, 3,
		}))))
	x, logDet, err := b.Forward(z)
	if err != nil {
		log.Fatal(err)
	}
	if err := gorgonia.NewTapeMachine(g).RunAll(); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("x = %.2f\n", x.Value().Data())
	fmt.Printf("ln|det| = %.2f\n", logDet.Value().Data())
	// Output:
	// 4 values, 4260 weights
	// x = [0.58 -0.98 0.01 2.03 1.65 1.00 -0.93 3.14]
	// ln|det| = [0.08 0.12]
}

// A chain applies its elements in order; a block that occurs twice shares its
// parameters.
func ExampleNewChain() {
	block, err := bijector.NewRealNVP(3, &bijector.RealNVPSettings{Src: rand.NewPCG(1, 2)})
	if err != nil {
		log.Fatal(err)
	}
	rotate, err := bijector.NewPermutation([]int{1, 2, 0})
	if err != nil {
		log.Fatal(err)
	}
	c, err := bijector.NewChain(block, rotate, block)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(c.Dim(), "values,", len(c.Params()), "parameter")
	// Output: 3 values, 1 parameter
}

// The disentanglers and decimators of a 4 × 4 lattice at its finest scale are
// shifted against each other; the next scale uses every second site.
func ExampleTiles() {
	shape := []int{4, 4}
	for _, c := range []struct{ step, offset int }{{1, 1}, {1, 0}, {2, 2}, {2, 0}} {
		tiles, err := bijector.Tiles(shape, 2, c.step, c.offset)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(tiles)
	}
	// Output:
	// [[5 6 9 10] [7 4 11 8] [13 14 1 2] [15 12 3 0]]
	// [[0 1 4 5] [2 3 6 7] [8 9 12 13] [10 11 14 15]]
	// [[10 8 2 0]]
	// [[0 2 8 10]]
}

// A lattice of 4 × 6 sites in tiles of 2 × 3, and the 2 × 2 first sites of these as
// one tile of the next scale.
func ExampleBoxes() {
	shape := []int{4, 6}
	for _, c := range []struct{ size, step []int }{{[]int{2, 3}, []int{1, 1}}, {[]int{2, 2}, []int{2, 3}}} {
		tiles, err := bijector.Boxes(shape, c.size, c.step, []int{0, 0})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(tiles)
	}
	// Output:
	// [[0 1 2 6 7 8] [3 4 5 9 10 11] [12 13 14 18 19 20] [15 16 17 21 22 23]]
	// [[0 3 12 15]]
}

// One layer of a renormalization flow: disentangle across the boundaries of
// the cells, then keep one site of each cell.
func ExampleDecimator() {
	block, err := bijector.NewRealNVP(4, &bijector.RealNVPSettings{Src: rand.NewPCG(1, 2)})
	if err != nil {
		log.Fatal(err)
	}
	shifted, err := bijector.Tiles([]int{4, 4}, 2, 1, 1)
	if err != nil {
		log.Fatal(err)
	}
	cells, err := bijector.Tiles([]int{4, 4}, 2, 1, 0)
	if err != nil {
		log.Fatal(err)
	}
	disentangler, err := bijector.Disentangler(block, shifted)
	if err != nil {
		log.Fatal(err)
	}
	decimator, err := bijector.Decimator(block, cells, 0)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("after the disentangler", 16-len(disentangler.Decimated()), "sites live on")
	fmt.Println("the decimator leaves behind", decimator.Decimated())
	// Output:
	// after the disentangler 16 sites live on
	// the decimator leaves behind [1 4 5 3 6 7 9 12 13 11 14 15]
}

func ExampleDisentangler() {
	block, err := bijector.NewRealNVP(2, &bijector.RealNVPSettings{Src: rand.NewPCG(1, 2)})
	if err != nil {
		log.Fatal(err)
	}
	// A ring of six sites, in pairs, and one more site that is left alone.
	layer, err := bijector.Disentangler(block, [][]int{{1, 2}, {3, 4}, {5, 0}})
	if err != nil {
		log.Fatal(err)
	}
	b, err := layer.On(7)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(b.Dim(), "sites,", len(layer.Tiles()), "tiles,", len(b.Params()), "parameter")
	// Output: 7 sites, 3 tiles, 1 parameter
}

// The details of an image, given a coarse one: on a ring of eight sites the even
// ones are the coarse field, and the two of them beside an odd site say how it
// is distributed.
func ExampleConditionalDecimator() {
	block, err := bijector.NewRealNVP(3, &bijector.RealNVPSettings{
		Keep: [][]int{{0, 1}}, // the context passes through and feeds the networks
		Src:  rand.NewPCG(1, 2),
	})
	if err != nil {
		log.Fatal(err)
	}
	layer, err := bijector.ConditionalDecimator(block, [][]int{{0, 2, 1}, {2, 4, 3}, {4, 6, 5}, {6, 0, 7}}, 0, 1)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("decimated:", layer.Decimated())
	// Output: decimated: [1 3 5 7]
}

func ExampleNewPermutation() {
	p, err := bijector.NewPermutation([]int{2, 0, 1})
	if err != nil {
		log.Fatal(err)
	}
	g := gorgonia.NewGraph()
	z := gorgonia.NewMatrix(g, tensor.Float64, gorgonia.WithName("z"), gorgonia.WithShape(1, 3),
		gorgonia.WithValue(tensor.New(tensor.WithShape(1, 3), tensor.WithBacking([]float64{10, 11, 12}))))
	x, _, err := p.Forward(z)
	if err != nil {
		log.Fatal(err)
	}
	if err := gorgonia.NewTapeMachine(g).RunAll(); err != nil {
		log.Fatal(err)
	}
	fmt.Println(x.Value().Data())
	// Output: [12 10 11]
}
