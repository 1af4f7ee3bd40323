//go:build amd64 || arm64

package kernel

import (
	"fmt"
	"math"
	"strings"
	"unsafe"
)

// vectorAction is an instruction on vectors. Results in float32 are found in float64 and rounded.
// For sums, products, quotients and roots this is exact; a multiply-add may differ in the last
// bit, very rarely.
func (p *program) vectorAction(op string, args []string) action {
	op, zeroing := strings.CutSuffix(op, ".Z")
	s := &simd{op: op, zeroing: zeroing, mask: -1}
	for _, a := range args {
		o := p.place(a)
		s.width = max(s.width, map[byte]int{'X': 16, 'Y': 32, 'Z': 64}[o.letter])
		s.places = append(s.places, o)
	}
	if n := len(s.places); n > 2 && s.places[n-2].letter == 'K' {
		s.mask = s.places[n-2].register
		s.places = append(s.places[:n-2:n-2], s.places[n-1])
	}
	s.to = s.places[len(s.places)-1]
	s.stem, s.size = op[:len(op)-1], 4
	integers := strings.HasPrefix(op, "VP") && op != "VPERMILPD"
	if op[len(op)-1] == 'Q' || op[len(op)-1] == 'D' && !integers {
		s.size = 8
	}
	if run := s.special(); run != nil {
		return run
	}
	f := s.element()
	return func(m *machine) {
		var in [3]vec
		for k := range s.places[:len(s.places)-1] {
			in[k] = s.read(m, k)
		}
		if s.to.register >= 0 {
			in[2] = m.vectors[s.to.register]
		}
		var out vec
		for i := range s.width / s.size {
			f(&out, &in, i)
		}
		s.write(m, out)
	}
}

// simd is an instruction on vectors.
type simd struct {
	op, stem    string // the name, with and without its last letter
	size, width int    // bytes of an element and of a vector
	places      []place
	to          place
	mask        int // or -1
	zeroing     bool
}

// immediate is the first operand.
func (s *simd) immediate() uint64 {
	if o := s.places[0]; o.register >= 0 || o.constant != nil || o.base >= 0 {
		panic("no immediate: " + s.op)
	}
	return s.places[0].immediate
}

func (s *simd) selected(m *machine, i int) bool { return s.mask < 0 || m.masks[s.mask]>>i&1 != 0 }

// read is the value of operand k. Of memory it reads what the mask selects.
func (s *simd) read(m *machine, k int) (v vec) {
	o := &s.places[k]
	if o.register >= 0 {
		return m.vectors[o.register]
	}
	from := o.constant
	switch {
	case o.base >= 0:
		from = m.pointer(o.effective(m))
	case from == nil:
		return v // an immediate
	}
	width := s.width
	if strings.HasPrefix(s.op, "VBROADCAST") || s.scalar() {
		width = s.size
	}
	bytes := unsafe.Slice((*byte)(from), width)
	for i := range width / s.size {
		if s.selected(m, i) {
			copy(v[i*s.size:], bytes[i*s.size:(i+1)*s.size])
		}
	}
	return v
}

// scalar reports whether the instruction acts on one value.
func (s *simd) scalar() bool {
	return strings.HasSuffix(s.op, "SS") && !strings.HasPrefix(s.op, "VBROADCAST") || strings.HasSuffix(s.op, "SD")
}

// write sets the result where the mask selects it.
func (s *simd) write(m *machine, v vec) {
	if s.to.register < 0 {
		width := s.width
		if s.scalar() {
			width = s.size
		}
		bytes := unsafe.Slice((*byte)(m.pointer(s.to.effective(m))), width)
		for i := range width / s.size {
			if s.selected(m, i) {
				copy(bytes[i*s.size:], v[i*s.size:(i+1)*s.size])
			}
		}
		return
	}
	r := &m.vectors[s.to.register]
	for i := range s.width / s.size {
		if !s.selected(m, i) {
			bits := uint64(0)
			if !s.zeroing {
				bits = r.bits(i, s.size)
			}
			v.setBits(i, s.size, bits)
		}
	}
	clear(v[s.width:])
	*r = v
}

