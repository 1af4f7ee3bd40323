package kernel

import (
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
)

// RunJacobian gives the image of Run to the bit, and GradJacobian the gradient of
// Grad to rounding. So does a second call, whose buffers are not zero.
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

// The gradient of a random linear function of the image agrees with central
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
			costAt := func(i int, v float64) (cost float64) {
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
				want := (costAt(i, in[i]+h) - costAt(i, in[i]-h)) / (2 * h)
				if !(math.Abs(din[i]-want) <= 1e-6*(1+math.Abs(want))) {
					t.Errorf("input %d: gradient %g, want %g", i, din[i], want)
				}
			}
		})
	})
}

// The gradient of a row is the same to the bit alone and in a batch, for any
// values of its neighbours and any number of processors.
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
	for _, r := range []int{0, 63, 64, 299} {
		if !slices.Equal(run(rowOf(in, r, rows, n), rowOf(dout, r, rows, n), 1), rowOf(all, r, rows, n)) {
			t.Errorf("%T: row %d alone differs from the batch", in[0], r)
		}
	}
	for _, v := range []float64{math.NaN(), math.Inf(1), 1e38} {
		const bad = 17
		for i := range rows * n {
			if row, _ := rowAt(i, rows, n); row == bad {
				in[i] = T(v)
			}
		}
		for i, d := range run(in, dout, rows) {
			if row, _ := rowAt(i, rows, n); row != bad && d != all[i] {
				t.Fatalf("%T: row %d changes with %g in row %d", d, row, v, bad)
			}
		}
	}
}

// Blocks for which a Jacobian does not pay have none.
func TestJacobianPays(t *testing.T) {
	net := func(in, out int) Net { return NewNet(in, []int{5}, out) }
	block := func(keep, move []int) *Couplings[float64] {
		n := net(len(keep), len(move))
		return NewAffine[float64](len(keep)+len(move), []Coupling{{Keep: keep, Move: move, S: n, T: n}})
	}
	splines := []Spline{{Keep: []int{0}, Move: []int{1}, R: net(1, 8), Bins: 3, Bound: 4}}
	for _, c := range []struct {
		name string
		b    *Couplings[float64]
		want bool
	}{
		{"two kept", block([]int{0, 1}, []int{2, 3}), true},
		{"three kept", block([]int{0, 1, 2}, []int{3}), false},
		{"many moved", block([]int{0}, []int{1, 2, 3, 4, 5, 6, 7, 8}), false},
		{"spline", NewSpline[float64](2, nil, splines), false},
	} {
		l := NewLayer(c.b, c.b.Dim(), [][]int{rand.Perm(c.b.Dim())})
		if got := l.JacobianLen(100) > 0; got != c.want {
			t.Errorf("%s: Jacobian %v, want %v", c.name, got, c.want)
		}
	}
}
