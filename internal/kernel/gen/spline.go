package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// spline writes what a rational-quadratic spline does bin by bin.
func (e *emitter) spline() {
	e.softmax()
	e.softmaxGrad()
	e.splineBins()
}

// perRows emits the body in a loop over the vectors of rows. offset is where the
// vector begins, in bytes.
func (e *emitter) perRows(body func(offset reg.Register)) {
	offset := e.GP64()
	e.XORQ(offset, offset)
	e.repeat(e.row()/e.width, func() {
		body(offset)
		e.ADDQ(imm(e.width), offset)
	})
}

// bins emits the body in a loop over n bins. The pointers begin at an offset from
// their bases and move from bin to bin.
func (e *emitter) bins(n, offset reg.Register, bases []reg.Register, body func(at []reg.Register)) {
	count := e.GP64()
	e.MOVQ(n, count)
	pointers := make([]reg.Register, len(bases))
	for i, b := range bases {
		pointers[i] = e.GP64()
		e.LEAQ(operand.Mem{Base: b, Index: offset, Scale: 1}, pointers[i])
	}
	e.countdown(count, func() {
		body(pointers)
		for _, p := range pointers {
			e.ADDQ(imm(e.row()), p)
		}
	})
}

func (e *emitter) softmax() {
	e.begin("softmax", "r *T, n int", "replaces n ≥ 1 values of every row of a tile by their softmax.")
	if e.avx2() {
		e.softmaxInPairs()
		e.end()
		return
	}
	r, n := e.arg("r"), e.arg("n")
	held := 14
	if e.neon() {
		held = 10
	}
	c := e.expConstants(held, 2)
	e.perRows(func(offset reg.Register) {
		top, sum := e.vec(), e.vec()
		e.load(operand.Mem{Base: r, Index: offset, Scale: 1}, top)
		e.bins(n, offset, []reg.Register{r}, func(p []reg.Register) { e.op("VMAXP", at(p[0], 0), top, top) })
		e.load(e.number(0), sum)
		e.bins(n, offset, []reg.Register{r}, func(p []reg.Register) {
			x := e.vec()
			e.load(at(p[0], 0), x)
			e.op("VSUBP", top, x, x)
			v := e.exp(c, []reg.VecVirtual{x})[0]
			e.op("VADDP", v, sum, sum)
			e.store(v, at(p[0], 0))
		})
		inv := e.vec()
		e.load(e.number(1), inv)
		e.op("VDIVP", sum, inv, inv)
		e.bins(n, offset, []reg.Register{r}, func(p []reg.Register) {
			x := e.vec()
			e.op("VMULP", at(p[0], 0), inv, x)
			e.store(x, at(p[0], 0))
		})
	})
	e.end()
}

// softmaxInPairs is softmax for AVX2. It takes two vectors of rows at a time, since one waits for
// its exponentials.
func (e *emitter) softmaxInPairs() {
	r, n := e.arg("r"), e.arg("n")
	c := e.powerConstants(4)
	offset := e.GP64()
	e.XORQ(offset, offset)
	row := func(i int) operand.Mem { return operand.Mem{Base: r, Index: offset, Scale: 1, Disp: i * e.width} }
	e.repeat(e.row()/(2*e.width), func() {
		top, sum := e.vecs(2), e.vecs(2)
		each(2, func(i int) { e.load(row(i), top[i]) })
		e.bins(n, offset, []reg.Register{r}, func(p []reg.Register) {
			each(2, func(i int) { e.op("VMAXP", at(p[0], i*e.width), top[i], top[i]) })
		})
		e.zeros(sum...)
		e.bins(n, offset, []reg.Register{r}, func(p []reg.Register) {
			x := e.vecs(2)
			each(2, func(i int) { e.load(at(p[0], i*e.width), x[i]) })
			each(2, func(i int) { e.op("VSUBP", top[i], x[i], x[i]) })
			v := e.expBase2(c, x)
			each(2, func(i int) { e.op("VADDP", v[i], sum[i], sum[i]) })
			each(2, func(i int) { e.store(v[i], at(p[0], i*e.width)) })
		})
		inv := e.vecs(2)
		each(2, func(i int) { e.load(e.number(1), inv[i]) })
		each(2, func(i int) { e.op("VDIVP", sum[i], inv[i], inv[i]) })
		e.bins(n, offset, []reg.Register{r}, func(p []reg.Register) {
			x := e.vecs(2)
			each(2, func(i int) { e.op("VMULP", at(p[0], i*e.width), inv[i], x[i]) })
			each(2, func(i int) { e.store(x[i], at(p[0], i*e.width)) })
		})
		e.ADDQ(imm(2*e.width), offset)
	})
}

