package lattice

import "iter"

// Sites of a lattice are numbered row-major: the last coordinate is the fastest.
// The functions here take shapes that Size accepts, and do not check them. They
// serve lattices of wave vectors as well.

// Points visits the sites 0, 1, … of a lattice with their coordinates. The slice of
// coordinates is reused, and must not be changed.
func Points(shape []int) iter.Seq2[int, []int] {
	return func(yield func(site int, at []int) bool) {
		at := make([]int, len(shape))
		for site := 0; yield(site, at); site++ {
			axis := len(shape) - 1
			for ; axis >= 0; axis-- {
				if at[axis]++; at[axis] < shape[axis] {
					break
				}
				at[axis] = 0
			}
			if axis < 0 {
				return
			}
		}
	}
}

// Site returns the site with the given coordinates, 0 ≤ at[a] < shape[a].
func Site(shape, at []int) int {
	site := 0
	for axis, extent := range shape {
		site = site*extent + at[axis]
	}
	return site
}

// Strides returns, for every axis, the difference between the numbers of
// neighbouring sites along it.
func Strides(shape []int) []int {
	strides := make([]int, len(shape))
	stride := 1
	for axis := len(shape) - 1; axis >= 0; axis-- {
		strides[axis] = stride
		stride *= shape[axis]
	}
	return strides
}

// Opposite returns the site at the coordinates −x of the periodic lattice, given
// that at x: the wave vector −k for k.
func Opposite(shape []int, site int) int {
	opposite, stride := 0, 1
	for axis := len(shape) - 1; axis >= 0; axis-- {
		extent := shape[axis]
		opposite += (extent - site%extent) % extent * stride
		site /= extent
		stride *= extent
	}
	return opposite
}
