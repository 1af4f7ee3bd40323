package flow

import (
	"math/rand/v2"
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
