package flow_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/target"
)

// benchBatch is the number of rows that an operation of a benchmark handles.
const benchBatch = 512

// benchmark runs f for the paper's network with blocks of ten couplings and
// hidden layers of 10, 10, 10 units.
func benchmark(b *testing.B, precisions []tensor.Dtype, f func(b *testing.B, m *flow.Model, pi *target.Ising)) {
	for _, L := range []int{4, 8, 16} {
		shape := []int{L, L}
		pi := must(target.NewIsing(shape, target.CriticalTemperature()))
		for _, dt := range precisions {
			for _, symmetrised := range []bool{false, true} {
				name := "plain"
				if symmetrised {
					name = "symmetrised"
				}
				b.Run(fmt.Sprintf("L=%d/hidden=10-10-10/%v/%s", L, dt, name), func(b *testing.B) {
					h := must(flow.NewMERA(shape, realNVP(rand.NewPCG(1, 2)), nil))
					m := must(must(flow.New(target.NewNormal(L*L), h)).Convert(dt))
					if symmetrised {
						m = must(flow.Symmetrize(m, flow.Inversion(L*L)))
					}
					b.ReportAllocs()
					f(b, m, pi)
				})
			}
		}
	}
}

var both = []tensor.Dtype{tensor.Float64, tensor.Float32}

// repeat calls step once to compile, then as often as the benchmark wants.
func repeat(b *testing.B, step func() error) {
	if err := step(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := step(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTrainStep(b *testing.B) {
	benchmark(b, both, func(b *testing.B, m *flow.Model, pi *target.Ising) {
		tr := must(flow.NewTrainer(m, pi, &flow.Settings{Batch: benchBatch, Src: rand.NewPCG(3, 4)}))
		repeat(b, func() error { _, err := tr.Step(); return err })
	})
}

func BenchmarkSample(b *testing.B) {
	benchmark(b, both, func(b *testing.B, m *flow.Model, _ *target.Ising) {
		x, logq, src := mat.NewDense(benchBatch, m.Dim(), nil), make([]float64, benchBatch), rand.NewPCG(3, 4)
		repeat(b, func() error { return m.Sample(x, logq, src) })
	})
}

func BenchmarkLogProb(b *testing.B) {
	benchmark(b, both, func(b *testing.B, m *flow.Model, _ *target.Ising) {
		x, logq := normal(benchBatch, m.Dim()), make([]float64, benchBatch)
		repeat(b, func() error { return m.LogProbs(logq, x) })
	})
}

// BenchmarkLeapfrog is the cost of a leapfrog step of as many chains: one
// evaluation of the latent energy with its gradient.
func BenchmarkLeapfrog(b *testing.B) {
	benchmark(b, both[:1], func(b *testing.B, m *flow.Model, pi *target.Ising) {
		e := target.NewEvaluator(flow.Latent(m, pi))
		z, logp, grad := normal(benchBatch, m.Dim()), make([]float64, benchBatch), mat.NewDense(benchBatch, m.Dim(), nil)
		repeat(b, func() error { return e.LogProbGrad(logp, grad, z) })
	})
}

func normal(rows, cols int) *mat.Dense {
	rnd := rand.New(rand.NewPCG(5, 6))
	x := mat.NewDense(rows, cols, nil)
	x.Apply(func(_, _ int, _ float64) float64 { return rnd.NormFloat64() }, x)
	return x
}
