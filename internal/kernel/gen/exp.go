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
	one, magic, ln2, log2e operand.Op
	series                 []operand.Op
	shift                  operand.Op // moves an integer to the exponent
}

// expConstants returns the constants, at most budget of them in registers. factors is 1 for
// expm1 and 2 for exp: 2^k is then a product of so many powers.
func (e *emitter) expConstants(budget, factors int) *expConstants {
	hold := func(m operand.Mem) operand.Op {
		if budget--; budget < 0 {
			return m
		}
		return e.held(m)
	}
	// Adding 1.5·2^fraction leaves the nearest integer in the low bits. There it meets the
	// bias of the exponents of all factors.
	fraction, bias, series := 23, 127, series32
	if e.size == 8 {
		fraction, bias, series = 52, 1023, series64
	}
	c := &expConstants{
		magic: hold(e.number(1.5*math.Ldexp(1, fraction) + float64(factors*bias))),
		ln2:   hold(e.number(math.Ln2)),
		log2e: hold(e.number(math.Log2E)),
		shift: imm8(fraction),
	}
	for n, v := range series {
		m := operand.Op(e.number(v))
		if !e.neon() || n%2 == 1 || n == len(series)-1 { // see inPairs, which overwrites the others
			m = hold(e.number(v))
		}
		c.series = append(c.series, m)
	}
	if factors == 1 { // exp does not need it
		c.one = hold(e.number(1))
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
// integer k in its low bits, added to those of magic.
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
	low, high := e.inRegister(e.number(least)), e.inRegister(e.number(most))
	// If the second operand is NaN, min and max return it.
	each(n, func(i int) { e.op("VMINP", x[i], high, x[i]) })
	each(n, func(i int) { e.op("VMAXP", x[i], low, x[i]) })
	t, k := e.reduce(c, x)
	each(n, func(i int) { e.op("VFNMADD231P", e.number(lo), k[i], x[i]) })
	q := e.polynomial(c, x, k)
	// The low bits of t are k and twice the bias. Their halves, rounded down and up, are
	// the exponents of the factors u and t.
	u := e.vecs(n)
	each(n, func(i int) { e.intOp("VPSRL", imm8(1), t[i], u[i]) })
	each(n, func(i int) { e.intOp("VPSUB", u[i], t[i], t[i]) })
	each(n, func(i int) { e.intOp("VPSLL", c.shift, u[i], u[i]) })
	each(n, func(i int) { e.intOp("VPSLL", c.shift, t[i], t[i]) })
	each(n, func(i int) { e.op("VFMADD213P", t[i], t[i], q[i]) }) // t·exp(r)
	each(n, func(i int) { e.op("VMULP", u[i], q[i], q[i]) })
	return q
}

// powerConstants are the constants of expm1Base2.
type powerConstants struct {
	least, magic, log2e, one operand.Op
	powers                   []operand.Op // the highest first
	shift                    operand.Op   // moves an integer to the exponent
}

// powerConstants returns the constants. Besides least, at most budget of them are in registers.
func (e *emitter) powerConstants(budget int) *powerConstants {
	hold := func(m operand.Mem) operand.Op {
		if budget--; budget < 0 {
			return m
		}
		return e.held(m)
	}
	fraction, bias, powers := 23, 127.0, powers32
	if e.size == 8 {
		fraction, bias, powers = 52, 1023.0, powers64
	}
	c := &powerConstants{
		least: e.held(e.number(e.least())),
		magic: hold(e.number(1.5*math.Ldexp(1, fraction) + bias)),
		log2e: hold(e.number(math.Log2E)),
		shift: imm8(fraction),
	}
	for i := len(powers) - 1; i >= 0; i-- {
		c.powers = append(c.powers, hold(e.number(powers[i])))
	}
	c.one = hold(e.number(1))
	return c
}

// shared returns a constant that n vectors need next. For many it is loaded once.
func (e *emitter) shared(c operand.Op, n int) operand.Op {
	if m, ok := c.(operand.Mem); ok && n > 2 {
		return e.inRegister(m)
	}
	return c
}

// split writes x = (k + r)·ln 2: x becomes r, and t 2^k. x must be above least. magic has the bias of
// exponents in its low bits, so that the sum of k and magic shifted is 2^k. q is spare.
func (e *emitter) split(c *powerConstants, x, t, q []reg.VecVirtual) {
	n := len(x)
	log2e := e.shared(c.log2e, n)
	each(n, func(i int) { e.move(c.magic, t[i]) })
	each(n, func(i int) { e.op("VFMADD231P", log2e, x[i], t[i]) })
	each(n, func(i int) { e.op("VSUBP", c.magic, t[i], q[i]) })
	each(n, func(i int) { e.op("VFMSUB132P", log2e, q[i], x[i]) })
	each(n, func(i int) { e.intOp("VPSLL", c.shift, t[i], t[i]) })
}

// horner sets q to Σ p[n]·rⁿ.
func (e *emitter) horner(c *powerConstants, r, q []reg.VecVirtual) {
	n := len(r)
	highest := e.shared(c.powers[0], n)
	each(n, func(i int) { e.move(highest, q[i]) })
	for _, p := range c.powers[1:] {
		p = e.shared(p, n)
		each(n, func(i int) { e.op("VFMADD213P", p, r[i], q[i]) })
	}
}

// expm1Base2 returns exp(x) − 1 = 2^k·(2^r − 1) + (2^k − 1) for x ≤ 0 and destroys x. The result
// for NaN is −1.
func (e *emitter) expm1Base2(c *powerConstants, x []reg.VecVirtual) []reg.VecVirtual {
	n := len(x)
	t, q := e.vecs(n), e.vecs(n)
	each(n, func(i int) { e.op("VMAXP", c.least, x[i], x[i]) })
	e.split(c, x, t, q)
	e.horner(c, x, q)
	one := e.shared(c.one, n)
	each(n, func(i int) { e.op("VMULP", t[i], x[i], x[i]) })
	each(n, func(i int) { e.op("VSUBP", one, t[i], t[i]) })
	each(n, func(i int) { e.op("VFMADD213P", t[i], x[i], q[i]) })
	return q
}

// expBase2 returns exp(x) = 2^k + 2^k·(2^r − 1) for x ≤ 0 and destroys x. Below least it returns
// exp(least). The result for NaN is NaN.
func (e *emitter) expBase2(c *powerConstants, x []reg.VecVirtual) []reg.VecVirtual {
	n := len(x)
	t, q := e.vecs(n), e.vecs(n)
	each(n, func(i int) { e.op("VMAXP", x[i], c.least, x[i]) }) // if x is NaN, max returns it
	e.split(c, x, t, q)
	e.horner(c, x, q)
	each(n, func(i int) { e.op("VMULP", t[i], x[i], x[i]) })
	each(n, func(i int) { e.op("VFMADD213P", t[i], x[i], q[i]) })
	return q
}
