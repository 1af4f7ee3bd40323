package kernel

import (
	"math/rand/v2"
	"testing"
)

// BenchmarkStep is the kernels' work in one training step of the paper's flow
// on the 16×16 lattice, batch 512: eight layers of ten couplings on 2×2 tiles,
// each run and then taken back to the gradients of inputs and parameters. The
// operations counted are eight per weight and row: forward, recomputation, and
// the two products of the gradient. Run it with -cpu 1.
func BenchmarkStep(b *testing.B) {
	benchmarkVariants(b, func(b *testing.B) {
		b.Run("hidden=10-10-10/float32", func(b *testing.B) { benchmarkStep[float32](b, []int{10, 10, 10}) })
		b.Run("hidden=10-10-10/float64", func(b *testing.B) { benchmarkStep[float64](b, []int{10, 10, 10}) })
		b.Run("hidden=64-64/float32", func(b *testing.B) { benchmarkStep[float32](b, []int{64, 64}) })
		b.Run("hidden=64-64/float64", func(b *testing.B) { benchmarkStep[float64](b, []int{64, 64}) })
	})
}

// benchmarkVariants runs a benchmark in every variant of the kernels.
func benchmarkVariants(b *testing.B, bench func(b *testing.B)) {
	defer UseVariant(current.name)
	for _, name := range Variants() {
		b.Run(name, func(b *testing.B) {
			if err := UseVariant(name); err != nil {
				b.Fatal(err)
			}
			bench(b)
		})
	}
}

func benchmarkStep[T Float](b *testing.B, hidden []int) {
	step, flops := newStep[T](hidden)
	for b.Loop() {
		step()
	}
	b.ReportMetric(flops*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
}

// newStep returns the work of a step, and its number of operations.
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

// squares is t tiles of 2×2 sites on the 16×16 lattice, spread over it.
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

// units is the number of units behind the inputs, one bias each.
func (n Net) units() int { return n.acts / Lanes }
