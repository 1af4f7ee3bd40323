package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// epsilon is the spacing of T at 1.
func epsilon[T Float]() float64 {
	if _, ok := any(T(0)).(float32); ok {
		return 0x1p-23
	}
	return 0x1p-52
}

// greatest is the greatest finite T.
func greatest[T Float]() T {
	g := math.MaxFloat64
	if epsilon[T]() == 0x1p-23 {
		g = math.MaxFloat32
	}
	return T(g)
}

// ulps is the distance of got from want in units of the spacing of T at want.
// It is 0 if both are NaN or the same infinity, and infinite if only one is,
// or if zeros differ in sign.
func ulps[T Float](got T, want float64) float64 {
	w, g := float64(T(want)), float64(got)
	switch {
	case math.IsNaN(want) && math.IsNaN(g):
		return 0
	case math.IsInf(w, 0) || math.IsInf(g, 0) || math.IsNaN(want) || math.IsNaN(g):
		if w == g {
			return 0
		}
		return math.Inf(1)
	case w == 0 && g == 0:
		if math.Signbit(w) != math.Signbit(g) {
			return math.Inf(1)
		}
		return 0
	}
	smallest := 0x1p-149 // of the subnormal numbers
	if epsilon[T]() == 0x1p-52 {
		smallest = 0x1p-1074
	}
	_, e := math.Frexp(want)
	return math.Abs(g-want) / max(math.Ldexp(epsilon[T](), e-1), smallest)
}

// arguments are values of every size and all special ones, in whole tiles.
func arguments[T Float]() []T {
	x := []float64{0, 1, 0.34657, 0.34658, 0.5, 2, 16, 17, 19.1, 30, 36, 37.5, 80, 87.33, 87.34, 88.37, 88.5, 88.722, 88.723,
		88.73, 89, 103.27, 103.28, 103.97, 103.98, 104, 105, 200, 700, 707, 708.39, 708.4, 709.4, 709.78, 709.79, 710, 745.13,
		745.14, 746, 1e4, 1e30, math.MaxFloat32, 1e300, math.MaxFloat64, math.Inf(1), math.NaN(),
		1e-3, 1e-8, 1e-17, 1e-30, 0x1p-126, 0x1p-127, 0x1p-149, 0x1p-1022, 0x1p-1060, 0x1p-1074}
	rnd := rand.New(rand.NewPCG(8, 1))
	for range 50000 {
		x = append(x, rnd.NormFloat64()*math.Exp(3*rnd.NormFloat64()))
	}
	for range 10000 {
		x = append(x, rnd.Float64()*750, rnd.Float64()*110, rnd.Float64()*math.Ln2)
	}
	var v []T
	for _, a := range x {
		v = append(v, T(a), T(-a))
	}
	for len(v)%Lanes != 0 {
		v = append(v, 1)
	}
	return v
}

// function is a function of one argument and what it computes.
type function[T Float] struct {
	name string
	run  func(z []T)
	want func(x float64) float64
}

func functions[T Float]() []function[T] {
	return []function[T]{
		{"elu", elu[T], func(x float64) float64 {
			if x <= 0 {
				return math.Expm1(x)
			}
			return x
		}},
		{"tanh", tanh[T], math.Tanh},
		{"exp", exp[T], func(x float64) float64 {
			if x > 700 { // math.Exp may overflow too early
				return math.Exp(x-32) * math.Exp(32)
			}
			return math.Exp(x)
		}},
	}
}

// The functions of one argument are right to 4 ulp everywhere.
func TestElementwise(t *testing.T) {
	forEachVariant(t, func(t *testing.T) {
		t.Run("float32", testElementwise[float32])
		t.Run("float64", testElementwise[float64])
	})
}

