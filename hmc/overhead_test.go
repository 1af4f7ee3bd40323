package hmc

import (
	"math/rand/v2"
	"testing"
	"time"

	"gonum.org/v1/gonum/mat"
)

// timed measures the time spent in a density.
type timed struct {
	LogDensity
	spent time.Duration
}

func (d *timed) LogProbGrad(logp []float64, grad, x *mat.Dense) error {
	start := time.Now()
	err := d.LogDensity.LogProbGrad(logp, grad, x)
	d.spent += time.Since(start)
	return err
}

// BenchmarkOverhead is a sweep of 512 chains of 1024 coordinates over a cheap density. It
// reports the time outside the density per coordinate and evaluation: the overhead for a
// density that costs c ns per coordinate is this number divided by c.
func BenchmarkOverhead(b *testing.B) {
	const chains, dim = 512, 1024
	for name, k := range map[string]Kernel{
		"HMC":           HMC{},
		"Rotate":        HMC{Rotate: true},
		"InverseMass":   HMC{InverseMass: ones(dim)},
		"CrankNicolson": CrankNicolson{},
		"Windows":       Windows{Sites: [][]int{{0, 1, 2, 3}}},
	} {
		b.Run(name, func(b *testing.B) {
			evaluations := 1
			if h, ok := k.(HMC); ok {
				h.Steps = 10
				k, evaluations = h, 10
			}
			d := &timed{LogDensity: Func(dim, standard)}
			s := mustNew(b, d, randn(1, chains, dim, 1), &Settings{Kernel: k, Src: rand.NewPCG(1, 2)})
			d.spent = 0
			for b.Loop() {
				if err := s.Sweep(); err != nil {
					b.Fatal(err)
				}
			}
			outside := float64((b.Elapsed() - d.spent).Nanoseconds())
			b.ReportMetric(outside/float64(b.N*chains*dim*evaluations), "ns/coordinate-evaluation")
		})
	}
}

// standard is the standard normal density.
func standard(grad, x []float64) float64 {
	var sum float64
	for j, v := range x {
		if grad != nil {
			grad[j] = -v
		}
		sum -= v * v / 2
	}
	return sum
}

func ones(n int) []float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = 1
	}
	return v
}
