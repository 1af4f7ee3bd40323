package main

import "fmt"

// word is an instruction that Go's assembler for arm64 does not know. It acts on whole
// registers: four float32 (S4) or two float64 (D2), or 16 bytes (B16).
type word struct {
	bits     uint32 // for float32, all registers 0
	operands int    // registers: 2 or 3
	double   uint32 // what float64 adds to bits
}

// words are the encodings, from the Arm Architecture Reference Manual (DDI 0487), section
// C7.2. The registers are in the bits 0–4 (result), 5–9 and 16–20.
var words = map[string]word{
	"FADD":   {0x4e20d400, 3, 1 << 22},
	"FSUB":   {0x4ea0d400, 3, 1 << 22},
	"FMUL":   {0x6e20dc00, 3, 1 << 22},
	"FDIV":   {0x6e20fc00, 3, 1 << 22},
	"FMLA":   {0x4e20cc00, 3, 1 << 22},
	"FMLS":   {0x4ea0cc00, 3, 1 << 22},
	"FMLAE":  {0x4f801000, 3, 1 << 22}, // FMLA by element 0 of the last register
	"FMIN":   {0x4ea0f400, 3, 1 << 22},
	"FMAX":   {0x4e20f400, 3, 1 << 22},
	"FMINNM": {0x4ea0c400, 3, 1 << 22},
	"FMAXNM": {0x4e20c400, 3, 1 << 22},
	"FADDP":  {0x6e20d400, 3, 1 << 22}, // sums of neighbours
	"FCMGE":  {0x6e20e400, 3, 1 << 22},
	"FCMGT":  {0x6ea0e400, 3, 1 << 22},
	"FSQRT":  {0x6ea1f800, 2, 1 << 22},
	"FNEG":   {0x6ea0f800, 2, 1 << 22},
	"BIC":    {0x4e601c00, 3, 0},
}

// encode returns the instruction and its text in Arm's syntax. The first register is the
// result.
func encode(name string, size int, registers []int) (uint32, string, error) {
	w, ok := words[name]
	if !ok || len(registers) != w.operands {
		return 0, "", fmt.Errorf("no instruction %s with %d registers", name, len(registers))
	}
	bits, arrangement, element := w.bits, ".4s", ".s[0]"
	switch {
	case w.double == 0:
		arrangement = ".16b"
	case size == 8:
		bits, arrangement, element = bits|w.double, ".2d", ".d[0]"
	}
	shown := name
	if name == "FMLAE" {
		shown = "FMLA"
	}
	text := shown + " "
	for k, r := range registers {
		if r < 0 || r > 31 {
			return 0, "", fmt.Errorf("%s: no register %d", name, r)
		}
		bits |= uint32(r) << [3]int{0, 5, 16}[k]
		suffix := arrangement
		if name == "FMLAE" && k == 2 {
			suffix = element
		}
		if k > 0 {
			text += ", "
		}
		text += fmt.Sprintf("v%d%s", r, suffix)
	}
	return bits, text, nil
}