func testElementwise[T Float](t *testing.T) {
	x := arguments[T]()
	for _, f := range functions[T]() {
		z := slices.Clone(x)
		f.run(z)
		worst, where := 0.0, T(0)
		for i, v := range x {
			if u := ulps(z[i], f.want(float64(v))); u > worst {
				worst, where = u, v
			}
		}
		t.Logf("%s: at most %.2f ulp", f.name, worst)
		if worst > 4 {
			z := make([]T, Lanes)
			z[0] = where
			f.run(z)
			t.Errorf("%s(%g) = %g, want %g: %.3g ulp off", f.name, where, z[0], f.want(float64(where)), worst)
		}
	}
}

// The slope of ELU in denseBack is that of plain Go to a rounding, whatever
// the value.
func TestELUSlope(t *testing.T) {
	forEachVariant(t, func(t *testing.T) {
		t.Run("float32", testELUSlope[float32])
		t.Run("float64", testELUSlope[float64])
	})
}

func testELUSlope[T Float](t *testing.T) {
	a := arguments[T]()
	const ni = 7
	rnd := rand.New(rand.NewPCG(9, 1))
	for ; len(a) >= ni*Lanes; a = a[ni*Lanes:] {
		w, dz, scratch := normal[T](rnd, ni), normal[T](rnd, Lanes), make([]T, partials(1, ni))
		d, got := make([]T, ni*Lanes), make([]T, ni*Lanes)
		denseBack(d, w, dz, nil, scratch, 1, ni)
		denseBack(got, w, dz, a, scratch, 1, ni)
		eluBackPlain(d, a[:ni*Lanes])
		for i, v := range d {
			if ulps(got[i], float64(v)) > 1 {
				t.Fatalf("a = %g: %g, want %g", a[i], got[i], v)
			}
		}
	}
}

// fence surrounds a slice with values that must stay as they are.
func fence[T Float](t *testing.T, x []T) (inside []T, check func()) {
	const width, mark = 16, 12345
	all := make([]T, len(x)+2*width)
	for i := range all {
		all[i] = mark
	}
	inside = all[width : width+len(x) : width+len(x)]
	copy(inside, x)
	return inside, func() {
		t.Helper()
		for i, v := range all {
			if (i < width || i >= width+len(x)) && v != mark {
				t.Fatalf("wrote %g at %d of a slice of %d", v, i-width, len(x))
			}
		}
	}
}

// The matrix products agree with sums in float64 to a few roundings of the
// sum of absolute values, for every remainder of the blocking.
func TestDenseShapes(t *testing.T) {
	sizes := []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 16, 17, 23}
	if !testing.Short() {
		sizes = append(sizes, 31, 64, 65, 100, 256)
	}
	forEachVariant(t, func(t *testing.T) {
		for _, no := range sizes {
			for _, ni := range sizes {
				checkDense(t, normal[float32], no, ni)
				checkDense(t, normal[float64], no, ni)
			}
		}
	})
}

