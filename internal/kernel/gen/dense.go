package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// denseCode is what the code of dense holds in registers.
type denseCode struct {
	*emitter
	out, w, b, in, no, ni reg.Register
	sj, si, sb            reg.Register // strides of outputs and inputs in w, of b, in bytes
	vectors               int          // of rows, at a time
}

// dense is the product of a small matrix and a tile. The sums of a block of
// outputs for a few vectors of rows stay in registers while the code goes through
// the inputs: with 5 outputs and 4 vectors, 9 loads serve 20 multiply-adds.
//
// The weight of output j and input i lies at w[j·sj + i·si], so that the
// transposed product needs no transposed weights.
func (e *emitter) dense() {
	e.begin("dense", "out, w, b, in, a *T, no, ni, sj, si int",
		"sets out = (W·in + b)·(min(a, 0) + 1) for a tile, without b or a if that is nil. W has strides sj and si.")
	d := &denseCode{emitter: e, vectors: 2}
	d.out, d.w, d.b, d.in = e.arg("out"), e.arg("w"), e.arg("b"), e.arg("in")
	d.no, d.ni, d.sj, d.si = e.arg("no"), e.arg("ni"), e.arg("sj"), e.arg("si")
	shift := operand.U8(2)
	if e.size == 8 {
		shift = 3
	}
	e.SHLQ(shift, d.sj)
	e.SHLQ(shift, d.si)
	d.bias()
	if e.evex() || e.neon() {
		d.vectors = 4
	}
	step := d.vectors * e.width
	e.blocks(d.no, 6, func(size int) {
		e.repeat(e.row()/step, func() {
			sums := d.sums(size)
			d.multiply(sums)
			e.eluSlope(sums, d.out)
			for j := range sums {
				for v := range sums[j] {
					e.store(sums[j][v], at(d.out, j*e.row()+v*e.width))
				}
			}
			e.ADDQ(imm(step), d.in)
			e.ADDQ(imm(step), d.out)
		})
		e.SUBQ(imm(e.row()), d.in)
		e.ADDQ(imm((size-1)*e.row()), d.out)
		for range size {
			e.ADDQ(d.sj, d.w)
			e.ADDQ(d.sb, d.b)
		}
	})
	e.end()
}

// bias sets the stride of the bias. A nil bias becomes a zero with stride 0.
func (d *denseCode) bias() {
	d.sb = d.GP64()
	d.MOVQ(imm(d.size), d.sb)
	biased := d.label("biased")
	d.TESTQ(d.b, d.b)
	d.jump("JNZ", biased)
	d.LEAQ(d.number(0), d.b)
	d.XORQ(d.sb, d.sb)
	d.Label(biased)
}

// sums returns registers for the sums of the next outputs, which begin with the
// bias.
func (d *denseCode) sums(size int) [][]reg.VecVirtual {
	sums := make([][]reg.VecVirtual, size)
	b := d.GP64()
	d.MOVQ(d.b, b)
	for j := range sums {
		sums[j] = d.vecs(d.vectors)
		d.broadcast(at(b, 0), sums[j][0])
		for _, v := range sums[j][1:] {
			d.op("VMOVAP", sums[j][0], v)
		}
		d.ADDQ(d.sb, b)
	}
	return sums
}

// multiply adds the products of weights and inputs to the sums.
func (d *denseCode) multiply(sums [][]reg.VecVirtual) {
	// Every third output has a base register. The other outputs are one or two
	// strides from it, for NEON only one.
	apart := 3
	if d.neon() {
		apart = 2
	}
	bases := make([]reg.GPVirtual, (len(sums)+apart-1)/apart)
	for i := range bases {
		bases[i] = d.GP64()
		if i == 0 {
			d.MOVQ(d.w, bases[i])
			continue
		}
		d.LEAQ(operand.Mem{Base: bases[i-1], Index: d.sj, Scale: 2}, bases[i])
		if apart == 3 {
			d.ADDQ(d.sj, bases[i])
		}
	}
	x, count := d.GP64(), d.GP64()
	d.MOVQ(d.in, x)
	d.MOVQ(d.ni, count)
	d.countdown(count, func() {
		xs := d.vecs(d.vectors)
		for v := range xs {
			d.load(at(x, v*d.width), xs[v])
		}
		for j := range sums {
			weight := operand.Mem{Base: bases[j/apart]}
			if k := j % apart; k > 0 {
				weight.Index, weight.Scale = d.sj, uint8(k)
			}
			d.addProducts(weight, xs, sums[j])
		}
		for _, p := range bases {
			d.ADDQ(d.si, p)
		}
		d.ADDQ(imm(d.row()), x)
	})
}