// element computes element i of the result. in are the operands but the last, and the old value
// of the last is in[2].
func (s *simd) element() func(out *vec, in *[3]vec, i int) {
	size, last := s.size, s.width/s.size-1
	number := func(f func(x, y float64) float64) func(out *vec, in *[3]vec, i int) {
		return func(out *vec, in *[3]vec, i int) {
			out.setNumber(i, size, f(in[1].number(i, size), in[0].number(i, size)))
		}
	}
	whole := func(f func(x, y uint64) uint64) func(out *vec, in *[3]vec, i int) {
		return func(out *vec, in *[3]vec, i int) { out.setBits(i, size, f(in[1].bits(i, size), in[0].bits(i, size))) }
	}
	if f, ok := numbers[s.stem]; ok {
		return number(f)
	}
	if f, ok := wholes[s.stem]; ok {
		return whole(f)
	}
	if strings.HasPrefix(s.op, "VFM") || strings.HasPrefix(s.op, "VFNM") {
		return s.multiplyAdd()
	}
	switch s.stem {
	case "VMOVUP", "VMOVAP":
		return func(out *vec, in *[3]vec, i int) { out.setBits(i, size, in[0].bits(i, size)) }
	case "VSQRTP":
		return func(out *vec, in *[3]vec, i int) { out.setNumber(i, size, math.Sqrt(in[0].number(i, size))) }
	case "VBROADCASTS":
		return func(out *vec, in *[3]vec, i int) { out.setBits(i, size, in[0].bits(0, size)) }
	case "VMOVSHDU":
		return func(out *vec, in *[3]vec, i int) { out.setBits(i, 4, in[0].bits(min(i|1, last), 4)) }
	case "VUNPCKLP", "VUNPCKHP":
		return s.unpack()
	case "VPSLL", "VPSRL":
		n := s.immediate()
		if s.stem == "VPSLL" {
			return whole(func(x, _ uint64) uint64 { return x << n })
		}
		return whole(func(x, _ uint64) uint64 { return x >> n })
	case "VRNDSCALEP", "VREDUCEP":
		if s.immediate() != 8 {
			panic("not to the nearest integer: " + s.op)
		}
		return number(func(x, _ float64) float64 {
			whole := math.RoundToEven(x)
			switch {
			case s.stem == "VRNDSCALEP":
				return whole
			case math.IsInf(x, 0):
				return 0
			}
			return x - whole
		})
	}
	panic(fmt.Sprintf("no instruction %s", s.op))
}

// numbers and wholes are functions of the second and first operand.
var (
	numbers = map[string]func(x, y float64) float64{
		"VADDP": func(x, y float64) float64 { return x + y },
		"VSUBP": func(x, y float64) float64 { return x - y },
		"VMULP": func(x, y float64) float64 { return x * y },
		"VDIVP": func(x, y float64) float64 { return x / y },
		"VMINP": func(x, y float64) float64 {
			if x < y {
				return x
			}
			return y
		},
		"VMAXP": func(x, y float64) float64 {
			if x > y {
				return x
			}
			return y
		},
		"VSCALEFP": func(x, y float64) float64 { return x * math.Exp2(math.Floor(y)) },
	}
	wholes = map[string]func(x, y uint64) uint64{
		"VPADD":  func(x, y uint64) uint64 { return x + y },
		"VPSUB":  func(x, y uint64) uint64 { return x - y },
		"VPAND":  func(x, y uint64) uint64 { return x & y },
		"VPANDN": func(x, y uint64) uint64 { return ^x & y },
		"VPOR":   func(x, y uint64) uint64 { return x | y },
		"VPXOR":  func(x, y uint64) uint64 { return x ^ y },
	}
)

