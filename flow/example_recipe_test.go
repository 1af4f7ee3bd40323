package flow_test

import (
	"fmt"
	"math/rand/v2"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/target"
)

// describe makes the model of a recipe for the 8×8 Ising model.
func describe(name string, r *flow.Recipe) {
	ising := must(target.NewIsing([]int{8, 8}, target.CriticalTemperature()))
	m := must(r.Model([]int{8, 8}, ising.Spectrum(), rand.NewPCG(1, 2)))
	n := 0
	for _, p := range m.Params() {
		n += p.Value().DataSize()
	}
	fmt.Printf("%s: %d blocks with %d parameters\n", name, len(m.Params()), n)
}

func ExamplePaperRecipe() {
	describe("paper", flow.PaperRecipe())
	// Output: paper: 6 blocks with 32760 parameters
}

func ExampleFastRecipe() {
	describe("fast", flow.FastRecipe())
	// Output: fast: 9 blocks with 37269 parameters
}

// The best recipe, from energy to settings: what remains is flow.Train.
func ExampleBestRecipe() {
	ising := must(target.NewIsing([]int{8, 8}, target.CriticalTemperature()))
	src := rand.NewPCG(1, 2)
	recipe := flow.BestRecipe()
	model := must(recipe.Model([]int{8, 8}, ising.Spectrum(), src))
	model = must(flow.Symmetrize(model, flow.Inversion(64)))
	settings := recipe.Settings(5000, src)

	fmt.Println(model.Dim(), "sites,", len(model.Params()), "blocks")
	fmt.Printf("%d steps, minimising %+v\n", settings.Steps, settings.Objective)
	// Output:
	// 64 sites, 30 blocks
	// 5000 steps, minimising {PathGradient:true InversionKL:0}
}

// The φ⁴ theory at m² = −4 and λ = 6.975, with half of the sites exact.
func ExampleNewQuarticAction() {
	phi4 := must(target.NewPhi4([]int{6, 6}, &target.Phi4Settings{Mass2: -4, Lambda: 6.975}))
	recipe := flow.BestRecipe()
	recipe.Exact = must(flow.NewQuarticAction(phi4))
	m := must(recipe.Model(phi4.Shape(), nil, rand.NewPCG(1, 2)))
	h := m.Bijector().(*bijector.Hierarchy)
	fmt.Println(len(h.Latents(0)), "of", h.Dim(), "variables are exact given the others")
	// Output: 18 of 36 variables are exact given the others
}

// From the flow of a small lattice, trained, to one of a lattice twice as large,
// to be trained for a while longer.
func ExampleRecipe_Grow() {
	small, large := []int{8, 8}, []int{16, 16}
	recipe, src := flow.BestRecipe(), rand.NewPCG(1, 2)
	T := target.CriticalTemperature()
	model := must(recipe.Model(small, must(target.NewIsing(small, T)).Spectrum(), src)) // train this
	grown := must(recipe.Grow(model, large, must(target.NewIsing(large, T)).Spectrum()))

	recipe.Anneal, recipe.LearnRate = 1, 2e-3 // it knows all modes already
	settings := recipe.Settings(1000, src)
	fmt.Println(grown.Dim(), "sites,", len(grown.Params()), "blocks, learning rate", settings.Optimizer.LearnRate)
	// Output: 256 sites, 40 blocks, learning rate 0.002
}

// Hot at first, the target itself after half of the steps.
func ExampleRamp() {
	cool := flow.Ramp(0.5, 1000)
	for _, step := range []int{1, 500, 1000, 2000} {
		fmt.Printf("step %d: β = %.2f\n", step, cool(step))
	}
	// Output:
	// step 1: β = 0.50
	// step 500: β = 0.75
	// step 1000: β = 1.00
	// step 2000: β = 1.00
}
