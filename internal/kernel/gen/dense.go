package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// dense is the product of a small matrix and a tile. A block of outputs times
// a few vectors of rows stays in registers while the inputs stream by: with
// 5 outputs and 4 vectors, 9 loads serve 20 multiply-adds.
//
// The weight of output j and input i lies at w[j·sj + i·si], so that the
// transposed product needs no transposed weights.
func (e *emitter) dense() {
	e.begin("dense", "out, w, b, in, a *T, no, ni, sj, si int",
		"sets out = (W·in + b)·(min(a, 0) + 1) for a tile, without b or a if that is nil. W has strides sj and si.")
	out, w, b, in := e.arg("out"), e.arg("w"), e.arg("b"), e.arg("in")
	no, ni, sj, si := e.arg("no"), e.arg("ni"), e.arg("sj"), e.arg("si")
	shift := operand.U8(2)
	if e.size == 8 {
		shift = 3
	}
	e.SHLQ(shift, sj)
	e.SHLQ(shift, si)

	sb := e.GP64() // stride of the bias
	e.MOVQ(imm(e.size), sb)
	biased := e.label("biased")
	e.TESTQ(b, b)
	e.jump("JNZ", biased)
	e.LEAQ(e.number(0), b)
	e.XORQ(sb, sb)
	e.Label(biased)

	vectors := 2 // of rows
	if e.evex() {
		vectors = 4
	}
	step := vectors * e.width
	e.blocks(no, 6, func(size int) {
		e.repeat(e.row()/step, func() {
			acc := make([][]reg.VecVirtual, size)
			bp := e.GP64()
			e.MOVQ(b, bp)
			for j := range acc {
				acc[j] = e.vecs(vectors)
				e.broadcast(at(bp, 0), acc[j][0])
				for _, v := range acc[j][1:] {
					e.op("VMOVAP", acc[j][0], v)
				}
				e.ADDQ(sb, bp)
			}
			// Every third output has a base of its own, the others are one
			// or two strides from it.
			bases := make([]reg.GPVirtual, (size+2)/3)
			for i := range bases {
				bases[i] = e.GP64()
				if i == 0 {
					e.MOVQ(w, bases[i])
					continue
				}
				e.LEAQ(operand.Mem{Base: bases[i-1], Index: sj, Scale: 2}, bases[i])
				e.ADDQ(sj, bases[i])
			}
			x, count := e.GP64(), e.GP64()
			e.MOVQ(in, x)
			e.MOVQ(ni, count)
			e.countdown(count, func() {
				xs := e.vecs(vectors)
				for v := range xs {
					e.load(at(x, v*e.width), xs[v])
				}
				for j := range acc {
					weight := operand.Mem{Base: bases[j/3]}
					if k := j % 3; k > 0 {
						weight.Index, weight.Scale = sj, uint8(k)
					}
					u := e.vec()
					e.broadcast(weight, u)
					for v := range xs {
						e.op("VFMADD231P", xs[v], u, acc[j][v])
					}
				}
				for _, p := range bases {
					e.ADDQ(si, p)
				}
				e.ADDQ(imm(e.row()), x)
			})
			e.eluSlope(acc, out)
			for j := range acc {
				for v := range acc[j] {
					e.store(acc[j][v], at(out, j*e.row()+v*e.width))
				}
			}
			e.ADDQ(imm(step), in)
			e.ADDQ(imm(step), out)
		})
		e.SUBQ(imm(e.row()), in)
		e.ADDQ(imm((size-1)*e.row()), out)
		for range size {
			e.ADDQ(sj, w)
			e.ADDQ(sb, b)
		}
	})
	e.end()
}

// eluSlope multiplies the sums by the slope of ELU where it took the value a,
// unless a is nil.
func (e *emitter) eluSlope(acc [][]reg.VecVirtual, out reg.Register) {
	a, plain := e.arg("a"), e.label("plain")
	e.TESTQ(a, a)
	e.jump("JZ", plain)
	e.ADDQ(out, a)
	first, err := e.Param("out").Resolve()
	if err != nil {
		panic(err)
	}
	e.SUBQ(first.Addr, a)
	for j := range acc {
		for v := range acc[j] {
			slope := e.vec()
			e.load(e.number(0), slope)
			e.op("VMINP", at(a, j*e.row()+v*e.width), slope, slope)
			e.op("VADDP", e.number(1), slope, slope)
			e.op("VMULP", slope, acc[j][v], acc[j][v])
		}
	}
	e.Label(plain)
}
