package bijector_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/floats"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/bijector/bijectortest"
)

// spline returns a block whose weights are normal deviates of size sigma.
func spline(t testing.TB, dim int, sigma float64, s bijector.SplineSettings) *bijector.Spline {
	t.Helper()
	s.Src = rand.NewPCG(7, uint64(dim))
	b, err := bijector.NewSpline(dim, &s)
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(3, 4))
	w := b.Params()[0].Value().Float64s()
	for i := range w {
		w[i] = sigma * rnd.NormFloat64()
	}
	return b
}

// Splines keep the promises of a bijector, fresh and with large weights, alone
// and on tiles.
func TestSplineConformance(t *testing.T) {
	fresh := must(bijector.NewSpline(4, &bijector.SplineSettings{Src: rand.NewPCG(1, 2)}))
	bijectortest.Check(t, fresh)
	for _, c := range []struct {
		dim   int
		sigma float64
		s     bijector.SplineSettings
	}{
		{2, 0.5, bijector.SplineSettings{Couplings: 1, Pure: true, Hidden: []int{5}}},
		{2, 0.5, bijector.SplineSettings{Couplings: 2, Bins: 2, Hidden: []int{5}}},
		{4, 0.3, bijector.SplineSettings{Couplings: 2, Hidden: []int{6, 5}}},
		{5, 0.3, bijector.SplineSettings{Bins: 5, Bound: 2.5, Hidden: []int{4}, Keep: [][]int{{4, 0}, {1, 2, 3}, {2}}}},
		{3, 0.7, bijector.SplineSettings{Couplings: 2, Pure: true, Hidden: []int{}, Bins: 3, Bound: 3}},
	} {
		t.Run(fmt.Sprintf("%+v", c.s), func(t *testing.T) {
			b := spline(t, c.dim, c.sigma, c.s)
			bijectortest.Check(t, b)
			bijectortest.Check(t, bijector.Invert(b))
		})
	}
	tiles := must(bijector.Tiles([]int{4, 4}, 2, 1, 1))
	b := spline(t, 4, 0.3, bijector.SplineSettings{Couplings: 2, Hidden: []int{6}})
	bijectortest.Check(t, must(must(bijector.Disentangler(b, tiles)).On(17)))
	given := spline(t, 4, 0.3, bijector.SplineSettings{Keep: [][]int{{0, 1}, {2, 0, 1}}, Hidden: []int{6}})
	bijectortest.Check(t, must(must(bijector.ConditionalDecimator(given,
		[][]int{{0, 5, 1, 2}, {5, 0, 3, 4}, {0, 0, 6, 7}}, 0, 1)).On(9)))
}

// bare returns a pure spline of one moved value. Its net has zero weights, and raw as biases:
// the spline does not depend on the kept value.
func bare(t testing.TB, bins int, bound float64, raw []float64) *bijector.Spline {
	t.Helper()
	b := must(bijector.NewSpline(2, &bijector.SplineSettings{Keep: [][]int{{0}}, Pure: true, Hidden: []int{},
		Bins: bins, Bound: bound, Src: rand.NewPCG(1, 1)}))
	r := b.Couplings()[0].R[0]
	r.W.Zero()
	for i, v := range raw {
		r.B.SetVec(i, v)
	}
	return b
}

// knots returns the ends of the bins of a bare spline, on both axes.
func knots(bins int, bound float64, raw []float64) (x, y []float64) {
	along := func(r []float64) []float64 {
		sum, top := 0.0, slices.Max(r)
		for _, v := range r {
			sum += math.Exp(v - top)
		}
		at := []float64{-bound}
		for _, v := range r {
			at = append(at, at[len(at)-1]+2*bound*(1e-3+(1-1e-3*float64(bins))*math.Exp(v-top)/sum))
		}
		return at
	}
	return along(raw[:bins]), along(raw[bins : 2*bins])
}

