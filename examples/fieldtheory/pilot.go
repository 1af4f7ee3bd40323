package main

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/target"
)

// piloted chooses the recipe for a theory by a short run without trials, and makes a flow of
// it. r is what the recipe is like, and becomes the choice. Ctrl-C leaves it as it is, and so do
// several components.
func (o *options) piloted(t target.Density, r *flow.Recipe) (*flow.Model, error) {
	if o.components > 1 {
		return r.Model(o.shape, nil, rand.NewPCG(o.seed, 1))
	}
	err := interruptible(func(ctx context.Context) error {
		pilot, err := flow.NewPilot(ctx, t, &flow.PilotSettings{Recipe: r, Steps: -1, Src: rand.NewPCG(o.seed, 8)})
		if err == nil {
			*r = *pilot.Recipe
			fmt.Print(pilot)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return r.Model(o.shape, nil, rand.NewPCG(o.seed, 1))
}
