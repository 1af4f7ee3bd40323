package kernel

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
)

// exactSpline is a spline of one value: its knots on both axes, in 120 bits, and
// its slopes at the knots. The last knot is at the bound. Within a bin all sums
// are of positive numbers, so that float64 is right to a few roundings.
type exactSpline struct {
	x, y  []*big.Float
	slope []float64
}

func exact(v float64) *big.Float { return new(big.Float).SetPrec(120).SetFloat64(v) }

// difference is a − b.
func difference(a, b *big.Float) float64 {
	d, _ := new(big.Float).Sub(a, b).Float64()
	return d
}

// newExactSpline returns the spline of the outputs raw of a net.
func newExactSpline(bins int, bound float64, raw []float64) *exactSpline {
	least := minBin * float64(bins)
	along := func(raw []float64) []*big.Float {
		top, sum := slices.Max(raw), exact(0)
		for _, v := range raw {
			sum.Add(sum, exact(math.Exp(v-top)))
		}
		at := []*big.Float{exact(-bound)}
		for _, v := range raw[:bins-1] {
			size := exact(math.Exp(v - top))
			size.Quo(size, sum).Mul(size, exact(1-least)).Add(size, exact(minBin)).Mul(size, exact(2*bound))
			at = append(at, size.Add(size, at[len(at)-1]))
		}
		return append(at, exact(bound))
	}
	e := &exactSpline{along(raw[:bins]), along(raw[bins : 2*bins]), []float64{1}}
	for _, v := range raw[2*bins:] {
		e.slope = append(e.slope, math.Exp(slopeRange*math.Tanh(v/slopeRange)))
	}
	e.slope = append(e.slope, 1)
	return e
}

// at returns the knot before the image of x, the distance of the image from this
// knot, and the slope at x.
func (e *exactSpline) at(x *big.Float) (knot *big.Float, beyond, slope float64) {
	n := len(e.x) - 1
	if x.Cmp(e.x[0]) <= 0 || x.Cmp(e.x[n]) >= 0 {
		return x, 0, 1
	}
	k := 0
	for k < n-1 && x.Cmp(e.x[k+1]) >= 0 {
		k++
	}
	w, h := difference(e.x[k+1], e.x[k]), difference(e.y[k+1], e.y[k])
	s, low, up := h/w, e.slope[k], e.slope[k+1]
	xi, rest := difference(x, e.x[k])/w, difference(e.x[k+1], x)/w
	den := s*(xi*xi+rest*rest) + (low+up)*xi*rest
	return e.y[k], h * xi * (s*xi + low*rest) / den, s * s * (up*xi*xi + 2*s*xi*rest + low*rest*rest) / (den * den)
}

// exactCurve is what exactSpline.at is.
type exactCurve func(x *big.Float) (knot *big.Float, beyond, slope float64)

// around returns the slope at x, the largest slope at x and at x ± d, and by how
// much the logarithm of the slope changes there. This bounds the effect of an
// error d of x or of a knot.
func (at exactCurve) around(x *big.Float, d float64) (slope, largest, logVaries float64) {
	_, _, slope = at(x)
	largest = slope
	for _, part := range []float64{-1, 1} {
		_, _, s := at(new(big.Float).Add(x, exact(part*d)))
		largest, logVaries = max(largest, s), max(logVaries, math.Abs(math.Log(s/slope)))
	}
	return slope, largest, logVaries
}

// splineCase is one spline, given by the outputs raw of a net.
type splineCase struct {
	name   string
	bins   int
	bound  float64
	raw    []float64
	smooth bool
}

// exact returns the spline and its knots on both axes.
func (c *splineCase) exact() (curve exactCurve, x, y []*big.Float) {
	if c.smooth {
		e := newExactSmooth(c.bins, c.bound, c.raw)
		return e.at, e.x, e.y
	}
	e := newExactSpline(c.bins, c.bound, c.raw)
	return e.at, e.x, e.y
}

// splineCases goes through slopes, sizes of bins, numbers of bins and bounds, up
// to the largest ones that parameters can reach.
func splineCases() []splineCase {
	rnd := rand.New(rand.NewPCG(13, 2))
	var cases []splineCase
	for _, bins := range []int{2, 3, 8, 16} {
		for _, slope := range []float64{0.1, 1, 2.5, 5, 1e3} {
			for _, edge := range []float64{0, 3, 1e3} {
				bound := []float64{1e-30, 1e-3, 6, 6, 6, 1e3, 1e30}[rnd.IntN(7)]
				for _, pattern := range []string{"up", "down", "to and fro", "random"} {
					name := fmt.Sprintf("%d bins on ±%g, slopes e^±%g %s, edges %g", bins, bound, slope, pattern, edge)
					c := splineCase{name, bins, bound, nil, false}
					for k := range 3*bins - 1 {
						size := edge
						if k >= 2*bins {
							size = slope
						}
						switch sign := 1 - 2*float64(k%2); pattern {
						case "up":
							if k < 2*bins {
								size *= sign
							}
						case "down":
							size *= sign
							if k >= 2*bins {
								size = -slope
							}
						case "to and fro":
							if size *= sign; k >= bins {
								size = -size
							}
						default:
							size *= 2*rnd.Float64() - 1
						}
						c.raw = append(c.raw, float64(float32(size)))
					}
					cases = append(cases, c)
				}
			}
		}
	}
	return cases
}

