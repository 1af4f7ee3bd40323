package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
)

// randomSpline is a chain of affine couplings and splines in turn, and weights.
func randomSpline[T Float](rnd *rand.Rand, couplings int) (*Couplings[T], []T) {
	var cs []Coupling
	var ss []Spline
	for k := range couplings {
		net := NewNet(2, []int{10, 10, 10}, 2)
		c := Coupling{Keep: []int{0, 1}, Move: []int{2, 3}, S: net, T: net}
		if k%2 == 1 {
			c.Keep, c.Move = c.Move, c.Keep
		}
		s := Spline{Keep: c.Keep, Move: c.Move, Bins: 8, Bound: 6}
		s.R = NewNet(2, []int{10, 10, 10}, s.Outputs())
		cs, ss = append(cs, c), append(ss, s)
	}
	b := NewSpline[T](4, cs, ss)
	w := normal[T](rnd, b.Params())
	for i := range w {
		w[i] *= 0.3
	}
	return b, w
}

// The primitives agree with their definitions in float64, for several numbers of
// bins, and write nothing beyond their tiles.
func TestSplinePrimitives(t *testing.T) {
	forEachVariant(t, func(t *testing.T) {
		t.Run("float64", testSplinePrimitives[float64])
		t.Run("float32", testSplinePrimitives[float32])
	})
}

func testSplinePrimitives[T Float](t *testing.T) {
	rnd := rand.New(rand.NewPCG(4, 1))
	for _, n := range []int{2, 3, 8, 23} {
		p := checkSoftmax[T](t, rnd, n)
		checkSplineBins(t, rnd, p, n)
		checkSoftmaxGrad(t, rnd, p, n)
	}
}

// near checks a value that is the difference of terms of the given size.
func near[T Float](t *testing.T, what string, got T, want, size float64) {
	t.Helper()
	if !(math.Abs(float64(got)-want) <= 40*epsilon[T]()*(math.Abs(want)+size)) {
		t.Fatalf("%s is %g, want %g", what, got, want)
	}
}

// checkSoftmax checks a softmax and returns it.
func checkSoftmax[T Float](t *testing.T, rnd *rand.Rand, n int) []T {
	r := normal[T](rnd, n*Lanes)
	for i := range r {
		r[i] *= T([]float64{1, 5, 100}[i%3])
	}
	p, check := fence(t, r)
	softmax(p, n)
	check()
	for l := range Lanes {
		top, sum := math.Inf(-1), 0.0
		for j := range n {
			top = max(top, float64(r[j*Lanes+l]))
		}
		for j := range n {
			sum += math.Exp(float64(r[j*Lanes+l]) - top)
		}
		for j := range n {
			near(t, "softmax", p[j*Lanes+l], math.Exp(float64(r[j*Lanes+l])-top)/sum, 1e-3)
		}
	}
	return p
}

// splineNumbers are the numbers of splineBins for n bins on [−6, 6].
func splineNumbers[T Float](n int) []T {
	return []T{T(12 * (1 - float64(n)*minBin)), 12 * minBin, -6}
}

// checkSplineBins checks the bins of random and of special values. p gives their
// sizes along the axis of the values.
func checkSplineBins[T Float](t *testing.T, rnd *rand.Rand, p []T, n int) {
	numbers := splineNumbers[T](n)
	q := normal[T](rnd, n*Lanes)
	softmax(q, n)
	v := normal[T](rnd, Lanes)
	for l := range v {
		v[l] *= 4
	}
	v[0], v[1], v[2], v[3] = -7, 7, T(math.NaN()), -6
	var out [5][]T
	var checks []func()
	for i := range out {
		inside, check := fence(t, make([]T, Lanes))
		out[i], checks = inside, append(checks, check)
	}
	splineBins(v, p, q, out[0], out[1], out[2], out[3], out[4], numbers, n)
	for _, check := range checks {
		check()
	}
	for l, x := range v {
		// In T, so that a value at a knot falls on the same side.
		j, at, beside := 0, numbers[2], numbers[2]
		size := func(s []T, j int) T {
			return T(math.FMA(float64(numbers[0]), float64(s[j*Lanes+l]), float64(numbers[1])))
		}
		for j < n-1 && x >= at+size(p, j) {
			at, beside, j = at+size(p, j), beside+size(q, j), j+1
		}
		if math.Abs(float64(out[0][l])-float64(j)) > 0 && math.Abs(float64(x-at)) > 1e-4 {
			t.Fatalf("%d bins: %g is in bin %g, want %d", n, x, out[0][l], j)
		}
		if T(j) == out[0][l] {
			near(t, "start", out[1][l], float64(at), 6)
			near(t, "other start", out[2][l], float64(beside), 6)
			near(t, "size", out[3][l], float64(size(p, j)), 1)
			near(t, "other size", out[4][l], float64(size(q, j)), 1)
		}
	}
}