func checkDense[T Float](t *testing.T, draw func(*rand.Rand, int) []T, no, ni int) {
	t.Helper()
	rnd := rand.New(rand.NewPCG(10, uint64(no*1000+ni)))
	w, b := draw(rnd, no*ni), draw(rnd, no)
	x, dz := draw(rnd, ni*Lanes), draw(rnd, no*Lanes)
	out, checkOut := fence(t, make([]T, no*Lanes))
	bare, checkBare := fence(t, make([]T, no*Lanes))
	din, checkIn := fence(t, make([]T, ni*Lanes))
	dw0 := draw(rnd, no*(ni+1))
	dw, checkW := fence(t, dw0)
	db0, db := dw0[no*ni:], dw[no*ni:]
	scratch, checkScratch := fence(t, make([]T, max(no*ni, partials(no, ni))))

	dense(out, w, b, x, no, ni)
	dense(bare, w, nil, x, no, ni)
	denseBack(din, w, dz, nil, scratch, no, ni)
	denseGrad(dw, dz, x, scratch, no, ni)
	for _, check := range []func(){checkOut, checkBare, checkIn, checkW, checkScratch} {
		check()
	}

	terms := func(got T, f func(add func(a, b T)), what string) {
		t.Helper()
		sum, size, n := 0.0, 0.0, 0.0
		f(func(a, b T) {
			p := float64(a) * float64(b)
			sum, n = sum+p, n+1
			if !math.IsNaN(float64(a)) && !math.IsNaN(float64(b)) && !math.IsInf(float64(a), 0) && !math.IsInf(float64(b), 0) {
				size += math.Abs(p)
			}
		})
		if g := float64(got); size > float64(greatest[T]())/4 || g == sum || math.IsNaN(g) && math.IsNaN(sum) {
			return // or finite numbers may overflow, in one order of the terms and not in another
		}
		if d := math.Abs(float64(got) - sum); !(d <= (2+math.Sqrt(n))*epsilon[T]()*size) {
			t.Fatalf("%T %d×%d: %s is %g, want %g", got, no, ni, what, got, sum)
		}
	}
	for _, l := range []int{0, 1, 15, 16, 31, 32, 47, 63} {
		for j := range no {
			product := func(add func(a, b T)) {
				for i := range ni {
					add(w[j*ni+i], x[i*Lanes+l])
				}
			}
			terms(out[j*Lanes+l], func(add func(a, b T)) { product(add); add(b[j], 1) }, "output")
			terms(bare[j*Lanes+l], product, "output without bias")
		}
		for i := range ni {
			terms(din[i*Lanes+l], func(add func(a, b T)) {
				for j := range no {
					add(w[j*ni+i], dz[j*Lanes+l])
				}
			}, "input gradient")
		}
	}
	for j := range no {
		terms(db[j], func(add func(a, b T)) {
			add(db0[j], 1)
			for l := range Lanes {
				add(dz[j*Lanes+l], 1)
			}
		}, "bias gradient")
		for i := range ni {
			terms(dw[j*ni+i], func(add func(a, b T)) {
				add(dw0[j*ni+i], 1)
				for l := range Lanes {
					add(dz[j*Lanes+l], x[i*Lanes+l])
				}
			}, "weight gradient")
		}
	}
}

// A row full of NaN or infinities leaves the other rows as they are.
func TestRowsDoNotLeak(t *testing.T) {
	forEachVariant(t, func(t *testing.T) {
		t.Run("float32", testRowsDoNotLeak[float32])
		t.Run("float64", testRowsDoNotLeak[float64])
	})
}

func testRowsDoNotLeak[T Float](t *testing.T) {
	rnd := rand.New(rand.NewPCG(11, 1))
	b, w := randomAffine[T](rnd, 5, 3, []int{7, 11})
	l := NewLayer(b, 5, [][]int{{3, 1, 4, 0, 2}})
	const rows, bad = 70, 17
	in := normal[T](rnd, l.StateLen(rows))
	dout := normal[T](rnd, len(in))
	run := func() (out, din []T) {
		out, din = make([]T, len(in)), make([]T, len(in))
		l.Run(out, in, w, rows, false)
		l.Grad(din, make([]T, len(w)), in, w, dout, rows, false)
		return out, din
	}
	out, din := run()
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), 1e38} {
		for j := range 5 {
			in[bad*5+j] = T(v)
		}
		out2, din2 := run()
		for i := range out {
			if i/5 != bad && i != rows*5+bad && (out[i] != out2[i] || din[i] != din2[i]) {
				t.Fatalf("row %d changes with %g in row %d", i/5, v, bad)
			}
		}
		if math.IsNaN(v) && !math.IsNaN(float64(out2[bad*5])) {
			t.Errorf("NaN in, %g out", out2[bad*5])
		}
	}
}

// Layers with wide nets, on one row and on more than a tile, agree with plain Go
// in image and gradients, with and without Jacobians.
func TestWideLayers(t *testing.T) {
	for _, hidden := range [][]int{{64}, {65}, {256}, {64, 65}} {
		for _, rows := range []int{1, 70} {
			for _, inverse := range []bool{false, true} {
				wideLayers[float32](t, hidden, rows, inverse, 1e-3)
				wideLayers[float64](t, hidden, rows, inverse, 1e-11)
			}
		}
	}
}

