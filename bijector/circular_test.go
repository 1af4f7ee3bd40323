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

// circularSpline returns a block whose weights are normal deviates of size sigma.
func circularSpline(dim int, sigma float64, s bijector.CircularSettings) *bijector.CircularSpline {
	s.Src = rand.NewPCG(7, uint64(dim))
	b := must(bijector.NewCircularSpline(dim, &s))
	rnd := rand.New(rand.NewPCG(3, 4))
	w := b.Params()[0].Value().Float64s()
	for i := range w {
		w[i] = sigma * rnd.NormFloat64()
	}
	return b
}

// Circular splines obey the laws of a bijector, with initial and with large weights,
// alone, on tiles, and given a context.
func TestCircularSplineConformance(t *testing.T) {
	bijectortest.CheckAngles(t, must(bijector.NewCircularSpline(4, &bijector.CircularSettings{Src: rand.NewPCG(1, 2)})))
	for _, c := range []struct {
		dim   int
		sigma float64
		s     bijector.CircularSettings
	}{
		{2, 0.5, bijector.CircularSettings{Couplings: 1, Hidden: []int{5}}},
		{2, 0.5, bijector.CircularSettings{Couplings: 2, Bins: 4, Hidden: []int{5}, Relative: true}},
		{4, 0.3, bijector.CircularSettings{Couplings: 2, Hidden: []int{6, 5}}},
		{4, 0.3, bijector.CircularSettings{Hidden: []int{6, 5}, Relative: true}},
		{5, 0.3, bijector.CircularSettings{Bins: 5, Hidden: []int{4}, Keep: [][]int{{4, 0}, {1, 2, 3}, {2}}}},
		{5, 0.3, bijector.CircularSettings{Bins: 4, Keep: [][]int{{4, 0}, {3, 2, 1}, {2}}, Relative: true}},
		{3, 0.7, bijector.CircularSettings{Couplings: 2, Hidden: []int{}, Bins: 9}},
	} {
		t.Run(fmt.Sprintf("%+v", c.s), func(t *testing.T) {
			b := circularSpline(c.dim, c.sigma, c.s)
			bijectortest.CheckAngles(t, b)
			bijectortest.CheckAngles(t, bijector.Invert(b))
		})
	}
	tiles := must(bijector.Tiles([]int{4, 4}, 2, 1, 1))
	b := circularSpline(4, 0.3, bijector.CircularSettings{Couplings: 2, Hidden: []int{6}, Relative: true})
	bijectortest.CheckAngles(t, must(must(bijector.Disentangler(b, tiles)).On(17)))
	for _, relative := range []bool{false, true} {
		given := circularSpline(4, 0.3, bijector.CircularSettings{
			Keep: [][]int{{0, 1}, {1, 2, 0}}, Hidden: []int{6}, Relative: relative})
		bijectortest.CheckAngles(t, must(must(bijector.ConditionalDecimator(given,
			[][]int{{0, 5, 1, 2}, {5, 0, 3, 4}, {0, 0, 6, 7}}, 0, 1)).On(9)))
	}
}

// bareCircle returns a block of one moved angle. Its net has zero weights, and raw as
// biases: the map does not depend on the kept angle.
func bareCircle(bins int, raw []float64) *bijector.CircularSpline {
	b := must(bijector.NewCircularSpline(2, &bijector.CircularSettings{
		Keep: [][]int{{0}}, Hidden: []int{}, Bins: bins, Src: rand.NewPCG(1, 1)}))
	r := b.Couplings()[0].R[0]
	r.W.Zero()
	for i, v := range raw {
		r.B.SetVec(i, v)
	}
	return b
}

// circleAt is the definition of a map of the circle, from x to z: its value by Simpson's
// rule, which is exact for quadratics, its slope and the derivative of its slope. The value
// is not taken modulo 2π.
func circleAt(bins int, raw []float64, x float64) (value, slope, bend float64) {
	c, sum, top := make([]float64, bins), 0.0, slices.Max(raw[:bins])
	for _, v := range raw[:bins] {
		sum += math.Exp(v - top)
	}
	for i, v := range raw[:bins] {
		c[i] = 1e-3 + float64(bins)*(1-1e-3)*math.Exp(v-top)/sum
	}
	h := 2 * math.Pi / float64(bins)
	at := func(j int, u float64) (slope, bend float64) {
		r, c0, c1, c2 := 1-u, c[j], c[(j+1)%bins], c[(j+2)%bins]
		return c0*r*r/2 + c1*(0.5+u*r) + c2*u*u/2, ((c1-c0)*r + (c2-c1)*u) / h
	}
	area := func(j int, u float64) float64 {
		low, _ := at(j, 0)
		middle, _ := at(j, u/2)
		high, _ := at(j, u)
		return h * u * (low + 4*middle + high) / 6
	}
	x -= raw[bins]
	turns := math.Ceil((x - math.Pi) / (2 * math.Pi))
	place := (x - 2*math.Pi*turns + math.Pi) / h
	j := min(max(int(place), 0), bins-1)
	value = 2*math.Pi*turns - math.Pi
	for k := range j {
		value += area(k, 1)
	}
	slope, bend = at(j, place-float64(j))
	return value + area(j, place-float64(j)), slope, bend
}

