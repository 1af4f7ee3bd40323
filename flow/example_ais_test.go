package flow_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/target"
)

// A flow after little training, annealed to the target: ln Z and weighted samples.
func ExampleAIS() {
	ctx, src := context.Background(), rand.NewPCG(1, 2)
	ising := must(target.NewIsing([]int{4, 4}, 3))
	recipe := flow.FastRecipe()
	recipe.Hidden = []int{8}
	model := must(recipe.Model([]int{4, 4}, ising.Spectrum(), src))
	model = must(flow.Symmetrize(model, flow.Inversion(16)))
	settings := recipe.Settings(60, src)
	settings.Batch = 64
	must(flow.Train(ctx, model, ising, settings))

	e := must(flow.Evaluate(ctx, model, ising, &flow.EvaluateSettings{Samples: 1000, Src: src}))
	a := must(flow.AIS(ctx, model, ising, &flow.AISSettings{Samples: 1000, Rungs: 20, Src: src}))
	var m2, sum float64
	for k, lw := range a.LogWeights {
		w := math.Exp(lw - a.LogZ)
		m2, sum = m2+w*ising.StructureFactor(a.X.RawRowView(k)), sum+w
	}
	exact, _ := ising.ExactStructureFactor()
	fmt.Printf("a smaller gap: %t, more effective samples: %t\n", a.Loss < e.Loss, a.ESS > e.ESS)
	fmt.Printf("ln Z within three errors: %t, ⟨m²⟩ within .05: %t\n", math.Abs(a.LogZ-ising.LogZ()) < 3*a.LogZErr,
		math.Abs(m2/sum-exact) < 0.05)
	// Output:
	// a smaller gap: true, more effective samples: true
	// ln Z within three errors: true, ⟨m²⟩ within .05: true
}
