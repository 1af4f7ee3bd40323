package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
)

// circleRun returns image, slope, what is saved, gradients of the numbers and of the values.
func circleRun[T Float](t *testing.T, bins int, y, raw, d, dLogDet []T, inverse bool) [5][]T {
	t.Helper()
	c := newCircle[T](bins)
	y, checkY := fence(t, y)
	slope, checkSlope := fence(t, make([]T, Lanes))
	fill(slope, 2)
	r, checkR := fence(t, raw)
	saved, checkSaved := fence(t, make([]T, circleSaved*Lanes))
	c.run(y, slope, r, saved, inverse)
	kept := append([]T(nil), saved...)
	dr, checkDr := fence(t, make([]T, len(r)))
	d, checkD := fence(t, d)
	c.grad(dr, d, dLogDet, r, saved, inverse)
	for _, check := range []func(){checkY, checkSlope, checkR, checkSaved, checkDr, checkD} {
		check()
	}
	return [5][]T{y, slope, kept, dr, d}
}

// The vector code agrees with the plain code, for several numbers of bins and sizes of
// numbers, and writes nothing beyond its tiles.
func TestCirclePrimitives(t *testing.T) {
	t.Run("float64", testCirclePrimitives[float64])
	t.Run("float32", testCirclePrimitives[float32])
}

func testCirclePrimitives[T Float](t *testing.T) {
	rnd := rand.New(rand.NewPCG(17, 1))
	for _, bins := range []int{4, 5, 12, 256} {
		for _, size := range []float64{0, 0.5, 2} {
			y, raw := normal[T](rnd, Lanes), normal[T](rnd, (bins+1)*Lanes)
			for i := range raw {
				raw[i] *= T(size)
			}
			h := 2 * math.Pi / float64(bins)
			for l, v := range []float64{math.Pi, -math.Pi, math.NaN(), math.Inf(1), 0, h - math.Pi, math.Pi - h, 100} {
				y[l] = T(v)
				raw[bins*Lanes+l] = 0 // so that the place is at a knot
			}
			d, dLogDet := normal[T](rnd, Lanes), normal[T](rnd, Lanes)
			for _, inverse := range []bool{false, true} {
				var want [5][]T
				forEachVariant(t, func(t *testing.T) {
					if current.name == "plain" {
						want = circleRun(t, bins, y, raw, d, dLogDet, inverse)
					}
				})
				forEachVariant(t, func(t *testing.T) {
					agreeOnCircle(t, circleRun(t, bins, y, raw, d, dLogDet, inverse), want, bins)
				})
			}
		}
	}
}

// agreeOnCircle compares results. A value at a knot may be in either bin, so that the saved
// values are not compared. Rounding of a place changes gradients by more where the slope is
// small.
func agreeOnCircle[T Float](t *testing.T, got, want [5][]T, bins int) {
	t.Helper()
	tol := 2e3 * epsilon[T]() * float64(bins)
	for k, what := range []string{"image", "slope", "saved", "gradient of the numbers", "gradient of the values"} {
		for i, g := range got[k] {
			v, w := float64(g), float64(want[k][i])
			if k == 2 || math.IsNaN(w) && math.IsNaN(v) || w == v {
				continue
			}
			off := math.Abs(v - w)
			if k == 0 {
				off = math.Abs(math.Remainder(v-w, 2*math.Pi))
			}
			slope := float64(want[1][i%Lanes]) / 2
			if !(off <= tol*(math.Abs(w)+math.Pi)*max(1, 0.01/(slope*slope))) {
				t.Fatalf("%d bins: %s [%d] is %g, want %g", bins, what, i, v, w)
			}
		}
	}
}

// BenchmarkCircle takes one column of a tile round a circle of 12 bins, part by part. Run
// it with -cpu 1.
func BenchmarkCircle(b *testing.B) {
	benchmarkVariants(b, func(b *testing.B) {
		rnd := rand.New(rand.NewPCG(17, 2))
		c := newCircle[float32](12)
		raw, at := normal[float32](rnd, 13*Lanes), normal[float32](rnd, Lanes)
		r, y, slope := make([]float32, len(raw)), make([]float32, Lanes), make([]float32, Lanes)
		saved, dr, d := make([]float32, circleSaved*Lanes), make([]float32, len(raw)), make([]float32, Lanes)
		for _, inverse := range []bool{false, true} {
			name := map[bool]string{false: "forward", true: "inverse"}[inverse]
			b.Run(name, func(b *testing.B) {
				for b.Loop() {
					copy(r, raw)
					copy(y, at)
					fill(slope, 1)
					c.run(y, slope, r, saved, inverse)
				}
			})
			b.Run(name+" with gradient", func(b *testing.B) {
				for b.Loop() {
					copy(r, raw)
					copy(y, at)
					fill(slope, 1)
					c.run(y, slope, r, saved, inverse)
					c.grad(dr, d, at, r, saved, inverse)
				}
			})
		}
	})
}
