package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/pass"
	"github.com/mmcloughlin/avo/reg"
)

// The descriptions of the kernels speak the language of AVX. For NEON, lowering
// replaces every AVX instruction by those of NEON that do the same, before registers
// are allocated. Instructions on addresses and counters stay as they are: neon_print.go
// writes them as one instruction of arm64 each.
//
// Three things differ. Operands in memory need a load. FMLA and FMLS add to one of
// their registers, and AVX has forms that overwrite a factor instead: the result is then
// in another register, and the lowering remembers in which one until the end of the block
// of straight code. Minimum and maximum treat NaN differently, see extreme.
type lowering struct {
	ctx      *build.Context // makes registers
	nodes    []ir.Node
	now      map[reg.ID]reg.Register // where the value of a register is, unless in itself
	register map[reg.ID]reg.Register // all registers of now
	constant map[reg.ID]bool         // registers that only ever hold one constant
}

// lower returns the pass that rewrites a function for NEON.
func lower(ctx *build.Context) pass.FunctionPass {
	return func(fn *ir.Function) error {
		for _, analysis := range []pass.FunctionPass{pass.LabelTarget, pass.CFG, pass.Liveness} {
			if err := analysis(fn); err != nil {
				return err
			}
		}
		l := &lowering{ctx: ctx, constant: constants(fn)}
		l.forget()
		for _, n := range fn.Nodes {
			switch n := n.(type) {
			case ir.Label:
				l.settle(fn.LabelTarget[n].LiveIn)
				l.nodes = append(l.nodes, n)
			case *ir.Instruction:
				if err := l.instruction(n); err != nil {
					return fmt.Errorf("%s: %w", fn.Name, err)
				}
				n.Pred, n.Succ = nil, nil
			}
		}
		fn.Nodes = l.nodes
		return nil
	}
}

// constants are the registers that a function sets by loads of constants only.
func constants(fn *ir.Function) map[reg.ID]bool {
	set := map[reg.ID]bool{}
	for _, i := range fn.Instructions() {
		for _, r := range i.OutputRegisters() {
			load := strings.HasPrefix(i.Opcode, "VMOVU") && isConstant(i.Operands[0])
			if old, ok := set[r.ID()]; ok {
				load = load && old
			}
			set[r.ID()] = load
		}
	}
	return set
}

func isConstant(o operand.Op) bool {
	m, ok := o.(operand.Mem)
	return ok && m.Symbol.Static
}

func (l *lowering) forget() {
	l.now, l.register = map[reg.ID]reg.Register{}, map[reg.ID]reg.Register{}
}

// settle moves values back to their own registers, at the end of a block, if they are
// live there.
func (l *lowering) settle(live reg.MaskSet) {
	var moves [][2]reg.Register // from, to
	for id, from := range l.now {
		if _, ok := live[id]; ok {
			moves = append(moves, [2]reg.Register{from, l.register[id]})
		}
	}
	slices.SortFunc(moves, func(a, b [2]reg.Register) int { return int(a[1].ID()) - int(b[1].ID()) })
	for len(moves) > 0 {
		// A move may not overwrite what another one still needs.
		i := slices.IndexFunc(moves, func(m [2]reg.Register) bool {
			return !slices.ContainsFunc(moves, func(o [2]reg.Register) bool { return o[0].ID() == m[1].ID() })
		})
		if i < 0 { // a cycle
			spare := l.fresh()
			l.emit("VMOV", 0, spare, moves[0][0])
			moves[0][0], i = spare, 0
			continue
		}
		l.emit("VMOV", 0, moves[i][1], moves[i][0])
		moves = slices.Delete(moves, i, i+1)
	}
	l.forget()
}

func (l *lowering) fresh() reg.Register { return l.ctx.YMM() }

// emit adds the instruction that sets to from its other operands. size is the number of
// bytes in a value, 0 if it does not matter. FMLA, FMLS and VBIT read to, too.
func (l *lowering) emit(name string, size int, to operand.Op, from ...operand.Op) {
	i := native(name, size, to, from...)
	l.nodes = append(l.nodes, i)
}

