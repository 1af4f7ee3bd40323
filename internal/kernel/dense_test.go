package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

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

// checkDense checks all products of one shape on arrays that draw makes.
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
	scratch, checkScratch := fence(t, make([]T, max(no*ni, partials(no, ni))))

	dense(out, w, b, x, no, ni)
	dense(bare, w, nil, x, no, ni)
	denseBack(din, w, dz, nil, scratch, no, ni)
	denseGrad(dw, dz, x, scratch, no, ni)
	for _, check := range []func(){checkOut, checkBare, checkIn, checkW, checkScratch} {
		check()
	}

	what := fmt.Sprintf("%T %d×%d", w[0], no, ni)
	for _, l := range []int{0, 1, 15, 16, 31, 32, 47, 63} {
		for j := range no {
			var s productSum[T]
			for i := range ni {
				s.add(w[j*ni+i], x[i*Lanes+l])
			}
			s.check(t, what+": output without bias", bare[j*Lanes+l])
			s.add(b[j], 1)
			s.check(t, what+": output", out[j*Lanes+l])
		}
		for i := range ni {
			var s productSum[T]
			for j := range no {
				s.add(w[j*ni+i], dz[j*Lanes+l])
			}
			s.check(t, what+": input gradient", din[i*Lanes+l])
		}
	}
	for j := range no {
		var s productSum[T]
		s.add(dw0[no*ni+j], 1)
		for l := range Lanes {
			s.add(dz[j*Lanes+l], 1)
		}
		s.check(t, what+": bias gradient", dw[no*ni+j])
		for i := range ni {
			var s productSum[T]
			s.add(dw0[j*ni+i], 1)
			for l := range Lanes {
				s.add(dz[j*Lanes+l], x[i*Lanes+l])
			}
			s.check(t, what+": weight gradient", dw[j*ni+i])
		}
	}
}

// A layer with ELU has the ELU of its sums. The slope of ELU is at most 1.
func TestDenseELU(t *testing.T) {
	forEachVariant(t, func(t *testing.T) {
		for _, s := range [][2]int{{1, 1}, {2, 10}, {10, 10}, {13, 5}, {64, 65}} {
			checkDenseELU[float32](t, s[0], s[1])
			checkDenseELU[float64](t, s[0], s[1])
		}
	})
}

func checkDenseELU[T Float](t *testing.T, no, ni int) {
	rnd := rand.New(rand.NewPCG(32, 1))
	w, b, x := normal[T](rnd, no*ni), normal[T](rnd, no), normal[T](rnd, ni*Lanes)
	out, check := fence(t, make([]T, no*Lanes))
	denseELU(out, w, b, x, no, ni)
	check()
	for k, got := range out {
		var s productSum[T]
		for i := range ni {
			s.add(w[k/Lanes*ni+i], x[i*Lanes+k%Lanes])
		}
		s.add(b[k/Lanes], 1)
		if s.sum <= 0 {
			s.sum, s.size = math.Expm1(s.sum), s.size+1
		}
		s.check(t, fmt.Sprintf("%T %d×%d: ELU", got, no, ni), got)
	}
}

// productSum is a sum of products in float64.
type productSum[T Float] struct {
	sum  float64
	size float64 // sum of the absolute values of the finite products
	n    float64 // number of products
}

func (s *productSum[T]) add(a, b T) {
	p := float64(a) * float64(b)
	s.sum, s.n = s.sum+p, s.n+1
	if finite(a) && finite(b) {
		s.size += math.Abs(p)
	}
}

func finite[T Float](v T) bool { return v-v == 0 }

// check compares the sum with one in T. It accepts anything where finite terms
// may overflow, because this depends on their order.
func (s *productSum[T]) check(t *testing.T, what string, got T) {
	t.Helper()
	g := float64(got)
	if s.size > float64(greatest[T]())/4 || g == s.sum || math.IsNaN(g) && math.IsNaN(s.sum) {
		return
	}
	if d := math.Abs(g - s.sum); !(d <= (2+math.Sqrt(s.n))*epsilon[T]()*s.size) {
		t.Fatalf("%s is %g, want %g", what, got, s.sum)
	}
}

// Values that are not finite change only their own row of a matrix product.
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
			out, act, tan := make([]T, no*Lanes), make([]T, no*Lanes), make([]T, no*Lanes)
			dense(out, w, bias, x, no, ni)
			denseELU(act, w, bias, x, no, ni)
			denseTangent(tan, w, x, a, no, ni, ni)
			return slices.Concat(out, act, tan)
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

// The products are right if one value in every so many is special: huge, infinite
// or NaN.
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

// Rows with equal values get equal results, to the bit, wherever they are in a tile and
// whatever the other rows hold.
func TestRowsAlike(t *testing.T) {
	forEachVariant(t, func(t *testing.T) {
		rowsAlike[float32](t)
		rowsAlike[float64](t)
	})
}

func rowsAlike[T Float](t *testing.T) {
	rnd := rand.New(rand.NewPCG(31, 1))
	for range 200 {
		no, ni := 1+rnd.IntN(30), 1+rnd.IntN(30)
		w, bias, x := normal[T](rnd, no*ni), normal[T](rnd, no), normal[T](rnd, ni*Lanes)
		for i := range ni {
			x[i*Lanes+41] = x[i*Lanes+20]
		}
		out, th, e, back := make([]T, no*Lanes), make([]T, no*Lanes), make([]T, no*Lanes), make([]T, no*Lanes)
		dense(out, w, bias, x, no, ni)
		copy(th, out)
		copy(e, out)
		denseBack(back, w, x, out, make([]T, no*ni), ni, no)
		elu(out)
		tanh(th)
		exp(e)
		for k, z := range [][]T{out, th, e, back} {
			for j := range no {
				if a, b := z[j*Lanes+20], z[j*Lanes+41]; a != b {
					t.Fatalf("%T %d×%d, function %d: %g in row 20 and %g in row 41", a, no, ni, k, a, b)
				}
			}
		}
	}
}
