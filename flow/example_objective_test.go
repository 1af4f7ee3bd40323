package flow_test

import (
	"context"
	"fmt"
	"math/rand/v2"

	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/target"
)

// The log-variance loss (Richter et al., arXiv:2010.10436): the variance of
// ln(q/π) over a batch, which is zero if and only if q = π/Z. Samples are
// constants, so that the gradient is that of ln q at fixed x.
func ExampleLossFunc() {
	logVariance := func(b *flow.Batch) (*gorgonia.Node, error) {
		x, err := b.Constant(b.X)
		if err != nil {
			return nil, err
		}
		logq, err := b.LogProb(x)
		if err != nil {
			return nil, err
		}
		logpi, err := b.Constant(b.LogPi)
		if err != nil {
			return nil, err
		}
		ratio := must(gorgonia.Sub(logq, logpi))
		square := must(gorgonia.Mean(must(gorgonia.Square(ratio))))
		return gorgonia.Sub(square, must(gorgonia.Square(must(gorgonia.Mean(ratio)))))
	}

	ising := must(target.NewIsing([]int{4, 4}, 4)) // hot: one mode
	src := rand.NewPCG(1, 2)
	q := must(flow.FastRecipe().Model([]int{4, 4}, ising.Spectrum(), src))
	settings := &flow.Settings{
		Steps: 60, Batch: 64, Src: src,
		Objective: flow.LossFunc(logVariance),
		Optimizer: flow.OptimizerSettings{LearnRate: 5e-3},
	}
	before := must(flow.Evaluate(context.Background(), q, ising, &flow.EvaluateSettings{Samples: 2000, Src: src}))
	must(flow.Train(context.Background(), q, ising, settings))
	after := must(flow.Evaluate(context.Background(), q, ising, &flow.EvaluateSettings{Samples: 2000, Src: src}))
	fmt.Println("variance reduced to less than half:", after.Variance < before.Variance/2)
	// Output: variance reduced to less than half: true
}
