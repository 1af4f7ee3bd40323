package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
)

// pushCase is a transform, and the context of its tiles of four sites.
type pushCase[T Float] struct {
	name    string
	tr      Transform[T]
	context []int
}

// layer returns the transform on two tiles of nine sites. Tiles with a context share sites, and the
// second one has one twice.
func (c pushCase[T]) layer() *Layer[T] {
	switch len(c.context) {
	case 0:
		return NewLayer(c.tr, 9, [][]int{{4, 0, 5, 7}, {8, 2, 3, 1}})
	case 2:
		return NewLayer(c.tr, 9, [][]int{{4, 0, 5, 7}, {8, 7, 3, 7}}, c.context...)
	}
	return NewLayer(c.tr, 9, [][]int{{4, 0, 5, 7}, {8, 5, 8, 3}}, c.context...)
}

func pushCases[T Float](rnd *rand.Rand) []pushCase[T] {
	net := func(in, out int) Net { return NewNet(in, []int{5, 4}, out) }
	keep, move := []int{3, 1}, []int{0, 2}
	affine := []Coupling{
		{Keep: keep, Move: move, S: net(2, 2), T: net(2, 2)}, {Keep: move, Move: keep, S: net(2, 2), T: net(2, 2)},
	}
	splines := func(smooth bool) []Spline {
		c := make([]Spline, 2)
		for k := range c {
			c[k] = Spline{Keep: affine[k].Keep, Move: affine[k].Move, Bins: 6, Bound: 3, Smooth: smooth}
			c[k].R = net(2, c[k].Outputs())
		}
		return c
	}
	angles := []Circular{{Keep: keep, Move: move, Bins: 5}, {Keep: move, Move: keep, Bins: 5, Relative: true}}
	for k := range angles {
		angles[k].R = net(angles[k].Inputs(), angles[k].Outputs())
	}
	mixed, _ := randomAffine[T](rnd, 4, 5, []int{7})
	return []pushCase[T]{
		{"affine", mixed, nil},
		{"rational", NewSpline[T](4, nil, splines(false)), nil},
		{"smooth", NewSpline[T](4, affine, splines(true)), nil},
		{"circular", NewCircular[T](4, angles), nil},
		{"actnorm", NewActNorm[T](4), nil},
		{"linear", NewLU[T]([]int{2, 0, 1, 3}, []bool{false, true, false, false}), nil},
		{"rotations", NewRotations[T](4, true), nil},
		{"quartic with context", NewQuartic[T](NewQuarticTable(-1), 1.7, .2, []float64{.5, -.8, .3}), []int{0, 1, 2}},
		{"affine with context", NewAffine[T](4, []Coupling{affine[0], affine[0]}), keep},
		{"smooth with context", NewSpline[T](4, affine[:1], splines(true)[:1]), keep},
	}
}

// Push does what Run and Grad of the opposite map at the image do, for all numbers of rows and
// processors.
func TestPush(t *testing.T) {
	forEachVariant(t, func(t *testing.T) {
		t.Run("float64", func(t *testing.T) { testPush[float64](t, 1e-9) })
		t.Run("float32", func(t *testing.T) { testPush[float32](t, 3e-3) })
	})
}

func testPush[T Float](t *testing.T, tol float64) {
	rnd := rand.New(rand.NewPCG(31, 1))
	for _, c := range pushCases[T](rnd) {
		l := c.layer()
		w := weights(rnd, c.tr)
		for _, rows := range []int{1, Lanes - 1, 2*Lanes + 3} {
			for _, inverse := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/rows=%d/inverse=%v", c.name, rows, inverse), func(t *testing.T) {
					pushes(t, &pushed[T]{l, w, rows, inverse, tol}, rnd)
				})
			}
		}
	}
}

type pushed[T Float] struct {
	l       *Layer[T]
	w       []T
	rows    int
	inverse bool
	tol     float64
}

func pushes[T Float](t *testing.T, c *pushed[T], rnd *rand.Rand) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	in, g := normal[T](rnd, c.l.StateLen(c.rows)), normal[T](rnd, c.l.StateLen(c.rows))
	want, wantG := make([]T, len(in)), make([]T, len(in))
	c.l.Run(want, in, c.w, c.rows, c.inverse)
	c.l.Grad(wantG, nil, want, c.w, g, c.rows, !c.inverse)
	for _, procs := range []int{1, 3} {
		runtime.GOMAXPROCS(procs)
		for range 2 {
			out, outG := make([]T, len(in)), make([]T, len(in))
			c.l.Push(out, outG, in, g, c.w, c.rows, c.inverse)
			if !slices.Equal(out, want) {
				t.Fatal("another image than that of Run")
			}
			for i, v := range wantG {
				if !(math.Abs(float64(outG[i]-v)) <= c.tol*(1+math.Abs(float64(v)))) {
					t.Fatalf("gradient %d is %g, want %g", i, outG[i], v)
				}
			}
		}
	}
}

// Gradients from the image are those of Grad. With large weights the image does not lead back to
// the argument in some rows; they are the same there, too. A row has the same gradient alone.
func TestGradFromImage(t *testing.T) {
	forEachVariant(t, func(t *testing.T) {
		t.Run("float64", func(t *testing.T) { testGradFromImage[float64](t, 1e-9) })
		t.Run("float32", func(t *testing.T) { testGradFromImage[float32](t, 3e-3) })
	})
}

func testGradFromImage[T Float](t *testing.T, tol float64) {
	rnd := rand.New(rand.NewPCG(32, 1))
	const rows, n = 2*Lanes + 3, 9
	for _, c := range pushCases[T](rnd) {
		l := c.layer()
		if l.FromImage(false) != (c.name == "circular") || l.FromImage(true) != slices.Contains([]string{"rational",
			"smooth", "smooth with context"}, c.name) {
			t.Errorf("%s: from the image: %v, inverse %v", c.name, l.FromImage(false), l.FromImage(true))
		}
		inverse := l.FromImage(true)
		if !inverse && !l.FromImage(false) {
			continue
		}
		for _, strain := range []T{1, 4} {
			w := weights(rnd, c.tr)
			for i := range w {
				w[i] *= strain
			}
			in, dout := normal[T](rnd, l.StateLen(rows)), normal[T](rnd, l.StateLen(rows))
			image, want, got := make([]T, len(in)), make([]T, len(in)), make([]T, len(in))
			l.Run(image, in, w, rows, inverse)
			l.Grad(want, nil, in, w, dout, rows, inverse)
			l.GradFromImage(got, in, image, w, dout, rows, inverse)
			far := 0
			for i, v := range want {
				if !(math.Abs(float64(got[i]-v)) <= tol*(1+math.Abs(float64(v)))) {
					far++
				}
			}
			if far > 0 {
				t.Errorf("%s, weights ×%g: %d of %d components differ", c.name, strain, far, len(want))
			}
			one, dOne := rowOf(in, rows-1, rows, n), rowOf(dout, rows-1, rows, n)
			oneImage, oneGot := make([]T, n+1), make([]T, n+1)
			l.Run(oneImage, one, w, 1, inverse)
			if l.GradFromImage(oneGot, one, oneImage, w, dOne, 1, inverse); !slices.Equal(oneGot[:n],
				rowOf(got, rows-1, rows, n)[:n]) {
				t.Errorf("%s, weights ×%g: the last row has another gradient alone", c.name, strain)
			}
		}
	}
}
