package main

import (
	"fmt"
	"math"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// denseGrad sums products over the rows of a tile. A block of outputs times
// inputs is kept in registers, one vector of partial sums per weight, while
// the rows stream by; the partial sums go to part, where they lie in the
// order of the weights, and fold adds up many of them at a time.
//
// Vectors are of 32 bytes in AVX-512 too: half as many partial sums have to be
// added up, which costs more than the longer vectors save.
func (e *emitter) denseGrad() {
	e = e.narrow()
	e.begin("denseGrad", "dw, db, dz, in, part *T, no, ni int",
		"adds dz·inᵀ to dw and the sums of dz to db; part is scratch.")
	dw, db, dz, in, part := e.arg("dw"), e.arg("db"), e.arg("dz"), e.arg("in"), e.arg("part")
	no, ni := e.arg("no"), e.arg("ni")
	maxJ, maxI := 3, 4
	if e.evex() {
		maxJ, maxI = 5, 5
	}

	// The bias first: no is used up below.
	count, z, p := e.GP64(), e.GP64(), e.GP64()
	e.MOVQ(no, count)
	e.MOVQ(dz, z)
	e.MOVQ(part, p)
	e.countdown(count, func() {
		a, b := e.vec(), e.vec()
		e.load(at(z, 0), a)
		e.load(at(z, e.width), b)
		for v := 2 * e.width; v < e.row(); v += 2 * e.width {
			e.op("VADDP", at(z, v), a, a)
			e.op("VADDP", at(z, v+e.width), b, b)
		}
		e.op("VADDP", b, a, a)
		e.store(a, at(p, 0))
		e.ADDQ(imm(e.row()), z)
		e.ADDQ(imm(e.width), p)
	})
	e.MOVQ(no, count)
	e.fold(db, part, count)

	stride := e.GP64() // bytes of partial sums per output
	e.MOVQ(ni, stride)
	e.IMUL3Q(imm(e.width), stride, stride)
	e.blocks(no, maxJ, func(sizeJ int) {
		x, left, to := e.GP64(), e.GP64(), e.GP64()
		e.MOVQ(in, x)
		e.MOVQ(ni, left)
		e.MOVQ(part, to)
		e.blocks(left, maxI, func(sizeI int) {
			acc := e.vecs(sizeJ * sizeI)
			e.zeros(acc...)
			e.repeat(e.row()/e.width, func() {
				zs := e.vecs(sizeJ)
				for j := range zs {
					e.load(at(dz, j*e.row()), zs[j])
				}
				for i := range sizeI {
					v := e.vec()
					e.load(at(x, i*e.row()), v)
					for j := range zs {
						e.op("VFMADD231P", v, zs[j], acc[j*sizeI+i])
					}
				}
				e.ADDQ(imm(e.width), dz)
				e.ADDQ(imm(e.width), x)
			})
			e.SUBQ(imm(e.row()), dz)
			e.ADDQ(imm((sizeI-1)*e.row()), x)
			p := e.GP64()
			e.MOVQ(to, p)
			for j := range sizeJ {
				for i := range sizeI {
					e.store(acc[j*sizeI+i], at(p, i*e.width))
				}
				if j < sizeJ-1 {
					e.ADDQ(stride, p)
				}
			}
			e.ADDQ(imm(sizeI*e.width), to)
		})
		e.ADDQ(imm(sizeJ*e.row()), dz)
		// The partial sums of a block are summed while they are in the cache.
		e.foldJ(dw, part, ni, sizeJ)
	})
	e.end()
}

// foldJ folds size·ni partial sums into dw and moves dw on.
func (e *emitter) foldJ(dw, part, ni reg.Register, size int) {
	n := e.GP64()
	e.MOVQ(ni, n)
	if size > 1 {
		e.IMUL3Q(imm(size), n, n)
	}
	e.fold(dw, part, n)
}

// fold adds the sum of each of n vectors at from to the n values at to, and
// moves to beyond them. n is destroyed.
func (e *emitter) fold(to, from, n reg.Register) {
	per := e.per()
	p := e.GP64()
	e.MOVQ(from, p)
	top, tail, done := e.label("fold"), e.label("tail"), e.label("folded")
	e.Label(top)
	sum := e.transposeAdd(p, 0, per)
	e.CMPQ(n, imm(per))
	e.jump("JLT", tail)
	e.op("VADDP", at(to, 0), sum, sum)
	e.store(sum, at(to, 0))
	e.ADDQ(imm(e.width), to)
	e.ADDQ(imm(per*e.width), p)
	e.SUBQ(imm(per), n)
	e.jump("JNZ", top)
	e.JMP(operand.LabelRef(done))
	e.Label(tail)
	e.addHead(sum, to, n)
	e.Label(done)
}

// addHead adds the first n values of the vector to those at to, and moves to
// beyond them.
func (e *emitter) addHead(sum reg.VecVirtual, to, n reg.Register) {
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
	e.LEAQ(operand.Mem{Base: to, Index: n, Scale: uint8(e.size)}, to)
}

// transposeAdd returns the vector of the sums of n vectors, n a power of two,
// from the given offset on. Two vectors become one whose halves are the sums
// of each, level by level: first inside the 128-bit lanes, then across them.
func (e *emitter) transposeAdd(from reg.Register, offset, n int) reg.VecVirtual {
	if n == 1 {
		v := e.vec()
		e.load(at(from, offset), v)
		return v
	}
	// Neighbours are combined at the innermost level, in the order that
	// leaves the sums in that of the vectors.
	a := e.transposeAdd(from, offset, n/2)
	b := e.transposeAdd(from, offset+n/2*e.width, n/2)
	return e.combine(a, b, n)
}

// combine is the level of transposeAdd that makes one vector of n sums from
// two of n/2.
func (e *emitter) combine(a, b reg.VecVirtual, n int) reg.VecVirtual {
	lo, hi := e.vec(), e.vec()
	inLane := 16 / e.size
	switch {
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

// masks is a vector of ones followed by one of zeros: n·size bytes before the
// middle begins the mask of the first n values.
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
