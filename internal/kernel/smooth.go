package kernel

// smooth is a curve: a monotonic cubic spline with a continuous second
// derivative, an I-spline (Ramsay, Statistical Science 3, 425 (1988)).
//
// Its slope is a combination of quadratic B-splines on Bins equal bins, with
// positive weights c. B-spline i is non-zero on the bins i−2, i−1 and i. With the
// place u in bin j, from 0 to 1, and r = 1−u, the slope is
//
//	c[j]·r²/2 + c[j+1]·(½ + u·r) + c[j+2]·u²/2.
//
// The first two and the last two weights are one, so that the slope is one with
// derivative zero at both ends of the interval. The n = Bins−2 others come from a
// softmax p of n numbers: n·(1−minWeight)·p + minWeight. Their sum is n, which
// takes the interval onto itself. If all numbers are equal, the map is the
// identity.
type smooth[T Float] struct {
	n       int
	numbers []T // see smoothForward
}

// minWeight is the least weight, and so the least slope.
const minWeight = 1e-3

func newSmooth[T Float](bins int, bound float64) smooth[T] {
	n, h := float64(bins-2), 2*bound/float64(bins)
	return smooth[T]{bins - 2, []T{T(n * (1 - minWeight)), minWeight, T(bound), T(h), T(1 / h)}}
}

func (c smooth[T]) saved() int { return smoothSaved }

func (c smooth[T]) run(y, slope, r, saved []T, inverse bool) {
	softmax(r, c.n)
	if inverse {
		smoothInverse(y, slope, r, saved, c.numbers, c.n)
	} else {
		smoothForward(y, slope, r, saved, c.numbers, c.n)
	}
}

func (c smooth[T]) grad(dr, d, dLogDet, r, saved []T, inverse bool) {
	if inverse {
		smoothInverseGrad(dr, d, dLogDet, r, saved, c.numbers, c.n)
	} else {
		smoothForwardGrad(dr, d, dLogDet, r, saved, c.numbers, c.n)
	}
}
