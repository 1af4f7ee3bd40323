package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
)

// smoothCase is a column of values, its numbers and gradients.
type smoothCase[T Float] struct {
	n                  int
	bound              float64
	y, raw, d, dLogDet []T
}

func newSmoothCase[T Float](rnd *rand.Rand, n int, bound, size float64) *smoothCase[T] {
	c := &smoothCase[T]{n: n, bound: bound, y: normal[T](rnd, Lanes), raw: normal[T](rnd, n*Lanes),
		d: normal[T](rnd, Lanes), dLogDet: normal[T](rnd, Lanes)}
	for l := range c.y {
		c.y[l] *= T(bound / 2)
	}
	for i := range c.raw {
		c.raw[i] = T(float64(c.raw[i]) * size)
	}
	h := 2 * bound / float64(n+2)
	c.y[0], c.y[1], c.y[2], c.y[3] = T(-bound), T(bound), T(math.NaN()), T(-bound*1.001)
	c.y[4], c.y[5], c.y[6], c.y[7] = T(math.Inf(1)), T(h-bound), T(bound-h), T(bound)*(1-T(epsilon[T]()))
	c.y[8], c.y[9] = T(-bound)*(1-T(epsilon[T]())), T(math.Inf(-1))
	return c
}

// run returns image, slope, what is saved, gradients of the numbers and of the values.
func (c *smoothCase[T]) run(t *testing.T, inverse bool) [5][]T {
	t.Helper()
	s := newSmooth[T](c.n+2, c.bound)
	y, checkY := fence(t, c.y)
	slope, checkSlope := fence(t, make([]T, Lanes))
	fill(slope, 2)
	r, checkR := fence(t, c.raw)
	saved, checkSaved := fence(t, make([]T, s.saved()*Lanes))
	s.run(y, slope, r, saved, inverse)
	dr, checkDr := fence(t, make([]T, len(r)))
	d, checkD := fence(t, c.d)
	s.grad(dr, d, c.dLogDet, r, saved, inverse)
	for _, check := range []func(){checkY, checkSlope, checkR, checkSaved, checkDr, checkD} {
		check()
	}
	return [5][]T{y, slope, saved, dr, d}
}

// The vector code agrees with the plain code, for several numbers of bins and sizes of
// numbers, and writes nothing beyond its tiles.
func TestSmoothPrimitives(t *testing.T) {
	t.Run("float64", testSmoothPrimitives[float64])
	t.Run("float32", testSmoothPrimitives[float32])
}

func testSmoothPrimitives[T Float](t *testing.T) {
	rnd := rand.New(rand.NewPCG(14, 1))
	for _, n := range []int{2, 3, 10, 14, 254} {
		for _, size := range []float64{0, 0.5, 2} {
			c := newSmoothCase[T](rnd, n, []float64{1e-3, 5, 6, 1e3}[rnd.IntN(4)], size)
			for _, inverse := range []bool{false, true} {
				var want [5][]T
				forEachVariant(t, func(t *testing.T) {
					got := c.run(t, inverse)
					if current.name == "plain" {
						want = got
					}
				})
				forEachVariant(t, func(t *testing.T) {
					c.agree(t, c.run(t, inverse), want, inverse)
				})
			}
		}
	}
}

// agree compares results. A value at a knot may be in either bin: there the saved values
// are not compared.
func (c *smoothCase[T]) agree(t *testing.T, got, want [5][]T, inverse bool) {
	t.Helper()
	tol := 2e3 * epsilon[T]() * float64(c.n)
	sizes := []float64{c.bound, 1, 1, max(1, c.bound), 1}
	for k, what := range []string{"image", "slope", "saved", "gradient of the numbers", "gradient of the values"} {
		for i, v := range got[k] {
			w := float64(want[k][i])
			if k == 2 || math.IsNaN(w) && math.IsNaN(float64(v)) || w == float64(v) {
				continue
			}
			if !(math.Abs(float64(v)-w) <= tol*(math.Abs(w)+sizes[k])*(1+1/c.bound)) {
				t.Fatalf("n %d, bound %g, inverse %t: %s [%d] is %g, want %g (y %g)",
					c.n, c.bound, inverse, what, i, v, w, c.y[i%Lanes])
			}
		}
	}
}
