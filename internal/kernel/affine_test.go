package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// The affine update and its gradient agree with plain Go.
func TestAffineUpdate(t *testing.T) {
	forEachVariant(t, func(t *testing.T) {
		for _, inverse := range []bool{false, true} {
			t.Run(fmt.Sprintf("inverse=%v", inverse), func(t *testing.T) {
				testAffineUpdate[float32](t, inverse)
				testAffineUpdate[float64](t, inverse)
			})
		}
	})
}

func testAffineUpdate[T Float](t *testing.T, inverse bool) {
	rnd := rand.New(rand.NewPCG(12, 1))
	for _, scale := range []T{0, 1, -0.7, 30, 2000} {
		checkAffineUpdate(t, func() []T { return normal[T](rnd, Lanes) }, scale, inverse)
	}
}

// checkAffineUpdate compares an update and its gradient with those in plain Go.
// draw makes the columns.
func checkAffineUpdate[T Float](t *testing.T, draw func() []T, scale T, inverse bool) {
	t.Helper()
	y, logDet, dt := draw(), draw(), make([]T, Lanes)
	th, tr, a := draw(), draw(), []T{scale}
	tanhPlain(th)
	f, u, ds := make([]T, Lanes), make([]T, Lanes), make([]T, Lanes)
	y2, logDet2, f2, u2 := slices.Clone(y), slices.Clone(logDet), slices.Clone(f), slices.Clone(u)
	affineRun(y, logDet, f, u, th, tr, a, inverse)
	affineRunPlain(y2, logDet2, f2, u2, th, tr, scale, inverse)
	// size is the size of the terms of a sum: if it cancels, its error is a rounding
	// of these.
	near := func(what string, got, want []T, size func(l int) float64) {
		t.Helper()
		for l := range got {
			w, g := float64(want[l]), float64(got[l])
			if w != g && !(math.Abs(g-w) <= 6*epsilon[T]()*size(l)) && ulps(got[l], w) > 6 {
				t.Errorf("scale %g, row %d: %s = %g, want %g", scale, l, what, g, w)
			}
		}
	}
	abs := func(x ...T) float64 {
		s := 0.0
		for _, v := range x {
			s += math.Abs(float64(v))
		}
		return s
	}
	near("f", f, f2, func(l int) float64 { return 0 })
	near("u", u, u2, func(l int) float64 { return abs(u2[l], tr[l]*f2[l]) })
	near("y", y, y2, func(l int) float64 { return abs(u2[l], tr[l], tr[l]*f2[l]) })
	near("logDet", logDet, logDet2, func(l int) float64 { return abs(scale, logDet2[l]) })

	d, dLogDet := draw(), draw()
	d2, ds2, dt2, dScale := slices.Clone(d), make([]T, Lanes), make([]T, Lanes), []T{3}
	d0 := slices.Clone(d)
	affineGrad(dScale, d, ds, dt, dLogDet, f2, u2, th, a, inverse)
	want := 3 + affineGradPlain(d2, ds2, dt2, dLogDet, f2, u2, th, scale, inverse)
	near("d", d, d2, func(l int) float64 { return 0 })
	near("dt", dt, dt2, func(l int) float64 { return 0 })
	near("ds", ds, ds2, func(l int) float64 {
		return abs(d0[l]*u2[l]*scale, dLogDet[l]*scale) // 1 − th² may cancel
	})
	total := 0.0
	for l := range u {
		total += math.Abs(float64(d0[l]*u2[l]*th[l])) + math.Abs(float64(dLogDet[l]*th[l]))
	}
	if got := dScale[0]; ulps(got, float64(want)) > 0 && !(math.Abs(float64(got-want)) <= 20*epsilon[T]()*total) {
		t.Errorf("scale %g: dScale = %g, want %g", scale, got, want)
	}
}

