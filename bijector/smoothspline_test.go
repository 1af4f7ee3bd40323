package bijector_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/bijector/bijectortest"
)

// smoothSpline returns a block whose weights are normal deviates of size sigma.
func smoothSpline(t testing.TB, dim int, sigma float64, s bijector.SplineSettings) *bijector.Spline {
	t.Helper()
	s.Src = rand.NewPCG(7, uint64(dim))
	b := must(bijector.NewSmoothSpline(dim, &s))
	rnd := rand.New(rand.NewPCG(3, 4))
	w := b.Params()[0].Value().Float64s()
	for i := range w {
		w[i] = sigma * rnd.NormFloat64()
	}
	return b
}

// Smooth splines obey the laws of a bijector, with initial and with large weights, alone, on
// tiles, and given a context.
func TestSmoothSplineConformance(t *testing.T) {
	bijectortest.Check(t, must(bijector.NewSmoothSpline(4, &bijector.SplineSettings{Src: rand.NewPCG(1, 2)})))
	for _, c := range []struct {
		dim   int
		sigma float64
		s     bijector.SplineSettings
	}{
		{2, 0.5, bijector.SplineSettings{Couplings: 1, Pure: true, Hidden: []int{5}}},
		{2, 0.5, bijector.SplineSettings{Couplings: 2, Bins: 4, Hidden: []int{5}}},
		{4, 0.3, bijector.SplineSettings{Couplings: 2, Hidden: []int{6, 5}}},
		{5, 0.3, bijector.SplineSettings{Bins: 5, Bound: 2.5, Hidden: []int{4}, Keep: [][]int{{4, 0}, {1, 2, 3}, {2}}}},
		{3, 0.7, bijector.SplineSettings{Couplings: 2, Pure: true, Hidden: []int{}, Bins: 9, Bound: 3}},
	} {
		t.Run(fmt.Sprintf("%+v", c.s), func(t *testing.T) {
			b := smoothSpline(t, c.dim, c.sigma, c.s)
			bijectortest.Check(t, b)
			bijectortest.Check(t, bijector.Invert(b))
		})
	}
	tiles := must(bijector.Tiles([]int{4, 4}, 2, 1, 1))
	b := smoothSpline(t, 4, 0.3, bijector.SplineSettings{Couplings: 2, Hidden: []int{6}})
	bijectortest.Check(t, must(must(bijector.Disentangler(b, tiles)).On(17)))
	given := smoothSpline(t, 4, 0.3, bijector.SplineSettings{Keep: [][]int{{0, 1}, {2, 0, 1}}, Hidden: []int{6}})
	bijectortest.Check(t, must(must(bijector.ConditionalDecimator(given,
		[][]int{{0, 5, 1, 2}, {5, 0, 3, 4}, {0, 0, 6, 7}}, 0, 1)).On(9)))
}

// bareSmooth returns a pure smooth spline of one moved value. Its net has zero weights,
// and raw as biases: the spline does not depend on the kept value.
func bareSmooth(bins int, bound float64, raw []float64) *bijector.Spline {
	b := must(bijector.NewSmoothSpline(2, &bijector.SplineSettings{Keep: [][]int{{0}}, Pure: true, Hidden: []int{},
		Bins: bins, Bound: bound, Src: rand.NewPCG(1, 1)}))
	r := b.Couplings()[0].R[0]
	r.W.Zero()
	for i, v := range raw {
		r.B.SetVec(i, v)
	}
	return b
}

// smoothWeights are the weights of all B-splines of a bare smooth spline.
func smoothWeights(raw []float64) []float64 {
	c, sum, top := []float64{1, 1}, 0.0, slices.Max(raw)
	for _, v := range raw {
		sum += math.Exp(v - top)
	}
	for _, v := range raw {
		c = append(c, 1e-3+float64(len(raw))*(1-1e-3)*math.Exp(v-top)/sum)
	}
	return append(c, 1, 1)
}