// At its knots a spline has the values of the definition and continuous slopes. Beyond its box
// it is the identity.
func TestSplineAtItsKnots(t *testing.T) {
	const bins, bound = 5, 3.0
	rnd := rand.New(rand.NewPCG(1, 9))
	raw := make([]float64, 3*bins-1)
	for i := range raw {
		raw[i] = 1.5 * rnd.NormFloat64()
	}
	b := bare(t, bins, bound, raw)
	xs, ys := knots(bins, bound, raw)
	for k := range xs {
		y, d := image(t, b, tensor.Float64, false, []float64{0.3, xs[k]})
		if !(math.Abs(y[1]-ys[k]) < 1e-12) {
			t.Errorf("knot %d: %.15g becomes %.15g, want %.15g", k, xs[k], y[1], ys[k])
		}
		slope := 0.0 // its logarithm
		if k > 0 && k < bins {
			c := math.Log(1e3)
			slope = c * math.Tanh(raw[2*bins+k-1]/c)
		}
		if !(math.Abs(d[0]-slope) < 1e-9) {
			t.Errorf("knot %d: ln of the slope is %.12g, want %.12g", k, d[0], slope)
		}
		// From both sides, too.
		const h = 1e-9
		_, before := image(t, b, tensor.Float64, false, []float64{0.3, xs[k] - h})
		_, after := image(t, b, tensor.Float64, false, []float64{0.3, xs[k] + h})
		if !(math.Abs(before[0]-slope) < 1e-3 && math.Abs(after[0]-slope) < 1e-3) {
			t.Errorf("knot %d: ln of the slope is %g before and %g after, want %g", k, before[0], after[0], slope)
		}
		z, e := image(t, b, tensor.Float64, true, []float64{0.3, ys[k]})
		if !(math.Abs(z[1]-xs[k]) < 1e-9 && math.Abs(e[0]+slope) < 1e-6) {
			t.Errorf("knot %d: inverse %.15g with %g, want %.15g with %g", k, z[1], e[0], xs[k], -slope)
		}
	}
	// Rises all the way, and the image of the log-determinant is the slope.
	last := math.Inf(-1)
	for v := -bound - 1; v < bound+1; v += 0.01 {
		y, d := image(t, b, tensor.Float64, false, []float64{0.3, v})
		if !(y[1] > last) {
			t.Fatalf("falls at %g", v)
		}
		last = y[1]
		const h = 1e-6
		up, _ := image(t, b, tensor.Float64, false, []float64{0.3, v + h})
		down, _ := image(t, b, tensor.Float64, false, []float64{0.3, v - h})
		if got := (up[1] - down[1]) / (2 * h); !(math.Abs(got/math.Exp(d[0])-1) < 1e-4) {
			t.Errorf("at %g: slope %g, by the log-determinant %g", v, got, math.Exp(d[0]))
		}
		z, e := image(t, b, tensor.Float64, true, y)
		if !(math.Abs(z[1]-v) < 1e-9 && math.Abs(e[0]+d[0]) < 1e-6) {
			t.Errorf("at %g: round trip to %g, log-determinants %g and %g", v, z[1], d[0], e[0])
		}
		if (v <= -bound || v >= bound) && (y[1] != v || d[0] != 0) {
			t.Errorf("outside, at %g: %g with %g", v, y[1], d[0])
		}
	}
}

// Exactly at its knots and at the ends of its box, a spline has the gradients of its
// neighbourhood. The gradients of the image are continuous there. The gradient of the
// log-determinant is that on one of the two sides.
func TestSplineGradientsAtItsKnots(t *testing.T) {
	const bins, bound, h = 5, 3.0, 1e-8
	rnd := rand.New(rand.NewPCG(1, 11))
	raw := normal(3*bins-1, 1, rnd)
	b := bare(t, bins, bound, raw)
	xs, ys := knots(bins, bound, raw)
	for _, inverse := range []bool{false, true} {
		at := xs
		if inverse {
			at = ys
		}
		for k, v := range at {
			slopes := func(v, image, logDet float64) []float64 {
				dx, dw := gradients(t, oneWay{b, tensor.Float64, inverse}, []float64{0.3, v},
					[]float64{0, image, logDet})
				return append(dx, dw[0]...)
			}
			what := fmt.Sprintf("%s at knot %d, ", direction(inverse), k)
			y, d := image(t, b, tensor.Float64, inverse, []float64{0.3, v})
			here, before, after := slopes(v, 1, 0), slopes(v-h, 1, 0), slopes(v+h, 1, 0)
			agree(t, what+"slope", here[1:2], []float64{math.Exp(d[0])}, 1e-9)
			agree(t, what+"from below", here, before, 1e-5)
			agree(t, what+"from above", here, after, 1e-5)

			here, before, after = slopes(v, 0, 1), slopes(v-h, 0, 1), slopes(v+h, 0, 1)
			beside := func(side []float64) bool {
				return !slices.ContainsFunc(here, math.IsNaN) && floats.Distance(here, side, math.Inf(1)) < 1e-4
			}
			if !beside(before) && !beside(after) {
				t.Errorf("%sgradient of the log-determinant %.6g is neither %.6g nor %.6g", what, here, before, after)
			}
			if floats.Distance(before, after, math.Inf(1)) < 1e-2 {
				t.Errorf("%sno kink: the test shows nothing", what)
			}

			// In float32 a knot may fall on either side.
			y32, d32 := image(t, b, tensor.Float32, inverse, []float64{0.3, v})
			agree(t, what+"image in float32", y32, y, 1e-5)
			agree(t, what+"log-determinant in float32", d32, d, 1e-3)
			dx, dw := gradients(t, oneWay{b, tensor.Float32, inverse}, []float64{0.3, v}, []float64{0, 1, 0})
			agree(t, what+"gradients in float32", append(dx, dw[0]...), slopes(v, 1, 0), 1e-3)
		}
	}
}

