package kernel

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// forEachVariant runs a test in every variant that this processor has.
func forEachVariant(t *testing.T, test func(t *testing.T)) {
	defer UseVariant(current.name)
	for _, name := range Variants() {
		if err := UseVariant(name); err != nil {
			t.Fatal(err)
		}
		t.Run(name, test)
	}
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

// normal returns n standard normal values.
func normal[T Float](rnd *rand.Rand, n int) []T {
	x := make([]T, n)
	for i := range x {
		x[i] = T(rnd.NormFloat64())
	}
	return x
}

// randomTiles returns disjoint tiles of dim of n sites.
func randomTiles(rnd *rand.Rand, n, dim, tiles int) [][]int {
	p := rnd.Perm(n)
	t := make([][]int, tiles)
	for k := range t {
		t[k] = p[k*dim : (k+1)*dim]
	}
	return t
}

// weights returns random parameters of a transform, large enough to make every
// term count.
func weights[T Float](rnd *rand.Rand, tr Transform[T]) []T {
	w := normal[T](rnd, tr.Params())
	for i := range w {
		w[i] *= 0.4
	}
	return w
}

// randomAffine returns a block of couplings that keep a random number of random
// columns, and weights.
func randomAffine[T Float](rnd *rand.Rand, dim, couplings int, hidden []int) (*Couplings[T], []T) {
	return affineKeeping[T](rnd, dim, couplings, dim-1, hidden)
}

// fewKept is randomAffine with couplings that keep one or two columns.
func fewKept[T Float](rnd *rand.Rand, dim, couplings int, hidden []int) (*Couplings[T], []T) {
	return affineKeeping[T](rnd, dim, couplings, min(2, dim-1), hidden)
}

// affineKeeping is randomAffine with couplings that keep at most so many columns.
func affineKeeping[T Float](rnd *rand.Rand, dim, couplings, most int, hidden []int) (*Couplings[T], []T) {
	cs := make([]Coupling, couplings)
	for k := range cs {
		p := rnd.Perm(dim)
		nk := 1 + rnd.IntN(most)
		cs[k] = Coupling{Keep: p[:nk], Move: p[nk:], S: NewNet(nk, hidden, dim-nk), T: NewNet(nk, hidden, dim-nk)}
	}
	b := NewAffine[T](dim, cs)
	return b, weights(rnd, b)
}

// rowOf is the state of row r of a state of rows of n values.
func rowOf[T Float](state []T, r, rows, n int) []T {
	x := make([]T, rows*n)
	Unpack(x, state, rows, n, 0, Groups(rows))
	return append(slices.Clone(x[r*n:(r+1)*n]), state[rows*n+r])
}

// rowAt returns the row and the column of value i of a state.
func rowAt(i, rows, n int) (row, col int) {
	for g := range Groups(rows) {
		if first, m := group(g, rows); i < (first+m)*n {
			at := i - first*n
			return first + at%m, at / m
		}
	}
	return i - rows*n, n // a log-determinant
}

// maxDiff is the largest difference of two slices, NaN if one is.
func maxDiff[T Float](a, b []T) float64 {
	d := 0.0
	for i := range a {
		d = max(d, math.Abs(float64(a[i]-b[i])))
	}
	return d
}

// fence returns a copy of x with values on both sides that nobody may write. check
// fails the test if somebody has.
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

// ulps is the distance of got from want in units of the spacing of T at want. It
// is 0 if both are NaN or the same infinity. It is infinite if only one of them is
// NaN or infinite, or if both are zeros of different sign.
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