func wideLayers[T Float](t *testing.T, hidden []int, rows int, inverse bool, tol float64) {
	defer UseVariant(current.name)
	rnd := rand.New(rand.NewPCG(24, uint64(rows)))
	b, w := fewKept[T](rnd, 4, 2, hidden)
	for i := range w {
		w[i] *= 0.2
	}
	l := NewLayer(b, 4, [][]int{{2, 0, 3, 1}})
	in := normal[T](rnd, l.StateLen(rows))
	dout := normal[T](rnd, len(in))
	results := func(variant string) (r [][]T) {
		if err := UseVariant(variant); err != nil {
			t.Fatal(err)
		}
		out, din, dw, jac, short := make([]T, len(in)), make([]T, len(in)), make([]T, len(w)), make([]T, l.JacobianLen(rows)), make([]T, len(in))
		l.Run(out, in, w, rows, inverse)
		l.Grad(din, dw, in, w, dout, rows, inverse)
		l.RunJacobian(make([]T, len(in)), jac, in, w, rows, inverse)
		l.GradJacobian(short, jac, dout, rows)
		return [][]T{out, din, dw, short}
	}
	want := results("plain")
	for _, variant := range Variants() {
		for k, got := range results(variant) {
			size := 1.0
			for _, v := range want[k] {
				size = max(size, math.Abs(float64(v)))
			}
			if d := maxDiff(got, want[k]); !(d <= tol*size) {
				t.Errorf("%s, %T, hidden %v, %d rows, inverse %v: %s off by %g of %g", variant, in[0], hidden, rows, inverse,
					[]string{"image", "input gradient", "parameter gradient", "gradient by Jacobians"}[k], d, size)
			}
		}
	}
}

// What is not finite stays in its row of a matrix product.
func TestDenseContainsNaN(t *testing.T) {
	forEachVariant(t, func(t *testing.T) {
		denseContainsNaN[float32](t)
		denseContainsNaN[float64](t)
	})
}

func denseContainsNaN[T Float](t *testing.T) {
	rnd := rand.New(rand.NewPCG(25, 1))
	for _, s := range [][2]int{{1, 1}, {2, 10}, {10, 10}, {13, 5}, {64, 65}} {
		no, ni := s[0], s[1]
		w, bias, x, a := normal[T](rnd, no*ni), normal[T](rnd, no), normal[T](rnd, ni*Lanes), normal[T](rnd, no*Lanes)
		run := func() []T {
			out, tan := make([]T, no*Lanes), make([]T, no*Lanes)
			dense(out, w, bias, x, no, ni)
			denseTangent(tan, w, x, a, no, ni, ni)
			return append(out, tan...)
		}
		want := run()
		lane := rnd.IntN(Lanes)
		for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), 1e38} {
			for i := range ni {
				x[i*Lanes+lane] = T(v)
			}
			for i, g := range run() {
				if i%Lanes != lane && g != want[i] {
					t.Fatalf("%T %d×%d: row %d changes with %g in row %d", g, no, ni, i%Lanes, v, lane)
				}
				if i%Lanes == lane && math.IsNaN(v) && !math.IsNaN(float64(g)) {
					t.Fatalf("%T %d×%d: NaN in, %g out", g, no, ni, g)
				}
			}
		}
	}
}

// The affine update and its gradient agree with plain Go.
func TestAffineUpdate(t *testing.T) {
	forEachVariant(t, func(t *testing.T) {
		for _, inverse := range []bool{false, true} {
			t.Run(fmt.Sprintf("float32/inverse=%v", inverse), func(t *testing.T) { testAffineUpdate[float32](t, inverse) })
			t.Run(fmt.Sprintf("float64/inverse=%v", inverse), func(t *testing.T) { testAffineUpdate[float64](t, inverse) })
		}
	})
}

