package kernel

import "math"

// circle is a map of the circle (−π, π] onto itself, z → x with z = g(x − t). g is a
// monotonic cubic spline with a continuous second derivative, and t is a rotation.
//
// If z is uniform, the density of x is the slope of g over 2π. The slope is a
// combination of periodic quadratic B-splines on n equal bins of size h = 2π/n, with
// positive weights c. B-spline i is non-zero on the bins i−2, i−1 and i, counted
// modulo n. With the place u in bin j, from 0 to 1, and r = 1−u, the slope is
//
//	c[j]·r²/2 + c[j+1]·(½ + u·r) + c[j+2]·u²/2.
//
// The weights come from a softmax p of n numbers: n·(1−minWeight)·p + minWeight.
// Their sum is n, so that the integral of the slope is 2π. The fixed point of g is −π,
// which is the angle π. The last of the n+1 numbers is t. If all numbers are zero, the
// map is the identity.
type circle[T Float] struct {
	n    int
	size T // of a bin
}

func newCircle[T Float](bins int) circle[T] { return circle[T]{bins, T(2 * math.Pi / float64(bins))} }

// What run saves of every row, beside the softmax.
const (
	circleBin   = iota // number of the bin, −1 for a value that is not finite
	circleAt           // place in the bin, from 0 to 1
	circleSaved        // number of values saved
)

// run maps y and multiplies slope by the slope of g. r holds the n+1 numbers. run
// replaces the first n by their softmax.
func (c circle[T]) run(y, slope, r, saved []T, inverse bool) {
	softmax(r, c.n)
	turn := r[c.n*Lanes:][:Lanes]
	for l, v := range y[:Lanes] {
		if inverse {
			v -= turn[l]
		}
		at := (wrap(v) + math.Pi) / c.size
		if !(at >= 0) { // NaN or infinite
			y[l], saved[circleBin*Lanes+l], saved[circleAt*Lanes+l] = T(math.NaN()), -1, 0
			continue
		}
		b, start := c.find(r[l:], at, !inverse)
		var u T
		if inverse {
			u = min(max(at-b.j, 0), 1)
		} else {
			u = b.root(at - start)
		}
		value, s, _ := b.polynomial(u)
		if inverse {
			y[l] = wrap(c.size*(start+value) - math.Pi)
		} else {
			y[l] = wrap(c.size*(b.j+u) - math.Pi + turn[l])
		}
		slope[l] *= s
		saved[circleBin*Lanes+l], saved[circleAt*Lanes+l] = b.j, u
	}
}

// weight is weight j of the spline of a row, from its softmax.
func (c circle[T]) weight(p []T, j int) T {
	return T(float64(c.n)*(1-minWeight))*p[j%c.n*Lanes] + minWeight
}

// find returns the bin of a row that holds at, which is given in bins from −π, and
// where the image of the bin under g begins. If image is true, at is in the image.
func (c circle[T]) find(p []T, at T, image bool) (b smoothPiece[T], start T) {
	w0, w1 := c.weight(p, 0), c.weight(p, 1)
	b = smoothPiece[T]{c0: w0, c1: w1}
	origin, last := b.circleStart(), c.n-1
	if !image {
		last = min(int(at), last)
	}
	for j := 0; ; j++ {
		next := smoothPiece[T]{T(j + 1), b.before + b.c0, b.c1, c.weight(p, j+2), 0}
		b.c2 = next.c1
		end := next.circleStart() - origin
		if j == last || image && at < end {
			return b, start
		}
		b, start = next, end
	}
}

// circleStart is where the image of the bin begins, in bins, up to a constant.
func (b *smoothPiece[T]) circleStart() T { return b.before + (b.c0*5+b.c1)*(1./6) }

// grad is the gradient of run. It sets dr, the gradient of the n+1 numbers, given what
// run left in r and saved. See curve.grad: what is inverse there is forward here.
func (c circle[T]) grad(dr, d, dLogDet, r, saved []T, inverse bool) {
	clear(dr)
	size := c.size
	for l, bin := range saved[circleBin*Lanes:][:Lanes] {
		if bin < 0 {
			continue
		}
		j, u := int(bin), saved[circleAt*Lanes+l]
		b := smoothPiece[T]{c0: c.weight(r[l:], j), c1: c.weight(r[l:], j+1), c2: c.weight(r[l:], j+2)}
		_, slope, bend := b.polynomial(u)
		inv := 1 / slope
		along := bend * inv / size // derivative of the logarithm of the slope
		a, g := d[l], dLogDet[l]
		if inverse {
			d[l] = a*slope + g*along
			dr[c.n*Lanes+l] = -d[l]
		} else {
			dr[c.n*Lanes+l] = a
			d[l] = (a - g*along) * inv
			a, g = -d[l], -g
		}
		a *= size
		g *= inv
		a0, a1, a2 := smoothAreas(u)
		rest := 1 - u
		of := dr[l:] // gradients of the weights
		for i := range j {
			of[i*Lanes] += a
		}
		of[j*Lanes] += a*(a0+5./6) + g*(rest*rest*0.5)
		of[(j+1)%c.n*Lanes] += a*(a1+1./6) + g*(u*rest+0.5)
		of[(j+2)%c.n*Lanes] += a*a2 + g*(u*u*0.5)
		of[0] -= a * (5. / 6)
		of[Lanes] -= a * (1. / 6)
		c.softmaxGrad(of, r[l:])
	}
}

// softmaxGrad takes the gradients of the weights of one row back to the numbers.
func (c circle[T]) softmaxGrad(of, p []T) {
	var mean T
	for m := range c.n {
		mean += of[m*Lanes] * p[m*Lanes]
	}
	scale := T(float64(c.n) * (1 - minWeight))
	for m := range c.n {
		of[m*Lanes] = scale * p[m*Lanes] * (of[m*Lanes] - mean)
	}
}
