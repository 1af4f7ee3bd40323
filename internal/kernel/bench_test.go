package kernel

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// BenchmarkKernel is every primitive by itself, on data in the nearest cache.
// Dense kernels count two operations per weight and row.
func BenchmarkKernel(b *testing.B) {
	benchmarkVariants(b, func(b *testing.B) {
		b.Run("float32", benchmarkKernels[float32])
		b.Run("float64", benchmarkKernels[float64])
	})
}

func benchmarkKernels[T Float](b *testing.B) {
	rnd := rand.New(rand.NewPCG(14, 1))
	rate := func(name string, operations int, unit string, f func()) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				f()
			}
			b.ReportMetric(float64(operations)*float64(b.N)/b.Elapsed().Seconds()/1e9, unit)
		})
	}
	for _, s := range [][2]int{{10, 2}, {10, 10}, {2, 10}, {64, 64}, {23, 64}, {256, 256}} {
		no, ni := s[0], s[1]
		w, bias, x := normal[T](rnd, no*ni), normal[T](rnd, no), normal[T](rnd, ni*Lanes)
		out, scratch := make([]T, no*Lanes), make([]T, max(no*ni, partials(no, ni)))
		d := fmt.Sprintf("%d×%d", no, ni)
		dw := make([]T, no*(ni+1))
		flops := 2 * no * ni * Lanes
		rate("dense/"+d, flops, "GFLOP/s", func() { dense(out, w, bias, x, no, ni) })
		rate("denseBack/"+d, flops, "GFLOP/s", func() { denseBack(x, w, out, x, scratch, no, ni) })
		rate("denseGrad/"+d, flops, "GFLOP/s", func() { denseGrad(dw, out, x, scratch, no, ni) })
	}
	z := normal[T](rnd, 10*Lanes)
	x := make([]T, len(z))
	d := make([]T, len(z))
	for name, f := range map[string]func(){
		"elu":  func() { copy(x, z); elu(x) },
		"tanh": func() { copy(x, z); tanh(x) },
		"exp":  func() { copy(x, z); exp(x) },
	} {
		rate(name, len(z), "Gvalue/s", f)
	}
	col := func(k int) []T { return x[k*Lanes : (k+1)*Lanes] }
	rate("affineRun", Lanes, "Gvalue/s", func() {
		copy(x, z)
		affineRun(col(0), col(1), col(2), col(3), col(4), col(5), z[:1], false)
	})
	rate("affineGrad", Lanes, "Gvalue/s", func() {
		copy(x, z)
		affineGrad(d, col(0), col(1), col(2), col(3), col(4), col(5), col(6), z[:1], false)
	})
}
