package kernel

import "math"

// Spline is the shape of one rational-quadratic spline coupling (Durkan,
// Bekasov, Murray and Papamakarios, arXiv:1906.04032): the columns in Keep pass
// through and feed a net, and those in Move are mapped, each by a monotonic
// spline of its own of the interval [−Bound, Bound] onto itself, and by the
// identity outside.
//
// The net R gives 3·Bins−1 numbers for every moved column, one column after the
// other. The first Bins say how wide the bins are, the next Bins how high, by a
// softmax each, and the others are the logarithms of the slopes at the knots
// in between, softly bounded; at both ends the slope is one. Numbers that are
// all zero make the identity.
type Spline struct {
	Keep, Move []int
	R          Net
	Bins       int
	Bound      float64
}

// The least width and height of a bin, as a fraction of the interval, and the
// least slope; the largest slope is its inverse.
const (
	minBin   = 1e-3
	minSlope = 1e-3
)

// Outputs is the number of outputs that R must have.
func (c *Spline) Outputs() int { return len(c.Move) * (3*c.Bins - 1) }

// NewSpline returns the block of the given couplings on rows of dim values: the
// k-th spline after the k-th affine coupling, if there are any.
func NewSpline[T Float](dim int, couplings []Coupling, splines []Spline) *Couplings[T] {
	var pieces []piece[T]
	for k := range splines {
		if couplings != nil {
			pieces = append(pieces, affine[T]{&couplings[k]})
		}
		s := &splines[k]
		interval := 2 * s.Bound
		pieces = append(pieces, spline[T]{s, []T{T(interval * (1 - float64(s.Bins)*minBin)), T(interval * minBin), T(-s.Bound)}})
	}
	return newCouplings(dim, pieces)
}

// spline is a Spline at work.
type spline[T Float] struct {
	*Spline
	numbers []T // those of splineBins
}

// What is remembered of every lane of a moved column beside its softmaxes.
const (
	splineBin    = iota // which bin, −1 outside
	splineAt            // where in the bin, from 0 to 1
	splineLeft          // where the bin begins
	splineBottom        // and on the other axis
	splineW             // width of the bin
	splineH             // height of the bin
	splineLow           // slope at its lower end
	splineHigh          // slope at its upper end
	splineSaved         // how many there are
)

func (c spline[T]) params() int { return c.R.Params() }

func (c spline[T]) saved() int {
	return (len(c.Keep)+len(c.Move)*splineSaved)*Lanes + c.R.acts
}

// scratch is for the gradients of the outputs of R and of the kept columns.
func (c spline[T]) scratch() int { return (c.Outputs()+len(c.Keep))*Lanes + c.R.scratch() }

func (c spline[T]) split(saved []T) (in, bins, act []T) {
	nk, nm := len(c.Keep)*Lanes, len(c.Move)*splineSaved*Lanes
	return saved[:nk], saved[nk : nk+nm], saved[nk+nm : nk+nm+c.R.acts]
}

func (c spline[T]) run(x, logDet, w []T, inverse bool, saved []T) {
	in, bins, act := c.split(saved)
	for i, k := range c.Keep {
		copy(in[i*Lanes:(i+1)*Lanes], x[k*Lanes:])
	}
	out := netRun(c.R, w, in, act)
	per := (3*c.Bins - 1) * Lanes
	var slope [Lanes]T // of the columns since the last logarithm
	for i, m := range c.Move {
		if i%2 == 0 {
			for l := range slope {
				slope[l] = 1
			}
		}
		c.column(x[m*Lanes:(m+1)*Lanes], slope[:], out[i*per:(i+1)*per], bins[i*splineSaved*Lanes:(i+1)*splineSaved*Lanes], inverse)
		// A logarithm for every two, whose product cannot overflow.
		if logDet != nil && (i%2 == 1 || i == len(c.Move)-1) {
			for l, v := range slope {
				if ld := T(math.Log(float64(v))); inverse {
					logDet[l] -= ld
				} else {
					logDet[l] += ld
				}
			}
		}
	}
}

