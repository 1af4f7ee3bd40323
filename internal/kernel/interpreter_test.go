//go:build amd64 || arm64

package kernel

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unsafe"
)

// program is the generated assembly of an instruction set of amd64, for processors that do not have it.
type program struct {
	functions map[string][]string       // lines without labels
	labels    map[string]map[string]int // of every function: the line that follows
	data      map[string][]byte         // constants
	mu        sync.Mutex
	compiled  map[string][]action
}

// action is what an instruction does.
type action func(m *machine)

// vec is a vector register.
type vec [64]byte

// machine is the state of a processor. An address is the number of a base in its upper 16 bits,
// and an offset from this base below.
type machine struct {
	general [16]uint64
	vectors [32]vec
	masks   [8]uint64
	pc      int
	a, b    uint64 // what the last comparison compared
	args    []uint64
	bases   []unsafe.Pointer
}

const middle = 1 << 40 // offset 0

func (m *machine) address(p unsafe.Pointer) uint64 {
	if p == nil {
		return 0
	}
	m.bases = append(m.bases, p)
	return uint64(len(m.bases))<<48 | middle
}

func (m *machine) pointer(address uint64) unsafe.Pointer {
	offset := int(address&(1<<48-1)) - middle
	return unsafe.Add(m.bases[address>>48-1], offset)
}

var dataLine = regexp.MustCompile(`^DATA (\w+)<>\+(\d+)\(SB\)/(\d), \$(0x[0-9a-f]+)$`)

func readProgram(file string) (*program, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	p := &program{
		functions: map[string][]string{}, labels: map[string]map[string]int{}, data: map[string][]byte{},
		compiled: map[string][]action{},
	}
	name := ""
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), "//")
		line = strings.TrimSpace(line)
		label, isLabel := strings.CutSuffix(line, ":")
		start, isStart := strings.CutPrefix(line, "TEXT ·")
		switch d := dataLine.FindStringSubmatch(line); {
		case isStart:
			name, _, _ = strings.Cut(start, "(")
			p.labels[name] = map[string]int{}
		case isLabel:
			p.labels[name][label] = len(p.functions[name])
		case d != nil:
			at, _ := strconv.Atoi(d[2])
			size, _ := strconv.Atoi(d[3])
			v, err := strconv.ParseUint(d[4], 0, 64)
			if err != nil {
				return nil, err
			}
			bytes := binary.LittleEndian.AppendUint64(p.data[d[1]][:at:at], v)
			p.data[d[1]] = bytes[:at+size]
		case line != "" && !strings.HasPrefix(line, "GLOBL") && !strings.HasPrefix(line, "#"):
			p.functions[name] = append(p.functions[name], line)
		}
	}
	return p, nil
}

// call runs a function on pointers and integers.
func (p *program) call(name string, args ...any) {
	code := p.code(name)
	m := new(machine)
	for _, a := range args {
		switch a := a.(type) {
		case int:
			m.args = append(m.args, uint64(a))
		case *float32:
			m.args = append(m.args, m.address(unsafe.Pointer(a)))
		case *float64:
			m.args = append(m.args, m.address(unsafe.Pointer(a)))
		}
	}
	for m.pc = 0; m.pc >= 0; {
		s := code[m.pc]
		m.pc++
		s(m)
	}
}

// code is that of a function.
func (p *program) code(name string) []action {
	p.mu.Lock()
	defer p.mu.Unlock()
	code, ok := p.compiled[name]
	if !ok {
		for _, line := range p.functions[name] {
			code = append(code, p.compile(name, line))
		}
		p.compiled[name] = code
	}
	return code
}

// compile turns a line into what it does.
func (p *program) compile(function, line string) action {
	op, rest, _ := strings.Cut(line, " ")
	args := strings.Split(rest, ",")
	for k, a := range args {
		args[k] = strings.TrimSpace(a)
	}
	switch {
	case op == "RET":
		return func(m *machine) { m.pc = -1 }
	case op == "VZEROUPPER":
		return func(*machine) {}
	case op[0] == 'J':
		to, ok := p.labels[function][args[0]]
		if !ok {
			panic("no label " + args[0])
		}
		return jump(op, to)
	case op[0] == 'V':
		return p.vectorAction(op, args)
	}
	return p.generalAction(op, args)
}

func jump(op string, to int) action {
	var taken func(a, b uint64) bool
	switch op {
	case "JMP":
		taken = func(_, _ uint64) bool { return true }
	case "JNZ", "JNE":
		taken = func(a, b uint64) bool { return a != b }
	case "JZ", "JEQ":
		taken = func(a, b uint64) bool { return a == b }
	case "JLE":
		taken = func(a, b uint64) bool { return int64(a) <= int64(b) }
	case "JGE":
		taken = func(a, b uint64) bool { return int64(a) >= int64(b) }
	case "JHI":
		taken = func(a, b uint64) bool { return a > b }
	default:
		panic("no instruction " + op)
	}
	return func(m *machine) {
		if taken(m.a, m.b) {
			m.pc = to
		}
	}
}

// place is an operand: a register, an immediate, or memory.
type place struct {
	register  int  // or -1
	letter    byte // of the kind of register: G (general), X, Y, Z or K
	immediate uint64
	constant  unsafe.Pointer // of the data
	argument  int            // or -1
	base      int            // or -1: no memory at an address
	index     int            // or -1
	scale     uint64
	offset    uint64
}

