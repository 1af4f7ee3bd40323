package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// circle writes maps of the circle, both directions, and the gradient of their softmax.
func (e *emitter) circle() {
	e.circleRun(false)
	e.circleRun(true)
	e.circleSoftmaxGrad()
}

func (e *emitter) circleRun(inverse bool) {
	name := "circle" + direction(inverse)
	e.begin(name, "y, slope, p, saved, numbers *T, n int",
		"maps places on the circle, see the function of the same name.")
	y, slope, p := e.arg("y"), e.arg("slope"), e.arg("p")
	saved, numbers, n := e.arg("saved"), e.arg("numbers"), e.arg("n")
	e.SUBQ(imm(3), n)
	e.perRows(func(offset reg.Register) {
		place, u := e.vec(), e.vec()
		e.load(e.indexed(y, offset, 0), place)
		if !inverse {
			e.op("VADDP", e.circleOrigin(p, numbers, offset), place, place)
		}
		b, start := e.circlePiece(place, p, numbers, n, offset, !inverse)
		var value reg.VecVirtual
		if inverse {
			e.op("VSUBP", b.j, place, u)
			e.limit(u)
			value = b.value(e, e.smoothAreas(u))
			e.op("VADDP", start, value, value)
			e.op("VSUBP", e.circleOrigin(p, numbers, offset), value, value)
		} else {
			value = e.vec()
			e.op("VSUBP", start, place, u)
			e.smoothRoot(b, u)
			e.op("VADDP", b.j, u, value)
		}
		e.store(value, e.indexed(y, offset, 0))
		s := b.slope(e, e.smoothWeights(u))
		e.op("VMULP", e.indexed(slope, offset, 0), s, s)
		e.store(s, e.indexed(slope, offset, 0))
		e.store(b.j, e.indexed(saved, offset, smoothBin))
		e.store(u, e.indexed(saved, offset, smoothAt))
		for i, c := range b.c {
			e.store(c, e.indexed(saved, offset, smoothC0+i))
		}
	})
	e.end()
}

// weights returns a function that loads the next weight of every row, from the first
// one on.
func (e *emitter) weights(next, p, numbers, offset reg.Register) func(to reg.VecVirtual) {
	e.LEAQ(operand.Mem{Base: p, Index: offset, Scale: 1}, next)
	return func(to reg.VecVirtual) {
		e.broadcast(at(numbers, 0), to)
		e.op("VFMADD132P", at(next, 0), e.spread(numbers, 1), to)
		e.ADDQ(imm(e.row()), next)
	}
}

// circleOrigin is smoothStart of the first bin.
func (e *emitter) circleOrigin(p, numbers, offset reg.Register) reg.VecVirtual {
	weight, c := e.weights(e.GP64(), p, numbers, offset), e.vecs(2)
	weight(c[0])
	weight(c[1])
	return e.smoothStart(e.inRegister(e.number(0)), c[0], c[1])
}

// circlePiece finds the bins that hold place and where their images start, which is
// compared with place if image is true. n is the number of bins minus three.
func (e *emitter) circlePiece(
	place reg.VecVirtual, p, numbers, n, offset reg.Register, image bool,
) (*smoothPiece, reg.VecVirtual) {
	next := e.GP64()
	weight := e.weights(next, p, numbers, offset)
	j, before, c := e.vec(), e.vec(), e.vecs(3)
	e.load(e.number(0), j)
	e.load(e.number(0), before)
	for _, v := range c {
		weight(v)
	}
	candidates := []reg.VecVirtual{j, before, c[0], c[1], c[2]}
	chosen := e.vecs(len(candidates))
	for i, from := range candidates {
		e.op("VMOVAP", from, chosen[i])
	}
	step := func() {
		e.op("VADDP", e.number(1), j, j)
		e.op("VADDP", c[0], before, before)
		e.op("VMOVAP", c[1], c[0])
		e.op("VMOVAP", c[2], c[1])
		weight(c[2])
		knot := j
		if image {
			knot = e.smoothStart(before, c[0], c[1])
		}
		e.replaceWhere(place, knot, chosen, candidates)
	}
	count := e.GP64()
	e.MOVQ(n, count)
	e.countdown(count, step)
	e.LEAQ(operand.Mem{Base: p, Index: offset, Scale: 1}, next) // the first weights follow the last one
	step()
	step()
	b := &smoothPiece{chosen[0], [3]reg.VecVirtual(chosen[2:])}
	return b, e.smoothStart(chosen[1], chosen[2], chosen[3])
}

// The rows of the gradients that circleSoftmaxGrad takes, as in the file
// primitive_circle.go.
const (
	circleFrom   = iota // number of the bin plus 2
	circleG2            // gradients of the three weights of the bin, the last one first
	circleG1            //
	circleG0            //
	circleG             // gradient of all weights before the bin
	circleFirst         // what is added to the gradients of the first two weights
	circleSecond        //
)

func (e *emitter) circleSoftmaxGrad() {
	e.begin("circleSoftmaxGrad", "dr, p, of, numbers *T, n int",
		"takes gradients of weights to their numbers, see the function of the same name.")
	dr, p, g, numbers, n := e.arg("dr"), e.arg("p"), e.arg("of"), e.arg("numbers"), e.arg("n")
	e.perRows(func(offset reg.Register) {
		t, mean, scale := e.vec(), e.inRegister(e.number(0)), e.vec()
		of := e.vecs(4)
		e.load(e.indexed(g, offset, circleFrom), t)
		for i := range of {
			e.load(e.indexed(g, offset, circleG2+i), of[i])
		}
		e.bins(n, offset, []reg.Register{dr, p}, func(q []reg.Register) {
			v := e.inRegister(e.number(0))
			for i, from := range of {
				e.replace(e.where(t, notLess, e.number(float64(i))), from, v)
			}
			e.store(v, at(q[0], 0))
			e.op("VFMADD231P", at(q[1], 0), v, mean)
			e.op("VSUBP", e.inRegister(e.number(1)), t, t)
		})
		for m := range 2 {
			more, v := e.vec(), e.vec()
			e.load(e.indexed(g, offset, circleFirst+m), more)
			e.op("VFMADD231P", e.indexed(p, offset, m), more, mean)
			e.op("VADDP", e.indexed(dr, offset, m), more, v)
			e.store(v, e.indexed(dr, offset, m))
		}
		e.broadcast(at(numbers, 0), scale)
		e.bins(n, offset, []reg.Register{dr, p}, func(q []reg.Register) {
			v := e.vec()
			e.load(at(q[0], 0), v)
			e.op("VSUBP", mean, v, v)
			e.op("VMULP", at(q[1], 0), v, v)
			e.op("VMULP", scale, v, v)
			e.store(v, at(q[0], 0))
		})
	})
	e.end()
}