func testAffineUpdate[T Float](t *testing.T, inverse bool) {
	rnd := rand.New(rand.NewPCG(12, 1))
	for _, scale := range []T{0, 1, -0.7, 30, 2000} {
		checkAffineUpdate(t, func() []T { return normal[T](rnd, Lanes) }, scale, inverse)
	}
}

// checkAffineUpdate compares an update and its gradient with those in plain Go,
// for one draw of all columns.
func checkAffineUpdate[T Float](t *testing.T, draw func() []T, scale T, inverse bool) {
	t.Helper()
	y, logDet, dt := draw(), draw(), make([]T, Lanes)
	th, tr, a := draw(), draw(), []T{scale}
	tanhPlain(th)
	f, u, ds := make([]T, Lanes), make([]T, Lanes), make([]T, Lanes)
	y2, logDet2, f2, u2 := slices.Clone(y), slices.Clone(logDet), slices.Clone(f), slices.Clone(u)
	affineRun(y, logDet, f, u, th, tr, a, inverse)
	affineRunPlain(y2, logDet2, f2, u2, th, tr, scale, inverse)
	// Where the sum y·f + t cancels, its rounding is that of its terms.
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

// A transform works in the space it is given and allocates nothing.
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

func FuzzElementwise(f *testing.F) {
	for _, v := range []float64{0, -1, 88.7, -104, 709.7, -745.2, math.Inf(-1), math.NaN()} {
		f.Add(v, float32(v))
	}
	f.Fuzz(func(t *testing.T, v float64, v32 float32) {
		forEachVariant(t, func(t *testing.T) {
			fuzzElementwise(t, v)
			fuzzElementwise(t, v32)
		})
	})
}

func fuzzElementwise[T Float](t *testing.T, v T) {
	for _, f := range functions[T]() {
		z := make([]T, Lanes)
		for i := range z {
			z[i] = v
		}
		f.run(z)
		for i := range z {
			if u := ulps(z[i], f.want(float64(v))); u > 4 {
				t.Fatalf("%s(%g) = %g, want %g: %.3g ulp off", f.name, v, z[i], f.want(float64(v)), u)
			}
		}
	}
}

// The affine update agrees with plain Go in a row of any values among tame ones.
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
	// Near overflow the result hangs on the last bit of an exponential and on
	// the order of operations.
	tame := func(v, limit float64) T {
		if math.Abs(v) > limit && !math.IsInf(v, 0) {
			v = math.Remainder(v, limit)
		}
		return T(v)
	}
	checkAffineUpdate(t, func() []T {
		x := normal[T](rnd, Lanes)
		x[lane%Lanes] = tame(values[0], 1e10)
		values = values[1:]
		return x
	}, tame(scale, 60), inverse)
}

// The products are right whatever one value in so many is: huge, infinite, no
// number.
func FuzzDense(f *testing.F) {
	f.Add(uint8(10), uint8(10), int64(1), 1.0, uint16(0))
	f.Add(uint8(255), uint8(1), int64(2), 1.0, uint16(0))
	f.Add(uint8(23), uint8(64), int64(3), 1.0, uint16(0))
	for i, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat32, math.MaxFloat64, 1e-310} {
		f.Add(uint8(5+i), uint8(9), int64(4), v, uint16(37))
	}
	f.Fuzz(func(t *testing.T, no, ni uint8, seed int64, special float64, every uint16) {
		forEachVariant(t, func(t *testing.T) {
			fuzzDense[float64](t, no, ni, seed, special, every)
			fuzzDense[float32](t, no, ni, seed, special, every)
		})
	})
}

func fuzzDense[T Float](t *testing.T, no, ni uint8, seed int64, special float64, every uint16) {
	checkDense(t, func(rnd *rand.Rand, n int) []T {
		x := normal[T](rnd, n)
		for i := range x {
			x[i] += T(seed % 7)
			if every > 0 && rnd.IntN(int(every)) == 0 {
				x[i] = T(special)
			}
		}
		return x
	}, int(no)+1, int(ni)+1)
}
