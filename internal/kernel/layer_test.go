package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
)

// layerCase is a layer and a number of rows. The cases have fewer rows than Lanes,
// as many, and more.
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
		t.Error("the map is nearly the identity: the test says nothing")
	}
}

// The gradient of a random linear function of the output state agrees with central
// differences, for random parameters and inputs.
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

// The image of a row is the same to the bit alone and in a batch. All results are
// the same to the bit for any number of processors.
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
			got := make([]T, 11)
			l.Run(got, rowOf(in, r, rows, 10), w, 1, false)
			if !slices.Equal(got, rowOf(out, r, rows, 10)) {
				t.Errorf("row %d alone differs from the batch", r)
			}
		}
	}
}

// A row of NaN or of infinities does not change the other rows.
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
		for i := range rows * 5 {
			if row, _ := rowAt(i, rows, 5); row == bad {
				in[i] = T(v)
			}
		}
		out2, din2 := run()
		for i := range out {
			row, _ := rowAt(i, rows, 5)
			if row != bad && (out[i] != out2[i] || din[i] != din2[i]) {
				t.Fatalf("row %d changes with %g in row %d", row, v, bad)
			}
			if row == bad && math.IsNaN(v) && !math.IsNaN(float64(out2[i])) {
				t.Errorf("NaN in, %g out", out2[i])
			}
		}
	}
}

// Layers with wide nets agree with plain Go in images and gradients, on one row
// and on more rows than a tile has, with Jacobians and without.
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
		out, din, dw := make([]T, len(in)), make([]T, len(in)), make([]T, len(w))
		jac, pulled := make([]T, l.JacobianLen(rows)), make([]T, len(in))
		l.Run(out, in, w, rows, inverse)
		l.Grad(din, dw, in, w, dout, rows, inverse)
		l.RunJacobian(make([]T, len(in)), jac, in, w, rows, inverse)
		l.GradJacobian(pulled, jac, dout, rows)
		return [][]T{out, din, dw, pulled}
	}
	want := results("plain")
	for _, variant := range Variants() {
		for k, got := range results(variant) {
			size := 1.0
			for _, v := range want[k] {
				size = max(size, math.Abs(float64(v)))
			}
			if d := maxDiff(got, want[k]); !(d <= tol*size) {
				t.Errorf("%s, %T, hidden %v, %d rows, inverse %v: %s off by %g of %g",
					variant, in[0], hidden, rows, inverse,
					[]string{"image", "input gradient", "parameter gradient", "gradient by Jacobians"}[k], d, size)
			}
		}
	}
}

// Tiles that share their context add to its gradient. The gradient is the same
// with a Jacobian and without, on one row and in a batch. It is the same to the bit
// for any number of processors, and agrees with central differences.
func TestContext(t *testing.T) {
	forEachVariant(t, func(t *testing.T) {
		for _, inverse := range []bool{false, true} {
			testContext[float64](t, inverse, 1e-12)
			testContext[float32](t, inverse, 1e-3)
		}
	})
}

func testContext[T Float](t *testing.T, inverse bool, tol float64) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	rnd := rand.New(rand.NewPCG(22, 1))
	net := func(out int) Net { return NewNet(2, []int{5}, out) }
	b := NewAffine[T](4, []Coupling{
		{Keep: []int{3, 1}, Move: []int{0, 2}, S: net(2), T: net(2)},
		{Keep: []int{1, 3}, Move: []int{2, 0}, S: net(2), T: net(2)},
	})
	w := weights[T](rnd, b)
	// Every tile reads two of sites 0 … 2; the last one reads site 2 twice.
	l := NewLayer(b, 10, [][]int{{3, 0, 4, 1}, {5, 1, 6, 2}, {7, 2, 8, 2}}, 1, 3)
	for _, rows := range []int{1, Lanes - 1, 3*Lanes + 2, 300} {
		in := normal[T](rnd, l.StateLen(rows))
		dout := normal[T](rnd, len(in))
		n := len(in)
		jac := make([]T, l.JacobianLen(rows))
		var first []T
		for _, procs := range []int{1, 2, 5} {
			runtime.GOMAXPROCS(procs)
			out, din, dw, pulled := make([]T, n), make([]T, n), make([]T, len(w)), make([]T, n)
			l.RunJacobian(out, jac, in, w, rows, inverse)
			l.Grad(din, dw, in, w, dout, rows, inverse)
			l.GradJacobian(pulled, jac, dout, rows)
			for i, v := range din {
				if !(math.Abs(float64(pulled[i]-v)) <= tol*(1+math.Abs(float64(v)))) {
					t.Fatalf("%d rows: gradient %d is %g by the Jacobian, %g without", rows, i, pulled[i], v)
				}
			}
			if all := slices.Concat(out, din, dw, pulled); first == nil {
				first = all
			} else if !slices.Equal(all, first) {
				t.Errorf("%d rows: GOMAXPROCS=%d changes the result", rows, procs)
			}
			one, dOne := rowOf(in, rows-1, rows, 10), rowOf(dout, rows-1, rows, 10)
			l.Grad(one, nil, slices.Clone(one), w, dOne, 1, inverse)
			if !slices.Equal(one[:10], rowOf(din, rows-1, rows, 10)[:10]) {
				t.Errorf("the last of %d rows has another gradient alone", rows)
			}
		}
		if tol < 1e-6 { // differences want double precision
			contextDifferences(t, l, in, w, dout, first[n:2*n], inverse)
		}
	}
}

// contextDifferences checks the gradient din of one row in the middle of a batch
// of rows of ten sites against central differences.
func contextDifferences[T Float](t *testing.T, l *Layer[T], in, w, dout, din []T, inverse bool) {
	rows := len(in) / 11
	cost := func() (sum float64) {
		out := make([]T, len(in))
		l.Run(out, in, w, rows, inverse)
		for i, v := range out {
			sum += float64(v * dout[i])
		}
		return sum
	}
	for site := range 10 {
		const h = 1e-5
		i := (rows/2)*10 + site
		v := in[i]
		in[i] = v + h
		up := cost()
		in[i] = v - h
		want := (up - cost()) / (2 * h)
		in[i] = v
		if math.Abs(float64(din[i])-want) > 1e-6*(1+math.Abs(want)) {
			t.Errorf("%d rows: gradient of site %d is %g, want %g", rows, site, din[i], want)
		}
	}
}
