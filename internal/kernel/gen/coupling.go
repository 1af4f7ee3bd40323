package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// coupling writes the affine update of one column of a tile, its gradient, its
// tangents, and mix.
func (e *emitter) coupling() {
	for _, inverse := range []bool{false, true} {
		e.affineRun(inverse)
		e.affineGrad(inverse)
		e.affineTangent(inverse)
	}
	e.mix()
}

func direction(inverse bool) string {
	if inverse {
		return "Inverse"
	}
	return "Forward"
}

// rows emits the body in a loop over the vectors of rows, so many at a time. The pointers
// advance by them each time.
func (e *emitter) rows(together int, pointers []reg.Register, body func()) {
	e.repeat(e.row()/(together*e.width), func() {
		body()
		for _, p := range pointers {
			e.ADDQ(imm(together*e.width), p)
		}
	})
}

func (e *emitter) negate(v reg.VecVirtual) { e.bitOp("VPXOR", e.bits(1<<(8*e.size-1)), v, v) }

func (e *emitter) affineRun(inverse bool) {
	e.begin("affine"+direction(inverse), "y, logDet, f, u, th, t, scale *T",
		"is the affine update of one column of a tile, see couplingRun.")
	y, logDet, f, u := e.arg("y"), e.arg("logDet"), e.arg("f"), e.arg("u")
	th, t, scale := e.arg("th"), e.arg("t"), e.arg("scale")
	a := e.vec()
	e.broadcast(at(scale, 0), a)
	together, held := 1, 5
	switch {
	case e.wide():
		held = 18
	case e.neon():
		held = 10
	case e.avx2():
		together, held = 2, 2
	}
	c := e.expConstants(held, 2)
	e.rows(together, []reg.Register{y, logDet, f, u, th, t}, func() {
		vector := func(base reg.Register, i int) operand.Mem { return at(base, i*e.width) }
		s := e.vecs(together)
		each(together, func(i int) {
			l := e.vec()
			e.op("VMULP", vector(th, i), a, s[i])
			e.load(vector(logDet, i), l)
			if inverse {
				e.op("VSUBP", s[i], l, l)
				e.negate(s[i])
			} else {
				e.op("VADDP", s[i], l, l)
			}
			e.store(l, vector(logDet, i))
		})
		x := e.exp(c, s)
		each(together, func(i int) {
			v := e.vec()
			if inverse {
				e.load(vector(y, i), v)
				e.op("VSUBP", vector(t, i), v, v)
				e.op("VMULP", x[i], v, v)
				e.store(v, vector(y, i))
				e.negate(v)
				e.store(v, vector(u, i))
			} else {
				e.op("VMULP", vector(y, i), x[i], v)
				e.store(v, vector(u, i))
				e.op("VADDP", vector(t, i), v, v)
				e.store(v, vector(y, i))
			}
			e.store(x[i], vector(f, i))
		})
	})
	e.end()
}

func (e *emitter) affineGrad(inverse bool) {
	e.begin("affine"+direction(inverse)+"Grad", "dScale, d, ds, dt, dLogDet, f, u, th, scale *T",
		"is the gradient of the affine update of one column of a tile, see couplingGrad.")
	dScale, d, ds, dt := e.arg("dScale"), e.arg("d"), e.arg("ds"), e.arg("dt")
	dLogDet, f, u, th, scale := e.arg("dLogDet"), e.arg("f"), e.arg("u"), e.arg("th"), e.arg("scale")
	a, one, sum := e.vec(), e.held(e.number(1)), e.vec()
	e.broadcast(at(scale, 0), a)
	e.zeros(sum)
	e.rows(1, []reg.Register{d, ds, dt, dLogDet, f, u, th}, func() {
		v, g, x, h := e.vec(), e.vec(), e.vec(), e.vec()
		e.load(at(d, 0), v)
		e.load(at(dLogDet, 0), g)
		if inverse {
			e.op("VFMSUB231P", at(u, 0), v, g)
		} else {
			e.op("VFMADD231P", at(u, 0), v, g)
		}
		e.load(at(th, 0), x)
		e.op("VFMADD231P", x, g, sum)
		e.op("VMULP", a, g, g)
		e.op("VFNMADD213P", one, x, x) // 1 − th²
		e.op("VMULP", x, g, g)
		e.store(g, at(ds, 0))
		e.op("VMULP", at(f, 0), v, h)
		if inverse {
			e.store(h, at(d, 0))
			e.negate(h)
			e.store(h, at(dt, 0))
		} else {
			e.store(v, at(dt, 0))
			e.store(h, at(d, 0))
		}
	})
	e.addTotal(sum, dScale)
	e.end()
}