// The affine update agrees with plain Go if one row has any values at all.
func FuzzAffineUpdate(f *testing.F) {
	for _, v := range []float64{0, 1, -3, 88.7, -745, 1e-310, 1e30, math.Inf(1), math.NaN()} {
		f.Add(v, 0.3, 1.0, -2.0, 0.7, uint8(3), false)
		f.Add(0.5, v, 1.0, 2.0, 0.7, uint8(17), true)
		f.Add(0.5, 0.2, 1.0, v, v, uint8(60), true)
	}
	f.Fuzz(func(t *testing.T, y, th, tr, d, scale float64, lane uint8, inverse bool) {
		forEachVariant(t, func(t *testing.T) {
			fuzzAffineUpdate[float32](t, []float64{y, 1, th, tr, d, 1}, scale, lane, inverse)
			fuzzAffineUpdate[float64](t, []float64{y, 1, th, tr, d, 1}, scale, lane, inverse)
		})
	})
}

func fuzzAffineUpdate[T Float](t *testing.T, values []float64, scale float64, lane uint8, inverse bool) {
	rnd := rand.New(rand.NewPCG(15, 1))
	// bounded excludes results near overflow: they depend on the last bit of an
	// exponential and on the order of operations.
	bounded := func(v, limit float64) T {
		if math.Abs(v) > limit && !math.IsInf(v, 0) {
			v = math.Remainder(v, limit)
		}
		return T(v)
	}
	checkAffineUpdate(t, func() []T {
		x := normal[T](rnd, Lanes)
		x[lane%Lanes] = bounded(values[0], 1e10)
		values = values[1:]
		return x
	}, bounded(scale, 60), inverse)
}

// The tangent of the affine update and mix agree with plain Go, and write
// nothing else.
func TestTangent(t *testing.T) {
	forEachVariant(t, func(t *testing.T) {
		for _, inverse := range []bool{false, true} {
			testTangent[float32](t, inverse)
			testTangent[float64](t, inverse)
		}
	})
}

func testTangent[T Float](t *testing.T, inverse bool) {
	rnd := rand.New(rand.NewPCG(23, 1))
	f, u, th, s := normal[T](rnd, Lanes), normal[T](rnd, Lanes), normal[T](rnd, Lanes), normal[T](rnd, Lanes)
	tanh(th)
	a := []T{-0.7}
	tan, checkT := fence(t, normal[T](rnd, Lanes))
	q, checkQ := fence(t, normal[T](rnd, Lanes))
	tan2, q2 := slices.Clone(tan), slices.Clone(q)
	affineTangent(tan, q, s, f, u, th, a, inverse)
	affineTangentPlain(tan2, q2, s, f, u, th, a[0], inverse)
	if d := max(maxDiff(tan, tan2), maxDiff(q, q2)); !(d <= 40*epsilon[T]()) {
		t.Errorf("%T: tangent off by %g", a, d)
	}
	for _, n := range []int{1, 2, 5} {
		to, check := fence(t, normal[T](rnd, n*Lanes))
		x, want := normal[T](rnd, n*Lanes), slices.Clone(to)
		for i := range want {
			want[i] = f[i%Lanes]*want[i] + u[i%Lanes]*x[i]
		}
		mix(to, x, f, u, n)
		check()
		if d := maxDiff(to, want); !(d <= 40*epsilon[T]()) {
			t.Errorf("%T: mix of %d off by %g", a, n, d)
		}
	}
	checkT()
	checkQ()
}

// A block of affine couplings works in the scratch space it is given and allocates
// nothing.
func TestAffineAllocatesNothing(t *testing.T) {
	forEachVariant(t, func(t *testing.T) {
		rnd := rand.New(rand.NewPCG(13, 1))
		b, w := randomAffine[float32](rnd, 4, 3, []int{6})
		run, grad := b.Scratch()
		scratch, dw := make([]float32, max(run, grad)), make([]float32, len(w))
		x, dx, logDet := normal[float32](rnd, 4*Lanes), normal[float32](rnd, 4*Lanes), make([]float32, Lanes)
		n := testing.AllocsPerRun(20, func() {
			b.Run(x, logDet, w, false, scratch)
			b.Grad(dw, dx, x, logDet, w, false, scratch)
		})
		if n > 0 {
			t.Errorf("%g allocations", n)
		}
	})
}
