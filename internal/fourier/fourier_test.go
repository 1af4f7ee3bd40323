package fourier

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/neuralrg/neuralrg/internal/kernel"
	"github.com/neuralrg/neuralrg/internal/lattice"
)

var shapes = [][]int{
	{1}, {2}, {3}, {16}, {17}, {64}, {100}, {1, 1}, {1, 5}, {5, 1}, {2, 2}, {3, 2}, {5, 7}, {7, 5}, {16, 16},
	{4, 24}, {24, 4}, {65, 3}, {3, 65}, {2, 3, 4}, {3, 5, 2, 2}, {8, 8, 8}, {2, 2, 2, 2, 2, 2, 2},
}

// forEachImplementation calls f with the map by transforms, and by products in
// every variant of the kernels.
func forEachImplementation(t *testing.T, shape []int, factors []float64, f func(what string, d *Diagonal)) {
	t.Helper()
	defer kernel.UseVariant("")
	f(fmt.Sprint(shape, " transforms"), &Diagonal{shape: shape, filter: newFilter(shape, factors)})
	if len(factors) == 1 {
		return
	}
	for _, name := range kernel.Variants() {
		if err := kernel.UseVariant(name); err != nil {
			t.Fatal(err)
		}
		f(fmt.Sprint(shape, " products ", name), &Diagonal{shape: shape, products: newProducts(shape, factors)})
	}
}

// evenFactors draws factors between 0.1 and 1.1 that do not change if the wave
// number of any single axis changes its sign.
func evenFactors(seed uint64, shape []int) []float64 {
	rnd := rand.New(rand.NewPCG(seed, 1))
	return drawFactors(rnd, shape, func(_ int, wave []int) int {
		least := make([]int, len(wave))
		for axis, k := range wave {
			least[axis] = min(k, (shape[axis]-k)%shape[axis])
		}
		return lattice.Site(shape, least)
	})
}

// drawFactors draws factors. Waves with the same representative share one.
func drawFactors(rnd *rand.Rand, shape []int, representative func(k int, wave []int) int) []float64 {
	n, err := lattice.Size(shape)
	if err != nil {
		panic(err)
	}
	drawn := normal(rnd, n)
	for k := range drawn {
		drawn[k] = 0.1 + 1/(1+math.Exp(drawn[k]))
	}
	f := make([]float64, n)
	for k, wave := range lattice.Points(shape) {
		f[k] = drawn[representative(k, wave)]
	}
	return f
}

func normal(rnd *rand.Rand, n int) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = rnd.NormFloat64()
	}
	return x
}

// circulant is the image of x by the definition: a sum over all plane waves and
// sites.
func circulant(shape []int, factors, x []float64) []float64 {
	n := len(factors)
	phase := func(k, i int) float64 {
		turns := 0.0
		for axis := len(shape) - 1; axis >= 0; axis-- {
			l := shape[axis]
			turns += float64(k%l*(i%l)%l) / float64(l)
			k /= l
			i /= l
		}
		return 2 * math.Pi * turns
	}
	y := make([]float64, n)
	for k, f := range factors {
		var re, im float64
		for i, v := range x {
			sin, cos := math.Sincos(phase(k, i))
			re += v * cos
			im += v * sin
		}
		for i := range y {
			sin, cos := math.Sincos(phase(k, i))
			y[i] += f / float64(n) * (re*cos + im*sin)
		}
	}
	return y
}

func TestAgainstDefinition(t *testing.T) {
	for _, shape := range shapes {
		factors := evenFactors(1, shape)
		x := normal(rand.New(rand.NewPCG(2, 1)), len(factors))
		want := circulant(shape, factors, x)
		forEachImplementation(t, shape, factors, func(what string, d *Diagonal) {
			got := make([]float64, len(x))
			d.Apply(got, x, d.NewWorkspace())
			for i := range got {
				if !(math.Abs(got[i]-want[i]) <= 1e-12) {
					t.Fatalf("%s: site %d is %v, want %v", what, i, got[i], want[i])
				}
			}
		})
	}
}

// Factors that are the same for k and −k, but change with the sign of a single wave
// number, use the transforms.
func TestChiral(t *testing.T) {
	for _, shape := range [][]int{{4, 6}, {5, 5}, {3, 4, 3}} {
		rnd := rand.New(rand.NewPCG(3, 1))
		factors := drawFactors(rnd, shape, func(k int, _ []int) int { return min(k, lattice.Opposite(shape, k)) })
		d := NewDiagonal(shape, factors)
		if d.products != nil {
			t.Fatalf("%v: products, which are wrong for these factors", shape)
		}
		x := normal(rnd, len(factors))
		want := circulant(shape, factors, x)
		d.Apply(x, x, d.NewWorkspace())
		for i := range x {
			if !(math.Abs(x[i]-want[i]) <= 1e-12) {
				t.Fatalf("%v: site %d is %v, want %v", shape, i, x[i], want[i])
			}
		}
	}
}

// NewDiagonal takes products for small extents only.
func TestChoice(t *testing.T) {
	for _, c := range []struct {
		shape []int
		want  bool
	}{
		{[]int{1}, false}, {[]int{4, 4}, true}, {[]int{1, 5}, true}, {[]int{8, 8}, true},
		{[]int{100}, false}, {[]int{512, 2}, false}, {[]int{300, 300}, false},
	} {
		if got := NewDiagonal(c.shape, evenFactors(1, c.shape)).products != nil; got != c.want {
			t.Errorf("%v: products %v, want %v", c.shape, got, c.want)
		}
	}
}

