package flow

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/target"
)

// BenchmarkShare is what a plain training step in float32 spends outside its
// program, in parts of a step.
func BenchmarkShare(b *testing.B) {
	src := rand.NewPCG(1, 2)
	h := must(bijector.NewMERA([]int{16, 16}, func(int) (bijector.Bijector, error) {
		return bijector.NewRealNVP(4, &bijector.RealNVPSettings{Couplings: 10, Hidden: []int{10, 10, 10}, Src: src})
	}, nil))
	pi := ising(b, 16)
	m := must(New(target.NewNormal(h.Dim()), h)).Float32()
	tr := must(NewTrainer(m, pi, &Settings{Batch: 512, Src: rand.NewPCG(3, 4)}))
	must(tr.Step())
	for name, f := range map[string]func() error{
		"draw": func() error { tr.m.draw(tr.z, tr.rnd); return nil },
		"Adam": func() error { return tr.update(1e-9) },
	} {
		b.Run(name, func(b *testing.B) {
			const steps = 5
			start := time.Now()
			for range steps {
				must(tr.Step())
			}
			step := time.Since(start) / steps
			for b.Loop() {
				if err := f(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(100*float64(b.Elapsed())/float64(b.N)/float64(step), "%-of-step")
		})
	}
}

// BenchmarkUpdate is what the optimiser does in a step, with a new basis for a tenth of the
// matrices.
func BenchmarkUpdate(b *testing.B) {
	for name, r := range map[string]*Recipe{"fast": FastRecipe(), "best": BestRecipe()} {
		m := must(r.Model([]int{8, 8}, nil, rand.NewPCG(1, 1)))
		for method, title := range map[Method]string{Adam: "Adam", Soap: "Soap"} {
			b.Run(name+"/"+title, func(b *testing.B) {
				tr := must(NewTrainer(m, target.NewNormal(64), &Settings{
					Batch: 8, Optimizer: OptimizerSettings{Method: method, LearnRate: 1e-12}, Src: rand.NewPCG(1, 1),
				}))
				if _, err := tr.Step(); err != nil {
					b.Fatal(err)
				}
				gradient := slices.Clone(tr.gradient)
				for b.Loop() {
					copy(tr.gradient, gradient)
					if err := tr.update(1); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