// addProducts adds the products of the number at weight and x to the sums.
func (e *emitter) addProducts(weight operand.Mem, x, sums []reg.VecVirtual) {
	u := e.vec()
	if e.neon() { // it multiplies by one value of a register, which saves the broadcast
		e.native("LOAD1", u, weight)
		for v := range x {
			e.native("FMLAE", sums[v], x[v], u)
		}
		return
	}
	e.broadcast(weight, u)
	for v := range x {
		e.op("VFMADD231P", x[v], u, sums[v])
	}
}

// eluSlope multiplies the sums by the slope of ELU at its value a, unless a is
// nil.
func (e *emitter) eluSlope(sums [][]reg.VecVirtual, out reg.Register) {
	a, plain := e.arg("a"), e.label("plain")
	e.TESTQ(a, a)
	e.jump("JZ", plain)
	e.ADDQ(out, a)
	first, err := e.Param("out").Resolve()
	if err != nil {
		panic(err)
	}
	e.SUBQ(first.Addr, a)
	for j := range sums {
		for v := range sums[j] {
			slope := e.vec()
			e.load(e.number(0), slope)
			e.op("VMINP", at(a, j*e.row()+v*e.width), slope, slope)
			e.op("VADDP", e.number(1), slope, slope)
			e.op("VMULP", slope, sums[j][v], sums[j][v])
		}
	}
	e.Label(plain)
}

// denseELU is dense with ELU behind it. The sums of one output for eight vectors of rows stay
// in registers until their ELU is stored. The processor computes it while it adds up the next
// output. The code is for AVX2 in float32: the other sets have the registers for larger blocks
// in dense and for masks in elu, and in float64 it is slower than dense and elu.
func (e *emitter) denseELU() {
	e.begin("denseELU", "out, w, b, in *T, no, ni int", "sets out = ELU(W·in + b) for a tile.")
	out, w, b, in, no, ni := e.arg("out"), e.arg("w"), e.arg("b"), e.arg("in"), e.arg("no"), e.arg("ni")
	const vectors = 8
	c := e.powerConstants(1)
	zero := e.number(0)
	e.countdown(no, func() {
		e.repeat(e.row()/(vectors*e.width), func() {
			sums := e.vecs(vectors)
			e.broadcast(at(b, 0), sums[0])
			for _, v := range sums[1:] {
				e.op("VMOVAP", sums[0], v)
			}
			x, u, count := e.GP64(), e.GP64(), e.GP64()
			e.MOVQ(in, x)
			e.MOVQ(w, u)
			e.MOVQ(ni, count)
			e.countdown(count, func() {
				weight := e.vec()
				e.broadcast(at(u, 0), weight)
				for v := range sums {
					e.op("VFMADD231P", at(x, v*e.width), weight, sums[v])
				}
				e.ADDQ(imm(e.size), u)
				e.ADDQ(imm(e.row()), x)
			})
			for v := 0; v < vectors; v += 2 {
				y := e.eluPair(c, zero, sums[v:v+2])
				each(2, func(i int) { e.store(y[i], at(out, (v+i)*e.width)) })
			}
			e.ADDQ(imm(vectors*e.width), in)
			e.ADDQ(imm(vectors*e.width), out)
		})
		e.SUBQ(imm(e.row()), in)
		e.ADDQ(imm(e.size), b)
		step := e.GP64()
		e.MOVQ(ni, step)
		e.IMUL3Q(imm(e.size), step, step)
		e.ADDQ(step, w)
	})
	e.end()
}
