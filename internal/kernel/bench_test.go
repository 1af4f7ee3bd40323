package kernel

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// BenchmarkKernel runs every primitive alone, on data in the first-level cache.
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

// BenchmarkStep is the work of this package in one training step of the paper's
// flow on the 16×16 lattice with batch 512: the images and the gradients of eight
// layers of ten couplings on 2×2 tiles. It counts eight operations per weight and
// row: forward, recomputation, and the two products of the gradient. Run it with
// -cpu 1.
func BenchmarkStep(b *testing.B) {
	benchmarkVariants(b, func(b *testing.B) {
		b.Run("hidden=10-10-10/float32", func(b *testing.B) { benchmarkStep[float32](b, []int{10, 10, 10}) })
		b.Run("hidden=10-10-10/float64", func(b *testing.B) { benchmarkStep[float64](b, []int{10, 10, 10}) })
		b.Run("hidden=64-64/float32", func(b *testing.B) { benchmarkStep[float32](b, []int{64, 64}) })
		b.Run("hidden=64-64/float64", func(b *testing.B) { benchmarkStep[float64](b, []int{64, 64}) })
	})
}

func benchmarkStep[T Float](b *testing.B, hidden []int) {
	step, flops := newStep[T](hidden)
	for b.Loop() {
		step()
	}
	b.ReportMetric(flops*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
}

// newStep returns a function that does the work of a step, and its number of
// operations.
func newStep[T Float](hidden []int) (step func(), flops float64) {
	rnd := rand.New(rand.NewPCG(7, 1))
	const rows, n = 512, 256
	tiles := []int{64, 64, 16, 16, 4, 4, 1, 1}
	net := NewNet(2, hidden, 2)
	cs := make([]Coupling, 10)
	for k := range cs {
		cs[k] = Coupling{Keep: []int{0, 1}, Move: []int{2, 3}, S: net, T: net}
		if k%2 == 1 {
			cs[k].Keep, cs[k].Move = cs[k].Move, cs[k].Keep
		}
	}
	block := NewAffine[T](4, cs)
	layers := make([]*Layer[T], len(tiles))
	w, dw := make([][]T, len(tiles)), make([][]T, len(tiles))
	states := [][]T{normal[T](rnd, rows*(n+1))}
	for k, t := range tiles {
		layers[k] = NewLayer(block, n, squares(t))
		w[k], dw[k] = normal[T](rnd, block.Params()), make([]T, block.Params())
		for i := range w[k] {
			w[k][i] *= 0.1
		}
		states = append(states, make([]T, len(states[0])))
		flops += 8 * float64(rows*t*len(cs)*2*(net.Params()-net.units()))
	}
	grad, next := make([]T, len(states[0])), make([]T, len(states[0]))
	return func() {
		for k, l := range layers {
			l.Run(states[k+1], states[k], w[k], rows, false)
		}
		copy(grad, states[len(layers)])
		for k := len(layers) - 1; k >= 0; k-- {
			layers[k].Grad(next, dw[k], states[k], w[k], grad, rows, false)
			grad, next = next, grad
		}
	}, flops
}

// squares returns t tiles of 2×2 sites that are spread over the 16×16 lattice.
func squares(t int) [][]int {
	side := 1
	for side*side < t {
		side++
	}
	step := 16 / side
	var tiles [][]int
	for y := 0; y < 16; y += step {
		for x := 0; x < 16; x += step {
			h := step / 2
			tiles = append(tiles, []int{y*16 + x, y*16 + x + h, (y+h)*16 + x, (y+h)*16 + x + h})
		}
	}
	return tiles
}

// units is the number of units with a bias: all but the inputs.
func (n Net) units() int { return n.acts / Lanes }

func BenchmarkLayer(b *testing.B) {
	b.Run("float64", benchmarkLayer[float64])
	b.Run("float32", benchmarkLayer[float32])
}

// benchmarkLayer is one disentangler layer of the paper's 16×16 flow: 64 tiles
// of four sites, ten couplings of hidden 10-10-10, 512 rows.
func benchmarkLayer[T Float](b *testing.B) {
	rnd := rand.New(rand.NewPCG(6, 1))
	cs := make([]Coupling, 10)
	for k := range cs {
		p := rnd.Perm(4)
		n := NewNet(2, []int{10, 10, 10}, 2)
		cs[k] = Coupling{Keep: p[:2], Move: p[2:], S: n, T: n}
	}
	blk := NewAffine[T](4, cs)
	w := make([]T, blk.Params())
	for i := range w {
		w[i] = T(rnd.NormFloat64() * 0.1)
	}
	l := NewLayer(blk, 256, randomTiles(rnd, 256, 4, 64))
	in := normal[T](rnd, l.StateLen(512))
	out, dw := make([]T, len(in)), make([]T, len(w))
	flops := float64(64 * 512 * 10 * 2 * 240 * 2)
	b.Run("run", func(b *testing.B) {
		for b.Loop() {
			l.Run(out, in, w, 512, false)
		}
		b.ReportMetric(flops*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
	})
	b.Run("grad", func(b *testing.B) {
		for b.Loop() {
			l.Grad(out, dw, in, w, in, 512, false)
		}
		b.ReportMetric(3*flops*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
	})
}
