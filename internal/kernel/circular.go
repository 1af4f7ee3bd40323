package kernel

import "math"

// Circular is the shape of one coupling of angles, which are values modulo 2π. The
// columns in Keep pass through. The cosines and sines of them feed a net, one angle
// after the other. Every column in Move is mapped by a circle of its own, see circle.
// The net R gives Bins+1 numbers for every moved column.
//
// With Relative all angles, kept and moved, are measured from the first kept one. The
// coupling then commutes with a rotation of all angles by one angle.
type Circular struct {
	Keep, Move []int
	R          Net
	Bins       int
	Relative   bool
}

// Inputs is the number of inputs that R must have.
func (c *Circular) Inputs() int { return 2 * len(c.Keep) }

// Outputs is the number of outputs that R must have.
func (c *Circular) Outputs() int { return len(c.Move) * CircleNumbers(c.Bins) }

// CircleNumbers is how many numbers say what a map of the circle is.
func CircleNumbers(bins int) int { return bins + 1 }

// NewCircular returns the block of the given couplings on rows of dim angles.
func NewCircular[T Float](dim int, couplings []Circular) *Couplings[T] {
	chain := make([]coupling[T], len(couplings))
	for k := range couplings {
		chain[k] = circular[T]{&couplings[k], newCircle[T](couplings[k].Bins)}
	}
	return newCouplings(dim, chain)
}

// circular makes a Circular one of a chain.
type circular[T Float] struct {
	*Circular
	circle circle[T]
}

func (c circular[T]) params() int { return c.R.Params() }

// saved is for the inputs of R, its activations, what the circles save, and slopes.
func (c circular[T]) saved() int {
	return (c.Inputs()+circleSaved*len(c.Move)+1)*Lanes + c.R.acts
}

// scratch is for the gradients of the outputs and inputs of R, and of one column.
func (c circular[T]) scratch() int { return (c.Outputs()+c.Inputs()+1)*Lanes + c.R.scratch() }

func (c circular[T]) split(saved []T) (in, act, circles, slope []T) {
	in, saved = saved[:c.Inputs()*Lanes], saved[c.Inputs()*Lanes:]
	act, saved = saved[:c.R.acts], saved[c.R.acts:]
	n := circleSaved * len(c.Move) * Lanes
	return in, act, saved[:n], saved[n:][:Lanes]
}

func (c circular[T]) run(x, logDet, w []T, inverse bool, saved []T) {
	in, act, circles, slope := c.split(saved)
	ref := x[c.Keep[0]*Lanes:][:Lanes]
	for i, k := range c.Keep {
		cos, sin := in[2*i*Lanes:][:Lanes], in[(2*i+1)*Lanes:][:Lanes]
		for l, v := range x[k*Lanes:][:Lanes] {
			if c.Relative {
				v -= ref[l]
			}
			cos[l] = wrap(v)
		}
		sincos(sin, cos)
	}
	out := netRun(c.R, w, in, act)
	per, size := CircleNumbers(c.Bins)*Lanes, circleSaved*Lanes
	for i, m := range c.Move {
		y := x[m*Lanes:][:Lanes]
		if c.Relative {
			addScaled(y, ref, -1)
		}
		fill(slope, 1)
		c.circle.run(y, slope, out[i*per:(i+1)*per], circles[i*size:(i+1)*size], inverse)
		if c.Relative {
			for l := range y {
				y[l] = wrap(y[l] + ref[l])
			}
		}
		if logDet == nil {
			continue
		}
		for l, v := range slope {
			if ld := T(math.Log(float64(v))); inverse {
				logDet[l] += ld
			} else {
				logDet[l] -= ld
			}
		}
	}
}

func (c circular[T]) grad(dw, dx, dLogDet, w []T, inverse bool, saved, scratch []T) {
	in, act, circles, _ := c.split(saved)
	outs := c.Outputs() * Lanes
	dOut, scratch := scratch[:outs], scratch[outs:]
	dIn, scratch := scratch[:len(in)], scratch[len(in):]
	before, scratch := scratch[:Lanes], scratch[Lanes:]
	out, dRef := act[len(act)-outs:], dx[c.Keep[0]*Lanes:][:Lanes]
	per, size := CircleNumbers(c.Bins)*Lanes, circleSaved*Lanes
	for i, m := range c.Move {
		d := dx[m*Lanes:][:Lanes]
		copy(before, d)
		c.circle.grad(dOut[i*per:(i+1)*per], d, dLogDet, out[i*per:(i+1)*per], circles[i*size:(i+1)*size], inverse)
		if c.Relative { // the column is ref + f(column − ref)
			add(dRef, before)
			addScaled(dRef, d, -1)
		}
	}
	clear(dIn)
	netBack(c.R, dw, dIn, w, in, act, dOut, scratch)
	for i, k := range c.Keep {
		if c.Relative && i == 0 {
			continue // the angle of the reference to itself is constant
		}
		cos, sin := in[2*i*Lanes:][:Lanes], in[(2*i+1)*Lanes:][:Lanes]
		dCos, dSin, d := dIn[2*i*Lanes:], dIn[(2*i+1)*Lanes:], dx[k*Lanes:]
		for l := range cos {
			g := dSin[l]*cos[l] - dCos[l]*sin[l]
			d[l] += g
			if c.Relative {
				dRef[l] -= g
			}
		}
	}
}

// reverse has nothing to do: run saves the same in both directions.
func (c circular[T]) reverse([]T) {}

func (c circular[T]) hasRoots(inverse bool) bool { return !inverse }