// smoothAt is the definition of a smooth spline: its value by Simpson's rule, which is
// exact for quadratics, its slope and the derivative of its slope.
func smoothAt(bins int, bound float64, c []float64, x float64) (value, slope, bend float64) {
	if !(x > -bound && x < bound) {
		return x, 1, 0
	}
	h := 2 * bound / float64(bins)
	at := func(j int, u float64) (slope, bend float64) {
		r := 1 - u
		return c[j]*r*r/2 + c[j+1]*(0.5+u*r) + c[j+2]*u*u/2, ((c[j+1]-c[j])*r + (c[j+2]-c[j+1])*u) / h
	}
	area := func(j int, u float64) float64 {
		low, _ := at(j, 0)
		middle, _ := at(j, u/2)
		high, _ := at(j, u)
		return h * u * (low + 4*middle + high) / 6
	}
	place := (x + bound) / h
	j := min(int(place), bins-1)
	value = -bound
	for k := range j {
		value += area(k, 1)
	}
	slope, bend = at(j, place-float64(j))
	return value + area(j, place-float64(j)), slope, bend
}

// A smooth spline has the values and slopes of its definition, at its knots too, and rises
// everywhere. Its inverse goes back, and outside of its interval it is the identity.
func TestSmoothSplineIsItsDefinition(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 9))
	for _, c := range []struct {
		bins        int
		bound, size float64
	}{{4, 2, 1}, {5, 3, 1.5}, {16, 6, 1}, {16, 6, 30}, {12, 5, 0}} {
		raw := normal(c.bins-2, c.size, rnd)
		if c.size == 30 {
			for i := range raw {
				raw[i] = 30 * float64(1-2*(i/3%2))
			}
		}
		b, weights := bareSmooth(c.bins, c.bound, raw), smoothWeights(raw)
		var xs []float64
		for k := range c.bins + 1 {
			knot := c.bound * (2*float64(k)/float64(c.bins) - 1)
			xs = append(xs, knot, math.Nextafter(knot, -99), math.Nextafter(knot, 99))
		}
		for range 200 {
			xs = append(xs, c.bound*1.2*(2*rnd.Float64()-1))
		}
		slices.Sort(xs)
		last, lastX := math.Inf(-1), math.Inf(-1)
		for _, x := range xs {
			want, slope, _ := smoothAt(c.bins, c.bound, weights, x)
			y, d := image(t, b, tensor.Float64, false, []float64{0.3, x})
			if !(math.Abs(y[1]-want) < 1e-13*c.bound*5 && math.Abs(d[0]-math.Log(slope)) < 1e-10) {
				t.Fatalf("%+v at %.17g: %.17g with %.12g, want %.17g with %.12g",
					c, x, y[1], d[0], want, math.Log(slope))
			}
			if x-lastX > 1e-10*c.bound && !(y[1] > last) {
				t.Fatalf("%+v falls at %g", c, x)
			}
			last, lastX = y[1], x
			if math.Abs(x) >= c.bound && (y[1] != x || d[0] != 0) {
				t.Fatalf("%+v, outside, at %g: %g with %g", c, x, y[1], d[0])
			}
			z, e := image(t, b, tensor.Float64, true, y)
			if !(math.Abs(z[1]-x)*slope < 1e-14*c.bound*(1+slope)*5 && math.Abs(e[0]+d[0]) < 1e-8) {
				t.Fatalf("%+v at %.17g: round trip to %.17g, log-determinants %g and %g", c, x, z[1], d[0], e[0])
			}
		}
	}
}

// The second derivative is continuous at all knots and at both ends of the interval:
// differences of the slope on both sides agree to the order of their length. So do the
// derivatives of the log-determinant that the gradients give, in both directions.
func TestSmoothSplineIsTwiceContinuous(t *testing.T) {
	const bins, bound, h = 8, 3.0, 1e-5
	raw := normal(bins-2, 1, rand.New(rand.NewPCG(1, 11)))
	b, weights := bareSmooth(bins, bound, raw), smoothWeights(raw)
	for k := range bins + 1 {
		knot := bound * (2*float64(k)/bins - 1)
		logSlope := func(x float64) float64 {
			_, d := image(t, b, tensor.Float64, false, []float64{0.3, x})
			return d[0]
		}
		before, after := (logSlope(knot)-logSlope(knot-h))/h, (logSlope(knot+h)-logSlope(knot))/h
		if !(math.Abs(before-after) < 100*h) {
			t.Errorf("knot %d: derivative of ln of the slope is %g before and %g after", k, before, after)
		}
		image, slope, bend := smoothAt(bins, bound, weights, knot)
		for _, inverse := range []bool{false, true} {
			at, want := knot, bend/slope
			if inverse {
				at, want = image, -bend/(slope*slope)
			}
			for _, x := range []float64{at - 1e-9, at, at + 1e-9} {
				dx, _ := gradients(t, oneWay{b, tensor.Float64, inverse}, []float64{0.3, x}, []float64{0, 0, 1})
				if !(math.Abs(dx[1]-want) < 1e-6) {
					t.Errorf("%s at knot %d%+.0e: gradient of the log-determinant %g, want %g",
						direction(inverse), k, x-at, dx[1], want)
				}
			}
		}
	}
	if _, _, bend := smoothAt(bins, bound, weights, 0.75); math.Abs(bend) < 0.1 {
		t.Error("no bend: the test shows nothing")
	}
}

