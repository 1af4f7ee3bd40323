package main

import (
	"math"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// elementwise writes the functions of one argument and add. Their slices hold
// whole tiles, so that there is no remainder.
func (e *emitter) elementwise() {
	together, held := 2, 6
	switch {
	case e.wide():
		together, held = 4, 10
	case e.neon():
		held = 10
	}
	e.begin("elu", "z *T, n int", "replaces n values z ≤ 0 by exp(z) − 1; n is a multiple of Lanes.")
	switch {
	case e.evex():
		e.eluMasked(together)
	case e.neon():
		e.eluSelected(together, held)
	default:
		e.eluClamped()
	}
	e.end()
	e.add()
	e.tanh(together, held)

	e.begin("exp", "z *T, n int", "replaces n values by their exponentials; n is a multiple of Lanes.")
	z := e.arg("z")
	c := e.expConstants(held, 2)
	e.sweep(z, 2, func() {
		x := e.vecs(2)
		for i := range x {
			e.load(at(z, i*e.width), x[i])
		}
		for i, v := range e.exp(c, x) {
			e.store(v, at(z, i*e.width))
		}
	})
	e.end()
}

func (e *emitter) add() {
	e.begin("add", "to, z *T, n int", "adds n values z to those at to; n is a multiple of Lanes.")
	to, z := e.arg("to"), e.arg("z")
	e.sweep(z, 2, func() {
		x := e.vecs(2)
		each(2, func(i int) { e.load(at(z, i*e.width), x[i]) })
		each(2, func(i int) { e.op("VADDP", at(to, i*e.width), x[i], x[i]) })
		each(2, func(i int) { e.store(x[i], at(to, i*e.width)) })
		e.ADDQ(imm(2*e.width), to)
	})
	e.end()
}

// tanh computes tanh|z| = −m/(m + 2) with m = expm1(−2|z|), and adds the sign.
func (e *emitter) tanh(together, held int) {
	e.begin("tanh", "z *T, n int", "replaces n values by their hyperbolic tangents; n is a multiple of Lanes.")
	z := e.arg("z")
	c := e.expConstants(held, 1)
	sign := e.bits(1 << (8*e.size - 1))
	two := e.number(2)
	least := e.number(e.least())
	e.sweep(z, together, func() {
		x, s := e.vecs(together), e.vecs(together)
		for i := range x {
			e.load(at(z, i*e.width), x[i])
			e.bitOp("VPAND", sign, x[i], s[i])
			e.bitOp("VPOR", sign, x[i], x[i])
			e.op("VADDP", x[i], x[i], x[i])
			low := e.vec()
			e.load(least, low)
			e.op("VMAXP", x[i], low, x[i])
		}
		m := e.expm1(c, x)
		for i := range m {
			e.op("VADDP", two, m[i], x[i])
			e.op("VDIVP", x[i], m[i], m[i])
			e.bitOp("VPANDN", m[i], e.inRegister(sign), m[i])
			e.bitOp("VPOR", s[i], m[i], m[i])
			e.store(m[i], at(z, i*e.width))
		}
	})
	e.end()
}

// inRegister loads a constant into a register of its own, for the next
// instructions only.
func (e *emitter) inRegister(m operand.Mem) reg.VecVirtual {
	v := e.vec()
	e.load(m, v)
	return v
}

// sweep emits the body in a loop over the n values at z, so many vectors at a
// time.
func (e *emitter) sweep(z reg.Register, together int, body func()) {
	n := e.arg("n")
	e.SHRQ(operand.U8(uint8(math.Log2(float64(together*e.per())))), n)
	e.countdown(n, func() {
		body()
		e.ADDQ(imm(together*e.width), z)
	})
}

// eluClamped is elu for AVX2: the maximum of z and expm1 of a clamped z. This is right
// everywhere: expm1(z) > z for z < 0, and for z ≥ 0 the clamped argument gives 0 ≤ z. For two
// zeros and for NaN, max returns its last operand, z.
func (e *emitter) eluClamped() {
	const together = 4
	z := e.arg("z")
	c := e.powerConstants(2)
	e.sweep(z, together, func() {
		zero, x := e.inRegister(e.number(0)), e.vecs(together)
		each(together, func(i int) { e.op("VMINP", at(z, i*e.width), zero, x[i]) })
		v := e.expm1Base2(c, x)
		each(together, func(i int) { e.op("VMAXP", at(z, i*e.width), v[i], v[i]) })
		each(together, func(i int) { e.store(v[i], at(z, i*e.width)) })
	})
}

// eluPair is eluClamped for two vectors z in registers.
func (e *emitter) eluPair(c *powerConstants, zero operand.Op, z []reg.VecVirtual) []reg.VecVirtual {
	x := e.vecs(2)
	each(2, func(i int) { e.op("VMINP", zero, z[i], x[i]) })
	v := e.expm1Base2(c, x)
	each(2, func(i int) { e.op("VMAXP", z[i], v[i], v[i]) })
	return v
}

// eluSelected computes expm1 for all values and keeps it where z < 0. Where z > 0 it may
// be anything.
func (e *emitter) eluSelected(together, held int) {
	z := e.arg("z")
	c := e.expConstants(held, 1)
	zero, least := e.held(e.number(0)), e.held(e.number(e.least()))
	e.sweep(z, together, func() {
		x, r := e.vecs(together), e.vecs(together)
		each(together, func(i int) { e.load(at(z, i*e.width), x[i]) })
		each(together, func(i int) { e.op("VMAXP", least, x[i], r[i]) })
		v := e.expm1(c, r)
		each(together, func(i int) { e.replace(e.where(x[i], less, zero), v[i], x[i]) })
		each(together, func(i int) { e.store(x[i], at(z, i*e.width)) })
	})
}

// eluMasked computes exp(z) − 1 = 2^k·(2^r − 1) + (2^k − 1), z = (k + r)·ln 2, for
// all values and keeps it where z < 0. It needs no clamping: for −Inf, r and 2^k
// are zero.
func (e *emitter) eluMasked(together int) {
	z := e.arg("z")
	powers := powers32
	if e.size == 8 {
		powers = powers64
	}
	one, log2e, zero := e.held(e.number(1)), e.held(e.number(math.Log2E)), e.held(e.number(0))
	var p []operand.Op
	for _, v := range powers {
		p = append(p, e.held(e.number(v)))
	}
	const nearest = 8 // round to an integer, without a signal
	e.sweep(z, together, func() {
		x, r, s, q := e.vecs(together), e.vecs(together), e.vecs(together), e.vecs(together)
		negative := make([]reg.Register, together)
		each(together, func(i int) { e.load(at(z, i*e.width), x[i]) })
		each(together, func(i int) { e.op("VMULP", log2e, x[i], r[i]) })
		each(together, func(i int) { e.op("VRNDSCALEP", imm8(nearest), r[i], s[i]) })
		each(together, func(i int) { e.op("VREDUCEP", imm8(nearest), r[i], r[i]) })
		each(together, func(i int) {
			negative[i] = e.K()
			e.op("VCMPP", imm8(less), zero, x[i], negative[i])
		})
		each(together, func(i int) { e.op("VSCALEFP", s[i], one, s[i]) })
		last := len(p) - 1
		each(together, func(i int) { e.move(p[last], q[i]) })
		for n := last - 1; n >= 0; n-- {
			each(together, func(i int) { e.op("VFMADD213P", p[n], r[i], q[i]) })
		}
		each(together, func(i int) { e.op("VMULP", s[i], r[i], r[i]) })
		each(together, func(i int) { e.op("VSUBP", one, s[i], negative[i], x[i]) })
		each(together, func(i int) { e.op("VFMADD231P", r[i], q[i], negative[i], x[i]) })
		each(together, func(i int) { e.store(x[i], at(z, i*e.width)) })
	})
}
