package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Predicates of comparisons. They give no signal, and false for NaN.
const (
	less    = 0x11 // x < y
	notLess = 0x1d // x ≥ y
)

// The rows of what smooth splines save, as in the file primitive_smooth.go.
const (
	smoothBin = iota
	smoothAt
	smoothC0
	smoothC1
	smoothC2
)

// smooth writes smooth splines, both directions and their gradients.
func (e *emitter) smooth() {
	for _, inverse := range []bool{false, true} {
		e.smoothRun(inverse)
		e.smoothGrad(inverse)
	}
}

// indexed is a value of every row, at an offset from the base.
func (e *emitter) indexed(base, offset reg.Register, row int) operand.Mem {
	return operand.Mem{Base: base, Index: offset, Scale: 1, Disp: row * e.row()}
}

// spread is a new register with the number k of those at base.
func (e *emitter) spread(base reg.Register, k int) reg.VecVirtual {
	v := e.vec()
	e.broadcast(at(base, k*e.size), v)
	return v
}

// where compares x with y, which may be in memory, and returns a mask.
func (e *emitter) where(x operand.Op, predicate int, y operand.Op) reg.Register {
	var mask reg.Register
	if e.evex() {
		mask = e.K()
	} else {
		mask = e.vec()
	}
	e.op("VCMPP", imm8(predicate), y, x, mask)
	return mask
}

// replace replaces to by from where the mask says so. from may be in memory.
func (e *emitter) replace(mask reg.Register, from operand.Op, to reg.VecVirtual) {
	if !e.evex() {
		e.op("VBLENDVP", mask, from, to, to)
	} else if _, ok := from.(operand.Mem); ok {
		e.op("VMOVUP", from, mask, to)
	} else {
		e.op("VMOVAP", from, mask, to)
	}
}

func (e *emitter) smoothRun(inverse bool) {
	name, doc := "smoothForward", "maps a column by smooth splines, see the function of the same name."
	if inverse {
		name, doc = "smoothInverse", "is the inverse of smoothForward, see the function of the same name."
	}
	e.begin(name, "y, slope, p, saved, numbers *T, n int", doc)
	y, slope, p := e.arg("y"), e.arg("slope"), e.arg("p")
	saved, numbers, n := e.arg("saved"), e.arg("numbers"), e.arg("n")
	e.DECQ(n)
	e.perRows(func(offset reg.Register) {
		place := e.vec()
		e.load(e.indexed(y, offset, 0), place)
		e.op("VADDP", e.spread(numbers, 2), place, place)
		e.op("VMULP", e.spread(numbers, 4), place, place)
		b, start := e.smoothPiece(place, p, numbers, n, offset, inverse)
		// rest is what place is beyond the start of its bin; then u is the place in the bin.
		u, value := e.vec(), e.vec()
		if inverse {
			e.op("VSUBP", start, place, u)
			e.smoothRoot(b, u)
		} else {
			e.op("VSUBP", b.j, place, u)
			e.limit(u)
		}
		w := e.smoothWeights(u)
		s := b.slope(e, w)
		if inverse {
			e.op("VADDP", b.j, u, value)
		} else {
			value = b.value(e, e.smoothAreas(u))
			e.op("VADDP", start, value, value)
		}
		e.op("VMULP", e.spread(numbers, 3), value, value)
		e.op("VSUBP", e.spread(numbers, 2), value, value)

		x, size := e.vec(), e.vec()
		e.load(e.indexed(y, offset, 0), x)
		e.bitOp("VPANDN", x, e.inRegister(e.bits(1<<(8*e.size-1))), size)
		inside := e.where(size, less, e.spread(numbers, 2))
		e.replace(inside, value, x)
		e.store(x, e.indexed(y, offset, 0))
		bin, one := e.inRegister(e.number(-1)), e.inRegister(e.number(1))
		e.replace(inside, b.j, bin)
		e.store(bin, e.indexed(saved, offset, smoothBin))
		e.replace(inside, s, one)
		e.op("VMULP", e.indexed(slope, offset, 0), one, one)
		e.store(one, e.indexed(slope, offset, 0))
		e.store(u, e.indexed(saved, offset, smoothAt))
		for i, c := range b.c {
			e.store(c, e.indexed(saved, offset, smoothC0+i))
		}
	})
	e.end()
}

