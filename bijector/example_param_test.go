package bijector_test

import (
	"fmt"
	"log"
	"math/rand/v2"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/bijector"
)

// The values behind a parameter are live: graphs see a change at their next
// run.
func ExampleNewParam() {
	p, err := bijector.NewParam("shift", []float64{1, 2, 3}, 3)
	if err != nil {
		log.Fatal(err)
	}
	p.Value().Float64s()[0] = 5
	fmt.Println(p.Name(), p.Value().Float64s())
	// Output: shift [5 2 3]
}

// A bijector used in the opposite direction.
func ExampleInvert() {
	b, err := bijector.NewPermutation([]int{2, 0, 1})
	if err != nil {
		log.Fatal(err)
	}
	row := []float64{10, 20, 30}
	fmt.Println("forward", mapped(b, row))
	fmt.Println("inverted", mapped(bijector.Invert(b), row))
	// Output:
	// forward [30 10 20]
	// inverted [20 30 10]
}

// The paper's networks as the conditioner of a single coupling.
func ExampleNewMLP() {
	c, err := bijector.NewMLP(2, []int{10, 10}, 1, rand.NewPCG(1, 2))
	if err != nil {
		log.Fatal(err)
	}
	b, err := bijector.NewCoupling(3, []int{0, 2}, c)
	if err != nil {
		log.Fatal(err)
	}
	for _, p := range b.Params()[:2] {
		fmt.Println(p.Name(), p.Value().Shape())
	}
	x := mapped(b, []float64{1, 2, 3})
	fmt.Println("kept:", x[0], x[2])
	// Output:
	// s.0.weight (2, 10)
	// s.0.bias (10)
	// kept: 1 3
}

// mapped is the image of one row.
func mapped(b bijector.Bijector, row []float64) []float64 {
	g := gorgonia.NewGraph()
	z := gorgonia.NewMatrix(g, tensor.Float64, gorgonia.WithName("z"), gorgonia.WithShape(1, len(row)),
		gorgonia.WithValue(tensor.New(tensor.WithShape(1, len(row)), tensor.WithBacking(row))))
	x, _, err := b.Forward(z)
	if err != nil {
		log.Fatal(err)
	}
	if err := gorgonia.NewTapeMachine(g).RunAll(); err != nil {
		log.Fatal(err)
	}
	return x.Value().Data().([]float64)
}
