package kernel

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
)

// exactSpline is a spline of one value: where its knots are on both axes, in 120
// bits, the last of them at the bound, and the slopes there. Within a bin all sums
// are of positive numbers, so that float64 has all digits but a few roundings.
type exactSpline struct {
	x, y  []*big.Float
	slope []float64
}

func exact(v float64) *big.Float { return new(big.Float).SetPrec(120).SetFloat64(v) }

// less is a − b.
func less(a, b *big.Float) float64 {
	d, _ := new(big.Float).Sub(a, b).Float64()
	return d
}

// newExactSpline returns the spline of the numbers raw.
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

// at is the knot before the image of x, how far the image is beyond it, and the
// slope at x.
func (e *exactSpline) at(x *big.Float) (knot *big.Float, beyond, slope float64) {
	n := len(e.x) - 1
	if x.Cmp(e.x[0]) <= 0 || x.Cmp(e.x[n]) >= 0 {
		return x, 0, 1
	}
	k := 0
	for k < n-1 && x.Cmp(e.x[k+1]) >= 0 {
		k++
	}
	w, h := less(e.x[k+1], e.x[k]), less(e.y[k+1], e.y[k])
	s, low, up := h/w, e.slope[k], e.slope[k+1]
	xi, rest := less(x, e.x[k])/w, less(e.x[k+1], x)/w
	den := s*(xi*xi+rest*rest) + (low+up)*xi*rest
	return e.y[k], h * xi * (s*xi + low*rest) / den, s * s * (up*xi*xi + 2*s*xi*rest + low*rest*rest) / (den * den)
}

// around is the slope at x, the largest one at distances up to d from there, and
// how much its logarithm varies: what an error d of x or of a knot can make of them.
func (e *exactSpline) around(x *big.Float, d float64) (slope, largest, logVaries float64) {
	_, _, slope = e.at(x)
	largest = slope
	for _, part := range []float64{-1, 1} {
		_, _, s := e.at(new(big.Float).Add(x, exact(part*d)))
		largest, logVaries = max(largest, s), max(logVaries, math.Abs(math.Log(s/slope)))
	}
	return slope, largest, logVaries
}

// splineCase is the numbers of one spline.
type splineCase struct {
	name  string
	bins  int
	bound float64
	raw   []float64
}

// splineCases goes through slopes, sizes of bins, their number and bounds up to
// those that parameters cannot exceed.
func splineCases() []splineCase {
	rnd := rand.New(rand.NewPCG(13, 2))
	var cases []splineCase
	for _, bins := range []int{2, 3, 8, 16} {
		for _, slope := range []float64{0.1, 1, 2.5, 5, 1e3} {
			for _, edge := range []float64{0, 3, 1e3} {
				bound := []float64{1e-30, 1e-3, 6, 6, 6, 1e3, 1e30}[rnd.IntN(7)]
				for _, pattern := range []string{"up", "down", "to and fro", "random"} {
					c := splineCase{fmt.Sprintf("%d bins on ±%g, slopes e^±%g %s, edges %g", bins, bound, slope, pattern, edge), bins, bound, nil}
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
	s := Spline{Keep: []int{0}, Move: []int{1}, Bins: c.bins, Bound: c.bound}
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

// A spline is the exact one of an argument and of knots that are a few roundings
// of the bound away, in both directions, whatever its numbers: its values are off
// by as much as its condition makes of that, and the logarithm of its slope as well.
// There and back is as near as errors of the image allow.
func TestSplineAccuracy(t *testing.T) {
	forEachVariant(t, func(t *testing.T) {
		t.Run("float64", testSplineAccuracy[float64])
		t.Run("float32", testSplineAccuracy[float32])
	})
}

// splineRoundings is how many roundings of the bound a knot or a value may be away.
const splineRoundings = 8

func testSplineAccuracy[T Float](t *testing.T) {
	rnd := rand.New(rand.NewPCG(13, 1))
	worst := 0.0
	for _, c := range splineCases() {
		c.bound = float64(T(c.bound))
		e, f := newExactSpline(c.bins, c.bound, c.raw), splineOf[T](c)
		for _, inverse := range []bool{false, true} {
			in := make([]T, Lanes)
			for l := range in {
				if l%2 == 0 {
					in[l] = T(c.bound * (2*rnd.Float64() - 1))
					continue
				}
				knots := e.x
				if inverse {
					knots = e.y
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
				worst = max(worst, e.off(t, c, inverse, x, y, ld, epsilon[T]()))
			}
			if inverse {
				continue
			}
			back, _ := f(out, true)
			for l := range in {
				e.undone(t, c, exact(float64(in[l])), exact(float64(back[l])), epsilon[T]())
			}
		}
	}
	t.Logf("at most %.2g of what is allowed", worst)
}

// off checks that y and ld are the image of x and the logarithm of the slope, and
// returns by how much of what is allowed they are not.
func (e *exactSpline) off(t *testing.T, c splineCase, inverse bool, x, y *big.Float, ld, eps float64) float64 {
	t.Helper()
	d := splineRoundings * eps * c.bound
	knot, beyond, _ := e.at(x)
	slope, largest, logVaries := e.around(x, d)
	wrong := less(y, knot) - beyond
	value := math.Abs(wrong) / (d * (1 + largest))
	slopes := math.Abs(ld-math.Log(slope)) / (splineRoundings*eps*(8+math.Abs(ld)) + logVaries)
	if !(value <= 1 && slopes <= 1) {
		t.Fatalf("%s, inverse %v, at %.9g ↔ %.9g: off by %.2g with slope %.3g, %.2g of what is allowed; ln of the slope %.9g, want %.9g, %.2g of what is allowed",
			c.name, inverse, x, y, wrong, slope, value, ld, math.Log(slope), slopes)
	}
	return max(value, slopes)
}

// undone checks that x has come back as near as errors of its image on either way
// allow.
func (e *exactSpline) undone(t *testing.T, c splineCase, x, back *big.Float, eps float64) {
	t.Helper()
	d := 2 * splineRoundings * eps * c.bound
	slope, largest, _ := e.around(x, d)
	way := less(back, x)
	least := slope
	for _, part := range []float64{0.5, 1} {
		_, _, s := e.at(new(big.Float).Add(x, exact(part*way)))
		least = min(least, s)
	}
	if !(math.Abs(way)*least <= d*(1+largest)) {
		t.Fatalf("%s: %.9g comes back off by %.2g, slope %.3g", c.name, x, way, slope)
	}
}
