package kernel

import "math"

// ActNorm scales and shifts every position: x_i = exp(s_i)·z_i + t_i. Its
// parameters are all s_i, then all t_i.
type ActNorm[T Float] struct{ dim int }

// NewActNorm returns the map on rows of dim values.
func NewActNorm[T Float](dim int) *ActNorm[T] { return &ActNorm[T]{dim} }

func (a *ActNorm[T]) Dim() int                 { return a.dim }
func (a *ActNorm[T]) Params() int              { return 2 * a.dim }
func (a *ActNorm[T]) Scratch() (run, grad int) { return 0, 0 }

func (a *ActNorm[T]) Run(x, logDet, w []T, inverse bool, _ []T) {
	var sum T
	for i := range a.dim {
		xi, s, t := x[i*Lanes:(i+1)*Lanes], w[i], w[a.dim+i]
		if inverse {
			shift(xi, -t)
			scale(xi, factor(s, true))
		} else {
			scale(xi, factor(s, false))
			shift(xi, t)
		}
		sum += s
	}
	if inverse {
		sum = -sum
	}
	shift(logDet, sum)
}

func (a *ActNorm[T]) Grad(dw, dx, x, dLogDet, w []T, inverse bool, _ []T) {
	fromLogDet := total(dLogDet)
	for i := range a.dim {
		xi, di, s, t := x[i*Lanes:(i+1)*Lanes], dx[i*Lanes:(i+1)*Lanes], w[i], w[a.dim+i]
		if dw != nil && !inverse {
			dw[a.dim+i] += total(di)
		}
		scale(di, factor(s, inverse))
		switch {
		case dw == nil:
		case inverse:
			shift(xi, -t)
			dw[i] -= dot(di, xi) + fromLogDet
			dw[a.dim+i] -= total(di)
		default:
			dw[i] += dot(di, xi) + fromLogDet
		}
	}
}

// factor is exp(s), or exp(−s) if back is set.
func factor[T Float](s T, back bool) T {
	if back {
		s = -s
	}
	return T(math.Exp(float64(s)))
}
