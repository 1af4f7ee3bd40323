package kernel

import "math"

// Rotations is an orthogonal map: plane rotations by the angles w, one for
// every pair of positions, and perhaps the reflection of the last position,
//
//	x = G_0 G_1 … G_last D z.
//
// Pair by pair (0,1), (0,2), …, (1,2), …, G turns i towards j.
type Rotations[T Float] struct {
	dim  int
	flip bool
}

// NewRotations returns the map on rows of dim values, with a reflection if
// flip is set.
func NewRotations[T Float](dim int, flip bool) *Rotations[T] { return &Rotations[T]{dim, flip} }

func (r *Rotations[T]) Dim() int                  { return r.dim }
func (r *Rotations[T]) Params() int               { return r.dim * (r.dim - 1) / 2 }
func (r *Rotations[T]) Scratch() (run, grad int)  { return 0, 0 }
func (r *Rotations[T]) last(x []T) (position []T) { return x[(r.dim-1)*Lanes : r.dim*Lanes] }

func (r *Rotations[T]) Run(x, _, w []T, inverse bool, _ []T) {
	if r.flip && !inverse {
		scale(r.last(x), -1)
	}
	r.planes(inverse, func(p, i, j int) {
		c, s := turn(w[p], inverse)
		rotate(x[i*Lanes:(i+1)*Lanes], x[j*Lanes:(j+1)*Lanes], c, s)
	})
	if r.flip && inverse {
		scale(r.last(x), -1)
	}
}

// Grad takes x to its image and then x and dx back together, since the
// transpose of a rotation is its inverse.
func (r *Rotations[T]) Grad(dw, dx, x, _, w []T, inverse bool, _ []T) {
	r.Run(x, nil, w, inverse, nil)
	if r.flip && inverse {
		scale(r.last(x), -1)
		scale(r.last(dx), -1)
	}
	r.planes(!inverse, func(p, i, j int) {
		xi, xj := x[i*Lanes:(i+1)*Lanes], x[j*Lanes:(j+1)*Lanes]
		di, dj := dx[i*Lanes:(i+1)*Lanes], dx[j*Lanes:(j+1)*Lanes]
		if dw != nil {
			d := dot(dj, xi) - dot(di, xj)
			if inverse {
				d = -d
			}
			dw[p] += d
		}
		c, s := turn(w[p], !inverse)
		rotate(xi, xj, c, s)
		rotate(di, dj, c, s)
	})
	if r.flip && !inverse {
		scale(r.last(dx), -1)
	}
}

// planes visits the pairs of positions, the last first unless upwards.
func (r *Rotations[T]) planes(upwards bool, f func(p, i, j int)) {
	if upwards {
		p := 0
		for i := range r.dim {
			for j := i + 1; j < r.dim; j++ {
				f(p, i, j)
				p++
			}
		}
		return
	}
	p := r.Params()
	for i := r.dim - 1; i >= 0; i-- {
		for j := r.dim - 1; j > i; j-- {
			p--
			f(p, i, j)
		}
	}
}

// turn is the cosine and sine of an angle or, with back, of its opposite.
func turn[T Float](angle T, back bool) (c, s T) {
	sin, cos := math.Sincos(float64(angle))
	if back {
		sin = -sin
	}
	return T(cos), T(sin)
}

func rotate[T Float](x, y []T, c, s T) {
	x, y = x[:Lanes], y[:Lanes]
	for l, u := range x {
		v := y[l]
		x[l], y[l] = c*u-s*v, s*u+c*v
	}
}

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

func dot[T Float](x, y []T) (sum T) {
	x, y = x[:Lanes], y[:Lanes]
	for l, v := range x {
		sum += v * y[l]
	}
	return sum
}
