package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"
)

// randomAffine returns a block of couplings with random bipartitions and a
// random parameter vector large enough to make every term count.
func randomAffine[T Float](rnd *rand.Rand, dim, couplings int, hidden []int) (*Couplings[T], []T) {
	cs := make([]Coupling, couplings)
	for k := range cs {
		p := rnd.Perm(dim)
		nk := 1 + rnd.IntN(dim-1)
		cs[k] = Coupling{Keep: p[:nk], Move: p[nk:], S: NewNet(nk, hidden, dim-nk), T: NewNet(nk, hidden, dim-nk)}
	}
	b := NewAffine[T](dim, cs)
	w := make([]T, b.Params())
	for i := range w {
		w[i] = T(rnd.NormFloat64() * 0.4)
	}
	return b, w
}

func randomTiles(rnd *rand.Rand, n, dim, tiles int) [][]int {
	p := rnd.Perm(n)
	t := make([][]int, tiles)
	for k := range t {
		t[k] = p[k*dim : (k+1)*dim]
	}
	return t
}

func normal[T Float](rnd *rand.Rand, n int) []T {
	x := make([]T, n)
	for i := range x {
		x[i] = T(rnd.NormFloat64())
	}
	return x
}

func maxDiff[T Float](a, b []T) float64 {
	d := 0.0
	for i := range a {
		e := math.Abs(float64(a[i] - b[i]))
		if !(e <= d) { // catches NaN
			d = e
		}
	}
	return d
}

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

func TestELU(t *testing.T) { forEachVariant(t, testELU) }

func testELU(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	x := []float64{0, math.Copysign(0, -1), 1e-300, -1e-300, -1e-17, -1e-8, -0.1, -0.3465, -0.3467, -1, -5, -36, -38, -200, -699.5, -700.5, -1e4, -inf, inf, 3, 1e300, nan, math.Copysign(nan, -1)}
	rnd := rand.New(rand.NewPCG(1, 1))
	for range 10000 {
		x = append(x, rnd.NormFloat64()*math.Exp(3*rnd.NormFloat64()))
	}
	for len(x)%Lanes != 0 {
		x = append(x, 0)
	}
	z := append([]float64(nil), x...)
	z32 := make([]float32, len(x))
	for i, v := range x {
		z32[i] = float32(v)
	}
	elu(z)
	elu(z32)
	for i, v := range x {
		want := v
		if v <= 0 {
			want = math.Expm1(v)
		}
		if math.IsNaN(v) != math.IsNaN(z[i]) || math.Abs(z[i]-want) > 4e-16*math.Abs(want) {
			t.Errorf("float64: elu(%g) = %g, want %g", v, z[i], want)
		}
		v = float64(float32(v))
		want = v
		if v <= 0 {
			want = math.Expm1(v)
		}
		if got := float64(z32[i]); math.IsNaN(v) != math.IsNaN(got) || math.Abs(got-want) > 2.4e-7*math.Abs(want) {
			t.Errorf("float32: elu(%g) = %g, want %g", v, got, want)
		}
	}
}

// The primitives against three plain loops, over sizes that exercise every
// remainder of the blocking.
func TestDense(t *testing.T) { forEachVariant(t, testDense) }

func testDense(t *testing.T) {
	rnd := rand.New(rand.NewPCG(2, 1))
	for _, no := range []int{1, 2, 3, 10, 17} {
		for _, ni := range []int{1, 2, 3, 4, 11} {
			w, b := normal[float64](rnd, no*ni), normal[float64](rnd, no)
			x, dz := normal[float64](rnd, ni*Lanes), normal[float64](rnd, no*Lanes)
			out, din := make([]float64, no*Lanes), make([]float64, ni*Lanes)
			dwb := normal[float64](rnd, no*(ni+1))
			dw, db := dwb[:no*ni], dwb[no*ni:]
			wantW, wantB := append([]float64(nil), dw...), append([]float64(nil), db...)
			wantOut, wantIn := make([]float64, no*Lanes), make([]float64, ni*Lanes)
			for l := range Lanes {
				for j := range no {
					wantOut[j*Lanes+l] += b[j]
					wantB[j] += dz[j*Lanes+l]
					for i := range ni {
						wantOut[j*Lanes+l] += w[j*ni+i] * x[i*Lanes+l]
						wantIn[i*Lanes+l] += w[j*ni+i] * dz[j*Lanes+l]
						wantW[j*ni+i] += dz[j*Lanes+l] * x[i*Lanes+l]
					}
				}
			}
			dense(out, w, b, x, no, ni)
			scratch := make([]float64, partials(no, ni))
			denseBack(din, w, dz, nil, scratch, no, ni)
			denseGrad(dwb, dz, x, scratch, no, ni)
			for name, d := range map[string]float64{"dense": maxDiff(out, wantOut), "denseBack": maxDiff(din, wantIn),
				"denseGrad weights": maxDiff(dw, wantW), "denseGrad bias": maxDiff(db, wantB)} {
				if !(d < 1e-12) {
					t.Errorf("%d×%d: %s off by %g", no, ni, name, d)
				}
			}
		}
	}
}