// addTotal adds the sum of the values of a vector, which it destroys, to the
// number at to: halves are added until one value is left.
func (e *emitter) addTotal(sum reg.VecVirtual, to reg.Register) {
	if e.neon() {
		for w := e.per(); w > 1; w /= 2 {
			e.native("FADDP", sum, sum, sum)
		}
		old := e.vec()
		e.native("LOAD1", old, at(to, 0))
		e.op("VADDP", sum, old, old)
		e.native("STORE1", at(to, 0), old)
		return
	}
	for w := e.width; w > 16; w /= 2 {
		h := e.vec()
		switch w {
		case 64:
			e.VEXTRACTF64X4(imm8(1), sum, h.AsY())
			e.op("VADDP", h.AsY(), sum.AsY(), sum.AsY())
		case 32:
			e.VEXTRACTF128(imm8(1), sum.AsY(), h.AsX())
			e.op("VADDP", h.AsX(), sum.AsX(), sum.AsX())
		}
	}
	x, h := sum.AsX(), e.XMM()
	e.VPERMILPD(imm8(1), x, h)
	if e.size == 4 {
		e.VADDPS(h, x, x)
		e.VMOVSHDUP(x, h)
		e.VADDSS(h, x, x)
		e.VADDSS(at(to, 0), x, x)
		e.VMOVSS(x, at(to, 0))
	} else {
		e.VADDSD(h, x, x)
		e.VADDSD(at(to, 0), x, x)
		e.VMOVSD(x, at(to, 0))
	}
}

func (e *emitter) affineTangent(inverse bool) {
	e.begin("affine"+direction(inverse)+"Tangent", "t, q, s, f, u, th, scale *T",
		"is the tangent of the affine update of one column of a tile, see the function of that name.")
	t, q, s, u, th, scale := e.arg("t"), e.arg("q"), e.arg("s"), e.arg("u"), e.arg("th"), e.arg("scale")
	pointers := []reg.Register{t, q, s, u, th}
	var f reg.Register
	if inverse {
		f = e.arg("f")
		pointers = append(pointers, f)
	}
	a, one := e.vec(), e.held(e.number(1))
	e.broadcast(at(scale, 0), a)
	e.rows(1, pointers, func() {
		x, sum, v := e.vec(), e.vec(), e.vec()
		e.load(at(th, 0), x)
		e.op("VFNMADD213P", one, x, x) // 1 − th²
		e.op("VMULP", a, x, x)
		e.op("VMULP", at(s, 0), x, x)
		e.load(at(q, 0), sum)
		e.load(at(t, 0), v)
		if inverse {
			e.op("VSUBP", x, sum, sum)
			e.op("VMULP", at(f, 0), v, v)
			e.op("VFMSUB231P", at(u, 0), x, v)
		} else {
			e.op("VADDP", x, sum, sum)
			e.op("VFMADD231P", at(u, 0), x, v)
		}
		e.store(sum, at(q, 0))
		e.store(v, at(t, 0))
	})
	e.end()
}

func (e *emitter) mix() {
	e.begin("mix", "to, x, f, p *T, n int",
		"replaces n ≥ 1 values of every row by f·to + p·x, f and p being one value of every row.")
	to, x, f, p, n := e.arg("to"), e.arg("x"), e.arg("f"), e.arg("p"), e.arg("n")
	e.rows(1, []reg.Register{to, x, f, p}, func() {
		fs, ps, v := e.vec(), e.vec(), e.vec()
		e.load(at(f, 0), fs)
		e.load(at(p, 0), ps)
		y, z, count := e.GP64(), e.GP64(), e.GP64()
		e.MOVQ(to, y)
		e.MOVQ(x, z)
		e.MOVQ(n, count)
		e.countdown(count, func() {
			e.op("VMULP", at(y, 0), fs, v)
			e.op("VFMADD231P", at(z, 0), ps, v)
			e.store(v, at(y, 0))
			e.ADDQ(imm(e.row()), y)
			e.ADDQ(imm(e.row()), z)
		})
	})
	e.end()
}
