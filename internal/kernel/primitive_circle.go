package kernel

// What circleForward and circleInverse save of every row. The gradient replaces them.
const (
	circleBin   = iota // number of the bin, −1 for a value that is not finite
	circleAt           // place in the bin, from 0 to 1
	circleC0           // the three weights that count in the bin
	circleC1           //
	circleC2           //
	circleSaved = 7    // number of values saved, with room for the gradients
)

// The gradients that circleSoftmaxGrad takes of every row.
const (
	circleFrom   = iota // number of the bin plus 2
	circleG2            // gradients of the three weights of the bin, the last one first
	circleG1            //
	circleG0            //
	circleG             // gradient of all weights before the bin
	circleFirst         // what is added to the gradients of the first two weights
	circleSecond        //
)

// circleForward replaces y, places in the images of maps of the circle, by the places
// that have these images. Places are in bins, from 0 to n. It multiplies slope by the
// slopes of the maps from x to z. p is the softmax of their n ≥ 4 numbers. numbers are
// scale and least, which give the weights scale·p + least. It sets the first five rows of
// saved.
func circleForward[T Float](y, slope, p, saved, numbers []T, n int) {
	y, slope, p, saved, numbers = y[:Lanes], slope[:Lanes], p[:n*Lanes], saved[:circleSaved*Lanes], numbers[:2]
	if f := inUse[T](); f != nil {
		f.circleForward(&y[0], &slope[0], &p[0], &saved[0], &numbers[0], n)
		return
	}
	for l, at := range y {
		b, start := circleBinOf(p[l:], numbers, n, at, true)
		u := b.root(at - start)
		_, s, _ := b.polynomial(u)
		y[l] = b.j + u
		slope[l] *= s
		b.save(saved, l, u)
	}
}

// circleInverse is the inverse of circleForward. It multiplies slope by the same slopes.
func circleInverse[T Float](y, slope, p, saved, numbers []T, n int) {
	y, slope, p, saved, numbers = y[:Lanes], slope[:Lanes], p[:n*Lanes], saved[:circleSaved*Lanes], numbers[:2]
	if f := inUse[T](); f != nil {
		f.circleInverse(&y[0], &slope[0], &p[0], &saved[0], &numbers[0], n)
		return
	}
	for l, at := range y {
		b, start := circleBinOf(p[l:], numbers, n, at, false)
		u := min(max(at-b.j, 0), 1)
		value, s, _ := b.polynomial(u)
		y[l] = start + value
		slope[l] *= s
		b.save(saved, l, u)
	}
}

// circleBinOf returns the bin of a row that holds at and where the image of the bin
// begins. If image is true, at is in the image.
func circleBinOf[T Float](p, numbers []T, n int, at T, image bool) (b smoothPiece[T], start T) {
	weight := func(j int) T { // the first weights follow the last one
		if j >= n {
			j -= n
		}
		return numbers[0]*p[j*Lanes] + numbers[1]
	}
	b.c0, b.c1 = weight(0), weight(1)
	origin := (b.c0*5 + b.c1) * (1. / 6)
	for j := 0; ; j++ {
		b.c2 = weight(j + 2)
		end, knot := b.before+b.c0+(b.c1*5+b.c2)*(1./6)-origin, T(j+1)
		if image {
			knot = end
		}
		if j == n-1 || !(at >= knot) {
			b.j = T(j)
			return b, start
		}
		b.before, b.c0, b.c1, start = b.before+b.c0, b.c1, b.c2, end
	}
}

// circleSoftmaxGrad sets dr, the gradient of the n numbers of every row whose softmax is
// p, given the gradients g of the weights. It uses the scale of numbers.
func circleSoftmaxGrad[T Float](dr, p, g, numbers []T, n int) {
	dr, p, g, numbers = dr[:n*Lanes], p[:n*Lanes], g[:circleSaved*Lanes], numbers[:2]
	if f := inUse[T](); f != nil {
		f.circleSoftmaxGrad(&dr[0], &p[0], &g[0], &numbers[0], n)
		return
	}
	for l, from := range g[circleFrom*Lanes:][:Lanes] {
		var mean T
		for m := range n {
			var v T
			switch t := int(from) - m; {
			case t >= 3:
				v = g[circleG*Lanes+l]
			case t >= 0:
				v = g[(circleG2+t)*Lanes+l]
			}
			if m < 2 {
				v += g[(circleFirst+m)*Lanes+l]
			}
			dr[m*Lanes+l] = v
			mean += v * p[m*Lanes+l]
		}
		for m := range n {
			dr[m*Lanes+l] = numbers[0] * p[m*Lanes+l] * (dr[m*Lanes+l] - mean)
		}
	}
}
