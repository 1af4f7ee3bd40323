package flow_test

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/target"
)

// Which scales of a flow are worse than others. This flow has had little training.
func ExampleScaleGaps() {
	ctx, src := context.Background(), rand.NewPCG(1, 2)
	ising := must(target.NewIsing([]int{4, 4}, 3))
	recipe := flow.BestRecipe()
	recipe.Hidden = []int{4}
	model := must(recipe.Model([]int{4, 4}, ising.Spectrum(), src))
	settings := recipe.Settings(40, src)
	settings.Batch = 64
	must(flow.Train(ctx, model, ising, settings))
	gaps := must(flow.ScaleGaps(ctx, model, ising, &flow.ScaleSettings{Samples: 32, Src: src}))
	var sum float64
	for _, g := range gaps {
		fmt.Printf("level %d has %d latent variables\n", g.Level, g.Latents)
		sum += g.Gap
	}
	fmt.Printf("the finest level has the largest part: %t\n", gaps[0].Gap > sum/2)
	// Output:
	// level 0 has 8 latent variables
	// level 1 has 4 latent variables
	// level 2 has 2 latent variables
	// level 3 has 1 latent variables
	// level 4 has 1 latent variables
	// the finest level has the largest part: true
}