// smoothPiece is the bin of every row: its number and its weights.
type smoothPiece struct {
	j reg.VecVirtual
	c [3]reg.VecVirtual
}

// smoothPiece finds the bins that hold place and where their images start. The loop
// ends one weight before the last ones, which are one.
func (e *emitter) smoothPiece(
	place reg.VecVirtual, p, numbers, n, offset reg.Register, inverse bool,
) (*smoothPiece, reg.VecVirtual) {
	next := e.GP64()
	e.LEAQ(operand.Mem{Base: p, Index: offset, Scale: 1}, next)
	weight := func(to reg.VecVirtual) {
		e.broadcast(at(numbers, 0), to)
		e.op("VFMADD132P", at(next, 0), e.spread(numbers, 1), to)
		e.ADDQ(imm(e.row()), next)
	}
	j, before, c := e.vec(), e.vec(), e.vecs(3)
	e.load(e.number(0), j)
	e.load(e.number(0), before)
	e.load(e.number(1), c[0])
	e.load(e.number(1), c[1])
	weight(c[2])
	candidates := []reg.VecVirtual{j, before, c[0], c[1], c[2]}
	chosen := e.vecs(len(candidates))
	for i, from := range candidates {
		e.op("VMOVAP", from, chosen[i])
	}
	step := func(weight func(to reg.VecVirtual)) {
		e.op("VADDP", e.number(1), j, j)
		e.op("VADDP", c[0], before, before)
		e.op("VMOVAP", c[1], c[0])
		e.op("VMOVAP", c[2], c[1])
		weight(c[2])
		knot := j
		if inverse {
			knot = e.smoothStart(before, c[0], c[1])
		}
		reached := e.where(place, notLess, knot)
		for i, from := range candidates {
			e.replace(reached, from, chosen[i])
		}
	}
	count := e.GP64()
	e.MOVQ(n, count)
	e.countdown(count, func() { step(weight) })
	for range 2 {
		step(func(to reg.VecVirtual) { e.load(e.number(1), to) })
	}
	b := &smoothPiece{chosen[0], [3]reg.VecVirtual(chosen[2:])}
	return b, e.smoothStart(chosen[1], chosen[2], chosen[3])
}

// smoothStart is where the image of a bin starts: before + (5·c0 + c1)/6 − 1.
func (e *emitter) smoothStart(before, c0, c1 reg.VecVirtual) reg.VecVirtual {
	v := e.vec()
	e.op("VMOVAP", c1, v)
	e.op("VFMADD231P", e.number(5), c0, v)
	e.op("VFMADD213P", before, e.inRegister(e.number(1./6)), v)
	e.op("VSUBP", e.inRegister(e.number(1)), v, v)
	return v
}

// limit limits u to the values from 0 to 1.
func (e *emitter) limit(u reg.VecVirtual) {
	e.op("VMAXP", e.number(0), u, u)
	e.op("VMINP", e.number(1), u, u)
}

// smoothWeights are the values of the three B-splines.
func (e *emitter) smoothWeights(u reg.VecVirtual) [3]reg.VecVirtual {
	w := [3]reg.VecVirtual(e.vecs(3))
	r := e.inRegister(e.number(1))
	e.op("VSUBP", u, r, r)
	e.op("VMULP", u, r, w[1])
	e.op("VADDP", e.number(0.5), w[1], w[1])
	e.op("VMULP", u, u, w[2])
	e.op("VMULP", e.number(0.5), w[2], w[2])
	e.op("VMULP", r, r, w[0])
	e.op("VMULP", e.number(0.5), w[0], w[0])
	return w
}

