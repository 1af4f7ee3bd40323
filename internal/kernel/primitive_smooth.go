package kernel

// What smoothForward and smoothInverse save of every row.
const (
	smoothBin   = iota // number of the bin, −1 outside of the interval
	smoothAt           // place in the bin, from 0 to 1
	smoothC0           // the three weights that count in the bin
	smoothC1           //
	smoothC2           //
	smoothSaved        // number of values saved
)

// laguerreSteps is the number of steps of the inverse of a cubic. Three leave an
// error of 5e-12 of a bin at worst, for weights from minWeight to 254. This is
// enough for float32. Four give all digits of float64.
func laguerreSteps[T Float]() int {
	if isFloat32[T]() {
		return 3
	}
	return 4
}

// smoothForward maps y by smooth splines, one of every row, and multiplies slope
// by their slopes. p is the softmax of their n ≥ 2 numbers. numbers are scale and
// least, which give the weights scale·p + least, the bound, the size of a bin, and
// its inverse. It sets saved.
func smoothForward[T Float](y, slope, p, saved, numbers []T, n int) {
	y, slope, p, saved, numbers = y[:Lanes], slope[:Lanes], p[:n*Lanes], saved[:smoothSaved*Lanes], numbers[:5]
	if f := inUse[T](); f != nil {
		f.smoothForward(&y[0], &slope[0], &p[0], &saved[0], &numbers[0], n)
		return
	}
	bound, size, inv := numbers[2], numbers[3], numbers[4]
	for l, v := range y {
		if !(v > -bound && v < bound) { // also NaN, which stays NaN
			smoothOutside(saved, l)
			continue
		}
		at := (v + bound) * inv
		b, _ := smoothBinOf(p, numbers, n, l, at, false)
		u := min(max(at-b.j, 0), 1)
		value, s, _ := b.polynomial(u)
		y[l] = size*(b.start()+value) - bound
		slope[l] *= s
		b.save(saved, l, u)
	}
}

// smoothInverse is the inverse of smoothForward. It also multiplies slope by the
// slopes of the forward map.
func smoothInverse[T Float](y, slope, p, saved, numbers []T, n int) {
	y, slope, p, saved, numbers = y[:Lanes], slope[:Lanes], p[:n*Lanes], saved[:smoothSaved*Lanes], numbers[:5]
	if f := inUse[T](); f != nil {
		f.smoothInverse(&y[0], &slope[0], &p[0], &saved[0], &numbers[0], n)
		return
	}
	bound, size, inv := numbers[2], numbers[3], numbers[4]
	for l, v := range y {
		if !(v > -bound && v < bound) {
			smoothOutside(saved, l)
			continue
		}
		at := (v + bound) * inv
		b, start := smoothBinOf(p, numbers, n, l, at, true)
		u := b.root(at - start)
		_, s, _ := b.polynomial(u)
		y[l] = size*(b.j+u) - bound
		slope[l] *= s
		b.save(saved, l, u)
	}
}

// smoothPiece is one bin of a smooth spline.
type smoothPiece[T Float] struct {
	j, before  T // number of the bin, sum of the weights before its own
	c0, c1, c2 T // its weights
}

// start is where the image of the bin begins, in bins.
func (b *smoothPiece[T]) start() T { return b.before + (b.c0*5+b.c1)*(1./6) - 1 }

// polynomial returns how far the image is from the start of the bin, in bins, the
// slope, and its derivative with respect to u. All sums of the first two are of
// positive numbers.
func (b *smoothPiece[T]) polynomial(u T) (value, slope, bend T) {
	a0, a1, a2 := smoothAreas(u)
	r := 1 - u
	return b.c0*a0 + b.c1*a1 + b.c2*a2, b.c0*(r*r*0.5) + b.c1*(u*r+0.5) + b.c2*(u*u*0.5),
		(b.c1-b.c0)*r + (b.c2-b.c1)*u
}

// smoothAreas are the integrals of the three B-splines from the start of the bin.
func smoothAreas[T Float](u T) (a0, a1, a2 T) {
	r := 1 - u
	a0, a2 = u*(r*r+r+1)*(1./6), u*u*u*(1./6)
	return a0, u - a0 - a2, a2
}

// root returns the u whose image is t, by Laguerre's method, which is exact for a
// quadratic. It starts from the root of the rational-quadratic curve with the same
// slopes at both ends (see splineRoot).
func (b *smoothPiece[T]) root(t T) T {
	d0, d1, s := (b.c0+b.c1)*0.5, (b.c1+b.c2)*0.5, (b.c1*4+b.c0+b.c2)*(1./6)
	t = min(max(t, 0), s)
	f := t / s
	tilt := d0 - f*(d0+d1)
	g := 2 * s * f
	u := min(max(g/(tilt+g+sqrt(tilt*tilt+2*s*(1-f)*g)), 0), 1)
	for range laguerreSteps[T]() {
		value, slope, bend := b.polynomial(u)
		value -= t
		u = min(max(u-3*value/(slope+sqrt(max(4*slope*slope-6*value*bend, 0))), 0), 1)
	}
	return u
}