// layerCase is a layer with a batch size; rows below, at and above Lanes and
// no multiple of it.
type layerCase struct {
	n, dim, tiles, rows, couplings int
	hidden                         []int
}

var layerCases = []layerCase{
	{4, 4, 1, 1, 3, []int{5}},
	{7, 2, 3, 5, 2, []int{3, 4}},
	{9, 3, 3, 64, 4, nil},
	{16, 4, 3, 70, 4, []int{10, 10, 10}},
	{6, 5, 1, 133, 3, []int{7}},
}

func forEachLayer(t *testing.T, f func(t *testing.T, c layerCase, inverse bool)) {
	for _, c := range layerCases {
		for _, inverse := range []bool{false, true} {
			t.Run(fmt.Sprintf("n=%d/dim=%d/tiles=%d/rows=%d/inverse=%v", c.n, c.dim, c.tiles, c.rows, inverse),
				func(t *testing.T) { f(t, c, inverse) })
		}
	}
}

func TestLayerRoundTrip(t *testing.T) { forEachVariant(t, testLayerRoundTrip) }

func testLayerRoundTrip(t *testing.T) {
	forEachLayer(t, func(t *testing.T, c layerCase, inverse bool) {
		roundTrip[float64](t, c, inverse, 1e-12)
		roundTrip[float32](t, c, inverse, 2e-4)
	})
}

func roundTrip[T Float](t *testing.T, c layerCase, inverse bool, tol float64) {
	rnd := rand.New(rand.NewPCG(3, 1))
	b, w := randomAffine[T](rnd, c.dim, c.couplings, c.hidden)
	l := NewLayer(b, c.n, randomTiles(rnd, c.n, c.dim, c.tiles))
	in := normal[T](rnd, l.StateLen(c.rows))
	keep := append([]T(nil), in...)
	out, back := make([]T, len(in)), make([]T, len(in))
	for range 2 {
		l.Run(out, in, w, c.rows, inverse)
		l.Run(back, out, w, c.rows, !inverse)
		if d := maxDiff(in, back); !(d < tol) {
			t.Errorf("%T: round trip off by %g", b, d)
		}
	}
	if maxDiff(in, keep) != 0 {
		t.Error("input changed")
	}
	if maxDiff(in, out) < 0.1 {
		t.Error("the map is nearly the identity: the test is vacuous")
	}
}

// The gradient of a random linear function of the output state against
// central differences, for every parameter and input of small cases.
func TestLayerGradient(t *testing.T) { forEachVariant(t, testLayerGradient) }