// onCircle is the distance of two angles on the circle.
func onCircle(a, b float64) float64 { return math.Abs(math.Remainder(a-b, 2*math.Pi)) }

// A map of the circle has the values and slopes of its definition, at its knots too, and
// goes round once. Its images are in (−π, π], and its inverse goes back.
func TestCircularSplineIsItsDefinition(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 9))
	for _, c := range []struct {
		bins int
		size float64
	}{{4, 2}, {5, 1.5}, {12, 1}, {16, 30}, {256, 1}, {12, 0}} {
		raw := normal(c.bins+1, c.size, rnd)
		b := bareCircle(c.bins, raw)
		var xs []float64
		for k := range c.bins + 1 {
			knot := math.Pi * (2*float64(k)/float64(c.bins) - 1)
			xs = append(xs, knot+raw[c.bins], knot+raw[c.bins]-1e-15, knot+raw[c.bins]+1e-15)
		}
		for range 300 {
			xs = append(xs, 9*(2*rnd.Float64()-1))
		}
		slices.Sort(xs)
		last, lastX := math.Inf(-1), math.Inf(-1)
		for _, x := range xs {
			want, slope, _ := circleAt(c.bins, raw, x)
			y, d := image(t, b, tensor.Float64, true, []float64{0.3, x})
			if !(onCircle(y[1], want) < 1e-13*(1+math.Abs(want)) && math.Abs(d[0]-math.Log(slope)) < 1e-10) {
				t.Fatalf("%+v at %.17g: %.17g with %.12g, want %.17g with %.12g",
					c, x, y[1], d[0], want, math.Log(slope))
			}
			if !(y[1] > -math.Pi && y[1] <= math.Pi) {
				t.Fatalf("%+v at %g: image %g", c, x, y[1])
			}
			if x-lastX > 1e-10 && !(want > last) {
				t.Fatalf("%+v falls at %g", c, x)
			}
			last, lastX = want, x
			z, e := image(t, b, tensor.Float64, false, y)
			if !(onCircle(z[1], x)*slope < 1e-13*(1+slope) && math.Abs(e[0]+d[0]) < 1e-8) {
				t.Fatalf("%+v at %.17g: round trip to %.17g, log-determinants %g and %g", c, x, z[1], d[0], e[0])
			}
			if !(z[1] > -math.Pi && z[1] <= math.Pi) {
				t.Fatalf("%+v at %g: goes back to %g", c, x, z[1])
			}
		}
	}
}

