package kernel

import "math"

// Spline is the shape of one coupling by splines. The columns in Keep pass
// through and feed a net. Every column in Move is mapped by a monotonic spline
// of its own, which takes the interval [−Bound, Bound] onto itself. Outside of
// the interval the map is the identity.
//
// The net R gives SplineNumbers numbers for every moved column, one column after
// the other. If they are all zero, the map is the identity.
type Spline struct {
	Keep, Move []int
	R          Net
	Bins       int
	Bound      float64
	Smooth     bool // cubic splines with a continuous second derivative, see smooth
}

// SplineNumbers is how many numbers say what a spline of so many bins is.
func SplineNumbers(bins int, smooth bool) int {
	if smooth {
		return bins - 2
	}
	return 3*bins - 1
}

// Outputs is the number of outputs that R must have.
func (c *Spline) Outputs() int { return len(c.Move) * SplineNumbers(c.Bins, c.Smooth) }

// NewSpline returns the block of the given couplings on rows of dim values. If
// couplings is not nil, the k-th affine coupling comes before the k-th spline.
func NewSpline[T Float](dim int, couplings []Coupling, splines []Spline) *Couplings[T] {
	var chain []coupling[T]
	for k := range splines {
		if couplings != nil {
			chain = append(chain, affine[T]{&couplings[k]})
		}
		s := &splines[k]
		var c curve[T] = newRational[T](s.Bins, s.Bound)
		if s.Smooth {
			c = newSmooth[T](s.Bins, s.Bound)
		}
		chain = append(chain, spline[T]{s, c})
	}
	return newCouplings(dim, chain)
}

// curve maps one column of a tile, every row by a function of its own.
type curve[T Float] interface {
	// saved is the number of values that run saves of every row.
	saved() int
	// run maps y and multiplies slope by the slope of the forward map. r holds the
	// outputs of the net for this column. run may replace them by what grad needs.
	run(y, slope, r, saved []T, inverse bool)
	// grad takes the gradient d of y back through run and sets dr, the gradient of
	// the net's outputs. It destroys saved.
	//
	// Let F(x; θ) be the forward map, L = ln ∂F/∂x, and b the gradient of the
	// log-determinant. Forward, the result is the gradient of a·F + b·L with a = d.
	// The inverse gives the x with F(x; θ) = y, and the log-determinant −L. The
	// gradient of y is then u = (d − b·∂L/∂x) / ∂F/∂x, and that of θ is the gradient
	// of a·F + b'·L with a = −u and b' = −b.
	grad(dr, d, dLogDet, r, saved []T, inverse bool)
}

// spline makes a Spline one of a chain.
type spline[T Float] struct {
	*Spline
	curve curve[T]
}

func (c spline[T]) params() int { return c.R.Params() }

// saved is for the kept columns, what the curves save, the activations, and the
// product of slopes.
func (c spline[T]) saved() int {
	return (len(c.Keep)+len(c.Move)*c.curve.saved()+1)*Lanes + c.R.acts
}

// scratch is for the gradients of the outputs of R and of the kept columns.
func (c spline[T]) scratch() int { return (c.Outputs()+len(c.Keep))*Lanes + c.R.scratch() }

func (c spline[T]) split(saved []T) (in, curves, act, slope []T) {
	nk, nm := len(c.Keep)*Lanes, len(c.Move)*c.curve.saved()*Lanes
	rest := saved[nk+nm:]
	return saved[:nk], saved[nk : nk+nm], rest[:c.R.acts], rest[c.R.acts:][:Lanes]
}

func (c spline[T]) run(x, logDet, w []T, inverse bool, saved []T) {
	// slope is the product of the slopes since the last logarithm.
	in, curves, act, slope := c.split(saved)
	for i, k := range c.Keep {
		copy(in[i*Lanes:(i+1)*Lanes], x[k*Lanes:])
	}
	out := netRun(c.R, w, in, act)
	per, size := SplineNumbers(c.Bins, c.Smooth)*Lanes, c.curve.saved()*Lanes
	for i, m := range c.Move {
		if i%2 == 0 {
			fill(slope, 1)
		}
		c.curve.run(x[m*Lanes:(m+1)*Lanes], slope, out[i*per:(i+1)*per], curves[i*size:(i+1)*size], inverse)
		// One logarithm for two columns: the product of two slopes cannot overflow.
		if logDet != nil && (i%2 == 1 || i == len(c.Move)-1) {
			for l, v := range slope {
				if ld := T(math.Log(float64(v))); inverse {
					logDet[l] -= ld
				} else {
					logDet[l] += ld
				}
			}
		}
	}
}

func (c spline[T]) grad(dw, dx, dLogDet, w []T, inverse bool, saved, scratch []T) {
	in, curves, act, _ := c.split(saved)
	outs := c.Outputs() * Lanes
	dOut, scratch := scratch[:outs], scratch[outs:]
	dKeep, scratch := scratch[:len(in)], scratch[len(in):]
	out := act[len(act)-outs:]
	per, size := SplineNumbers(c.Bins, c.Smooth)*Lanes, c.curve.saved()*Lanes
	for i, m := range c.Move {
		c.curve.grad(dOut[i*per:(i+1)*per], dx[m*Lanes:(m+1)*Lanes], dLogDet[:Lanes], out[i*per:(i+1)*per],
			curves[i*size:(i+1)*size], inverse)
	}
	clear(dKeep)
	netBack(c.R, dw, dKeep, w, in, act, dOut, scratch)
	for i, k := range c.Keep {
		add(dx[k*Lanes:(k+1)*Lanes], dKeep[i*Lanes:(i+1)*Lanes])
	}
}

// reverse has nothing to do: run saves the same in both directions.
func (c spline[T]) reverse([]T) {}

func (c spline[T]) hasRoots(inverse bool) bool { return inverse }