// column maps one moved column y and multiplies slope by that of the forward
// map. What the net gave, r, becomes what the gradient needs of it: the
// softmaxes, and the derivatives of the slopes.
func (c spline[T]) column(y, slope, r, saved []T, inverse bool) {
	n, bound := c.Bins, T(c.Bound)
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
		low[l], up[l] = 0, 0 // at both ends the slope is one
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
		if !(v > -bound && v < bound) { // NaN too, which is to stay one
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

// splineRoot is where in a bin the map has risen by t of the bin's height, from 0
// to 1: the root ξ of (s−b)ξ² + bξ = st, with b = d0(1−t) + (2s−d1)t, d0 and d1
// the slopes at both ends and s the mean one. The discriminant is written as a sum
// of two squares and the root in the form that adds numbers of one sign, so that
// nothing cancels.
func splineRoot[T Float](s, d0, d1, t T) T {
	tilt := d0*(1-t) - d1*t
	root := sqrt(tilt*tilt + 4*s*s*t*(1-t))
	b := tilt + 2*s*t
	if b < 0 {
		return (root - b) / (2 * (s - b))
	}
	return 2 * s * t / (b + root)
}

// splineBins finds for every value of v the bin that holds it, of n bins whose
// sizes along the axis of v are scale·along+least, the first of them beginning
// at −bound, or the last, or the first for smaller values. It sets the number of
// the bin, where it begins on this axis and on the other, and its sizes on
// both. numbers are scale, least and −bound.
func splineBins[T Float](v, along, across, bin, start, end, wide, high, numbers []T, n int) {
	v, bin, start, end, wide, high = v[:Lanes], bin[:Lanes], start[:Lanes], end[:Lanes], wide[:Lanes], high[:Lanes]
	if f := inUse[T](); f != nil {
		f.splineBins(&v[0], &along[:n*Lanes][0], &across[:n*Lanes][0], &bin[0], &start[0], &end[0], &wide[0], &high[0], &numbers[:3][0], n)
		return
	}
	scale, least := numbers[0], numbers[1]
	var knot, other, a, b [Lanes]T
	for l := range v {
		knot[l], other[l] = numbers[2], numbers[2]
		a[l], b[l] = scale*along[l]+least, scale*across[l]+least
		bin[l], start[l], end[l], wide[l], high[l] = 0, knot[l], other[l], a[l], b[l]
	}
	for j := 1; j < n; j++ {
		along, across := along[j*Lanes:][:Lanes], across[j*Lanes:][:Lanes]
		for l, v := range v {
			knot[l] += a[l]
			other[l] += b[l]
			a[l], b[l] = scale*along[l]+least, scale*across[l]+least
			if v >= knot[l] {
				bin[l], start[l], end[l], wide[l], high[l] = T(j), knot[l], other[l], a[l], b[l]
			}
		}
	}
}

func (c spline[T]) grad(dw, dx, dLogDet, w []T, inverse bool, saved, scratch []T) {
	in, bins, act := c.split(saved)
	outs := c.Outputs() * Lanes
	dOut, scratch := scratch[:outs], scratch[outs:]
	dKeep, scratch := scratch[:len(in)], scratch[len(in):]
	out := act[len(act)-outs:]
	per := (3*c.Bins - 1) * Lanes
	for i, m := range c.Move {
		c.columnGrad(dOut[i*per:(i+1)*per], dx[m*Lanes:(m+1)*Lanes], dLogDet[:Lanes], out[i*per:(i+1)*per],
			bins[i*splineSaved*Lanes:(i+1)*splineSaved*Lanes], inverse)
	}
	clear(dKeep)
	netBack(c.R, dw, dKeep, w, in, act, dOut, scratch)
	for i, k := range c.Keep {
		add(dx[k*Lanes:(k+1)*Lanes], dKeep[i*Lanes:(i+1)*Lanes])
	}
}

// columnGrad takes the gradient d of a moved column back through column and
// sets that of what the net gave.
//
// Both directions follow from the map F(x; θ) and L = ln ∂F/∂x at the x inside the
// bin. Forward, dF·a + dL·b is wanted with a = d and b that of the
// log-determinant. The inverse is x where F(x; θ) = y, with −L: its differentials
// are those of the forward map with a = −u and b changed in sign, where
// u = (d − b·∂L/∂x) / ∂F/∂x is the gradient of y.
func (c spline[T]) columnGrad(dr, d, dLogDet, r, saved []T, inverse bool) {
	n := c.Bins
	bin, at := saved[splineBin*Lanes:][:Lanes], saved[splineAt*Lanes:][:Lanes]
	wide, high := saved[splineW*Lanes:][:Lanes], saved[splineH*Lanes:][:Lanes]
	low, up := saved[splineLow*Lanes:][:Lanes], saved[splineHigh*Lanes:][:Lanes]
	left, bottom := saved[splineLeft*Lanes:][:Lanes], saved[splineBottom*Lanes:][:Lanes]
	// Everything that is remembered of the bin becomes the gradient of it.
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

// softmax replaces n values of every lane by their softmax.
func softmax[T Float](r []T, n int) {
	r = r[:n*Lanes]
	if f := inUse[T](); f != nil {
		f.softmax(&r[0], n)
		return
	}
	var top, sum [Lanes]T
	copy(top[:], r)
	for j := 1; j < n; j++ {
		for l, v := range r[j*Lanes:][:Lanes] {
			top[l] = max(top[l], v)
		}
	}
	for j := range n {
		v := r[j*Lanes:][:Lanes]
		for l := range v {
			v[l] -= top[l]
		}
	}
	exp(r)
	for j := range n {
		for l, v := range r[j*Lanes:][:Lanes] {
			sum[l] += v
		}
	}
	for l := range sum {
		sum[l] = 1 / sum[l]
	}
	for j := range n {
		v := r[j*Lanes:][:Lanes]
		for l := range v {
			v[l] *= sum[l]
		}
	}
}

// softmaxGrad sets the gradient of what the softmax p was made of, given that
// of the size of the lane's bin and of where the bin begins, which is the sum
// of the sizes before. The first of numbers is the scale of splineBins.
func softmaxGrad[T Float](d, p, bin, dSize, dStart, numbers []T, n int) {
	d, p, bin, dSize, dStart = d[:n*Lanes], p[:n*Lanes], bin[:Lanes], dSize[:Lanes], dStart[:Lanes]
	if f := inUse[T](); f != nil {
		f.softmaxGrad(&d[0], &p[0], &bin[0], &dSize[0], &dStart[0], &numbers[0], n)
		return
	}
	var mean [Lanes]T
	for j := range n {
		g, p, at := d[j*Lanes:][:Lanes], p[j*Lanes:][:Lanes], T(j)
		for l, k := range bin {
			v := T(0)
			if at < k {
				v = dStart[l]
			}
			if at == k {
				v = dSize[l]
			}
			g[l] = v
			mean[l] += v * p[l]
		}
	}
	for j := range n {
		g, p := d[j*Lanes:][:Lanes], p[j*Lanes:][:Lanes]
		for l := range g {
			g[l] = numbers[0] * p[l] * (g[l] - mean[l])
		}
	}
}

// slopeRange is the largest logarithm of a slope.
var slopeRange = -math.Log(minSlope)

// logSlopes replaces what the net gave by logarithms of slopes.
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
// what the net gave.
func slopeGrads[T Float](r []T) {
	c := T(slopeRange)
	for i, v := range r {
		t := v / c
		r[i] = 1 - t*t
	}
}

func sqrt[T Float](x T) T { return T(math.Sqrt(float64(x))) }
