// Command consumer imports every package of the module from outside, as a
// physics code would: an energy of its own, a hierarchy of its own, training,
// sampling, mutual information.
package main

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"math"
	"math/rand/v2"
	"os"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/bijector/bijectortest"
	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/hmc"
	"github.com/neuralrg/neuralrg/hmc/draws"
	"github.com/neuralrg/neuralrg/mi"
	"github.com/neuralrg/neuralrg/target"
)

const n = 8 // sites of a ring

// phi4 is ln π of the φ⁴ chain.
func phi4(grad, x []float64) float64 {
	s := 0.0
	for i := range x {
		j := (i + 1) % n
		d := x[i] - x[j]
		s -= 0.5*d*d + 0.25*x[i]*x[i] + 0.1*math.Pow(x[i], 4)
		if grad != nil {
			grad[i] += -d - 0.5*x[i] - 0.4*math.Pow(x[i], 3)
			grad[j] += d
		}
	}
	return s
}

// reporter makes bijectortest report to the log.
type reporter struct{ failed bool }

func (*reporter) Helper() {}
func (r *reporter) Errorf(format string, args ...any) {
	r.failed = true
	log.Printf(format, args...)
}

func main() {
	log.SetFlags(0)
	src, ctx := rand.NewPCG(1, 2), context.Background()
	block := func() *bijector.RealNVP {
		return must(bijector.NewRealNVP(2, &bijector.RealNVPSettings{Couplings: 4, Src: src}))
	}
	r := &reporter{}
	bijectortest.Check(r, block())
	check(!r.failed, "bijectortest: a Real NVP block is a bijector")

	var layers []*bijector.Layer
	for step := 1; step < n; step *= 2 {
		layers = append(layers,
			must(bijector.Disentangler(block(), must(bijector.Tiles([]int{n}, 2, step, step)))),
			must(bijector.Decimator(block(), must(bijector.Tiles([]int{n}, 2, step, 0)), 0)))
	}
	h := must(bijector.NewHierarchy(n, layers...))
	check(h.Levels() == 4, "bijector: a hierarchy of %d levels", h.Levels())

	action := target.Func(n, func(grad, x []float64) float64 {
		clear(grad)
		return phi4(grad, x)
	})
	m := must(flow.New(target.NewNormal(n), h))
	before := must(flow.Evaluate(ctx, m, action, &flow.EvaluateSettings{Samples: 2000, Src: src}))
	res := must(flow.Train(ctx, m, action, &flow.Settings{Steps: 150, Batch: 128, Optimizer: flow.OptimizerSettings{LearnRate: 5e-3}, Src: src}))
	after := must(flow.Evaluate(ctx, m, action, &flow.EvaluateSettings{Samples: 2000, Src: src}))
	check(after.Loss < before.Loss-0.5, "flow: %d steps lower the bound of −ln Z from %.2f to %.2f", res.Steps, before.Loss, after.Loss)

	var file bytes.Buffer
	check(m.Save(&file) == nil, "flow: saved")
	check(must(flow.Load(&file)).Dim() == n, "flow: loaded")

	energy := target.NewEvaluator(flow.Latent(m, action))
	s := must(hmc.New(energy, mat.NewDense(64, n, nil), &hmc.Settings{Kernel: hmc.HMC{StepSize: 0.3}, Src: src}))
	check(s.Run(ctx, 40, nil) == nil && s.AcceptRate() > 0.5, "hmc: acceptance %.2f", s.AcceptRate())

	positions := must(draws.New(s.Chains(), n))
	check(positions.Add(s.X()) == nil && positions.WriteNPY(&file) == nil, "hmc/draws: draws %v", positions.Shape())

	x := mat.NewDense(1000, n, nil)
	check(m.Sample(x, nil, src) == nil, "target: %d samples", 1000)
	near := must(mi.Estimate(ctx, x.Slice(0, 1000, 0, 1).(*mat.Dense), x.Slice(0, 1000, 1, 2).(*mat.Dense), nil))
	r2 := stat.Correlation(mat.Col(nil, 0, x), mat.Col(nil, 1, x), nil)
	check(near > 0.02, "mi: neighbours share %.2f nats, their correlation is %.2f", near, r2)
}

func check(ok bool, format string, args ...any) {
	if !ok {
		log.Fatalf("failed: "+format, args...)
	}
	fmt.Fprintf(os.Stdout, format+"\n", args...)
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}
