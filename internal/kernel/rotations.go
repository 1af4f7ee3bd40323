package kernel

import "math"

// Rotations is an orthogonal map,
//
//	x = G_0 G_1 … G_last D z.
//
// G_p is the rotation by the angle w[p] in the plane of the p-th pair (i, j) of
// positions, from i towards j. The pairs are in the order (0,1), (0,2), …,
// (1,2), …. D is one, or changes the sign of the last position.
type Rotations[T Float] struct {
	dim  int
	flip bool
}

// NewRotations returns the map on rows of dim values. If flip is set, D changes
// the sign of the last position.
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

// Grad maps x to its image and then takes x and dx back together: the transpose
// of a rotation is its inverse.
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

// planes visits the pairs of positions, from the first to the last if upwards is
// set and from the last to the first otherwise.
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

// turn is the cosine and sine of an angle, or of its opposite if back is set.
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