var generals = strings.Fields("AX CX DX BX SP BP SI DI R8 R9 R10 R11 R12 R13 R14 R15")

var (
	symbol = regexp.MustCompile(`^(\w+)<>\+(\d+)\(SB\)$`)
	frame  = regexp.MustCompile(`^\w+\+(\d+)\(FP\)$`)
	memory = regexp.MustCompile(`^(-?\d*)\((\w+)\)(?:\((\w+)\*(\d)\))?$`)
)

func general(name string) int { return slices.Index(generals, name) }

func (p *program) place(text string) place {
	o := place{register: -1, argument: -1, base: -1, index: -1, scale: 1}
	if o.register = general(text); o.register >= 0 {
		o.letter = 'G'
		return o
	}
	if n, err := strconv.Atoi(text[1:]); err == nil && strings.IndexByte("XYZK", text[0]) >= 0 {
		o.register, o.letter = n, text[0]
		return o
	}
	if text[0] == '$' {
		v, err := strconv.ParseInt(strings.TrimPrefix(text[1:], "+"), 0, 64)
		if err != nil {
			panic(err)
		}
		o.immediate = uint64(v)
		return o
	}
	if s := symbol.FindStringSubmatch(text); s != nil {
		at, _ := strconv.Atoi(s[2])
		o.constant = unsafe.Pointer(&p.data[s[1]][at])
		return o
	}
	if s := frame.FindStringSubmatch(text); s != nil {
		at, _ := strconv.Atoi(s[1])
		o.argument = at / 8
		return o
	}
	s := memory.FindStringSubmatch(text)
	if s == nil {
		panic("no operand " + text)
	}
	if s[1] != "" {
		v, _ := strconv.ParseInt(s[1], 10, 64)
		o.offset = uint64(v)
	}
	o.base = general(s[2])
	if s[3] != "" {
		o.index = general(s[3])
		o.scale, _ = strconv.ParseUint(s[4], 10, 64)
	}
	return o
}

// effective is the address of memory.
func (o *place) effective(m *machine) uint64 {
	a := m.general[o.base] + o.offset
	if o.index >= 0 {
		a += m.general[o.index] * o.scale
	}
	return a
}

// integer is the value of an operand of 64 bits.
func (o *place) integer(m *machine) uint64 {
	switch {
	case o.register >= 0:
		return m.general[o.register]
	case o.argument >= 0:
		return m.args[o.argument]
	case o.base >= 0 || o.constant != nil:
		panic("an integer in memory")
	}
	return o.immediate
}

// generalAction is an instruction on general registers.
func (p *program) generalAction(op string, args []string) action {
	var from []place
	for _, a := range args {
		from = append(from, p.place(a))
	}
	last := from[len(from)-1]
	x := from[0]
	update := func(f func(to, from uint64) uint64) action {
		return func(m *machine) {
			r := &m.general[last.register]
			*r = f(*r, x.integer(m))
			m.a, m.b = *r, 0
		}
	}
	switch op {
	case "MOVQ":
		return func(m *machine) { m.general[last.register] = x.integer(m) }
	case "LEAQ":
		return func(m *machine) {
			if x.constant != nil {
				m.general[last.register] = m.address(x.constant)
			} else {
				m.general[last.register] = x.effective(m)
			}
		}
	case "CMPQ":
		return func(m *machine) { m.a, m.b = x.integer(m), last.integer(m) }
	case "TESTQ":
		return func(m *machine) { m.a, m.b = x.integer(m)&last.integer(m), 0 }
	case "IMUL3Q":
		y := from[1]
		return func(m *machine) { m.general[last.register] = x.integer(m) * y.integer(m) }
	case "ADDQ":
		return update(func(to, from uint64) uint64 { return to + from })
	case "SUBQ":
		return update(func(to, from uint64) uint64 { return to - from })
	case "XORQ":
		return update(func(to, from uint64) uint64 { return to ^ from })
	case "SHLQ":
		return update(func(to, from uint64) uint64 { return to << from })
	case "SHRQ":
		return update(func(to, from uint64) uint64 { return to >> from })
	case "INCQ":
		return update(func(to, _ uint64) uint64 { return to + 1 })
	case "DECQ":
		return update(func(to, _ uint64) uint64 { return to - 1 })
	case "NEGQ":
		return update(func(to, _ uint64) uint64 { return -to })
	}
	panic(fmt.Sprintf("no instruction %s %q", op, args))
}

// number is the value of element i.
func (v *vec) number(i, size int) float64 {
	if size == 4 {
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(v[4*i:])))
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(v[8*i:]))
}

// bits are those of element i.
func (v *vec) bits(i, size int) uint64 {
	if size == 4 {
		return uint64(binary.LittleEndian.Uint32(v[4*i:]))
	}
	return binary.LittleEndian.Uint64(v[8*i:])
}

func (v *vec) setBits(i, size int, bits uint64) {
	if size == 4 {
		binary.LittleEndian.PutUint32(v[4*i:], uint32(bits))
	} else {
		binary.LittleEndian.PutUint64(v[8*i:], bits)
	}
}

func (v *vec) setNumber(i, size int, x float64) {
	if size == 4 {
		v.setBits(i, size, uint64(math.Float32bits(float32(x))))
	} else {
		v.setBits(i, size, math.Float64bits(x))
	}
}