// checkSoftmaxGrad checks the gradient of the softmax p.
func checkSoftmaxGrad[T Float](t *testing.T, rnd *rand.Rand, p []T, n int) {
	numbers := splineNumbers[T](n)
	bin := make([]T, Lanes)
	for l := range bin {
		bin[l] = T(rnd.IntN(n+1) - 1)
	}
	dSize, dStart := normal[T](rnd, Lanes), normal[T](rnd, Lanes)
	d, check := fence(t, normal[T](rnd, n*Lanes))
	softmaxGrad(d, p, bin, dSize, dStart, numbers, n)
	check()
	for l, k := range bin {
		g := make([]float64, n)
		mean := 0.0
		for j := range g {
			switch {
			case T(j) == k:
				g[j] = float64(dSize[l])
			case T(j) < k:
				g[j] = float64(dStart[l])
			}
			mean += g[j] * float64(p[j*Lanes+l])
		}
		for j := range g {
			near(t, "gradient", d[j*Lanes+l], float64(numbers[0])*float64(p[j*Lanes+l])*(g[j]-mean), 1)
		}
	}
}

// All variants give the same images and gradients, but for rounding.
func TestSplineVariants(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 1))
	b, w := randomSpline[float64](rnd, 2)
	run, grad := b.Scratch()
	x, dx, dLogDet := normal[float64](rnd, 4*Lanes), normal[float64](rnd, 4*Lanes), normal[float64](rnd, Lanes)
	for _, inverse := range []bool{false, true} {
		var want [][]float64
		forEachVariant(t, func(t *testing.T) {
			y, d, scratch := append([]float64(nil), x...), make([]float64, Lanes), make([]float64, max(run, grad))
			b.Run(y, d, w, inverse, scratch)
			g, dw := append([]float64(nil), dx...), make([]float64, len(w))
			b.Grad(dw, g, append([]float64(nil), x...), dLogDet, w, inverse, scratch)
			got := [][]float64{y, d, g, dw}
			if want == nil {
				want = got
			}
			for k := range got {
				for i, v := range got[k] {
					if !(math.Abs(v-want[k][i]) <= 1e-9*(1+math.Abs(want[k][i]))) {
						t.Fatalf("result %d, value %d: %g, in another variant %g", k, i, v, want[k][i])
					}
				}
			}
		})
	}
}

func TestSplineAllocatesNothing(t *testing.T) {
	forEachVariant(t, func(t *testing.T) {
		rnd := rand.New(rand.NewPCG(13, 1))
		b, w := randomSpline[float32](rnd, 3)
		run, grad := b.Scratch()
		scratch, dw := make([]float32, max(run, grad)), make([]float32, len(w))
		x, dx, logDet := normal[float32](rnd, 4*Lanes), normal[float32](rnd, 4*Lanes), make([]float32, Lanes)
		n := testing.AllocsPerRun(20, func() {
			b.Run(x, logDet, w, false, scratch)
			b.Grad(dw, dx, x, logDet, w, true, scratch)
		})
		if n > 0 {
			t.Errorf("%g allocations", n)
		}
	})
}

// BenchmarkSpline takes one tile through a block and back. It compares splines
// with affine couplings that have about as many parameters. Run it with -cpu 1.
func BenchmarkSpline(b *testing.B) {
	benchmarkVariants(b, func(b *testing.B) {
		rnd := rand.New(rand.NewPCG(6, 1))
		affine, wa := randomAffine[float32](rnd, 4, 10, []int{10, 10, 10})
		spline, ws := randomSpline[float32](rnd, 4)
		for _, c := range []struct {
			name string
			b    *Couplings[float32]
			w    []float32
		}{{"affine", affine, wa}, {"spline", spline, ws}} {
			b.Run(c.name, func(b *testing.B) {
				run, grad := c.b.Scratch()
				scratch, dw := make([]float32, max(run, grad)), make([]float32, len(c.w))
				x, dx, logDet := normal[float32](rnd, 4*Lanes), normal[float32](rnd, 4*Lanes), make([]float32, Lanes)
				y, dy := make([]float32, 4*Lanes), make([]float32, 4*Lanes)
				for b.Loop() {
					copy(y, x)
					copy(dy, dx)
					c.b.Run(y, logDet, c.w, false, scratch)
					copy(y, x)
					c.b.Grad(dw, dy, y, logDet, c.w, false, scratch)
				}
			})
		}
	})
}

// A number that is NaN or +Inf makes the softmax of its row NaN, and of no other row.
func TestSoftmaxOfNaN(t *testing.T) {
	forEachVariant(t, func(t *testing.T) {
		softmaxOfNaN[float64](t)
		softmaxOfNaN[float32](t)
	})
}

func softmaxOfNaN[T Float](t *testing.T) {
	const n = 5
	for at, bad := range []float64{math.NaN(), math.Inf(1)} {
		p := make([]T, n*Lanes)
		row := 7 + 20*at
		p[2*Lanes+row] = T(bad)
		softmax(p, n)
		for i, v := range p {
			if nan := v != v; nan != (i%Lanes == row) {
				t.Fatalf("%g in row %d: row %d has %g", bad, row, i%Lanes, v)
			}
		}
	}
}
