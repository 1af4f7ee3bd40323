package kernel

// These functions act on one value of all rows of a tile: their slices have
// Lanes elements. They are plain Go.

// shift adds a to every x.
func shift[T Float](x []T, a T) {
	for l := range x[:Lanes] {
		x[l] += a
	}
}

// scale multiplies every x by a.
func scale[T Float](x []T, a T) {
	for l := range x[:Lanes] {
		x[l] *= a
	}
}

// addScaled adds a·x to y.
func addScaled[T Float](y, x []T, a T) {
	x, y = x[:Lanes], y[:Lanes]
	for l, v := range x {
		y[l] += a * v
	}
}

// total is the sum over the rows.
func total[T Float](x []T) (sum T) {
	for _, v := range x[:Lanes] {
		sum += v
	}
	return sum
}

// dot is the sum of x·y over the rows.
func dot[T Float](x, y []T) (sum T) {
	x, y = x[:Lanes], y[:Lanes]
	for l, v := range x {
		sum += v * y[l]
	}
	return sum
}

// fill sets all values of a slice of any length to v.
func fill[T Float](x []T, v T) {
	for i := range x {
		x[i] = v
	}
}
