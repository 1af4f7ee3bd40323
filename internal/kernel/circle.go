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
	n         int
	size, inv T   // of a bin, and its inverse
	numbers   []T // see circleForward
}

func newCircle[T Float](bins int) circle[T] {
	n := float64(bins)
	return circle[T]{bins, T(2 * math.Pi / n), T(n / (2 * math.Pi)), []T{T(n * (1 - minWeight)), minWeight}}
}

// run maps y and multiplies slope by the slope of g. r holds the n+1 numbers. run
// replaces the first n by their softmax.
func (c circle[T]) run(y, slope, r, saved []T, inverse bool) {
	softmax(r, c.n)
	y = y[:Lanes]
	turn, bin := r[c.n*Lanes:][:Lanes], saved[circleBin*Lanes:][:Lanes]
	var place [Lanes]T
	for l, v := range y {
		if inverse {
			v -= turn[l]
		}
		place[l] = (wrap(v) + math.Pi) * c.inv
		y[l] = max(place[l], 0)
		if place[l] != place[l] { // v is NaN or infinite
			y[l] = 0
		}
	}
	if inverse {
		circleInverse(y, slope, r, saved, c.numbers, c.n)
	} else {
		circleForward(y, slope, r, saved, c.numbers, c.n)
	}
	for l, v := range y {
		if v = c.size*v - math.Pi; !inverse {
			v += turn[l]
		}
		y[l] = wrap(v)
		if place[l] != place[l] {
			y[l], bin[l] = place[l], -1
		}
	}
}

// grad is the gradient of run. It sets dr, the gradient of the n+1 numbers, given what
// run left in r and saved. See curve.grad: what is inverse there is forward here.
func (c circle[T]) grad(dr, d, dLogDet, r, saved []T, inverse bool) {
	turn, d, dLogDet := dr[c.n*Lanes:][:Lanes], d[:Lanes], dLogDet[:Lanes]
	for l := range d {
		row := func(k int) *T { return &saved[k*Lanes+l] }
		j, u := *row(circleBin), *row(circleAt)
		if j < 0 {
			for k := range circleSaved {
				*row(k) = 0
			}
			turn[l] = 0
			continue
		}
		b := smoothPiece[T]{c0: *row(circleC0), c1: *row(circleC1), c2: *row(circleC2)}
		_, slope, bend := b.polynomial(u)
		inv := 1 / slope
		along := bend * inv * c.inv // derivative of the logarithm of the slope
		a, g := d[l], dLogDet[l]
		if inverse {
			d[l] = a*slope + g*along
			turn[l] = -d[l]
		} else {
			turn[l] = a
			d[l] = (a - g*along) * inv
			a, g = -d[l], -g
		}
		a *= c.size
		g *= inv
		a0, a1, a2 := smoothAreas(u)
		rest := 1 - u
		g0 := a*(a0+5./6) + g*(rest*rest*0.5)
		g1 := a*(a1+1./6) + g*(u*rest+0.5)
		g2 := a*a2 + g*(u*u*0.5)
		first, second := a*(-5./6), a*(-1./6) // g(−π) = −π
		switch int(j) - c.n {                 // weights n and n+1 are the first two
		case -1:
			first, second = first+g1, second+g2
		case -2:
			first += g2
		}
		for k, v := range [circleSaved]T{j + 2, g2, g1, g0, a, first, second} {
			*row(k) = v
		}
	}
	circleSoftmaxGrad(dr, r, saved, c.numbers, c.n)
}
