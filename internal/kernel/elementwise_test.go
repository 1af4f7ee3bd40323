package kernel

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// arguments returns values of every size and all special values, in whole tiles.
func arguments[T Float]() []T {
	x := []float64{0, 1, 0.34657, 0.34658, 0.5, 2, 16, 17, 19.1, 30, 36, 37.5, 80, 87.33, 87.34, 88.37, 88.5,
		88.722, 88.723, 88.73, 89, 103.27, 103.28, 103.97, 103.98, 104, 105, 200, 699.5, 700, 700.5, 707, 708.39,
		708.4, 709.4, 709.78, 709.79, 710, 745.13, 745.14, 746, 1e4, 1e30, math.MaxFloat32, 1e300,
		math.MaxFloat64, math.Inf(1), math.NaN(), 1e-3, 1e-8, 1e-17, 1e-30, 0x1p-126, 0x1p-127, 0x1p-149,
		0x1p-1022, 0x1p-1060, 0x1p-1074}
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

// function is an elementwise primitive.
type function[T Float] struct {
	name string
	run  func(z []T)
	want func(x float64) float64 // what run computes, in float64
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
			if x > 700 { // see expOfAny
				return math.Exp(x-32) * math.Exp(32)
			}
			return math.Exp(x)
		}},
	}
}

// Elementwise primitives are right to 4 ulp for all arguments.
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

// The slope of ELU in denseBack agrees with plain Go to one rounding for all
// values.
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
