package flow_test

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/target"
)

// At a constant learning rate the parameters keep jittering about their best
// values, and their average does not.
func ExampleTrainer_UseAverage() {
	pi, lnZ := ring()
	block := must(bijector.NewRealNVP(4, &bijector.RealNVPSettings{Couplings: 6, Hidden: []int{8},
		Src: rand.NewPCG(1, 2)}))
	q := must(flow.New(target.NewNormal(4), block))
	ctx := context.Background()
	gap := func() float64 {
		return must(flow.Evaluate(ctx, q, pi, &flow.EvaluateSettings{Src: rand.NewPCG(5, 6)})).Loss + lnZ
	}

	trainer := must(flow.NewTrainer(q, pi, &flow.Settings{Batch: 128,
		Optimizer: flow.OptimizerSettings{LearnRate: 2e-2, Average: 0.97}, Src: rand.NewPCG(3, 4)}))
	if err := trainer.Run(ctx, 400); err != nil {
		fmt.Println(err)
	}
	last := gap()
	if err := trainer.UseAverage(); err != nil {
		fmt.Println(err)
	}
	fmt.Println("half the gap, or less:", gap() < last/2)
	// Output: half the gap, or less: true
}

// A held-out evaluation every 50 steps, from samples that training does not
// see, and a learning rate that falls where the loss does not.
func ExamplePlateau() {
	pi, _ := ring()
	block := must(bijector.NewRealNVP(4, &bijector.RealNVPSettings{Couplings: 6, Hidden: []int{8},
		Src: rand.NewPCG(1, 2)}))
	q := must(flow.New(target.NewNormal(4), block))
	trainer := must(flow.NewTrainer(q, pi, &flow.Settings{
		Batch:     128,
		Optimizer: flow.OptimizerSettings{LearnRate: 2e-2, Plateau: &flow.Plateau{Patience: 20}},
		Window:    20,
		Src:       rand.NewPCG(3, 4),
		Evaluation: &flow.EvaluationSettings{EvaluateSettings: flow.EvaluateSettings{Samples: 1000,
			Src: rand.NewPCG(5, 6)}, Every: 50},
	}))

	var first, last *flow.Report
	for range 300 {
		r := must(trainer.Step())
		if r.Evaluation == nil {
			continue
		}
		if first == nil {
			first = r
		}
		last = r
	}
	fmt.Println("steps", first.Step, "and", last.Step)
	fmt.Println("lower loss:", last.Evaluation.Loss < first.Evaluation.Loss)
	fmt.Println("lower learning rate:", last.LearnRate < first.LearnRate)
	// Output:
	// steps 50 and 300
	// lower loss: true
	// lower learning rate: true
}
