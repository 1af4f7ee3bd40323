package flow_test

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/target"
)

// A field with two components at each site: the O(2) form of φ⁴ theory.
func ExampleWithComponents() {
	shape, n := []int{4, 4}, 2
	phi4 := must(target.NewPhi4(shape, &target.Phi4Settings{Mass2: -2, Lambda: 3, Components: n}))

	src := rand.NewPCG(1, 2)
	recipe := flow.BestRecipe()
	recipe.Network.Components = n
	model := must(recipe.Model(shape, phi4.Spectrum(), src))

	generators := must(flow.InternalSymmetries(16, n))
	generators = append(generators, must(flow.WithComponents(must(flow.Translations(shape)), n))...)
	model = must(flow.Symmetrize(model, generators...))

	settings := recipe.Settings(5, src)
	settings.Batch, settings.Images = 32, 2
	result := must(flow.Train(context.Background(), model.Float32(), phi4, settings))
	fmt.Println(model.Dim(), "values,", len(model.Symmetries()), "symmetries,", result.Steps, "steps")
	// Output: 32 values, 128 symmetries, 5 steps
}

// Two components at each of two sites, s: sign of the first one, e: exchange.
func ExampleInternalSymmetries() {
	all := must(flow.InternalSymmetries(2, 2))
	fmt.Println("s:", all[0].Sign)
	fmt.Println("e:", all[1].Perm)
	// Output:
	// s: [-1 1 -1 1]
	// e: [1 0 3 2]
}