func (e *emitter) softmaxGrad() {
	e.begin("softmaxGrad", "d, p, bin, dSize, dStart, scale *T, n int",
		"is the gradient of softmax, see the function of the same name.")
	d, p, bin := e.arg("d"), e.arg("p"), e.arg("bin")
	dSize, dStart, scale, n := e.arg("dSize"), e.arg("dStart"), e.arg("scale"), e.arg("n")
	a, zero, one := e.vec(), e.held(e.number(0)), e.held(e.number(1))
	e.broadcast(at(scale, 0), a)
	e.perRows(func(offset reg.Register) {
		// t is the number of the row's bin minus j.
		t, size, start, mean := e.vec(), e.vec(), e.vec(), e.vec()
		e.load(operand.Mem{Base: bin, Index: offset, Scale: 1}, t)
		e.load(operand.Mem{Base: dSize, Index: offset, Scale: 1}, size)
		e.load(operand.Mem{Base: dStart, Index: offset, Scale: 1}, start)
		e.load(e.number(0), mean)
		e.bins(n, offset, []reg.Register{d, p}, func(q []reg.Register) {
			// before is 1 if bin j is before the row's bin, own is 1 if it is the row's
			// bin; otherwise they are 0.
			before, own := e.vec(), e.vec()
			e.op("VMAXP", zero, t, before)
			e.op("VMINP", one, before, before)
			e.op("VSUBP", t, zero, own)
			e.op("VMAXP", t, own, own)
			e.op("VSUBP", own, one, own)
			e.op("VMAXP", zero, own, own)
			e.op("VMULP", start, before, before)
			e.op("VFMADD231P", size, own, before)
			e.store(before, at(q[0], 0))
			e.op("VFMADD231P", at(q[1], 0), before, mean)
			e.op("VSUBP", one, t, t)
		})
		e.bins(n, offset, []reg.Register{d, p}, func(q []reg.Register) {
			v := e.vec()
			e.load(at(q[0], 0), v)
			e.op("VSUBP", mean, v, v)
			e.op("VMULP", at(q[1], 0), v, v)
			e.op("VMULP", a, v, v)
			e.store(v, at(q[0], 0))
		})
	})
	e.end()
}

// splineBins takes scale, least and −bound as three numbers.
func (e *emitter) splineBins() {
	e.begin("splineBins", "v, along, across, bin, start, end, wide, high, numbers *T, n int",
		"finds the bins of n ≥ 2 that hold v, see the function of the same name.")
	v, along, across := e.arg("v"), e.arg("along"), e.arg("across")
	numbers, n := e.arg("numbers"), e.arg("n")
	e.DECQ(n)
	scale, least := e.vec(), e.vec()
	e.broadcast(at(numbers, 0), scale)
	e.broadcast(at(numbers, e.size), least)
	e.perRows(func(offset reg.Register) {
		x, knot, other, a, b := e.vec(), e.vec(), e.vec(), e.vec(), e.vec()
		e.load(operand.Mem{Base: v, Index: offset, Scale: 1}, x)
		e.broadcast(at(numbers, 2*e.size), knot)
		e.op("VMOVAP", knot, other)
		sized := func(from operand.Op, to reg.VecVirtual) {
			e.load(from, to)
			e.op("VFMADD213P", least, scale, to)
		}
		sized(operand.Mem{Base: along, Index: offset, Scale: 1}, a)
		sized(operand.Mem{Base: across, Index: offset, Scale: 1}, b)
		// The values of the bin found so far, and those of bin j.
		chosen := e.vecs(5)
		j := e.vec()
		e.load(e.number(0), j)
		candidates := []reg.VecVirtual{j, knot, other, a, b}
		for i, from := range candidates {
			e.op("VMOVAP", from, chosen[i])
		}
		next := []reg.Register{e.GP64(), e.GP64()}
		for i, base := range []reg.Register{along, across} {
			e.LEAQ(operand.Mem{Base: base, Index: offset, Scale: 1, Disp: e.row()}, next[i])
		}
		count := e.GP64()
		e.MOVQ(n, count)
		e.countdown(count, func() {
			e.op("VADDP", a, knot, knot)
			e.op("VADDP", b, other, other)
			sized(at(next[0], 0), a)
			sized(at(next[1], 0), b)
			e.op("VADDP", e.number(1), j, j)
			e.replaceWhere(x, knot, chosen, candidates)
			for _, p := range next {
				e.ADDQ(imm(e.row()), p)
			}
		})
		for i, name := range []string{"bin", "start", "end", "wide", "high"} {
			to := e.arg(name)
			e.store(chosen[i], operand.Mem{Base: to, Index: offset, Scale: 1})
		}
	})
	e.end()
}

// replaceWhere replaces chosen by the candidates in the rows with x ≥ knot, and
// not for NaN.
func (e *emitter) replaceWhere(x, knot reg.VecVirtual, chosen, candidates []reg.VecVirtual) {
	mask := e.where(x, notLess, knot)
	for i, from := range candidates {
		e.replace(mask, from, chosen[i])
	}
}