// The image of a row does not depend, to the bit, on its place in the batch, on the
// other rows (which may be NaN), on earlier uses of the workspace, or on whether dst
// and x are the same slice.
func TestRowsIndependent(t *testing.T) {
	for _, shape := range shapes {
		factors := evenFactors(4, shape)
		n := len(factors)
		forEachImplementation(t, shape, factors, func(what string, d *Diagonal) {
			rows := 2*d.Block() + 3
			x := normal(rand.New(rand.NewPCG(5, 1)), rows*n)
			y := make([]float64, len(x))
			ws := d.NewWorkspace()
			d.Apply(y, x, ws)
			for r := 0; r < rows; r += 1 + rows/7 {
				alone := make([]float64, n)
				d.Apply(alone, x[r*n:(r+1)*n], d.NewWorkspace())
				same(t, what+" alone", alone, y[r*n:(r+1)*n])
			}
			for i, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64} {
				spoilt := slices.Clone(x)
				for r := i % 2; r < rows; r += 2 {
					spoilt[r*n+(7*r+i)%n] = bad
				}
				d.Apply(spoilt, spoilt, ws)
				for r := 1 - i%2; r < rows; r += 2 {
					same(t, fmt.Sprint(what, " beside ", bad), spoilt[r*n:(r+1)*n], y[r*n:(r+1)*n])
				}
			}
			d.Apply(x[:n], x[:n], ws)
			same(t, what+" afterwards", x[:n], y[:n])
		})
	}
}

// The image of −x is minus the image of x, to the bit.
func TestOdd(t *testing.T) {
	for _, shape := range shapes {
		factors := evenFactors(6, shape)
		forEachImplementation(t, shape, factors, func(what string, d *Diagonal) {
			x := normal(rand.New(rand.NewPCG(7, 1)), 3*len(factors))
			plus, minus, ws := make([]float64, len(x)), make([]float64, len(x)), d.NewWorkspace()
			d.Apply(plus, x, ws)
			for i := range x {
				x[i] = -x[i]
			}
			d.Apply(minus, x, ws)
			for i := range minus {
				minus[i] = -minus[i]
			}
			same(t, what, plus, minus)
		})
	}
}

func same(t *testing.T, what string, got, want []float64) {
	t.Helper()
	for i := range want {
		if math.Float64bits(got[i]) != math.Float64bits(want[i]) {
			t.Fatalf("%s: site %d is %v, want %v", what, i, got[i], want[i])
		}
	}
}

// One workspace serves every map of its lattice, without allocation.
func TestNoAllocation(t *testing.T) {
	for _, shape := range shapes {
		factors := evenFactors(8, shape)
		x := make([]float64, 5*len(factors))
		ws := &Workspace{}
		forEachImplementation(t, shape, factors, func(what string, d *Diagonal) {
			if n := testing.AllocsPerRun(5, func() { d.Apply(x, x, ws) }); n != 0 {
				t.Errorf("%s: %v allocations", what, n)
			}
		})
	}
}

func TestConcurrent(t *testing.T) {
	shape := []int{6, 10}
	factors := evenFactors(9, shape)
	forEachImplementation(t, shape, factors, func(what string, d *Diagonal) {
		x := normal(rand.New(rand.NewPCG(10, 1)), 40*len(factors))
		want := make([]float64, len(x))
		d.Apply(want, x, d.NewWorkspace())
		got := make([][]float64, 4)
		var wg sync.WaitGroup
		for g := range got {
			got[g] = make([]float64, len(x))
			wg.Go(func() { d.Apply(got[g], x, d.NewWorkspace()) })
		}
		wg.Wait()
		for _, y := range got {
			same(t, what, y, want)
		}
	})
}

// BenchmarkApply compares both implementations; see productsPay.
func BenchmarkApply(b *testing.B) {
	for _, shape := range [][]int{
		{16}, {64}, {128}, {256}, {4, 4}, {8, 8}, {12, 12}, {16, 16}, {32, 32}, {48, 48}, {64, 64}, {97, 97},
		{96, 96}, {128, 128}, {16, 16, 16},
	} {
		factors := evenFactors(11, shape)
		rows := 1<<17/len(factors) + 1
		x := normal(rand.New(rand.NewPCG(12, 1)), rows*len(factors))
		y := make([]float64, len(x))
		run := func(name string, d *Diagonal) {
			b.Run(fmt.Sprintf("%v/%s", shape, name), func(b *testing.B) {
				ws := d.NewWorkspace()
				for b.Loop() {
					d.Apply(y, x, ws)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(x)), "ns/site")
			})
		}
		run("transforms", &Diagonal{shape: shape, filter: newFilter(shape, factors)})
		for _, name := range kernel.Variants() {
			if err := kernel.UseVariant(name); err != nil {
				b.Fatal(err)
			}
			run(name, &Diagonal{shape: shape, products: newProducts(shape, factors)})
		}
		if err := kernel.UseVariant(""); err != nil {
			b.Fatal(err)
		}
	}
}