// The second derivative is continuous at all knots, also where the circle closes, and so
// is the gradient of the log-determinant, in both directions.
func TestCircularSplineIsTwiceContinuous(t *testing.T) {
	const bins = 7
	raw := normal(bins+1, 1, rand.New(rand.NewPCG(1, 11)))
	b := bareCircle(bins, raw)
	for k := range bins + 1 {
		knot := math.Pi*(2*float64(k)/bins-1) + raw[bins]
		image, slope, bend := circleAt(bins, raw, knot)
		if math.Abs(bend) < 0.02 {
			t.Error("no bend: the test shows nothing")
		}
		for _, inverse := range []bool{false, true} {
			at, want := knot, bend/slope
			if !inverse {
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
}

// A block is periodic in every angle. With Relative it commutes with a rotation of all
// angles, and its log-determinant does not change; without, it does not commute.
func TestCircularSplineSymmetries(t *testing.T) {
	rnd := rand.New(rand.NewPCG(2, 9))
	for _, relative := range []bool{false, true} {
		b := circularSpline(5, 0.4, bijector.CircularSettings{Relative: relative})
		for _, inverse := range []bool{false, true} {
			x := normal(5, 1, rnd)
			y, d := image(t, b, tensor.Float64, inverse, x)
			for i := range x {
				turned := slices.Clone(x)
				turned[i] += 2 * math.Pi * float64(1-2*(i%2))
				v, e := image(t, b, tensor.Float64, inverse, turned)
				for j := range y {
					if onCircle(y[j], v[j]) > 1e-12 || math.Abs(d[0]-e[0]) > 1e-12 {
						t.Errorf("angle %d after a turn of angle %d: %g with %g, want %g with %g",
							j, i, v[j], e[0], y[j], d[0])
					}
				}
			}
			turned, worst := slices.Clone(x), 0.0
			for i := range x {
				turned[i] += 1.234
			}
			v, e := image(t, b, tensor.Float64, inverse, turned)
			for j := range y {
				worst = max(worst, onCircle(y[j]+1.234, v[j]))
			}
			if worst = max(worst, math.Abs(d[0]-e[0])); relative != (worst < 1e-12) {
				t.Errorf("relative %t, %s: a rotation makes a difference of %g", relative, direction(inverse), worst)
			}
		}
	}
}

// A map of the circle whose numbers are equal is the identity; NaN stays NaN, and
// infinity becomes NaN.
func TestCircularSplineOfZeros(t *testing.T) {
	b := bareCircle(12, make([]float64, 13))
	for _, dt := range []tensor.Dtype{tensor.Float64, tensor.Float32} {
		for _, inverse := range []bool{false, true} {
			for v := -7.0; v <= 7; v += 0.25 {
				y, d := image(t, b, dt, inverse, []float64{1, v})
				if !(onCircle(y[1], v) < 3e-6 && math.Abs(d[0]) < 1e-6 && y[0] == 1) {
					t.Errorf("%v, %g: %g with %g", dt, v, y, d[0])
				}
			}
			for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
				if y, _ := image(t, b, dt, inverse, []float64{1, v}); !math.IsNaN(y[1]) {
					t.Errorf("%v: %g becomes %g", dt, v, y[1])
				}
			}
		}
	}
}

// A map of the circle and its gradients are finite for numbers and inputs of any size.
// Images are in (−π, π], within the rounding of float32.
func TestCircularSplineExtremes(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 10))
	for _, dt := range []tensor.Dtype{tensor.Float64, tensor.Float32} {
		for _, size := range []float64{1, 30, 1000} {
			b := bareCircle(12, normal(13, size, rnd))
			for _, v := range []float64{-1e30, -math.Pi, 0, 0.75, math.Pi, 3.2, 1e30, math.MaxFloat32, 1e-300} {
				for _, inverse := range []bool{false, true} {
					y, d := image(t, b, dt, inverse, []float64{0.5, v})
					dx, dw := gradients(t, oneWay{b, dt, inverse}, []float64{0.5, v}, []float64{1, -2, 0.7})
					for _, n := range slices.Concat(y, d, dx, dw[0]) {
						if notFinite(n) || math.Abs(y[1]) > float64(float32(math.Pi)) {
							t.Fatalf("%v, numbers of size %g, %s at %g: image %g with %g, gradients %g and %g",
								dt, size, direction(inverse), v, y, d, dx, dw)
						}
					}
				}
			}
		}
	}
}

func TestCircularSplineSettings(t *testing.T) {
	src := rand.NewPCG(1, 1)
	for name, c := range map[string]struct {
		dim  int
		s    *bijector.CircularSettings
		want error
	}{
		"nil":           {4, nil, bijector.ErrSettings},
		"one angle":     {1, &bijector.CircularSettings{Src: src}, bijector.ErrShape},
		"three bins":    {4, &bijector.CircularSettings{Bins: 3, Src: src}, bijector.ErrSettings},
		"negative bins": {4, &bijector.CircularSettings{Bins: -1, Src: src}, bijector.ErrSettings},
		"too many bins": {4, &bijector.CircularSettings{Bins: 257, Src: src}, bijector.ErrSettings},
		"couplings":     {4, &bijector.CircularSettings{Couplings: -1, Src: src}, bijector.ErrSettings},
		"keep":          {4, &bijector.CircularSettings{Keep: [][]int{{0, 0}}, Src: src}, bijector.ErrPartition},
	} {
		if _, err := bijector.NewCircularSpline(c.dim, c.s); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	b := must(bijector.NewCircularSpline(4, &bijector.CircularSettings{Relative: true, Src: src}))
	s := b.Settings()
	if s.Couplings != 4 || s.Bins != 12 || len(s.Keep) != 4 || len(s.Hidden) != 3 {
		t.Errorf("%+v", s)
	}
	again := must(bijector.Copy(b)).(*bijector.CircularSpline)
	if got, want := again.Settings(), b.Settings(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the copy has %+v, want %+v", got, want)
	}
	if !slices.Equal(again.Params()[0].Value().Float64s(), b.Params()[0].Value().Float64s()) {
		t.Error("the copy has other parameters")
	}
	if n := len(b.Steps()); n != 4 {
		t.Errorf("%d steps", n)
	}
}

// A circular block has a net for every coupling. It reads two numbers of every kept angle
// and gives Bins + 1 numbers for every moved one.
func ExampleNewCircularSpline() {
	b := must(bijector.NewCircularSpline(4, &bijector.CircularSettings{Relative: true, Src: rand.NewPCG(1, 2)}))
	c := b.Couplings()[0]
	fmt.Println(len(b.Couplings()), "couplings, the first keeps", c.Keep, "and moves", c.Move)
	_, in := c.R[0].W.Dims()
	out, _ := c.R[len(c.R)-1].W.Dims()
	fmt.Println(in, "inputs and", out, "outputs")
	// Output:
	// 4 couplings, the first keeps [2 3] and moves [0 1]
	// 4 inputs and 26 outputs
}