// splineOf runs the spline of a case on a tile of values.
func splineOf[T Float](c splineCase) func(v []T, inverse bool) (image, logDet []T) {
	s := Spline{Keep: []int{0}, Move: []int{1}, Bins: c.bins, Bound: c.bound, Smooth: c.smooth}
	s.R = NewNet(1, nil, s.Outputs())
	b := NewSpline[T](2, nil, []Spline{s})
	w := make([]T, b.Params())
	_, biases := s.R.Layer(make([]float64, len(w)), 0)
	for i, v := range c.raw {
		w[len(w)-len(biases)+i] = T(v)
	}
	run, _ := b.Scratch()
	scratch := make([]T, run)
	return func(v []T, inverse bool) (image, logDet []T) {
		x, logDet := make([]T, 2*Lanes), make([]T, Lanes)
		copy(x[Lanes:], v)
		b.Run(x, logDet, w, inverse, scratch)
		return x[Lanes:], logDet
	}
}

// A computed spline has the error that follows from errors of the argument and of
// the knots by a few roundings of the bound. This holds for its values and for the
// logarithm of its slope, in both directions and for any numbers of a net. A value
// that is mapped there and back has the error that follows from errors of the
// image.
func TestSplineAccuracy(t *testing.T) {
	forEachVariant(t, func(t *testing.T) {
		t.Run("float64", func(t *testing.T) { testSplineAccuracy[float64](t, splineCases()) })
		t.Run("float32", func(t *testing.T) { testSplineAccuracy[float32](t, splineCases()) })
	})
}

// splineRoundings is the error of a knot or a value in roundings of the bound.
const splineRoundings = 8

func testSplineAccuracy[T Float](t *testing.T, cases []splineCase) {
	rnd := rand.New(rand.NewPCG(13, 1))
	worst := 0.0
	for _, c := range cases {
		c.bound = float64(T(c.bound))
		curve, xs, ys := c.exact()
		f := splineOf[T](c)
		for _, inverse := range []bool{false, true} {
			in := make([]T, Lanes)
			for l := range in {
				if l%2 == 0 {
					in[l] = T(c.bound * (2*rnd.Float64() - 1))
					continue
				}
				knots := xs
				if inverse {
					knots = ys
				}
				knot, _ := knots[rnd.IntN(len(knots))].Float64()
				in[l] = T(knot + c.bound*math.Pow(10, -6*rnd.Float64())*(2*rnd.Float64()-1))
			}
			out, logDet := f(in, inverse)
			for l := range in {
				x, y, ld := exact(float64(in[l])), exact(float64(out[l])), float64(logDet[l])
				if inverse {
					x, y, ld = y, x, -ld
				}
				worst = max(worst, curve.errors(t, c, inverse, x, y, ld, epsilon[T]()))
			}
			if inverse {
				continue
			}
			back, _ := f(out, true)
			for l := range in {
				curve.roundTrip(t, c, exact(float64(in[l])), exact(float64(back[l])), epsilon[T]())
			}
		}
	}
	t.Logf("largest error: %.2g of what is allowed", worst)
}

// errors checks that y is the image of x and ld the logarithm of the slope. It
// returns the larger of their errors, divided by what is allowed.
func (at exactCurve) errors(t *testing.T, c splineCase, inverse bool, x, y *big.Float, ld, eps float64) float64 {
	t.Helper()
	d := splineRoundings * eps * c.bound
	knot, beyond, _ := at(x)
	slope, largest, logVaries := at.around(x, d)
	wrong := difference(y, knot) - beyond
	value := math.Abs(wrong) / (d * (1 + largest))
	slopes := math.Abs(ld-math.Log(slope)) / (splineRoundings*eps*(8+math.Abs(ld)) + logVaries)
	if !(value <= 1 && slopes <= 1) {
		t.Fatalf("%s, inverse %v, at %.9g ↔ %.9g: off by %.2g with slope %.3g, %.2g of what is allowed; "+
			"ln of the slope %.9g, want %.9g, %.2g of what is allowed",
			c.name, inverse, x, y, wrong, slope, value, ld, math.Log(slope), slopes)
	}
	return max(value, slopes)
}

// roundTrip checks that back, the inverse of the image of x, is as near to x as
// errors of the image on both ways allow.
func (at exactCurve) roundTrip(t *testing.T, c splineCase, x, back *big.Float, eps float64) {
	t.Helper()
	d := 2 * splineRoundings * eps * c.bound
	slope, largest, _ := at.around(x, d)
	way := difference(back, x)
	least := slope
	for _, part := range []float64{0.5, 1} {
		_, _, s := at(new(big.Float).Add(x, exact(part*way)))
		least = min(least, s)
	}
	if !(math.Abs(way)*least <= d*(1+largest)) {
		t.Fatalf("%s: %.9g comes back off by %.2g, slope %.3g", c.name, x, way, slope)
	}
}