// A smooth spline whose numbers are equal is the identity; NaN stays NaN.
func TestSmoothSplineOfZeros(t *testing.T) {
	b := bareSmooth(16, 6, make([]float64, 14))
	for _, dt := range []tensor.Dtype{tensor.Float64, tensor.Float32} {
		for _, inverse := range []bool{false, true} {
			for v := -7.0; v <= 7; v += 0.25 {
				y, d := image(t, b, dt, inverse, []float64{1, v})
				if !(math.Abs(y[1]-v) < 3e-6 && math.Abs(d[0]) < 1e-6) {
					t.Errorf("%v, %g: %g with %g", dt, v, y[1], d[0])
				}
			}
			if y, _ := image(t, b, dt, inverse, []float64{1, math.NaN()}); !math.IsNaN(y[1]) {
				t.Errorf("%v: NaN becomes %g", dt, y[1])
			}
		}
	}
}

// A smooth spline and its gradients are finite for numbers and inputs of any size.
func TestSmoothSplineExtremes(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 10))
	for _, dt := range []tensor.Dtype{tensor.Float64, tensor.Float32} {
		for _, size := range []float64{1, 30, 1000} {
			b := bareSmooth(16, 6, normal(14, size, rnd))
			inputs := []float64{-1e30, -6.000001, -6, 0, 0.75, 5.25, 5.999999, 6, 6.1, 1e30, math.MaxFloat32, 1e-300}
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

func TestSmoothSplineSettings(t *testing.T) {
	src := rand.NewPCG(1, 1)
	for name, c := range map[string]struct {
		dim  int
		s    *bijector.SplineSettings
		want error
	}{
		"nil":            {4, nil, bijector.ErrSettings},
		"one value":      {1, &bijector.SplineSettings{Src: src}, bijector.ErrShape},
		"three bins":     {4, &bijector.SplineSettings{Bins: 3, Src: src}, bijector.ErrSettings},
		"too many bins":  {4, &bijector.SplineSettings{Bins: 257, Src: src}, bijector.ErrSettings},
		"negative bound": {4, &bijector.SplineSettings{Bound: -1, Src: src}, bijector.ErrSettings},
		"keep":           {4, &bijector.SplineSettings{Keep: [][]int{{0, 0}}, Src: src}, bijector.ErrPartition},
	} {
		if _, err := bijector.NewSmoothSpline(c.dim, c.s); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	b := must(bijector.NewSmoothSpline(4, &bijector.SplineSettings{Src: src}))
	s := b.Settings()
	if s.Couplings != 4 || s.Bins != 16 || s.Bound != 6 || len(s.Keep) != 4 || len(s.Hidden) != 3 {
		t.Errorf("%+v", s)
	}
	again := must(bijector.Copy(b)).(*bijector.Spline)
	if got := again.Describe().Kind; got != "smoothspline" {
		t.Errorf("the copy is of the kind %q", got)
	}
	if got, want := again.Settings(), b.Settings(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the copy has %+v, want %+v", got, want)
	}
	if !slices.Equal(again.Params()[0].Value().Float64s(), b.Params()[0].Value().Float64s()) {
		t.Error("the copy has other parameters")
	}
}

// A smooth spline block has a net for every coupling, with Bins − 2 outputs for every
// moved value.
func ExampleNewSmoothSpline() {
	b := must(bijector.NewSmoothSpline(4, &bijector.SplineSettings{Src: rand.NewPCG(1, 2)}))
	c := b.Couplings()[0]
	fmt.Println(len(b.Couplings()), "couplings, the first keeps", c.Keep, "and moves", c.Move)
	out, _ := c.R[len(c.R)-1].W.Dims()
	fmt.Println(out/len(c.Move), "numbers for each spline")
	// Output:
	// 4 couplings, the first keeps [2 3] and moves [0 1]
	// 14 numbers for each spline
}
