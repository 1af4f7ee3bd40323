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
	e.begin("dense", "out, w, b, in *T, no, ni, sj, si int",
		"sets out = W·in + b for a tile, b nil for none; W has strides sj and si.")
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
	if e.wide() {
		vectors = 4
	}
	step := vectors * e.set.width
	e.blocks(no, 6, func(size int) {
		e.repeat(e.row()/step, func() {
			acc := make([][]reg.VecVirtual, size)
			at4 := e.GP64()
			e.MOVQ(b, at4)
			for j := range acc {
				acc[j] = e.vecs(vectors)
				e.broadcast(at(at4, 0), acc[j][0])
				for _, v := range acc[j][1:] {
					e.op("VMOVAP", acc[j][0], v)
				}
				e.ADDQ(sb, at4)
			}
			w0, w3 := e.GP64(), e.GP64()
			e.MOVQ(w, w0)
			if size > 3 {
				e.LEAQ(operand.Mem{Base: w, Index: sj, Scale: 2}, w3)
				e.ADDQ(sj, w3)
			}
			x, count := e.GP64(), e.GP64()
			e.MOVQ(in, x)
			e.MOVQ(ni, count)
			e.countdown(count, func() {
				xs := e.vecs(vectors)
				for v := range xs {
					e.load(at(x, v*e.set.width), xs[v])
				}
				for j := range acc {
					weight := operand.Mem{Base: w0}
					if j >= 3 {
						weight.Base = w3
					}
					if k := j % 3; k > 0 {
						weight.Index, weight.Scale = sj, uint8(k)
					}
					u := e.vec()
					e.broadcast(weight, u)
					for v := range xs {
						e.op("VFMADD231P", xs[v], u, acc[j][v])
					}
				}
				e.ADDQ(si, w0)
				if size > 3 {
					e.ADDQ(si, w3)
				}
				e.ADDQ(imm(e.row()), x)
			})
			for j := range acc {
				for v := range acc[j] {
					e.store(acc[j][v], at(out, j*e.row()+v*e.set.width))
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
