package kernel

import (
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
)

// fewKept returns a block whose couplings keep one or two columns.
func fewKept[T Float](rnd *rand.Rand, dim, couplings int, hidden []int) (*Couplings[T], []T) {
	cs := make([]Coupling, couplings)
	for k := range cs {
		p := rnd.Perm(dim)
		nk := 1 + rnd.IntN(min(2, dim-1))
		cs[k] = Coupling{Keep: p[:nk], Move: p[nk:], S: NewNet(nk, hidden, dim-nk), T: NewNet(nk, hidden, dim-nk)}
	}
	b := NewAffine[T](dim, cs)
	w := make([]T, b.Params())
	for i := range w {
		w[i] = T(rnd.NormFloat64() * 0.4)
	}
	return b, w
}

// The image is that of Run to the bit, and the gradient that of Grad to
// rounding, also if a pool's buffers hold what an earlier call left.
func TestJacobian(t *testing.T) {
	forEachVariant(t, func(t *testing.T) {
		forEachLayer(t, func(t *testing.T, c layerCase, inverse bool) {
			testJacobian[float64](t, c, inverse, 1e-12)
			testJacobian[float32](t, c, inverse, 1e-3)
		})
	})
}

func testJacobian[T Float](t *testing.T, c layerCase, inverse bool, tol float64) {
	rnd := rand.New(rand.NewPCG(20, 1))
	b, w := fewKept[T](rnd, c.dim, c.couplings, c.hidden)
	l := NewLayer(b, c.n, randomTiles(rnd, c.n, c.dim, c.tiles))
	in := normal[T](rnd, l.StateLen(c.rows))
	dout := normal[T](rnd, len(in))
	out, want := make([]T, len(in)), make([]T, len(in))
	din, dwant := make([]T, len(in)), make([]T, len(in))
	jac := normal[T](rnd, l.JacobianLen(c.rows))
	if len(jac) == 0 {
		t.Fatal("no Jacobian for two kept columns")
	}
	l.Run(want, in, w, c.rows, inverse)
	l.Grad(dwant, nil, in, w, dout, c.rows, inverse)
	for range 2 {
		l.RunJacobian(out, jac, in, w, c.rows, inverse)
		l.GradJacobian(din, jac, dout, c.rows)
		if !slices.Equal(out, want) {
			t.Error("image differs from that of Run")
		}
		for i, v := range dwant {
			if !(math.Abs(float64(din[i]-v)) <= tol*(1+math.Abs(float64(v)))) {
				t.Fatalf("%T: gradient %d is %g, want %g", v, i, din[i], v)
			}
		}
	}
}

// Tiles that share their context add to its gradient: the same in one pass with
// a Jacobian and in the other, on one row and in a batch, to the bit for any
// number of processors, and as central differences say.
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
	w := make([]T, b.Params())
	for i := range w {
		w[i] = T(rnd.NormFloat64() * 0.4)
	}
	// Every tile reads two of sites 0 … 2, one of them the same twice.
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
			last := (rows - 1) * 10
			one := append(slices.Clone(in[last:last+10]), in[n-1])
			dOne := append(slices.Clone(dout[last:last+10]), dout[n-1])
			l.Grad(one, nil, slices.Clone(one), w, dOne, 1, inverse)
			if !slices.Equal(one[:10], din[last:last+10]) {
				t.Errorf("the last of %d rows has another gradient alone", rows)
			}
		}
		if tol > 1e-6 { // differences want double precision
			continue
		}
		cost := func() (sum float64) {
			out := make([]T, n)
			l.Run(out, in, w, rows, inverse)
			for i, v := range out {
				sum += float64(v * dout[i])
			}
			return sum
		}
		din := first[n : 2*n]
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
}

