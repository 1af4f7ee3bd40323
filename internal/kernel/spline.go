package kernel

import "math"

// rational is a curve: a rational-quadratic spline (Durkan, Bekasov, Murray and
// Papamakarios, arXiv:1906.04032).
//
// It takes 3·Bins−1 numbers. A softmax of the first Bins numbers gives the widths
// of the bins, and a softmax of the next Bins numbers their heights. The others
// give the logarithms of the slopes at the inner knots: logSlopes bounds them
// smoothly. At both ends of the interval the slope is one. If all numbers are
// zero, the map is the identity.
type rational[T Float] struct {
	bins    int
	bound   T
	numbers []T // see splineBins
}

// The least width and height of a bin, as a fraction of the interval, and the
// least slope; the largest slope is its inverse.
const (
	minBin   = 1e-3
	minSlope = 1e-3
)

func newRational[T Float](bins int, bound float64) rational[T] {
	interval := 2 * bound
	return rational[T]{bins, T(bound), []T{T(interval * (1 - float64(bins)*minBin)), T(interval * minBin), T(-bound)}}
}

// What run saves of every row, beside the softmaxes.
const (
	splineBin    = iota // number of the bin, −1 outside of the interval
	splineAt            // place in the bin, from 0 to 1
	splineLeft          // where the bin begins on the axis of x
	splineBottom        // where the bin begins on the axis of the image
	splineW             // width of the bin
	splineH             // height of the bin
	splineLow           // slope at the lower end of the bin
	splineHigh          // slope at the upper end of the bin
	splineSaved         // number of values saved
)

func (c rational[T]) saved() int { return splineSaved }

// run replaces r by what the gradient needs: the softmaxes, and the derivatives
// that slopeGrads gives.
func (c rational[T]) run(y, slope, r, saved []T, inverse bool) {
	n, bound := c.bins, c.bound
	widths, heights, slopes := r[:n*Lanes], r[n*Lanes:2*n*Lanes], r[2*n*Lanes:]
	softmax(widths, n)
	softmax(heights, n)
	bin, at := saved[splineBin*Lanes:][:Lanes], saved[splineAt*Lanes:][:Lanes]
	wide, high := saved[splineW*Lanes:][:Lanes], saved[splineH*Lanes:][:Lanes]
	low, up := saved[splineLow*Lanes:][:Lanes], saved[splineHigh*Lanes:][:Lanes]
	left, bottom := saved[splineLeft*Lanes:][:Lanes], saved[splineBottom*Lanes:][:Lanes]
	if inverse {
		splineBins(y, heights, widths, bin, bottom, left, high, wide, c.numbers, n)
	} else {
		splineBins(y, widths, heights, bin, left, bottom, wide, high, c.numbers, n)
	}
	logSlopes(slopes)
	for l, b := range bin {
		j := int(b)
		low[l], up[l] = 0, 0 // logarithms; at both ends of the interval the slope is one
		if j > 0 {
			low[l] = slopes[(j-1)*Lanes+l]
		}
		if j < n-1 {
			up[l] = slopes[j*Lanes+l]
		}
	}
	exp(saved[splineLow*Lanes : (splineHigh+1)*Lanes])
	slopeGrads(slopes)
	for l, v := range y[:Lanes] {
		if !(v > -bound && v < bound) { // also NaN, which stays NaN
			bin[l], at[l] = -1, 0
			continue
		}
		w, h, d0, d1 := wide[l], high[l], low[l], up[l]
		s := h / w
		bend := d0 + d1 - 2*s
		var xi T
		if inverse {
			xi = splineRoot(s, d0, d1, min((v-bottom[l])/h, 1))
		} else {
			xi = (v - left[l]) / w
		}
		xi = min(max(xi, 0), 1)
		q := xi * (1 - xi)
		inv := 1 / (s + bend*q)
		slope[l] *= s * s * (d1*xi*xi + 2*s*q + d0*(1-xi)*(1-xi)) * (inv * inv)
		if inverse {
			y[l] = left[l] + xi*w
		} else {
			y[l] = bottom[l] + h*(s*xi*xi+d0*q)*inv
		}
		at[l] = xi
	}
}

