package flow_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/hmc"
	"github.com/neuralrg/neuralrg/target"
)

// benchBatch is the number of rows that an operation of a benchmark handles.
const benchBatch = 512

// benchmark runs f for the paper's network with blocks of ten couplings, on
// lattices and with hidden layers of several sizes.
func benchmark(b *testing.B, precisions []tensor.Dtype, f func(b *testing.B, m *flow.Model, pi *target.Ising)) {
	for _, L := range []int{4, 8, 16, 32, 64} {
		for _, hidden := range [][]int{{10, 10, 10}, {64, 64}} {
			for _, dt := range precisions {
				for _, symmetrised := range []bool{false, true} {
					name := "plain"
					if symmetrised {
						name = "symmetrised"
					}
					layers := strings.ReplaceAll(strings.Trim(fmt.Sprint(hidden), "[]"), " ", "-")
					b.Run(fmt.Sprintf("L=%d/hidden=%s/%v/%s", L, layers, dt, name), func(b *testing.B) {
						m := precise(benchModel(L, hidden), dt)
						if symmetrised {
							m = must(flow.Symmetrize(m, flow.Inversion(m.Dim())))
						}
						b.ReportAllocs()
						f(b, m, must(target.NewIsing([]int{L, L}, target.CriticalTemperature())))
					})
				}
			}
		}
	}
}

func benchModel(L int, hidden []int) *flow.Model {
	src := rand.NewPCG(1, 2)
	return benchMERA(L, func(int) (bijector.Bijector, error) {
		return bijector.NewRealNVP(4, &bijector.RealNVPSettings{Couplings: 10, Hidden: hidden, Src: src})
	})
}

func benchMERA(L int, block bijector.BlockFunc) *flow.Model {
	h := must(bijector.NewMERA([]int{L, L}, block, nil))
	return must(flow.New(target.NewNormal(h.Dim()), h))
}

var both = []tensor.Dtype{tensor.Float64, tensor.Float32}

// repeat calls step once to compile, then as often as the benchmark wants.
// Nothing but the steps is timed.
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

// BenchmarkSplineStep is a training step with blocks of splines against one with
// the paper's blocks, of as many parameters to 5 %, on the 8×8 lattice,
// symmetrised, in float32. Steps of the two take turns; its figures are medians, that
// of the ratio over pairs.
func BenchmarkSplineStep(b *testing.B) {
	const L = 8
	src, hidden := rand.NewPCG(1, 2), []int{10, 10, 10}
	models := []*flow.Model{benchModel(L, hidden), benchMERA(L, func(int) (bijector.Bijector, error) {
		return bijector.NewSpline(4, &bijector.SplineSettings{Couplings: 4, Hidden: hidden, Bins: 8, Src: src})
	})}
	var trainers []*flow.Trainer
	var params [2]int
	for i, m := range models {
		m = must(flow.Symmetrize(m.Float32(), flow.Inversion(L*L)))
		pi := must(target.NewIsing([]int{L, L}, target.CriticalTemperature()))
		tr := must(flow.NewTrainer(m, pi, &flow.Settings{Batch: benchBatch, Src: rand.NewPCG(3, 4)}))
		must(tr.Step()) // compiles
		trainers = append(trainers, tr)
		for _, p := range m.Params() {
			params[i] += p.Value().DataSize()
		}
	}
	var times [2][]float64 // in ms
	var ratios []float64
	for b.Loop() {
		for k := range 2 {
			i := (k + len(ratios)) % 2 // every second pair in reverse order
			start := time.Now()
			must(trainers[i].Step())
			times[i] = append(times[i], time.Since(start).Seconds()*1e3)
		}
		at := len(ratios)
		ratios = append(ratios, times[1][at]/times[0][at])
	}
	median := func(v []float64) float64 {
		slices.Sort(v)
		return v[len(v)/2]
	}
	for i, name := range []string{"affine", "spline"} {
		b.ReportMetric(float64(params[i]), name+"-parameters")
		b.ReportMetric(median(times[i]), name+"-ms")
	}
	b.ReportMetric(median(ratios), "spline/affine")
}

