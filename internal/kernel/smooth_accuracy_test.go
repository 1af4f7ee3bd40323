package kernel

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
)

// exactSmooth is a smooth spline of one value: its knots on both axes, in 120 bits, and
// its weights. Within a bin all sums are of positive numbers.
type exactSmooth struct {
	x, y []*big.Float
	c    []float64
}

// newExactSmooth returns the spline of the outputs raw of a net.
func newExactSmooth(bins int, bound float64, raw []float64) *exactSmooth {
	e := &exactSmooth{c: []float64{1, 1}}
	sum, top, n := 0.0, slices.Max(raw), float64(bins-2)
	for _, v := range raw {
		sum += math.Exp(v - top)
	}
	for _, v := range raw {
		e.c = append(e.c, minWeight+n*(1-minWeight)*(math.Exp(v-top)/sum))
	}
	e.c = append(e.c, 1, 1)
	h := new(big.Float).Quo(exact(2*bound), exact(float64(bins)))
	for j := range bins {
		x := new(big.Float).Mul(exact(float64(j)), h)
		e.x = append(e.x, x.Sub(x, exact(bound)))
		// The integral up to knot j, times 6: whole bins c[i] + 4c[i+1] + c[i+2].
		y := exact(0)
		for i := range j {
			y.Add(y, exact(e.c[i])).Add(y, exact(4*e.c[i+1])).Add(y, exact(e.c[i+2]))
		}
		y.Mul(y, h).Quo(y, exact(6))
		e.y = append(e.y, y.Sub(y, exact(bound)))
	}
	e.x, e.y = append(e.x, exact(bound)), append(e.y, exact(bound))
	return e
}

// at is exactSpline.at for smooth splines.
func (e *exactSmooth) at(x *big.Float) (knot *big.Float, beyond, slope float64) {
	n := len(e.x) - 1
	if x.Cmp(e.x[0]) <= 0 || x.Cmp(e.x[n]) >= 0 {
		return x, 0, 1
	}
	k := 0
	for k < n-1 && x.Cmp(e.x[k+1]) >= 0 {
		k++
	}
	h := difference(e.x[k+1], e.x[k])
	u, r := difference(x, e.x[k])/h, difference(e.x[k+1], x)/h
	c0, c1, c2 := e.c[k], e.c[k+1], e.c[k+2]
	beyond = h * u * (c0*(1+r+r*r) + c1*(3+u*(3-2*u)) + c2*u*u) / 6
	return e.y[k], beyond, c0*r*r/2 + c1*(0.5+u*r) + c2*u*u/2
}

// smoothCases goes through sizes of weights, numbers of bins and bounds.
func smoothCases() []splineCase {
	rnd := rand.New(rand.NewPCG(14, 3))
	var cases []splineCase
	for _, bins := range []int{4, 5, 12, 16, 32} {
		for _, size := range []float64{0, 0.3, 1, 3, 30, 1e3} {
			for _, pattern := range []string{"up", "to and fro", "in pairs", "random"} {
				bound := []float64{1e-30, 1e-3, 6, 6, 6, 1e3, 1e30}[rnd.IntN(7)]
				c := splineCase{fmt.Sprintf("smooth, %d bins on ±%g, numbers %g %s", bins, bound, size, pattern),
					bins, bound, nil, true}
				for k := range bins - 2 {
					v := size
					switch pattern {
					case "up":
						v *= 2*float64(k)/float64(bins) - 1
					case "to and fro":
						v *= float64(1 - 2*(k%2))
					case "in pairs":
						v *= float64(1 - 2*(k/2%2))
					default:
						v *= 2*rnd.Float64() - 1
					}
					c.raw = append(c.raw, float64(float32(v)))
				}
				cases = append(cases, c)
			}
		}
	}
	return cases
}

// A smooth spline is as accurate as TestSplineAccuracy demands of the others.
func TestSmoothAccuracy(t *testing.T) {
	forEachVariant(t, func(t *testing.T) {
		t.Run("float64", func(t *testing.T) { testSplineAccuracy[float64](t, smoothCases()) })
		t.Run("float32", func(t *testing.T) { testSplineAccuracy[float32](t, smoothCases()) })
	})
}