// A spline whose numbers are all zero is the identity.
func TestSplineOfZeros(t *testing.T) {
	b := bare(t, 8, 6, make([]float64, 23))
	for _, dt := range []tensor.Dtype{tensor.Float64, tensor.Float32} {
		for v := -7.0; v <= 7; v += 0.25 {
			for _, inverse := range []bool{false, true} {
				y, d := image(t, b, dt, inverse, []float64{1, v})
				if !(math.Abs(y[1]-v) < 1e-5 && math.Abs(d[0]) < 1e-5) {
					t.Errorf("%v, %g: %g with %g", dt, v, y[1], d[0])
				}
			}
		}
	}
}

// A spline and its gradients are finite for numbers and inputs of any size.
func TestSplineExtremes(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 10))
	for _, dt := range []tensor.Dtype{tensor.Float64, tensor.Float32} {
		for _, size := range []float64{1, 10, 50, 1000} {
			raw := make([]float64, 23)
			for i := range raw {
				raw[i] = size * rnd.NormFloat64()
			}
			b := bare(t, 8, 6, raw)
			xs, ys := knots(8, 6, raw)
			inputs := append(append([]float64{-1e30, -6.000001, -6, 0, 5.999999, 6, 6.1, 1e30, math.MaxFloat32,
				1e-300}, xs...), ys...)
			for _, v := range inputs {
				for _, inverse := range []bool{false, true} {
					y, d := image(t, b, dt, inverse, []float64{0.5, v})
					dx, dw := gradients(t, oneWay{b, dt, inverse}, []float64{0.5, v}, []float64{1, -2, 0.7})
					for _, n := range slices.Concat(y, d, dx, dw[0]) {
						if notFinite(n) {
							t.Fatalf("%v, numbers of size %g, %s at %g: image %g with %g, gradients %g and %g",
								dt, size, direction(inverse), v, y, d, dx, dw)
						}
					}
				}
			}
		}
	}
}

func TestSplineSettings(t *testing.T) {
	src := rand.NewPCG(1, 1)
	for name, c := range map[string]struct {
		dim  int
		s    *bijector.SplineSettings
		want error
	}{
		"nil":            {4, nil, bijector.ErrSettings},
		"no source":      {4, &bijector.SplineSettings{}, bijector.ErrSettings},
		"one value":      {1, &bijector.SplineSettings{Src: src}, bijector.ErrShape},
		"one bin":        {4, &bijector.SplineSettings{Bins: 1, Src: src}, bijector.ErrSettings},
		"negative bins":  {4, &bijector.SplineSettings{Bins: -8, Src: src}, bijector.ErrSettings},
		"too many bins":  {4, &bijector.SplineSettings{Bins: 257, Src: src}, bijector.ErrSettings},
		"negative bound": {4, &bijector.SplineSettings{Bound: -1, Src: src}, bijector.ErrSettings},
		"infinite bound": {4, &bijector.SplineSettings{Bound: math.Inf(1), Src: src}, bijector.ErrSettings},
		"bound NaN":      {4, &bijector.SplineSettings{Bound: math.NaN(), Src: src}, bijector.ErrSettings},
		"hidden":         {4, &bijector.SplineSettings{Hidden: []int{0}, Src: src}, bijector.ErrSettings},
		"couplings":      {4, &bijector.SplineSettings{Couplings: -1, Src: src}, bijector.ErrSettings},
		"two kinds of both": {4, &bijector.SplineSettings{Couplings: 2, Keep: [][]int{{0}}, Src: src},
			bijector.ErrSettings},
		"keep": {4, &bijector.SplineSettings{Keep: [][]int{{0, 0}}, Src: src}, bijector.ErrPartition},
	} {
		if _, err := bijector.NewSpline(c.dim, c.s); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	b := must(bijector.NewSpline(4, &bijector.SplineSettings{Src: src}))
	s := b.Settings()
	if s.Couplings != 4 || s.Bins != 8 || s.Bound != 6 || len(s.Keep) != 4 || len(s.Hidden) != 3 {
		t.Errorf("%+v", s)
	}
	s.Src = src
	n, again := b.Params()[0].Value().DataSize(), must(bijector.NewSpline(4, &s))
	if m := again.Params()[0].Value().DataSize(); m != n {
		t.Errorf("made of its settings it has %d parameters instead of %d", m, n)
	}
	if n < 4500 || n > 5500 {
		t.Errorf("%d parameters, about as many as the 5460 of a RealNVP wanted", n)
	}
}

// A single spline makes two modes of one.
func ExampleNewSpline() {
	b := must(bijector.NewSpline(4, &bijector.SplineSettings{Bins: 8, Src: rand.NewPCG(1, 2)}))
	c := b.Couplings()[0]
	fmt.Println(len(b.Couplings()), "couplings, the first keeps", c.Keep, "and moves", c.Move)
	out, _ := c.R[len(c.R)-1].W.Dims()
	fmt.Println(out/len(c.Move), "numbers for each spline")
	// Output:
	// 4 couplings, the first keeps [2 3] and moves [0 1]
	// 23 numbers for each spline
}