// smoothAreas are the integrals of the three B-splines from the start of the bin.
func (e *emitter) smoothAreas(u reg.VecVirtual) [3]reg.VecVirtual {
	a := [3]reg.VecVirtual(e.vecs(3))
	r, sixth := e.inRegister(e.number(1)), e.vec()
	e.op("VMULP", e.number(1./6), u, sixth)
	e.op("VSUBP", u, r, r)
	e.op("VADDP", e.number(1), r, a[0])
	e.op("VFMADD213P", e.number(1), r, a[0])
	e.op("VMULP", sixth, a[0], a[0])
	e.op("VMULP", u, u, a[2])
	e.op("VMULP", sixth, a[2], a[2])
	e.op("VSUBP", a[0], u, a[1])
	e.op("VSUBP", a[2], a[1], a[1])
	return a
}

// combination is the sum of the weights times the values w.
func (b *smoothPiece) combination(e *emitter, w [3]reg.VecVirtual) reg.VecVirtual {
	v := e.vec()
	e.op("VMULP", b.c[0], w[0], v)
	e.op("VFMADD231P", b.c[1], w[1], v)
	e.op("VFMADD231P", b.c[2], w[2], v)
	return v
}

func (b *smoothPiece) slope(e *emitter, w [3]reg.VecVirtual) reg.VecVirtual {
	return b.combination(e, w)
}
func (b *smoothPiece) value(e *emitter, a [3]reg.VecVirtual) reg.VecVirtual {
	return b.combination(e, a)
}

// bend is the derivative of the slope with respect to u.
func (b *smoothPiece) bend(e *emitter, u reg.VecVirtual) reg.VecVirtual {
	low, high := e.vec(), e.vec()
	e.op("VSUBP", b.c[0], b.c[1], low)
	e.op("VSUBP", b.c[1], b.c[2], high)
	e.op("VSUBP", low, high, high)
	e.op("VFMADD213P", low, u, high)
	return high
}

// smoothRoot replaces t, the distance from the start of the image, by the place in
// the bin. See smoothPiece.root in the package kernel.
func (e *emitter) smoothRoot(b *smoothPiece, t reg.VecVirtual) {
	low, sum, s := e.vec(), e.vec(), e.vec()
	e.op("VADDP", b.c[0], b.c[1], low) // d0
	e.op("VMULP", e.number(0.5), low, low)
	e.op("VADDP", b.c[1], b.c[2], sum) // d0 + d1
	e.op("VMULP", e.number(0.5), sum, sum)
	e.op("VADDP", low, sum, sum)
	e.op("VADDP", b.c[0], b.c[2], s)
	e.op("VFMADD231P", e.number(4), b.c[1], s)
	e.op("VMULP", e.number(1./6), s, s)
	e.op("VMAXP", e.number(0), t, t)
	e.op("VMINP", s, t, t)

	f, tilt, g, rest, u := e.vec(), e.vec(), e.vec(), e.inRegister(e.number(1)), e.vec()
	e.op("VDIVP", s, t, f)
	e.op("VMOVAP", low, tilt)
	e.op("VFNMADD231P", f, sum, tilt)
	e.op("VADDP", s, s, s)
	e.op("VMULP", s, f, g)
	e.op("VSUBP", f, rest, rest)
	e.op("VMULP", s, rest, rest)
	e.op("VMULP", g, rest, rest)
	e.op("VFMADD231P", tilt, tilt, rest)
	e.op("VSQRTP", rest, rest)
	e.op("VADDP", g, rest, rest)
	e.op("VADDP", tilt, rest, rest)
	e.op("VDIVP", rest, g, u)
	e.limit(u)

	count := 3
	if e.size == 8 {
		count = 4
	}
	e.repeat(count, func() {
		value := b.value(e, e.smoothAreas(u))
		slope, bend := b.slope(e, e.smoothWeights(u)), b.bend(e, u)
		e.op("VSUBP", t, value, value)
		e.op("VMULP", e.number(-6), bend, bend)
		e.op("VMULP", value, bend, bend)
		root := e.vec()
		e.op("VMULP", slope, slope, root)
		e.op("VFMADD132P", e.number(4), bend, root)
		e.op("VMAXP", e.number(0), root, root)
		e.op("VSQRTP", root, root)
		e.op("VADDP", slope, root, root)
		e.op("VMULP", e.number(3), value, value)
		e.op("VDIVP", root, value, value)
		e.op("VSUBP", value, u, u)
		e.limit(u)
	})
	e.op("VMOVAP", u, t)
}