func testLayerGradient(t *testing.T) {
	forEachLayer(t, func(t *testing.T, c layerCase, inverse bool) {
		rnd := rand.New(rand.NewPCG(4, 1))
		b, w := randomAffine[float64](rnd, c.dim, c.couplings, c.hidden)
		l := NewLayer(b, c.n, randomTiles(rnd, c.n, c.dim, c.tiles))
		in := normal[float64](rnd, l.StateLen(c.rows))
		dout := normal[float64](rnd, len(in))
		out := make([]float64, len(in))
		cost := func() float64 {
			l.Run(out, in, w, c.rows, inverse)
			s := 0.0
			for i, v := range out {
				s += v * dout[i]
			}
			return s
		}
		slope := func(p *float64) float64 {
			const h = 1e-5
			v := *p
			*p = v + h
			up := cost()
			*p = v - h
			down := cost()
			*p = v
			return (up - down) / (2 * h)
		}
		din, dw := make([]float64, len(in)), make([]float64, len(w))
		only := make([]float64, len(in))
		for range 2 {
			l.Grad(din, dw, in, w, dout, c.rows, inverse)
			l.Grad(only, nil, in, w, dout, c.rows, inverse)
		}
		if maxDiff(din, only) != 0 {
			t.Error("input gradient changes when the parameter gradient is left out")
		}
		for range 60 {
			i, k := rnd.IntN(len(in)), rnd.IntN(len(w))
			if want := slope(&in[i]); math.Abs(din[i]-want) > 1e-6*(1+math.Abs(want)) {
				t.Errorf("input %d: gradient %g, want %g", i, din[i], want)
			}
			if want := slope(&w[k]); math.Abs(dw[k]-want) > 1e-6*(1+math.Abs(want)) {
				t.Errorf("parameter %d: gradient %g, want %g", k, dw[k], want)
			}
		}
	})
}

// Every row gives the same bits alone and in a batch, and everything the same
// bits for any number of processors.
func TestLayerReproducible(t *testing.T) { forEachVariant(t, testLayerReproducible) }

func testLayerReproducible(t *testing.T) {
	t.Run("float32", layerReproducible[float32])
	t.Run("float64", layerReproducible[float64])
}

func layerReproducible[T Float](t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	rnd := rand.New(rand.NewPCG(5, 1))
	b, w := randomAffine[T](rnd, 4, 3, []int{6, 33})
	l := NewLayer(b, 10, randomTiles(rnd, 10, 4, 2))
	const rows = 300
	in := normal[T](rnd, l.StateLen(rows))
	dout := normal[T](rnd, len(in))
	var first, firstW []T
	for _, procs := range []int{1, 2, 5} {
		runtime.GOMAXPROCS(procs)
		out, din, dw := make([]T, len(in)), make([]T, len(in)), make([]T, len(w))
		l.Run(out, in, w, rows, false)
		l.Grad(din, dw, in, w, dout, rows, false)
		all := append(append([]T(nil), out...), din...)
		if first == nil {
			first, firstW = all, dw
		}
		if maxDiff(first, all) != 0 || maxDiff(firstW, dw) != 0 {
			t.Errorf("GOMAXPROCS=%d changes the result", procs)
		}
		for _, r := range []int{0, 63, 64, 299} {
			one := append(append([]T(nil), in[r*10:(r+1)*10]...), in[rows*10+r])
			got := make([]T, 11)
			l.Run(got, one, w, 1, false)
			if maxDiff(got[:10], out[r*10:(r+1)*10]) != 0 || got[10] != out[rows*10+r] {
				t.Errorf("row %d alone differs from the batch", r)
			}
		}
	}
}

func BenchmarkLayer(b *testing.B) {
	b.Run("float64", benchmarkLayer[float64])
	b.Run("float32", benchmarkLayer[float32])
}

// benchmarkLayer is one disentangler layer of the paper's 16×16 flow: 64 tiles
// of four sites, ten couplings of hidden 10-10-10, 512 rows.
func benchmarkLayer[T Float](b *testing.B) {
	rnd := rand.New(rand.NewPCG(6, 1))
	cs := make([]Coupling, 10)
	for k := range cs {
		p := rnd.Perm(4)
		n := NewNet(2, []int{10, 10, 10}, 2)
		cs[k] = Coupling{Keep: p[:2], Move: p[2:], S: n, T: n}
	}
	blk := NewAffine[T](4, cs)
	w := make([]T, blk.Params())
	for i := range w {
		w[i] = T(rnd.NormFloat64() * 0.1)
	}
	l := NewLayer(blk, 256, randomTiles(rnd, 256, 4, 64))
	in := normal[T](rnd, l.StateLen(512))
	out, dw := make([]T, len(in)), make([]T, len(w))
	flops := float64(64 * 512 * 10 * 2 * 240 * 2)
	b.Run("run", func(b *testing.B) {
		for b.Loop() {
			l.Run(out, in, w, 512, false)
		}
		b.ReportMetric(flops*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
	})
	b.Run("grad", func(b *testing.B) {
		for b.Loop() {
			l.Grad(out, dw, in, w, in, 512, false)
		}
		b.ReportMetric(3*flops*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
	})
}
