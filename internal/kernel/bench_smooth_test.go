package kernel

import (
	"math/rand/v2"
	"testing"
)

// BenchmarkSmooth takes one column of a tile through a smooth spline of 16 bins, part by
// part. Run it with -cpu 1.
func BenchmarkSmooth(b *testing.B) {
	benchmarkVariants(b, func(b *testing.B) {
		c := newSmoothCase[float32](rand.New(rand.NewPCG(14, 2)), 14, 6, 1)
		s := newSmooth[float32](16, 6)
		p, y, d := append([]float32(nil), c.raw...), make([]float32, Lanes), make([]float32, Lanes)
		slope, saved, dr := make([]float32, Lanes), make([]float32, s.saved()*Lanes), make([]float32, len(p))
		for name, f := range map[string]func(){
			"softmax":  func() { copy(p, c.raw); softmax(p, s.n) },
			"forward":  func() { copy(y, c.y); smoothForward(y, slope, p, saved, s.numbers, s.n) },
			"inverse":  func() { copy(y, c.y); smoothInverse(y, slope, p, saved, s.numbers, s.n) },
			"gradient": func() { copy(d, c.d); smoothForwardGrad(dr, d, c.dLogDet, p, saved, s.numbers, s.n) },
		} {
			b.Run(name, func(b *testing.B) {
				softmax(p, s.n)
				fill(slope, 1)
				for b.Loop() {
					f()
				}
			})
		}
	})
}