func (e *emitter) smoothGrad(inverse bool) {
	name := "smooth" + direction(inverse) + "Grad"
	e.begin(name, "dr, d, dLogDet, p, saved, numbers *T, n int",
		"is the gradient of smooth"+direction(inverse)+", see the function of the same name.")
	dr, d, dLogDet, p := e.arg("dr"), e.arg("d"), e.arg("dLogDet"), e.arg("p")
	saved, numbers, n := e.arg("saved"), e.arg("numbers"), e.arg("n")
	e.perRows(func(offset reg.Register) {
		b := &smoothPiece{j: e.vec(), c: [3]reg.VecVirtual(e.vecs(3))}
		u := e.vec()
		e.load(e.indexed(saved, offset, smoothAt), u)
		for i, c := range b.c {
			e.load(e.indexed(saved, offset, smoothC0+i), c)
		}
		w := e.smoothWeights(u)
		slope, along, inv := b.slope(e, w), b.bend(e, u), e.inRegister(e.number(1))
		e.op("VDIVP", slope, inv, inv)
		e.op("VMULP", inv, along, along)
		e.op("VMULP", e.spread(numbers, 4), along, along)
		a, g, result := e.vec(), e.vec(), e.vec()
		e.load(e.indexed(d, offset, 0), a)
		e.load(e.indexed(dLogDet, offset, 0), g)
		if inverse {
			e.op("VFNMADD231P", along, g, a)
			e.op("VMULP", inv, a, a)
			e.op("VMOVAP", a, result)
			e.negate(a)
			e.negate(g)
		} else {
			e.op("VMULP", slope, a, result)
			e.op("VFMADD231P", along, g, result)
		}
		old := e.vec()
		e.load(e.indexed(saved, offset, smoothBin), b.j)
		e.load(e.indexed(d, offset, 0), old)
		e.replace(e.where(b.j, notLess, e.number(0)), result, old)
		e.store(old, e.indexed(d, offset, 0))

		e.op("VMULP", e.spread(numbers, 3), a, a)
		e.op("VMULP", inv, g, g)
		areas := e.smoothAreas(u)
		e.op("VADDP", e.number(5./6), areas[0], areas[0])
		e.op("VADDP", e.number(1./6), areas[1], areas[1])
		for i := range areas {
			e.op("VMULP", g, w[i], w[i])
			e.op("VFMADD231P", a, areas[i], w[i])
		}
		e.smoothSoftmaxGrad(dr, p, numbers, n, offset, b.j, []reg.VecVirtual{w[2], w[1], w[0], a})
	})
	e.end()
}

// smoothSoftmaxGrad is the function of the same name for all rows of a vector. t is
// the number of the bin minus that of the softmax; g are the gradients for t = 0, 1, 2
// and for all above.
func (e *emitter) smoothSoftmaxGrad(dr, p, numbers, n, offset reg.Register, t reg.VecVirtual, g []reg.VecVirtual) {
	mean, scale := e.inRegister(e.number(0)), e.vec()
	e.bins(n, offset, []reg.Register{dr, p}, func(q []reg.Register) {
		v := e.inRegister(e.number(0))
		for i, from := range g {
			e.replace(e.where(t, notLess, e.number(float64(i))), from, v)
		}
		e.store(v, at(q[0], 0))
		e.op("VFMADD231P", at(q[1], 0), v, mean)
		e.op("VSUBP", e.inRegister(e.number(1)), t, t)
	})
	e.broadcast(at(numbers, 0), scale)
	e.bins(n, offset, []reg.Register{dr, p}, func(q []reg.Register) {
		v := e.vec()
		e.load(at(q[0], 0), v)
		e.op("VSUBP", mean, v, v)
		e.op("VMULP", at(q[1], 0), v, v)
		e.op("VMULP", scale, v, v)
		e.store(v, at(q[0], 0))
	})
}