// The gradient of a random linear function of the image against central
// differences.
func TestJacobianDifferences(t *testing.T) {
	forEachVariant(t, func(t *testing.T) {
		forEachLayer(t, func(t *testing.T, c layerCase, inverse bool) {
			rnd := rand.New(rand.NewPCG(21, 1))
			b, w := fewKept[float64](rnd, c.dim, c.couplings, c.hidden)
			l := NewLayer(b, c.n, randomTiles(rnd, c.n, c.dim, c.tiles))
			in := normal[float64](rnd, l.StateLen(c.rows))
			dout, out, din := normal[float64](rnd, len(in)), make([]float64, len(in)), make([]float64, len(in))
			jac := make([]float64, l.JacobianLen(c.rows))
			l.RunJacobian(out, jac, in, w, c.rows, inverse)
			l.GradJacobian(din, jac, dout, c.rows)
			at := func(i int, v float64) (cost float64) {
				old := in[i]
				in[i] = v
				l.Run(out, in, w, c.rows, inverse)
				in[i] = old
				for k, d := range dout {
					cost += d * out[k]
				}
				return cost
			}
			const h = 1e-5
			for range 40 {
				i := rnd.IntN(len(in))
				want := (at(i, in[i]+h) - at(i, in[i]-h)) / (2 * h)
				if !(math.Abs(din[i]-want) <= 1e-6*(1+math.Abs(want))) {
					t.Errorf("input %d: gradient %g, want %g", i, din[i], want)
				}
			}
		})
	})
}

// Every row gives the same bits alone and in a batch, whatever its neighbours
// and the number of processors.
func TestJacobianReproducible(t *testing.T) {
	forEachVariant(t, func(t *testing.T) {
		for _, inverse := range []bool{false, true} {
			jacobianReproducible[float32](t, inverse)
			jacobianReproducible[float64](t, inverse)
		}
	})
}

func jacobianReproducible[T Float](t *testing.T, inverse bool) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	rnd := rand.New(rand.NewPCG(22, 1))
	const n, rows = 10, 300
	b, w := fewKept[T](rnd, 4, 3, []int{6, 33})
	l := NewLayer(b, n, randomTiles(rnd, n, 4, 2))
	in := normal[T](rnd, l.StateLen(rows))
	dout := normal[T](rnd, len(in))
	run := func(in, dout []T, rows int) []T {
		out, din, jac := make([]T, len(in)), make([]T, len(in)), make([]T, l.JacobianLen(rows))
		l.RunJacobian(out, jac, in, w, rows, inverse)
		l.GradJacobian(din, jac, dout, rows)
		return din
	}
	all := run(in, dout, rows)
	for _, procs := range []int{1, 2, 5} {
		runtime.GOMAXPROCS(procs)
		if !slices.Equal(run(in, dout, rows), all) {
			t.Errorf("%T: GOMAXPROCS=%d changes the gradient", in[0], procs)
		}
	}
	row := func(state []T, r int) []T {
		return append(slices.Clone(state[r*n:(r+1)*n]), state[rows*n+r])
	}
	for _, r := range []int{0, 63, 64, 299} {
		if !slices.Equal(run(row(in, r), row(dout, r), 1), row(all, r)) {
			t.Errorf("%T: row %d alone differs from the batch", in[0], r)
		}
	}
	for _, v := range []float64{math.NaN(), math.Inf(1), 1e38} {
		const bad = 17
		for j := range n {
			in[bad*n+j] = T(v)
		}
		for i, d := range run(in, dout, rows) {
			if i/n != bad && i != rows*n+bad && d != all[i] {
				t.Fatalf("%T: row %d changes with %g in row %d", d, i/n, v, bad)
			}
		}
	}
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

// Blocks for which the Jacobian does not pay go without.
func TestJacobianPays(t *testing.T) {
	net := func(in, out int) Net { return NewNet(in, []int{5}, out) }
	for _, c := range []struct {
		name string
		b    *Couplings[float64]
		want bool
	}{
		{"two kept", NewAffine[float64](4, []Coupling{{Keep: []int{0, 1}, Move: []int{2, 3}, S: net(2, 2), T: net(2, 2)}}), true},
		{"three kept", NewAffine[float64](4, []Coupling{{Keep: []int{0, 1, 2}, Move: []int{3}, S: net(3, 1), T: net(3, 1)}}), false},
		{"many moved", NewAffine[float64](9, []Coupling{{Keep: []int{0}, Move: []int{1, 2, 3, 4, 5, 6, 7, 8}, S: net(1, 8), T: net(1, 8)}}), false},
		{"spline", NewSpline[float64](2, nil, []Spline{{Keep: []int{0}, Move: []int{1}, R: net(1, 8), Bins: 3, Bound: 4}}), false},
	} {
		l := NewLayer(c.b, c.b.Dim(), [][]int{rand.Perm(c.b.Dim())})
		if got := l.JacobianLen(100) > 0; got != c.want {
			t.Errorf("%s: Jacobian %v, want %v", c.name, got, c.want)
		}
	}
}
