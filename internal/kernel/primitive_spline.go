package kernel

// softmax replaces n values of every row by their softmax.
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

// softmaxGrad sets d, the gradient of the arguments of the softmax p that gave
// the sizes of n bins. It is given the number of the row's bin, the gradient
// dSize of the size of this bin, and the gradient dStart of where the bin
// begins, which is the sum of the sizes before it. The first of numbers is the
// scale of splineBins.
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

// splineBins finds for every value of v the bin that holds it, and the first or
// the last bin for a value outside of all bins. There are n bins. The first one
// begins at −bound on both axes. The sizes of the bins are scale·along + least
// on the axis of v and scale·across + least on the other axis.
//
// It sets bin to the number of the bin, start and end to where the bin begins on
// the axis of v and on the other axis, and wide and high to the sizes of the bin
// on these axes. numbers are scale, least and −bound.
func splineBins[T Float](v, along, across, bin, start, end, wide, high, numbers []T, n int) {
	v, bin, start, end, wide, high = v[:Lanes], bin[:Lanes], start[:Lanes], end[:Lanes], wide[:Lanes], high[:Lanes]
	along, across, numbers = along[:n*Lanes], across[:n*Lanes], numbers[:3]
	if f := inUse[T](); f != nil {
		f.splineBins(&v[0], &along[0], &across[0], &bin[0], &start[0], &end[0], &wide[0], &high[0], &numbers[0], n)
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
