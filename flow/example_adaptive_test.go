package flow_test

import (
	"context"
	"fmt"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/hmc"
	"github.com/neuralrg/neuralrg/target"
)

// chains is a flow.DataSource of configurations that hybrid Monte Carlo in the
// latent space of the flow moves from one step of training to the next.
type chains struct {
	model  *flow.Model
	latent *target.Evaluator
	src    rand.Source
	x      *mat.Dense // where they are, a row each
}

func (c *chains) Sample(x *mat.Dense) error {
	rows, n := x.Dims()
	if c.x == nil { // they begin as what the flow proposes
		c.x = mat.NewDense(rows, n, nil)
		if err := c.model.Sample(c.x, nil, c.src); err != nil {
			return err
		}
	}
	z := mat.NewDense(rows, n, nil)
	// The flow has changed since the last time: look for the z of these x.
	if err := c.model.Posterior(z, nil, c.x, c.src); err != nil {
		return err
	}
	s, err := hmc.New(c.latent, z, &hmc.Settings{Kernel: hmc.HMC{StepSize: 0.2, Steps: 5}, Src: c.src})
	if err != nil {
		return err
	}
	if err := s.Sweep(); err != nil {
		return err
	}
	if err := c.model.Decode(c.x, nil, s.X()); err != nil {
		return err
	}
	x.Copy(c.x)
	return c.model.RandomImages(x, c.src)
}

// Adaptive Monte Carlo: the flow proposes, its own chains, which sample the target
// whatever the flow is, show it what it does not propose.
func ExampleDataSource() {
	src := rand.NewPCG(1, 2)
	ising := must(target.NewIsing([]int{4, 4}, target.CriticalTemperature()))
	recipe := flow.FastRecipe()
	recipe.Hidden = []int{8}
	model := must(recipe.Model([]int{4, 4}, ising.Spectrum(), src))
	model = must(flow.Symmetrize(model, flow.Inversion(16)))

	settings := recipe.Settings(100, src)
	settings.Batch = 64
	source := &chains{model: model, latent: target.NewEvaluator(flow.Latent(model, ising)), src: src}
	settings.Data = &flow.DataSettings{Source: source, Weight: 0.3}
	must(flow.Train(context.Background(), model, ising, settings))

	e := must(flow.Evaluate(context.Background(), model, ising, &flow.EvaluateSettings{Src: src}))
	fmt.Printf("gap below a quarter nat: %t, effective sample size above half: %t\n", e.Loss+ising.LogZ() < 0.25,
		e.ESS > 0.5)
	// Output: gap below a quarter nat: true, effective sample size above half: true
}
