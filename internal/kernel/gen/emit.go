package main

import (
	"fmt"
	"math"
	"reflect"
	"strings"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// instructionSet is AVX2 with FMA, AVX-512 (F, DQ, BW, VL) or NEON, each with 32 vector
// registers but AVX2, which has 16.
type instructionSet struct {
	name  string
	arch  string // as Go names it
	width int    // bytes in a vector
}

func (s instructionSet) file() string { return strings.ToLower(s.name) }

// emitter writes code for one precision and one instruction set.
type emitter struct {
	*build.Context
	set       instructionSet
	size      int                    // bytes in a value
	width     int                    // bytes in the vectors in use, at most set.width
	constants map[string]operand.Mem // in the read-only data, by name
	labels    int
}

// per is the number of values in a vector, row the number of bytes in one
// value of all rows of a tile.
func (e *emitter) per() int   { return e.width / e.size }
func (e *emitter) row() int   { return lanes * e.size }
func (e *emitter) wide() bool { return e.width == 64 }
func (e *emitter) evex() bool { return e.set.width == 64 } // 32 registers, masks
func (e *emitter) neon() bool { return e.set.arch == "arm64" }
func (e *emitter) avx2() bool { return !e.evex() && !e.neon() }

// begin opens the function of the given base name. T in args stands for the
// precision.
func (e *emitter) begin(name, args, doc string) {
	t := fmt.Sprintf("float%d", 8*e.size)
	full := fmt.Sprintf("%sF%d%s", name, 8*e.size, e.set.name)
	e.Function(full)
	e.Attributes(attr.NOSPLIT)
	e.Pragma("noescape")
	e.Doc(full + " " + doc)
	e.SignatureExpr("func(" + strings.ReplaceAll(args, "T", t) + ")")
	e.labels = 0
}

func (e *emitter) end() {
	e.VZEROUPPER()
	e.RET()
}

// op emits an instruction. It adds the last letter of the name: S for float32, D
// for float64.
func (e *emitter) op(name string, ops ...operand.Op) {
	e.raw(name+string("SD"[e.size/8]), ops...)
}

// intOp is op for integer instructions: D for 32 bits, Q for 64.
func (e *emitter) intOp(name string, ops ...operand.Op) {
	e.raw(name+string("DQ"[e.size/8]), ops...)
}

// raw emits the instruction of a name.
func (e *emitter) raw(name string, ops ...operand.Op) {
	m := reflect.ValueOf(e.Context).MethodByName(name)
	if !m.IsValid() {
		panic("no instruction " + name)
	}
	args := make([]reflect.Value, len(ops))
	for i, o := range ops {
		args[i] = reflect.ValueOf(o)
	}
	m.Call(args)
}

// bitOp emits a bitwise instruction. Its AVX-512 form has a type.
func (e *emitter) bitOp(name string, ops ...operand.Op) {
	if e.evex() {
		e.intOp(name, ops...)
	} else {
		e.raw(name, ops...)
	}
}

// native emits an instruction of NEON, which sets to.
func (e *emitter) native(name string, to operand.Op, from ...operand.Op) {
	e.Instruction(native(name, e.size, to, from...))
}

// vec is a new vector register. For NEON, whose registers have 16 bytes, it stands for one
// of those.
func (e *emitter) vec() reg.VecVirtual {
	if e.wide() {
		return e.ZMM()
	}
	return e.YMM()
}

func (e *emitter) vecs(n int) []reg.VecVirtual {
	v := make([]reg.VecVirtual, n)
	for i := range v {
		v[i] = e.vec()
	}
	return v
}

func (e *emitter) load(from, to operand.Op)  { e.op("VMOVUP", from, to) }
func (e *emitter) store(from, to operand.Op) { e.op("VMOVUP", from, to) }

func (e *emitter) broadcast(from operand.Mem, to operand.Op) { e.op("VBROADCASTS", from, to) }

// zeros clears registers. It loads the first one and XORs it with itself for the
// others: for the register allocation, the XOR of a ZMM register with itself would
// be a use of its old value.
func (e *emitter) zeros(v ...reg.VecVirtual) {
	e.load(e.number(0), v[0])
	for _, u := range v[1:] {
		e.bitOp("VPXOR", v[0], v[0], u)
	}
}

// arg loads an argument of the function into a register.
func (e *emitter) arg(name string) reg.Register {
	return e.Load(e.Param(name), e.GP64())
}

// label returns a name that is unique in the function.
func (e *emitter) label(name string) string {
	e.labels++
	return fmt.Sprintf("%s%d", name, e.labels)
}

func (e *emitter) jump(op, label string) { e.raw(op, operand.LabelRef(label)) }

// repeat emits the body in a loop that runs n > 0 times.
func (e *emitter) repeat(n int, body func()) {
	if n == 1 {
		body()
		return
	}
	count := e.GP64()
	e.MOVQ(operand.I32(int32(n)), count)
	e.countdown(count, body)
}

// countdown emits the body in a loop that runs count > 0 times. count is a register
// and becomes zero.
func (e *emitter) countdown(count reg.Register, body func()) {
	top := e.label("loop")
	e.Label(top)
	body()
	e.DECQ(count)
	e.jump("JNZ", top)
}

func at(base reg.Register, disp int) operand.Mem { return operand.Mem{Base: base, Disp: disp} }

func imm(v int) operand.Op { return operand.I32(int32(v)) }

// blocks emits a loop over n items in blocks of at most the given size. Blocks are
// full while two full ones or more remain, and then of about equal size. n is a
// register and becomes zero. The body is emitted once for every size of block.
func (e *emitter) blocks(n reg.Register, most int, body func(size int)) {
	top, done := e.label("block"), e.label("done")
	size := e.GP64()
	e.Label(top)
	e.MOVQ(n, size)
	if most > 1 {
		small, full := e.label("small"), e.label("full")
		e.CMPQ(n, imm(most))
		e.jump("JLE", small)
		e.CMPQ(n, imm(2*most))
		e.jump("JGE", full)
		e.INCQ(size)
		e.SHRQ(operand.U8(1), size)
		e.JMP(operand.LabelRef(small))
		e.Label(full)
		e.MOVQ(imm(most), size)
		e.Label(small)
	}
	for s := most; s >= 1; s-- {
		next := e.label("size")
		if s > 1 {
			e.CMPQ(size, imm(s))
			e.jump("JNE", next)
		}
		body(s)
		e.SUBQ(imm(s), n)
		e.jump("JNZ", top)
		e.JMP(operand.LabelRef(done))
		if s > 1 {
			e.Label(next)
		}
	}
	e.Label(done)
}

// number is the constant v in the precision of the code.
func (e *emitter) number(v float64) operand.Mem {
	bits := math.Float64bits(v)
	if e.size == 4 {
		bits = uint64(math.Float32bits(float32(v)))
	}
	return e.bits(bits)
}

// bits is a vector of constants with the given bits.
func (e *emitter) bits(bits uint64) operand.Mem {
	name := fmt.Sprintf("c%d_%x", 8*e.size, bits)
	if m, ok := e.constants[name]; ok {
		return m
	}
	mem := e.StaticGlobal(name)
	e.DataAttributes(attr.RODATA | attr.NOPTR)
	for at := 0; at < e.set.width; at += e.size {
		if e.size == 4 {
			e.AddDatum(at, operand.U32(bits))
		} else {
			e.AddDatum(at, operand.U64(bits))
		}
	}
	e.constants[name] = mem
	return mem
}

// held loads a constant into a register that keeps it.
func (e *emitter) held(m operand.Mem) operand.Op {
	v := e.vec()
	e.load(m, v)
	return v
}

func imm8(v int) operand.Op { return operand.U8(uint8(v)) }

// narrow is the emitter for vectors of at most 32 bytes in the same instruction set.
func (e *emitter) narrow() *emitter {
	n := *e
	n.width = min(n.width, 32)
	return &n
}
