package flow_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/target"
)

// A density with everything known: draw from it, evaluate it.
func ExampleNew() {
	h := must(bijector.NewMERA([]int{4, 4}, realNVP(rand.NewPCG(1, 2)), nil))
	q := must(flow.New(target.NewNormal(16), h))

	x, logq, again := mat.NewDense(3, 16, nil), make([]float64, 3), make([]float64, 3)
	if err := q.Sample(x, logq, rand.NewPCG(3, 4)); err != nil {
		fmt.Println(err)
	}
	if err := q.LogProbs(again, x); err != nil {
		fmt.Println(err)
	}
	fmt.Printf("%.4f\n%.4f\n", logq, again)
	// Output:
	// [-20.8730 -25.5894 -20.7571]
	// [-20.8730 -25.5894 -20.7571]
}

// A flow symmetrised over x → −x has the same density at both.
func ExampleInversion() {
	h := must(bijector.NewMERA([]int{4, 4}, realNVP(rand.NewPCG(1, 2)), nil))
	q := must(flow.Symmetrize(must(flow.New(target.NewNormal(16), h)), flow.Inversion(16)))

	x := mat.NewDense(2, 16, nil)
	for i := range 16 {
		x.Set(0, i, 0.1*float64(i))
		x.Set(1, i, -0.1*float64(i))
	}
	logq := make([]float64, 2)
	if err := q.LogProbs(logq, x); err != nil {
		fmt.Println(err)
	}
	fmt.Println(logq[0] == logq[1])
	// Output: true
}

// What a trained flow is worth: its loss bounds −ln Z from above.
func ExampleEvaluate() {
	h := must(bijector.NewMERA([]int{4, 4}, realNVP(rand.NewPCG(1, 2)), nil))
	q := must(flow.New(target.NewNormal(16), h))
	ising := must(target.NewIsing([]int{4, 4}, 2.5))

	e := must(flow.Evaluate(context.Background(), q, ising, &flow.EvaluateSettings{Samples: 1000,
		Src: rand.NewPCG(1, 2)}))
	fmt.Println(e.Samples, "samples, a bound:", e.Loss > -ising.LogZ())
	// Output: 1000 samples, a bound: true
}

// Training step by step, saved and taken up again: the parameters end up the
// same, to the bit.
func ExampleNewTrainer() {
	ising := must(target.NewIsing([]int{4, 4}, 2.5))
	start := func() (*flow.Model, *flow.Trainer) {
		h := must(bijector.NewMERA([]int{4, 4}, realNVP(rand.NewPCG(1, 2)), nil))
		q := must(flow.New(target.NewNormal(16), h))
		return q, must(flow.NewTrainer(q, ising, &flow.Settings{Batch: 64,
			Optimizer: flow.OptimizerSettings{ClipNorm: 100}, Src: rand.NewPCG(3, 4)}))
	}
	ctx := context.Background()

	q, trainer := start()
	if err := trainer.Run(ctx, 5); err != nil {
		fmt.Println(err)
	}
	var file bytes.Buffer
	if err := trainer.Save(&file); err != nil {
		fmt.Println(err)
	}
	if err := trainer.Run(ctx, 5); err != nil {
		fmt.Println(err)
	}

	q2, resumed := start()
	if err := resumed.Restore(&file); err != nil {
		fmt.Println(err)
	}
	if err := resumed.Run(ctx, 5); err != nil {
		fmt.Println(err)
	}
	fmt.Println(resumed.Result().Steps, "steps, the same:",
		q.Params()[0].Value().Float64s()[0] == q2.Params()[0].Value().Float64s()[0])
	// Output: 10 steps, the same: true
}

// A model goes into a file and comes out of it with all that it is made of.
func ExampleLoad() {
	h := must(bijector.NewMERA([]int{4, 4}, realNVP(rand.NewPCG(1, 2)), nil))
	q := must(flow.Symmetrize(must(flow.New(target.NewNormal(16), h)), flow.Inversion(16)))
	var file bytes.Buffer
	if err := q.Save(&file); err != nil {
		fmt.Println(err)
	}

	loaded := must(flow.Load(bytes.NewReader(file.Bytes())))
	fmt.Println(loaded.Dim(), "sites,", len(loaded.Params()), "layers,", len(loaded.Symmetries()), "symmetries")

	file.Bytes()[2000] ^= 1 // a bit that flipped on its way
	_, err := flow.Load(&file)
	fmt.Println(err != nil)
	// Output:
	// 16 sites, 4 layers, 2 symmetries
	// true
}

// A model of the authors' PyTorch code, written there with
// safetensors.torch.save_file(model.state_dict(), "model.safetensors").
func ExampleLoadPaper() {
	var file bytes.Buffer // os.Open("model.safetensors")
	_, err := flow.LoadPaper(&file, 16)
	fmt.Println(err)
	// Output: flow: LoadPaper: bad checkpoint: it ends within the length of the header
}
