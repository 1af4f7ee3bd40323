package flow_test

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/target"
)

// All symmetries of a lattice, translations, rotations and reflections, at the
// price of three more inverse passes of a batch.
func ExampleSymmetrize_images() {
	shape, T := []int{4, 4}, target.CriticalTemperature()
	pi := must(target.NewIsing(shape, T))
	src := rand.NewPCG(1, 2)
	recipe := &flow.Recipe{Couplings: 2, Hidden: []int{8}, Whiten: true}
	q := must(recipe.Model(shape, pi.Spectrum(), src))
	generators := append(must(flow.Translations(shape)), must(flow.Reflections(shape))...)
	q = must(flow.Symmetrize(q, append(generators, flow.Inversion(16))...))
	fmt.Println(len(q.Symmetries()), "elements")

	settings := recipe.Settings(100, src)
	settings.Batch, settings.Images = 64, 4
	ctx := context.Background()
	must(flow.Train(ctx, q, pi, settings))

	gap := func(images int) float64 { // of the loss, which is an upper bound of −ln Z
		e := must(flow.Evaluate(ctx, q, pi, &flow.EvaluateSettings{Samples: 500, Images: images,
			Src: rand.NewPCG(3, 4)}))
		return e.Loss + pi.LogZ()
	}
	one, four, all := gap(1), gap(4), gap(0)
	fmt.Println("closer with four images than with one:", four < one)
	fmt.Println("closest with all:", 0 < all && all < four)
	// Output:
	// 256 elements
	// closer with four images than with one: true
	// closest with all: true
}