func (b *smoothPiece[T]) save(saved []T, l int, u T) {
	for i, v := range [smoothSaved]T{b.j, u, b.c0, b.c1, b.c2} {
		saved[i*Lanes+l] = v
	}
}

// smoothOutside saves what says that a row is outside of the interval.
func smoothOutside[T Float](saved []T, l int) {
	b := smoothPiece[T]{j: -1, c0: 1, c1: 1, c2: 1}
	b.save(saved, l, 0)
}

// smoothBinOf returns the bin of row l that holds at, which is given in bins from
// the lower end of the interval, and where the image of the bin begins. If inverse
// is true, at is in the image of the bin.
func smoothBinOf[T Float](p, numbers []T, n, l int, at T, inverse bool) (found smoothPiece[T], start T) {
	b := smoothPiece[T]{c0: 1, c1: 1, c2: numbers[0]*p[l] + numbers[1]}
	found = b
	for j := 1; j < n+2; j++ {
		next := T(1)
		if j < n {
			next = numbers[0]*p[j*Lanes+l] + numbers[1]
		}
		b = smoothPiece[T]{b.j + 1, b.before + b.c0, b.c1, b.c2, next}
		knot := b.j
		if inverse {
			knot = b.start()
		}
		if at >= knot {
			found = b
		}
	}
	return found, found.start()
}

// smoothForwardGrad is the gradient of smoothForward, see curve.grad. It sets dr,
// the gradient of the numbers whose softmax is p.
func smoothForwardGrad[T Float](dr, d, dLogDet, p, saved, numbers []T, n int) {
	if f := inUse[T](); f != nil {
		smoothBounds(dr, d, dLogDet, p, saved, numbers, n)
		f.smoothForwardGrad(&dr[0], &d[0], &dLogDet[0], &p[0], &saved[0], &numbers[0], n)
		return
	}
	smoothGradPlain(dr, d, dLogDet, p, saved, numbers, n, false)
}

// smoothInverseGrad is the gradient of smoothInverse.
func smoothInverseGrad[T Float](dr, d, dLogDet, p, saved, numbers []T, n int) {
	if f := inUse[T](); f != nil {
		smoothBounds(dr, d, dLogDet, p, saved, numbers, n)
		f.smoothInverseGrad(&dr[0], &d[0], &dLogDet[0], &p[0], &saved[0], &numbers[0], n)
		return
	}
	smoothGradPlain(dr, d, dLogDet, p, saved, numbers, n, true)
}

// smoothBounds panics if a slice is too short for the vector code.
func smoothBounds[T Float](dr, d, dLogDet, p, saved, numbers []T, n int) {
	_, _, _, _, _, _ = dr[n*Lanes-1], d[Lanes-1], dLogDet[Lanes-1], p[n*Lanes-1], saved[smoothSaved*Lanes-1], numbers[4]
}

func smoothGradPlain[T Float](dr, d, dLogDet, p, saved, numbers []T, n int, inverse bool) {
	for l, j := range saved[smoothBin*Lanes:][:Lanes] {
		u := saved[smoothAt*Lanes+l]
		b := smoothPiece[T]{c0: saved[smoothC0*Lanes+l], c1: saved[smoothC1*Lanes+l], c2: saved[smoothC2*Lanes+l]}
		_, slope, bend := b.polynomial(u)
		inv := 1 / slope
		along := bend * inv * numbers[4] // derivative of the logarithm of the slope
		a, g := d[l], dLogDet[l]
		if inverse {
			a, g = -(a-g*along)*inv, -g
		}
		if j >= 0 {
			d[l] = a*slope + g*along
			if inverse {
				d[l] = -a
			}
		}
		// The gradients of the weights before the bin and of its three.
		a0, a1, a2 := smoothAreas(u)
		r := 1 - u
		a *= numbers[3]
		g *= inv
		g0 := a*(a0+5./6) + g*(r*r*0.5)
		g1 := a*(a1+1./6) + g*(u*r+0.5)
		g2 := a*a2 + g*(u*u*0.5)
		smoothSoftmaxGrad(dr[l:], p[l:], [4]T{a, g0, g1, g2}, j, numbers[0], n)
	}
}

// smoothSoftmaxGrad takes the gradients of the weights of one row back through the
// softmax. Number m gives weight m+2. g are the gradients of the weights before bin
// j, which are all the same, and of the three of bin j.
func smoothSoftmaxGrad[T Float](dr, p []T, g [4]T, j, scale T, n int) {
	of := func(m int) T {
		switch t := j - T(m); {
		case t >= 3:
			return g[0]
		case t == 2:
			return g[1]
		case t == 1:
			return g[2]
		case t == 0:
			return g[3]
		}
		return 0
	}
	var mean T
	for m := range n {
		mean += of(m) * p[m*Lanes]
	}
	for m := range n {
		dr[m*Lanes] = scale * p[m*Lanes] * (of(m) - mean)
	}
}