func native(name string, size int, to operand.Op, from ...operand.Op) *ir.Instruction {
	i := &ir.Instruction{Opcode: name, Operands: append([]operand.Op{to}, from...), Inputs: from}
	switch size {
	case 4:
		i.Suffixes = []string{"S4"}
	case 8:
		i.Suffixes = []string{"D2"}
	}
	i.Outputs = []operand.Op{to}
	if slices.Contains([]string{"FMLA", "FMLS", "FMLAE", "VBIT"}, name) {
		i.Inputs = append([]operand.Op{to}, from...)
	}
	return i
}

// at is where the value of an operand is. It loads an operand in memory.
func (l *lowering) at(o operand.Op) operand.Op {
	switch o := o.(type) {
	case operand.Mem:
		v := l.fresh()
		l.emit("LOAD", 0, v, o)
		return v
	case reg.Register:
		if r, ok := l.now[o.ID()]; ok {
			return r
		}
	}
	return o
}

// put is the register for a new value of to: its own one, unless that holds the value of
// another register.
func (l *lowering) put(to operand.Op) operand.Op {
	r, ok := to.(reg.Register)
	if !ok {
		return to
	}
	delete(l.now, r.ID())
	for _, other := range l.now {
		if other.ID() == r.ID() {
			f := l.fresh()
			l.move(r, f)
			return f
		}
	}
	return r
}

// move remembers that the value of r is now in another register.
func (l *lowering) move(r, other reg.Register) { l.now[r.ID()], l.register[r.ID()] = other, r }

// copy is a register that holds the value of o and may be overwritten: that of o, if it
// is not live after the instruction and not among the others.
func (l *lowering) copy(o operand.Op, i *ir.Instruction, others ...operand.Op) reg.Register {
	if r, ok := o.(reg.Register); ok {
		v := l.at(o).(reg.Register)
		_, live := i.LiveOut[r.ID()]
		if !live && !slices.Contains(others, operand.Op(v)) {
			delete(l.now, r.ID())
			return v
		}
		f := l.fresh()
		l.emit("VMOV", 0, f, v)
		return f
	}
	return l.at(o).(reg.Register)
}

// arithmetic are instructions with the operands second, first and result, in the
// names of AVX without the letter of the precision and of NEON.
var arithmetic = map[string]string{
	"VADDP": "FADD", "VSUBP": "FSUB", "VMULP": "FMUL", "VDIVP": "FDIV",
	"VMINP": "FMIN", "VMAXP": "FMAX", "VPADD": "VADD", "VPSUB": "VSUB",
}

var bitwise = map[string]string{"VPXOR": "VEOR", "VPAND": "VAND", "VPOR": "VORR"}

func (l *lowering) instruction(i *ir.Instruction) error {
	name, size := i.Opcode, 4
	switch {
	case len(i.Suffixes) > 0: // an instruction of NEON
		l.rename(i)
		return nil
	case name == "VZEROUPPER":
		return nil
	case i.IsBranch || i.IsTerminal:
		l.settle(i.LiveIn)
	}
	if !strings.HasPrefix(name, "V") {
		l.nodes = append(l.nodes, i)
		return nil
	}
	ops := i.Operands
	if to, ok := bitwise[name]; ok {
		a, b := l.at(ops[1]), l.at(ops[0])
		l.emit(to, 0, l.put(ops[2]), a, b)
		return nil
	}
	if strings.HasSuffix(name, "D") && !strings.HasPrefix(name, "VP") || strings.HasSuffix(name, "Q") {
		size = 8
	}
	stem := name[:len(name)-1]
	if to, ok := arithmetic[stem]; ok {
		a, b := l.at(ops[1]), l.at(ops[0])
		l.emit(l.extreme(to, ops[0]), size, l.put(ops[2]), a, b)
		return nil
	}
	return l.special(i, stem, size)
}

// extreme is FMINNM or FMAXNM if the second operand is a constant. AVX returns the
// second operand if either is NaN. FMIN and FMAX return NaN, and FMINNM and FMAXNM the
// other operand. Between zeros of different sign AVX returns the second one and NEON
// the smaller or greater one.
func (l *lowering) extreme(name string, second operand.Op) string {
	r, ok := second.(reg.Register)
	constant := isConstant(second) || ok && l.constant[r.ID()]
	if constant && (name == "FMIN" || name == "FMAX") {
		return name + "NM"
	}
	return name
}

