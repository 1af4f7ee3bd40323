package main

import (
	"fmt"
	"math"
	"math/bits"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// denseGrad sums products over the rows of a tile. The sums of a block of outputs
// times inputs stay in registers, one vector of partial sums per weight, while the
// code goes through the rows. The partial sums go into a queue in part, in the
// order of the parameters. fold adds up many of them at a time while they are in
// the cache.
//
// Vectors have 32 bytes in AVX-512 too: longer vectors would double the number of
// partial sums to be added up, which costs more than they save.
func (e *emitter) denseGrad() {
	e = e.narrow()
	e.begin("denseGrad", "dw, dz, in, part *T, no, ni int",
		"adds dz·inᵀ to the weights at dw and the sums of dz to the biases behind them; part is scratch.")
	dw, dz, in, part := e.arg("dw"), e.arg("dz"), e.arg("in"), e.arg("part")
	no, ni := e.arg("no"), e.arg("ni")
	maxJ, maxI := 3, 4
	if e.evex() || e.neon() {
		maxJ, maxI = 5, 5
	}
	stride, end := e.GP64(), e.GP64() // bytes of partial sums per output; end of the queue
	e.MOVQ(ni, stride)
	e.IMUL3Q(imm(e.width), stride, stride)
	e.MOVQ(part, end)
	e.blocks(no, maxJ, func(sizeJ int) {
		x, left, to := e.GP64(), e.GP64(), e.GP64()
		e.MOVQ(in, x)
		e.MOVQ(ni, left)
		e.MOVQ(end, to)
		e.blocks(left, maxI, func(sizeI int) {
			sums := e.productSums(dz, x, sizeJ, sizeI)
			e.SUBQ(imm(e.row()), dz)
			e.ADDQ(imm((sizeI-1)*e.row()), x)
			p := e.GP64()
			e.MOVQ(to, p)
			for j := range sizeJ {
				for i := range sizeI {
					e.store(sums[j*sizeI+i], at(p, i*e.width))
				}
				if j < sizeJ-1 {
					e.ADDQ(stride, p)
				}
			}
			e.ADDQ(imm(sizeI*e.width), to)
		})
		e.ADDQ(imm(sizeJ*e.row()), dz)
		for range sizeJ {
			e.ADDQ(stride, end)
		}
		e.fold(dw, part, end)
	})

	e.biasSums(end)
	e.fold(dw, part, end)
	rest, done := end, e.label("done")
	e.SUBQ(part, rest)
	e.jump("JZ", done)
	e.SHRQ(operand.U8(bits.Len(uint(e.width))-1), rest)
	e.addHead(e.transposeAdd(part, 0, e.per()), dw, rest)
	e.Label(done)
	e.end()
}

// productSums returns the sums over the rows of dz·in for a block of outputs and
// inputs, and moves both pointers behind the first row of values.
func (e *emitter) productSums(dz, in reg.Register, sizeJ, sizeI int) []reg.VecVirtual {
	sums := e.vecs(sizeJ * sizeI)
	e.zeros(sums...)
	steps := 1 // in one turn of the loop
	if e.avx2() {
		steps = 4
	}
	e.repeat(e.row()/e.width/steps, func() {
		for step := range steps {
			zs := e.vecs(sizeJ)
			for j := range zs {
				e.load(at(dz, j*e.row()+step*e.width), zs[j])
			}
			for i := range sizeI {
				v := e.vec()
				e.load(at(in, i*e.row()+step*e.width), v)
				for j := range zs {
					e.op("VFMADD231P", v, zs[j], sums[j*sizeI+i])
				}
			}
		}
		e.ADDQ(imm(steps*e.width), dz)
		e.ADDQ(imm(steps*e.width), in)
	})
	return sums
}

// biasSums puts the sums of dz over the rows at the end of the queue.
func (e *emitter) biasSums(end reg.Register) {
	z, count := e.arg("dz"), e.arg("no")
	e.countdown(count, func() {
		a, b := e.vec(), e.vec()
		e.load(at(z, 0), a)
		e.load(at(z, e.width), b)
		for v := 2 * e.width; v < e.row(); v += 2 * e.width {
			e.op("VADDP", at(z, v), a, a)
			e.op("VADDP", at(z, v+e.width), b, b)
		}
		e.op("VADDP", b, a, a)
		e.store(a, at(end, 0))
		e.ADDQ(imm(e.row()), z)
		e.ADDQ(imm(e.width), end)
	})
}

// fold takes as many vectors from the queue as a vector has values, adds their
// sums to the values at to, advances to, and repeats. The vectors that remain move
// to the head of the queue.
func (e *emitter) fold(to, head, end reg.Register) {
	p, next := e.GP64(), e.GP64()
	top, rest, move, done := e.label("fold"), e.label("rest"), e.label("move"), e.label("folded")
	e.MOVQ(head, p)
	e.Label(top)
	e.LEAQ(at(p, e.per()*e.width), next)
	e.CMPQ(next, end)
	e.jump("JHI", rest)
	sum := e.transposeAdd(p, 0, e.per())
	e.op("VADDP", at(to, 0), sum, sum)
	e.store(sum, at(to, 0))
	e.ADDQ(imm(e.width), to)
	e.MOVQ(next, p)
	e.JMP(operand.LabelRef(top))

	e.Label(rest)
	e.MOVQ(head, next)
	e.Label(move)
	e.CMPQ(p, end)
	e.jump("JEQ", done)
	v := e.vec()
	e.load(at(p, 0), v)
	e.store(v, at(next, 0))
	e.ADDQ(imm(e.width), p)
	e.ADDQ(imm(e.width), next)
	e.JMP(operand.LabelRef(move))
	e.Label(done)
	e.MOVQ(next, end)
}

// addHead adds the first n values of the vector to those at to.
func (e *emitter) addHead(sum reg.VecVirtual, to, n reg.Register) {
	if e.neon() {
		e.countdown(n, func() {
			old := e.vec()
			e.native("LOAD1", old, at(to, 0))
			e.op("VADDP", sum, old, old)
			e.native("STORE1", at(to, 0), old)
			e.native("VEXT", sum, sum, sum, imm8(e.size)) // the next value becomes the first one
			e.ADDQ(imm(e.size), to)
		})
		return
	}
	old, mask := e.vec(), e.vec()
	base, back := e.GP64(), e.GP64()
	e.LEAQ(e.masks(), base)
	e.MOVQ(n, back)
	e.NEGQ(back)
	e.load(operand.Mem{Base: base, Index: back, Scale: uint8(e.size), Disp: e.set.width}, mask)
	if e.evex() {
		k := e.K()
		e.raw("VPMOV"+string("DQ"[e.size/8])+"2M", mask, k)
		e.raw("VMOVUP"+string("SD"[e.size/8])+"_Z", at(to, 0), k, old)
		e.op("VADDP", old, sum, sum)
		e.op("VMOVUP", sum, k, at(to, 0))
	} else {
		e.op("VMASKMOVP", at(to, 0), mask, old)
		e.op("VADDP", old, sum, sum)
		e.op("VMASKMOVP", sum, mask, at(to, 0))
	}
}

// transposeAdd returns the vector whose values are the sums of n vectors in memory,
// n a power of two, from the given offset on. Each level makes one vector of two:
// its halves hold partial sums of each of them. The first levels work inside the
// 128-bit lanes, the last ones across them.
func (e *emitter) transposeAdd(from reg.Register, offset, n int) reg.VecVirtual {
	if n == 1 {
		v := e.vec()
		e.load(at(from, offset), v)
		return v
	}
	// The innermost level combines neighbours, so that the sums end up in the order
	// of the vectors.
	a := e.transposeAdd(from, offset, n/2)
	b := e.transposeAdd(from, offset+n/2*e.width, n/2)
	return e.combine(a, b, n)
}

// combine makes one vector of n sums of two vectors of n/2 sums.
func (e *emitter) combine(a, b reg.VecVirtual, n int) reg.VecVirtual {
	lo, hi := e.vec(), e.vec()
	inLane := 16 / e.size
	switch {
	case e.neon():
		e.native("FADDP", lo, a, b)
		return lo
	case n == 2 && inLane == 4:
		e.op("VUNPCKLP", b, a, lo)
		e.op("VUNPCKHP", b, a, hi)
	case n == 2 || n == 4 && inLane == 4:
		e.VUNPCKLPD(b, a, lo)
		e.VUNPCKHPD(b, a, hi)
	case e.wide():
		e.VSHUFF64X2(operand.U8(0x88), b, a, lo)
		e.VSHUFF64X2(operand.U8(0xdd), b, a, hi)
	case e.evex():
		e.VSHUFF64X2(operand.U8(0), b, a, lo)
		e.VSHUFF64X2(operand.U8(3), b, a, hi)
	default:
		e.VPERM2F128(operand.U8(0x20), b, a, lo)
		e.VPERM2F128(operand.U8(0x31), b, a, hi)
	}
	e.op("VADDP", hi, lo, lo)
	return lo
}

// masks is a vector of ones followed by one of zeros. The mask of the first n
// values begins n·size bytes before the middle.
func (e *emitter) masks() operand.Mem {
	const name = "masks"
	if m, ok := e.constants[name]; ok {
		return m
	}
	m := e.StaticGlobal(fmt.Sprintf("%s%d", name, 8*e.size))
	e.DataAttributes(attr.RODATA | attr.NOPTR)
	for i := 0; i < e.set.width; i += 8 {
		e.AddDatum(i, operand.U64(math.MaxUint64))
	}
	for i := e.set.width; i < 2*e.set.width; i += 8 {
		e.AddDatum(i, operand.U64(0))
	}
	e.constants[name] = m
	return m
}
