package flow_test

import (
	"context"
	"fmt"
	"log"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/hmc"
	"github.com/neuralrg/neuralrg/hmc/diag"
	"github.com/neuralrg/neuralrg/target"
)

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

// realNVP makes blocks of four sites, each with weights of its own.
func realNVP(src rand.Source) bijector.BlockFunc {
	return func(int) (bijector.Bijector, error) {
		return bijector.NewRealNVP(4, &bijector.RealNVPSettings{Src: src})
	}
}

// ring is the density of four coupled oscillators, exp(−½ Σ [x_i² + (x_i −
// x_{i+1})²]), and the logarithm of its integral.
func ring() (target.Density, float64) {
	logp := func(grad, x []float64) float64 {
		sum := 0.0
		for i := range x {
			next, prev := x[(i+1)%4], x[(i+3)%4]
			sum -= (x[i]*x[i] + (x[i]-next)*(x[i]-next)) / 2
			if grad != nil {
				grad[i] = next + prev - 3*x[i]
			}
		}
		return sum
	}
	// The eigenvalues of the quadratic form are 1, 3, 3 and 5.
	return target.Func(4, logp), 2*math.Log(2*math.Pi) - math.Log(1*3*3*5)/2
}

// A plain Go function is learnt from its values and gradients alone. The loss
// comes down to −ln Z.
func ExampleTrain() {
	pi, lnZ := ring()
	block := must(bijector.NewRealNVP(4,
		&bijector.RealNVPSettings{Couplings: 6, Hidden: []int{8}, Src: rand.NewPCG(1, 2)}))
	q := must(flow.New(target.NewNormal(4), block))
	ctx := context.Background()

	before := must(flow.Evaluate(ctx, q, pi, &flow.EvaluateSettings{Src: rand.NewPCG(5, 6)}))
	must(flow.Train(ctx, q, pi, &flow.Settings{Steps: 500, Batch: 128,
		Optimizer: flow.OptimizerSettings{LearnRate: 5e-3}, Src: rand.NewPCG(3, 4)}))
	after := must(flow.Evaluate(ctx, q, pi, &flow.EvaluateSettings{Src: rand.NewPCG(5, 6)}))

	fmt.Printf("gap before: %.1f\n", before.Loss+lnZ)
	fmt.Printf("gap after:  %.1f\n", math.Abs(after.Loss+lnZ))
	fmt.Printf("ln Z: %.1f, exact %.1f\n", after.LogZ, lnZ)
	// Output:
	// gap before: 2.2
	// gap after:  0.0
	// ln Z: 1.8, exact 1.8
}

// A target that is even deserves a model that is.
func ExampleSymmetrize() {
	h := must(bijector.NewMERA([]int{4, 4}, realNVP(rand.NewPCG(1, 2)), nil))
	q := must(flow.New(target.NewNormal(16), h))
	even := must(flow.Symmetrize(q, flow.Inversion(16)))

	x, logq := mat.NewDense(1, 16, nil), make([]float64, 1)
	if err := even.Sample(x, logq, rand.NewPCG(3, 4)); err != nil {
		log.Fatal(err)
	}
	for _, m := range []*flow.Model{q, even} {
		there, back := make([]float64, 1), make([]float64, 1)
		if err := m.LogProbs(there, x); err != nil {
			log.Fatal(err)
		}
		var minus mat.Dense
		minus.Scale(-1, x)
		if err := m.LogProbs(back, &minus); err != nil {
			log.Fatal(err)
		}
		fmt.Println("q(x) = q(−x):", math.Abs(there[0]-back[0]) < 1e-9)
	}
	// Output:
	// q(x) = q(−x): false
	// q(x) = q(−x): true
}

// Hybrid Monte Carlo in the latent space corrects what the model has not
// learnt.
func ExampleLatent() {
	pi, _ := ring()
	block := must(bijector.NewRealNVP(4,
		&bijector.RealNVPSettings{Couplings: 6, Hidden: []int{8}, Src: rand.NewPCG(1, 2)}))
	q := must(flow.New(target.NewNormal(4), block))
	ctx := context.Background()
	must(flow.Train(ctx, q, pi, &flow.Settings{Steps: 100, Batch: 128,
		Optimizer: flow.OptimizerSettings{LearnRate: 5e-3}, Src: rand.NewPCG(3, 4)}))

	const chains, sweeps = 100, 50
	z := mat.NewDense(chains, 4, nil) // all chains start at the origin
	s := must(hmc.New(target.NewEvaluator(flow.Latent(q, pi)), z,
		&hmc.Settings{Kernel: hmc.HMC{StepSize: 0.3, Steps: 5}, Src: rand.NewPCG(5, 6)}))
	if err := s.Run(ctx, 20, nil); err != nil {
		log.Fatal(err)
	}
	x, means := mat.NewDense(chains, 4, nil), make([]float64, chains)
	if err := s.Run(ctx, sweeps, func(int) error {
		if err := q.Decode(x, nil, s.X()); err != nil {
			return err
		}
		for i := range means {
			means[i] += mat.Dot(x.RowView(i), x.RowView(i)) / 4 / sweeps
		}
		return nil
	}); err != nil {
		log.Fatal(err)
	}
	mean, stdErr := diag.MeanStdErr(means)
	exact := (1. + 1./3 + 1./3 + 1./5) / 4
	fmt.Println("more than 90% accepted:", s.AcceptRate() > 0.9)
	fmt.Println("⟨x²⟩ within 3 errors:", math.Abs(mean-exact) < 3*stdErr)
	// Output:
	// more than 90% accepted: true
	// ⟨x²⟩ within 3 errors: true
}
