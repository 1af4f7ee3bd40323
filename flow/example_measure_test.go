package flow_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/target"
)

// From a flow to a number with its error and a verdict: a flow is trained briefly on the
// Ising model, and ⟨m²⟩ is measured to 2 % by Monte Carlo in its latent space.
func ExampleMeasure() {
	ctx, src := context.Background(), rand.NewPCG(1, 2)
	ising := must(target.NewIsing([]int{4, 4}, 3))
	recipe := flow.FastRecipe()
	m := must(recipe.Model([]int{4, 4}, ising.Spectrum(), src))
	must(flow.Train(ctx, m.Float32(), ising, recipe.Settings(50, src)))

	r := must(flow.Measure(ctx, m, ising, []flow.Observable{{Name: "m²", Func: ising.StructureFactor}},
		&flow.MeasureSettings{RelErr: 0.02, Src: src}))
	m2 := r.Rows[0]
	exact, _ := ising.ExactStructureFactor()
	fmt.Println("verdict:", r.Verdict())
	fmt.Println("within four errors of the exact value:", math.Abs(m2.Mean-exact) < 4*m2.MCSE)
	// Output:
	// verdict: ok
	// within four errors of the exact value: true
}
