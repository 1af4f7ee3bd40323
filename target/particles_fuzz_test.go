package target

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// For any arguments nothing panics: an error of the package, or energies that are numbers.
func FuzzParticles(f *testing.F) {
	minimizeBriefly()
	f.Add(4, uint8(2), 3.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0, uint8(0))
	f.Add(3, uint8(3), 1e50, 1e-50, 1e50, 1e-50, -1.0, 1e50, 1e308, uint8(1))
	f.Add(2, uint8(1), 1e-50, 1e50, 1e-50, 1e50, 1e-50, 1e-50, 1e-300, uint8(0x22))
	f.Add(-1, uint8(4), math.NaN(), math.Inf(1), math.NaN(), math.NaN(), -1.0, -1.0, math.NaN(), uint8(0xff))
	f.Fuzz(func(t *testing.T, n int, axes uint8, size, T, sigma, epsilon, core, cutoff, value float64, flags uint8) {
		s := &LennardJonesSettings{Sigma: sigma, Epsilon: epsilon, Core: core, Cutoff: cutoff}
		pair, err := NewLennardJones(s)
		if flags&16 != 0 {
			pair, err = NewWCA(s)
		}
		known(t, "LennardJones", err)
		settings := &ParticlesSettings{Temperature: T, Pinned: flags&32 != 0}
		if err == nil {
			settings.Pair = pair
		}
		if n > 12 {
			n = 12 + n%3
		}
		box := make([]float64, axes%5)
		for a := range box {
			box[a] = size * (1 + 0.1*float64(a))
		}
		h := &hostile{rows: 2, value: value, flags: flags &^ 1}
		h.density(t, (*Particles)(nil))
		for _, make := range []func(int, []float64, *ParticlesSettings) (*Particles, error){
			NewParticles, NewTrappedParticles,
		} {
			p, err := make(n, box, settings)
			known(t, "Particles", err)
			if err == nil {
				h.density(t, p)
				allFinite(t, "units", p.LogUnits())
			}
		}
	})
}

// BenchmarkParticles measures ln π of 500 configurations with its gradient, without the
// graph.
func BenchmarkParticles(b *testing.B) {
	for _, n := range []int{8, 16, 36} {
		b.Run(fmt.Sprintf("N=%d", n), func(b *testing.B) {
			const rows = 500
			edge := math.Sqrt(float64(n) / 0.5)
			p := boxOf(b, n, []float64{edge, edge}, nil)
			x, rnd := mat.NewDense(rows, p.Dim(), nil), rand.New(rand.NewPCG(1, 2))
			for r := range rows {
				NewUniformAngles(p.Dim()).Rand(x.RawRowView(r), rnd)
			}
			logp, grad := make([]float64, rows), make([]float64, rows*p.Dim())
			b.ReportAllocs()
			for b.Loop() {
				p.logProb(logp, grad, x.RawMatrix().Data)
			}
		})
	}
}
