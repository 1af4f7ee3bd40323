// Command gen writes the vector code of package kernel: one assembly file and
// one file of declarations per instruction set, each in both precisions. It is
// a module of its own, so that programs that import neuralrg do not depend on
// the assembler that it uses. Run it by "go generate ./internal/kernel".
//
// emit.go knows precisions and vector widths. The files neon*.go turn instructions of AVX
// into those of NEON. Every other file is one family of kernels, written once for all
// precisions and instruction sets.
package main

import (
	"bytes"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/pass"
	"github.com/mmcloughlin/avo/printer"
)

// lanes is kernel.Lanes, the number of rows in a tile.
const lanes = 64

var sets = []instructionSet{
	{name: "AVX2", arch: "amd64", width: 32},
	{name: "AVX512", arch: "amd64", width: 64},
	{name: "NEON", arch: "arm64", width: 16},
}

func main() {
	log.SetFlags(0)
	dir := "."
	if len(os.Args) > 1 {
		dir = os.Args[1]
	}
	for _, set := range sets {
		if err := write(dir, set); err != nil {
			log.Fatalf("gen: %s: %v", set.name, err)
		}
	}
}

// write writes both files of an instruction set.
func write(dir string, set instructionSet) error {
	ctx := build.NewContext()
	ctx.ConstraintExpr("!purego")
	for _, size := range []int{4, 8} {
		e := &emitter{Context: ctx, set: set, size: size, width: set.width, constants: map[string]operand.Mem{}}
		e.dense()
		if e.avx2() && size == 4 {
			e.denseELU()
		}
		e.denseGrad()
		e.elementwise()
		e.coupling()
		e.spline()
		e.smooth()
		e.angle()
		e.circle()
	}
	f, err := ctx.Result()
	if err != nil {
		if list, ok := err.(build.ErrorList); ok {
			build.LogError(log.Default(), list, 0)
		}
		return err
	}
	cfg := printer.Config{Name: "internal/kernel/gen", Pkg: "kernel"}
	compile, assembly := pass.Interface(pass.Compile), printer.NewGoAsm(cfg)
	if set.arch == "arm64" {
		compile, assembly = compileNEON(ctx), &neonPrinter{table: map[string]int{}}
	}
	if err := compile.Execute(f); err != nil {
		return err
	}
	base := filepath.Join(dir, "vector_"+set.file()+"_"+set.arch)
	for suffix, p := range map[string]printer.Printer{".s": assembly, ".go": printer.NewStubs(cfg)} {
		text, err := p.Print(f)
		if err != nil {
			return err
		}
		if suffix == ".go" {
			text = wrap(text)
		}
		if err := os.WriteFile(base+suffix, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// wrap breaks long lines of declarations: comments and lists of parameters.
func wrap(text []byte) []byte {
	const most = 100
	var b bytes.Buffer
	for line := range strings.Lines(string(text)) {
		gap, indent := ", ", "\t"
		if strings.HasPrefix(line, "//") {
			gap, indent = " ", "// "
		}
		for len(line) > most {
			at := strings.LastIndex(line[:most], gap) + len(gap)
			b.WriteString(line[:at-1] + "\n")
			line = indent + line[at:]
		}
		b.WriteString(line)
	}
	return b.Bytes()
}
