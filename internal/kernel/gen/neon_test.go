package main

import (
	"strings"
	"testing"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// loop compiles a function with a loop that runs n times, and returns its lines.
func loop(t *testing.T, before, body func(e *emitter, v []reg.VecVirtual)) []string {
	t.Helper()
	ctx := build.NewContext()
	e := &emitter{
		Context: ctx, set: instructionSet{name: "NEON", arch: "arm64", width: 16},
		size: 4, width: 16, constants: map[string]operand.Mem{},
	}
	e.begin("loop", "z *T, n int", "is a loop.")
	z, n, v := e.arg("z"), e.arg("n"), e.vecs(4)
	for i := range v {
		e.load(at(z, i*16), v[i])
	}
	before(e, v)
	e.countdown(n, func() { body(e, v) })
	e.store(v[0], at(z, 0))
	e.end()
	f, err := ctx.Result()
	if err != nil {
		t.Fatal(err)
	}
	if err := compileNEON(ctx).Execute(f); err != nil {
		t.Fatal(err)
	}
	text, err := (&neonPrinter{table: map[string]int{}}).Print(f)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(text), "\n")
}

func count(lines []string, part string) (n int) {
	for _, l := range lines {
		if strings.Contains(l, part) {
			n++
		}
	}
	return n
}

func nothing(*emitter, []reg.VecVirtual) {}

// A product that AVX adds to a number in another register ends up in that register if it
// is not needed any more. Otherwise it needs one move, and one more if the loop carries
// it.
func TestMovesOfFusedForms(t *testing.T) {
	for _, c := range []struct {
		name  string
		body  func(e *emitter, v []reg.VecVirtual)
		moves int
	}{
		{"addend not live", func(e *emitter, v []reg.VecVirtual) {
			c := e.vec()
			e.op("VADDP", v[1], v[2], c)
			q := e.vec()
			e.op("VADDP", v[2], v[3], q)
			e.op("VFMADD213P", c, v[1], q)
			e.op("VADDP", q, v[0], v[0])
		}, 0},
		{"addend live", func(e *emitter, v []reg.VecVirtual) {
			q := e.vec()
			e.op("VADDP", v[2], v[3], q)
			e.op("VFMADD213P", v[1], v[2], q)
			e.op("VADDP", q, v[0], v[0])
		}, 1},
		{"carried by the loop", func(e *emitter, v []reg.VecVirtual) {
			e.op("VFMADD213P", v[1], v[2], v[0])
		}, 2},
		{"sum in place", func(e *emitter, v []reg.VecVirtual) {
			e.op("VFMADD231P", v[1], v[2], v[0])
		}, 0},
	} {
		lines := loop(t, nothing, c.body)
		if got := count(lines, "VMOV "); got != c.moves {
			t.Errorf("%s: %d moves, want %d:\n%s", c.name, got, c.moves, strings.Join(lines, "\n"))
		}
	}
}

// Values that change their registers among each other at the end of a loop all arrive.
// The test follows the registers through the moves.
func TestSettleCycle(t *testing.T) {
	ctx := build.NewContext()
	ctx.Function("cycle")
	for _, targets := range [][]int{{1, 0}, {1, 2, 0}, {1, 2, 3}, {2, 0, 1, 5}, {0, 0}} {
		l := &lowering{ctx: ctx}
		l.forget()
		registers := make([]reg.Register, 6)
		for i := range registers {
			registers[i] = ctx.YMM()
		}
		live := reg.NewMaskSetFromRegisters(registers)
		holds := map[reg.ID]int{}
		for i, r := range registers {
			holds[r.ID()] = i
		}
		for i, from := range targets {
			l.move(registers[i], registers[from])
		}
		l.settle(live)
		for _, n := range l.nodes {
			ops := operandsOf(t, n)
			holds[ops[0].ID()] = holds[ops[1].ID()]
		}
		for i, from := range targets {
			if got := holds[registers[i].ID()]; got != from {
				t.Errorf("%v: register %d holds %d", targets, i, got)
			}
		}
	}
}

func operandsOf(t *testing.T, n ir.Node) []reg.Register {
	t.Helper()
	i, ok := n.(*ir.Instruction)
	if !ok || i.Opcode != "VMOV" {
		t.Fatalf("%v is no move", n)
	}
	var r []reg.Register
	for _, o := range i.Operands {
		r = append(r, o.(reg.Register))
	}
	return r
}