// BenchmarkRecipeStep is a training step of each recipe, symmetrised, in
// float32, and what the conditional decimators of the fast one take of it.
func BenchmarkRecipeStep(b *testing.B) {
	unconditional := flow.FastRecipe()
	unconditional.ConditionalDecimators = false
	for _, c := range []struct {
		name string
		r    *flow.Recipe
	}{
		{"paper", flow.PaperRecipe()}, {"fast, unconditional", unconditional},
		{"fast", flow.FastRecipe()}, {"best", flow.BestRecipe()},
	} {
		for _, L := range []int{8, 16} {
			b.Run(fmt.Sprintf("%s/L=%d", c.name, L), func(b *testing.B) {
				src := rand.NewPCG(1, 2)
				pi := must(target.NewIsing([]int{L, L}, target.CriticalTemperature()))
				m := must(c.r.Model([]int{L, L}, pi.Spectrum(), src))
				m = must(flow.Symmetrize(m, flow.Inversion(L*L))).Float32()
				s := c.r.Settings(1000, src)
				s.Batch = benchBatch
				tr := must(flow.NewTrainer(m, pi, s))
				repeat(b, func() error { _, err := tr.Step(); return err })
			})
		}
	}
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
// evaluation of the latent energy with its gradient, which in float32 is good
// as a force (hmc.HMC.Force).
func BenchmarkLeapfrog(b *testing.B) {
	benchmark(b, both, func(b *testing.B, m *flow.Model, pi *target.Ising) {
		e := evaluatorLike(m, target.NewEvaluator(flow.Latent(m, pi)))
		z, logp, grad := normal(benchBatch, m.Dim()), make([]float64, benchBatch),
			mat.NewDense(benchBatch, m.Dim(), nil)
		repeat(b, func() error { return e.LogProbGrad(logp, grad, z) })
	})
}

// BenchmarkSweep is a trajectory of ten leapfrog steps of as many chains, with
// forces in the precision named and energies in float64.
func BenchmarkSweep(b *testing.B) {
	benchmark(b, both, func(b *testing.B, m *flow.Model, pi *target.Ising) {
		e := target.NewEvaluator(flow.Latent(m, pi))
		settings := &hmc.Settings{Src: rand.NewPCG(3, 4)}
		if m.Bits() == 32 {
			settings.Kernel = hmc.HMC{Force: e.Float32()}
		}
		s := must(hmc.New(e, normal(benchBatch, m.Dim()), settings))
		repeat(b, s.Sweep)
	})
}

// BenchmarkPhysicalSweep is a trajectory of ten leapfrog steps of as many chains, in
// physical space and in float64. blackjax_hmc.py of docs/benchmarks is the same with BlackJAX.
func BenchmarkPhysicalSweep(b *testing.B) {
	lattice := []int{16, 16}
	for name, pi := range map[string]target.Density{
		"ising": must(target.NewIsing(lattice, target.CriticalTemperature())),
		"phi4":  must(target.NewPhi4(lattice, &target.Phi4Settings{Mass2: -4, Lambda: 6})),
	} {
		b.Run(name, func(b *testing.B) {
			e := target.NewEvaluator(pi)
			s := must(hmc.New(e, normal(benchBatch, e.Dim()), &hmc.Settings{
				Kernel: hmc.HMC{StepSize: 0.05, Jitter: -1}, Src: rand.NewPCG(3, 4),
			}))
			repeat(b, s.Sweep)
			b.ReportMetric(s.AcceptRate(), "accepted")
		})
	}
}

// precise returns m with its arithmetic in the given precision.
func precise(m *flow.Model, dt tensor.Dtype) *flow.Model {
	if dt == tensor.Float32 {
		return m.Float32()
	}
	return m.Float64()
}

// evaluatorLike returns e with its arithmetic in the precision of m.
func evaluatorLike(m *flow.Model, e *target.Evaluator) *target.Evaluator {
	if m.Bits() == 32 {
		return e.Float32()
	}
	return e
}

func normal(rows, cols int) *mat.Dense {
	rnd := rand.New(rand.NewPCG(5, 6))
	x := mat.NewDense(rows, cols, nil)
	x.Apply(func(_, _ int, _ float64) float64 { return rnd.NormFloat64() }, x)
	return x
}
