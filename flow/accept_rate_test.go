package flow

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/neuralrg/neuralrg/hmc"
	"github.com/neuralrg/neuralrg/target"
)

// The acceptance is the mean over all pairs, whatever the scale of the weights and their order.
func TestAcceptRate(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 2, 7, 50} {
		logw := make([]float64, n)
		for i := range logw {
			logw[i] = 700 + 2*rnd.NormFloat64()
			if i%5 == 3 {
				logw[i] = math.Inf(-1) // outside the support
			}
		}
		sum, want := 0.0, 0.0
		for _, v := range logw {
			w := math.Exp(v - 700)
			sum += w
			for _, u := range logw {
				want += math.Min(w, math.Exp(u-700)) / float64(n)
			}
		}
		if got := acceptRate(logw); math.Abs(got-want/sum) > 1e-12 {
			t.Errorf("%d weights: %g, want %g", n, got, want/sum)
		}
	}
	if got := acceptRate([]float64{math.Inf(-1)}); got != 0 {
		t.Errorf("without a weight %g", got)
	}
}

// Evaluate and AIS tell the acceptance that chains of independent proposals have. 20 000 of
// them, and 4000 weights, give it to .01.
func TestAcceptRateOfChains(t *testing.T) {
	pi, m := must(target.NewIsing([]int{4, 4}, 8)), mera(t, 4, 1)
	scramble(m, 1, 0.1)
	e := must(Evaluate(context.Background(), m, pi, &EvaluateSettings{Samples: 4000, Src: rand.NewPCG(1, 2)}))
	a := must(AIS(context.Background(), m, pi, &AISSettings{Samples: 4000, Rungs: 1, Src: rand.NewPCG(3, 4)}))
	r := must(Measure(context.Background(), m, pi, []Observable{{"x", func(x []float64) float64 { return x[0] }}},
		&MeasureSettings{
			Kernel: hmc.Independence{}, Chains: 100, MaxSweeps: 200, RelErr: 1e-9, Src: rand.NewPCG(5, 6),
		}))
	chains := r.Kernels[0].AcceptRate
	t.Logf("Evaluate %.3f, AIS %.3f, chains %.3f", e.AcceptRate, a.AcceptRate, chains)
	if math.Abs(e.AcceptRate-chains) > 0.03 || math.Abs(a.AcceptRate-chains) > 0.03 || chains > 0.95 {
		t.Errorf("Evaluate %g, AIS %g, chains %g", e.AcceptRate, a.AcceptRate, chains)
	}
}
