package main

import (
	"math"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// series are the coefficients q of expm1(r) = r + r²·Σ q[n]·rⁿ for
// |r| ≤ ln 2 / 2. They minimise the largest relative error (Remez exchange). It is
// 1.3e-8 in float32 and 1.8e-17 in float64.
var (
	series32 = []float64{
		0.4999999814968358454543,
		0.1666654342482258223109,
		0.04166720063010006212179,
		0.008366547106849566065355,
		0.001388252291752721292154,
	}
	series64 = []float64{
		0.5000000000000005198554,
		0.1666666666666658886382,
		0.04166666666657648347433,
		0.008333333333389822456179,
		0.001388888893166228564612,
		0.0001984126971846948349089,
		0.00002480150514823265409481,
		0.000002755740794357351275926,
		2.76260907401037480378e-7,
		2.505368217778358169227e-8,
	}
)

// powers are the coefficients p of 2^r − 1 = r·Σ p[n]·rⁿ for |r| ≤ 1/2, found in
// the same way. Their error is 1.1e-8 in float32 and 1.8e-17 in float64.
var (
	powers32 = []float64{
		0.69314718792774345559,
		0.24022649795092388534,
		0.055503574292393997786,
		0.0096182374634610561813,
		0.0013390737823346230189,
		0.00015403524712252610275,
	}
	powers64 = []float64{
		0.6931471805599453112,
		0.24022650695910097889,
		0.055504108664821236231,
		0.0096181291076070654133,
		0.0013333558146531751915,
		0.00015403530441481331254,
		0.000015252733701056207361,
		1.3215442723630404845e-6,
		1.0178121382659186762e-7,
		7.0725618687893998009e-9,
		4.4455223766006797609e-10,
	}
)

// expConstants are the constants of the exponentials. The first ones stay in
// registers, as many as the code has registers to spare. The others are read from
// memory.
type expConstants struct {
	one, magic, ln2, log2e, bias operand.Op
	series                       []operand.Op
	half, shift                  operand.Op // shift moves an integer to the exponent
}

// expConstants returns the constants, at most budget of them in registers.
func (e *emitter) expConstants(budget int) *expConstants {
	hold := func(m operand.Mem) operand.Op {
		if budget--; budget < 0 {
			return m
		}
		return e.held(m)
	}
	// Adding 1.5·2^fraction leaves the nearest integer in the low bits.
	fraction, bias, series := 23, uint64(127), series32
	if e.size == 8 {
		fraction, bias, series = 52, 1023, series64
	}
	c := &expConstants{
		one:   hold(e.number(1)),
		magic: hold(e.number(1.5 * math.Ldexp(1, fraction))),
		ln2:   hold(e.number(math.Ln2)),
		log2e: hold(e.number(math.Log2E)),
		bias:  hold(e.bits(bias << fraction)),
		half:  e.number(0.5),
		shift: imm8(fraction),
	}
	for n, v := range series {
		m := operand.Op(e.number(v))
		if !e.neon() || n%2 == 1 || n == len(series)-1 { // see inPairs, which overwrites the others
			m = hold(e.number(v))
		}
		c.series = append(c.series, m)
	}
	return c
}

// least is an argument at which expm1 rounds to −1 and 2^k is still a normal
// number.
func (e *emitter) least() float64 {
	if e.size == 4 {
		return -80
	}
	return -700
}

// each emits a step for all vectors before the next step, so that neighbouring
// instructions do not depend on each other.
func each(n int, step func(i int)) {
	for i := range n {
		step(i)
	}
}

// reduce splits x = k·ln 2 + r, |r| ≤ ln 2 / 2: x becomes r, and t holds the
// integer k in its low bits, above those of magic.
func (e *emitter) reduce(c *expConstants, x []reg.VecVirtual) (t, k []reg.VecVirtual) {
	t, k = e.vecs(len(x)), e.vecs(len(x))
	n := len(x)
	each(n, func(i int) { e.move(c.magic, t[i]) })
	each(n, func(i int) { e.op("VFMADD231P", c.log2e, x[i], t[i]) })
	each(n, func(i int) { e.op("VSUBP", c.magic, t[i], k[i]) })
	each(n, func(i int) { e.op("VFNMADD231P", c.ln2, k[i], x[i]) })
	return t, k
}

func (e *emitter) move(from, to operand.Op) {
	if _, ok := from.(operand.Mem); ok {
		e.load(from, to)
	} else {
		e.op("VMOVAP", from, to)
	}
}

// polynomial returns expm1(r); r2 is overwritten.
func (e *emitter) polynomial(c *expConstants, r, r2 []reg.VecVirtual) []reg.VecVirtual {
	n := len(r)
	if e.neon() {
		each(n, func(i int) { e.op("VMULP", r[i], r[i], r2[i]) })
		return e.inPairs(c.series, r, r2)
	}
	q := e.vecs(n)
	last := len(c.series) - 1
	each(n, func(i int) { e.op("VMULP", r[i], r[i], r2[i]) })
	each(n, func(i int) { e.move(c.series[last], q[i]) })
	for s := last - 1; s >= 0; s-- {
		each(n, func(i int) { e.op("VFMADD213P", c.series[s], r[i], q[i]) })
	}
	each(n, func(i int) { e.op("VFMADD213P", r[i], r2[i], q[i]) })
	return q
}

// inPairs returns r + r2·Σ p[n]·rⁿ as a sum over pairs, (p[n] + p[n+1]·r)·r2^(n/2). NEON adds
// products to a register that holds a coefficient before. Here it needs a new one for every
// pair, and by Horner's rule for every coefficient.
func (e *emitter) inPairs(p []operand.Op, r, r2 []reg.VecVirtual) []reg.VecVirtual {
	n := len(r)
	var sum []reg.VecVirtual
	for k := (len(p) - 2) / 2 * 2; k >= 0; k -= 2 {
		pair := e.vecs(n)
		each(n, func(i int) { e.move(p[k], pair[i]) })
		each(n, func(i int) { e.op("VFMADD231P", p[k+1], r[i], pair[i]) })
		switch {
		case sum != nil:
			each(n, func(i int) { e.op("VFMADD231P", sum[i], r2[i], pair[i]) })
		case len(p)%2 == 1:
			each(n, func(i int) { e.op("VFMADD231P", p[len(p)-1], r2[i], pair[i]) })
		}
		sum = pair
	}
	each(n, func(i int) { e.op("VFMADD213P", r[i], r2[i], sum[i]) })
	return sum
}

// expm1 returns exp(x) − 1 for least ≤ x ≤ 0 (or NaN) and destroys x. ln 2 needs
// no second part here: 2^k multiplies the error that rounding ln 2 leaves in r.
// 2^k·expm1(r) + (2^k − 1) does not cancel.
func (e *emitter) expm1(c *expConstants, x []reg.VecVirtual) []reg.VecVirtual {
	n := len(x)
	t, k := e.reduce(c, x)
	q := e.polynomial(c, x, k)
	each(n, func(i int) { e.intOp("VPSLL", c.shift, t[i], t[i]) })
	each(n, func(i int) { e.intOp("VPADD", c.bias, t[i], t[i]) })
	each(n, func(i int) { e.op("VSUBP", c.one, t[i], k[i]) })
	each(n, func(i int) { e.op("VFMADD213P", k[i], t[i], q[i]) })
	return q
}

// exp returns exp(x) and destroys x. 2^k is applied in two factors, so that
// results may overflow to +Inf and underflow gradually.
func (e *emitter) exp(c *expConstants, x []reg.VecVirtual) []reg.VecVirtual {
	n := len(x)
	most, least, lo := 89.0, -105.0, math.Ln2-float64(float32(math.Ln2))
	if e.size == 8 {
		most, least, lo = 710, -746, 2.319046813846299558e-17
	}
	low, high := e.number(least), e.number(most)
	// If the second operand is NaN, min and max return it.
	each(n, func(i int) {
		v := e.vec()
		e.load(high, v)
		e.op("VMINP", x[i], v, x[i])
		w := e.vec()
		e.load(low, w)
		e.op("VMAXP", x[i], w, x[i])
	})
	t, k := e.reduce(c, x)
	each(n, func(i int) { e.op("VFNMADD231P", e.number(lo), k[i], x[i]) })
	// The halves of k, rounded: t = magic + k1, u = magic + k − k1.
	u, r2 := e.vecs(n), e.vecs(n)
	each(n, func(i int) { e.move(c.magic, t[i]) })
	each(n, func(i int) { e.op("VFMADD231P", c.half, k[i], t[i]) })
	each(n, func(i int) { e.op("VSUBP", c.magic, t[i], u[i]) })
	each(n, func(i int) { e.op("VSUBP", u[i], k[i], u[i]) })
	each(n, func(i int) { e.op("VADDP", c.magic, u[i], u[i]) })
	for _, v := range [][]reg.VecVirtual{t, u} {
		each(n, func(i int) { e.intOp("VPSLL", c.shift, v[i], v[i]) })
		each(n, func(i int) { e.intOp("VPADD", c.bias, v[i], v[i]) })
	}
	q := e.polynomial(c, x, r2)
	each(n, func(i int) { e.op("VADDP", c.one, q[i], q[i]) })
	each(n, func(i int) { e.op("VMULP", t[i], q[i], q[i]) })
	each(n, func(i int) { e.op("VMULP", u[i], q[i], q[i]) })
	return q
}

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
		e.eluClamped(together, held)
	}
	e.end()
	e.add()
	e.tanh(together, held)

	e.begin("exp", "z *T, n int", "replaces n values by their exponentials; n is a multiple of Lanes.")
	z := e.arg("z")
	c := e.expConstants(held)
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
	c := e.expConstants(held)
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

// eluClamped computes the maximum of z and expm1 of a clamped z.
func (e *emitter) eluClamped(together, held int) {
	z := e.arg("z")
	c := e.expConstants(held)
	zero := e.vec()
	e.zeros(zero)
	least := e.number(e.least())
	e.sweep(z, together, func() {
		x := e.vecs(together)
		each(together, func(i int) { e.op("VMINP", at(z, i*e.width), zero, x[i]) })
		each(together, func(i int) { e.op("VMAXP", least, x[i], x[i]) })
		v := e.expm1(c, x)
		// The maximum is right everywhere: expm1(z) > z for z < 0, and for z ≥ 0 the
		// clamped argument gives 0 ≤ z. For two zeros and for NaN, max returns its
		// last operand, z.
		each(together, func(i int) { e.op("VMAXP", at(z, i*e.width), v[i], v[i]) })
		each(together, func(i int) { e.store(v[i], at(z, i*e.width)) })
	})
}

// eluSelected computes expm1 for all values and keeps it where z < 0. Where z > 0 it may
// be anything.
func (e *emitter) eluSelected(together, held int) {
	z := e.arg("z")
	c := e.expConstants(held)
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