// multiplyAdd is a fused multiply-add. Its digits say which operands, counted from the last one, are
// the factors and the term.
func (s *simd) multiplyAdd() func(out *vec, in *[3]vec, i int) {
	digits := strings.TrimSuffix(s.stem, "P")
	digits = digits[len(digits)-3:]
	factor, term := 1., 1.
	if strings.HasPrefix(s.op, "VFN") {
		factor = -1
	}
	if strings.Contains(s.op, "SUB") {
		term = -1
	}
	return func(out *vec, in *[3]vec, i int) {
		var v [3]float64
		for k, d := range digits {
			v[k] = in[[]int{2, 1, 0}[d-'1']].number(i, s.size)
		}
		out.setNumber(i, s.size, math.FMA(factor*v[0], v[1], term*v[2]))
	}
}

// unpack takes elements of both operands in turn, within 16 bytes.
func (s *simd) unpack() func(out *vec, in *[3]vec, i int) {
	per, high := 16/s.size, 0
	if s.stem == "VUNPCKHP" {
		high = per / 2
	}
	return func(out *vec, in *[3]vec, i int) {
		from := i/per*per + high + i%per/2
		out.setBits(i, s.size, in[1-i%2].bits(from, s.size))
	}
}

// special are the instructions that are not one element after another, or nil.
func (s *simd) special() action {
	imm := s.places[0].immediate
	switch s.op {
	case "VCMPPS", "VCMPPD":
		k := s.places[len(s.places)-1]
		compare, known := map[uint64]func(x, y float64) bool{
			0x11: func(x, y float64) bool { return x < y }, 0x1d: func(x, y float64) bool { return x >= y },
		}[imm]
		if !known || s.mask >= 0 {
			panic("no form of " + s.op)
		}
		return func(m *machine) {
			a, b, bits := s.read(m, 2), s.read(m, 1), uint64(0)
			for i := range s.width / s.size {
				if compare(a.number(i, s.size), b.number(i, s.size)) {
					bits |= 1 << i
				}
			}
			m.masks[k.register] = bits
		}
	case "VPMOVD2M", "VPMOVQ2M":
		size := map[byte]int{'D': 4, 'Q': 8}[s.op[5]]
		return func(m *machine) {
			v, bits := m.vectors[s.places[0].register], uint64(0)
			for i := range s.width / size {
				bits |= v.bits(i, size) >> (8*size - 1) << i
			}
			m.masks[s.to.register] = bits
		}
	case "VSHUFF64X2":
		return s.pieces(16, func(i int) (operand, from int) {
			n := s.width / 16
			bits := map[int]int{2: 1, 4: 2}[n]
			return map[bool]int{true: 2, false: 1}[i < n/2], int(imm) >> (i * bits) & (n - 1)
		})
	case "VEXTRACTF64X4", "VEXTRACTF128":
		size := map[string]int{"VEXTRACTF64X4": 32, "VEXTRACTF128": 16}[s.op]
		s.width = size
		return s.pieces(size, func(int) (operand, from int) { return 1, int(imm) })
	case "VPERMILPD":
		if s.width > 16 {
			panic("no form of VPERMILPD")
		}
		return s.pieces(8, func(i int) (operand, from int) { return 1, int(imm) >> i & 1 })
	case "VADDSS", "VADDSD":
		return func(m *machine) {
			x, y := s.read(m, 1), s.read(m, 0)
			x.setNumber(0, s.size, x.number(0, s.size)+y.number(0, s.size))
			s.write(m, x)
		}
	case "VMOVSS", "VMOVSD":
		return func(m *machine) { s.write(m, s.read(m, 0)) }
	}
	return nil
}

// pieces makes the result of pieces of the operands.
func (s *simd) pieces(size int, of func(i int) (operand, from int)) action {
	return func(m *machine) {
		var v vec
		for i := range s.width / size {
			operand, from := of(i)
			x := m.vectors[s.places[operand].register]
			copy(v[i*size:(i+1)*size], x[from*size:])
		}
		s.write(m, v)
	}
}