// rename takes an instruction of NEON and puts its operands where they are.
func (l *lowering) rename(i *ir.Instruction) {
	from := make([]operand.Op, len(i.Operands)-1)
	for k, o := range i.Operands[1:] {
		from[k] = o
		if _, ok := o.(reg.Register); ok {
			from[k] = l.at(o)
		}
	}
	to := i.Operands[0]
	if len(i.Inputs) == len(i.Operands) {
		to = l.at(to) // which is an input, too
	} else {
		to = l.put(to)
	}
	n := native(i.Opcode, 0, to, from...)
	n.Suffixes = i.Suffixes
	l.nodes = append(l.nodes, n)
}

// special rewrites the other instructions. stem is the name without the last letter.
func (l *lowering) special(i *ir.Instruction, stem string, size int) error {
	ops := i.Operands
	switch stem {
	case "VMOVUP", "VMOVAP":
		l.moves(i)
	case "VBROADCASTS":
		l.emit("LD1R", size, l.put(ops[1]), ops[0])
	case "VSQRTP":
		from := l.at(ops[0])
		l.emit("FSQRT", size, l.put(ops[1]), from)
	case "VPSLL", "VPSRL":
		to := map[string]string{"VPSLL": "VSHL", "VPSRL": "VUSHR"}[stem]
		from := l.at(ops[1])
		l.emit(to, size, l.put(ops[2]), from, ops[0])
	case "VPAND": // VPANDN
		from, not := l.at(ops[0]), l.at(ops[1])
		l.emit("BIC", 0, l.put(ops[2]), from, not)
	case "VCMPP":
		name, x, y := "FCMGE", l.at(ops[2]), l.at(ops[1])
		if ops[0] == imm8(less) {
			name, x, y = "FCMGT", y, x
		}
		l.emit(name, size, l.put(ops[3]), x, y)
	case "VBLENDVP":
		if ops[2] != ops[3] {
			return fmt.Errorf("%s into another register", i.Opcode)
		}
		mask, from := l.at(ops[0]), l.at(ops[1])
		l.emit("VBIT", 0, l.at(ops[3]), from, mask)
	default:
		return l.fused(i, stem, size)
	}
	return nil
}

func (l *lowering) moves(i *ir.Instruction) {
	from, to := i.Operands[0], i.Operands[1]
	if m, ok := to.(operand.Mem); ok {
		l.emit("STORE", 0, m, l.at(from))
		return
	}
	if m, ok := from.(operand.Mem); ok {
		l.emit("LOAD", 0, l.put(to), m)
		return
	}
	v := l.at(from)
	l.emit("VMOV", 0, l.put(to), v)
}

// fused rewrites multiply-adds. The digits say which operands, counted from the last
// one, are factors and which one is added.
func (l *lowering) fused(i *ir.Instruction, stem string, size int) error {
	c, b, a := i.Operands[0], i.Operands[1], i.Operands[2].(reg.Register)
	name := "FMLA"
	if strings.HasPrefix(stem, "VFN") {
		name = "FMLS"
	}
	switch stem {
	case "VFMADD231P", "VFNMADD231P", "VFMSUB231P":
		sum := l.at(a)
		if stem == "VFMSUB231P" {
			l.emit("FNEG", size, sum, sum)
		}
		l.emit(name, size, sum, l.at(b), l.at(c))
		return nil
	case "VFMADD213P", "VFNMADD213P":
	case "VFMADD132P":
		b, c = c, b
	default:
		return fmt.Errorf("no form of %s for NEON", i.Opcode)
	}
	factor, own := l.at(b), l.at(a)
	sum := l.copy(c, i, factor, own)
	l.emit(name, size, sum, own, factor)
	delete(l.now, a.ID())
	l.move(a, sum)
	return nil
}

// compileNEON is pass.Compile for NEON.
func compileNEON(ctx *build.Context) pass.Interface {
	return pass.Concat(
		pass.FunctionPass(pass.PruneJumpToFollowingLabel),
		pass.FunctionPass(pass.PruneDanglingLabels),
		lower(ctx),
		pass.FunctionPass(pass.LabelTarget),
		pass.FunctionPass(pass.CFG),
		pass.FunctionPass(pass.Liveness),
		pass.FunctionPass(pass.AllocateRegisters),
		pass.FunctionPass(pass.BindRegisters),
		pass.FunctionPass(pass.VerifyAllocation),
	)
}