// splineRoot is the place ξ in a bin, from 0 to 1, where the map has risen by
// the fraction t of the bin's height. d0 and d1 are the slopes at the ends of
// the bin, s is the mean slope. ξ is the root of (s−b)ξ² + bξ = st with
// b = d0(1−t) + (2s−d1)t. Nothing cancels: the discriminant is a sum of two
// squares, and both forms of the root add numbers of one sign.
func splineRoot[T Float](s, d0, d1, t T) T {
	tilt := d0*(1-t) - d1*t
	root := sqrt(tilt*tilt + 4*s*s*t*(1-t))
	b := tilt + 2*s*t
	if b < 0 {
		return (root - b) / (2 * (s - b))
	}
	return 2 * s * t / (b + root)
}

func (c rational[T]) grad(dr, d, dLogDet, r, saved []T, inverse bool) {
	n := c.bins
	bin, at := saved[splineBin*Lanes:][:Lanes], saved[splineAt*Lanes:][:Lanes]
	wide, high := saved[splineW*Lanes:][:Lanes], saved[splineH*Lanes:][:Lanes]
	low, up := saved[splineLow*Lanes:][:Lanes], saved[splineHigh*Lanes:][:Lanes]
	left, bottom := saved[splineLeft*Lanes:][:Lanes], saved[splineBottom*Lanes:][:Lanes]
	// Every saved value of the bin is replaced by the gradient of it.
	for l, xi := range at {
		if bin[l] < 0 {
			left[l], bottom[l], wide[l], high[l], low[l], up[l] = 0, 0, 0, 0, 0, 0
			continue
		}
		w, h, d0, d1 := wide[l], high[l], low[l], up[l]
		s, rest := h/w, 1-xi
		q, turn := xi*rest, 1-2*xi
		bend := d0 + d1 - 2*s
		num, den := s*xi*xi+d0*q, s+bend*q
		begin, end := d0*rest*rest, d1*xi*xi
		m := begin + 2*s*q + end
		inv := 1 / den
		slope := s * s * m * inv * inv // ∂F/∂x
		lAt := (2*d1*xi+2*s*turn-2*d0*rest)/m - 2*bend*turn*inv
		a, b := d[l], dLogDet[l]
		if inverse {
			u := (a - b*lAt/w) / slope
			a, b = -u, -b
			d[l] = u
		} else {
			d[l] = a*slope + b*lAt/w
		}
		gAt := a*slope*w + b*lAt
		gS := a*h*q*(end-begin)*inv*inv + b*(2/s+2*q/m-2*(1-2*q)*inv)
		left[l], bottom[l] = -gAt/w, a
		wide[l] = -(s*gS + xi*gAt) / w
		high[l] = gS/w + a*num*inv
		// With respect to the logarithms of the slopes.
		low[l] = d0 * (a*h*q*(s*rest*rest+d1*q)*inv*inv + b*(rest*rest/m-2*q*inv))
		up[l] = d1 * (b*(xi*xi/m-2*q*inv) - a*h*q*num*inv*inv)
	}
	softmaxGrad(dr[:n*Lanes], r[:n*Lanes], bin, wide, left, c.numbers, n)
	softmaxGrad(dr[n*Lanes:2*n*Lanes], r[n*Lanes:2*n*Lanes], bin, high, bottom, c.numbers, n)
	dSlopes, slopes := dr[2*n*Lanes:], r[2*n*Lanes:]
	for j := range n - 1 {
		// Knot j+1 is the upper end of bin j and the lower end of bin j+1.
		g, s := dSlopes[j*Lanes:][:Lanes], slopes[j*Lanes:][:Lanes]
		for l, k := range bin {
			g[l] = 0
			if k == T(j) {
				g[l] = up[l] * s[l]
			} else if k == T(j+1) {
				g[l] = low[l] * s[l]
			}
		}
	}
}

// slopeRange bounds the logarithm of a slope: its absolute value is smaller.
var slopeRange = -math.Log(minSlope)

// logSlopes replaces outputs r of the net by logarithms of slopes, c·tanh(r/c)
// with c = slopeRange.
func logSlopes[T Float](r []T) {
	c := T(slopeRange)
	for i := range r {
		r[i] /= c
	}
	tanh(r)
	for i := range r {
		r[i] *= c
	}
}

// slopeGrads replaces logarithms of slopes by their derivatives with respect to
// the outputs of the net.
func slopeGrads[T Float](r []T) {
	c := T(slopeRange)
	for i, v := range r {
		t := v / c
		r[i] = 1 - t*t
	}
}

func sqrt[T Float](x T) T { return T(math.Sqrt(float64(x))) }
