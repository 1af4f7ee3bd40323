// Command gen writes the vector code of package kernel: one assembly file and
// one file of declarations per instruction set, each in both precisions. It is
// a module of its own, so that programs which import neuralrg do not inherit
// what it needs. Run it by "go generate ./internal/kernel".
//
// emit.go knows precisions and vector widths; every other file is one family
// of kernels, written once for all of them.
package main

import (
	"log"
	"os"
	"path/filepath"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/pass"
	"github.com/mmcloughlin/avo/printer"
)

// lanes is kernel.Lanes, the number of rows in a tile.
const lanes = 64

func main() {
	log.SetFlags(0)
	dir := "."
	if len(os.Args) > 1 {
		dir = os.Args[1]
	}
	for _, set := range []instructionSet{
		{name: "AVX2", width: 32, registers: 16},
		{name: "AVX512", width: 64, registers: 32},
	} {
		if err := write(dir, set); err != nil {
			log.Fatalf("gen: %s: %v", set.name, err)
		}
	}
}

func write(dir string, set instructionSet) error {
	ctx := build.NewContext()
	ctx.ConstraintExpr("!purego")
	for _, size := range []int{4, 8} {
		e := &emitter{Context: ctx, set: set, size: size, width: set.width, constants: map[string]operand.Mem{}}
		e.dense()
		e.denseGrad()
		e.elementwise()
		e.coupling()
		e.spline()
	}
	f, err := ctx.Result()
	if err != nil {
		if list, ok := err.(build.ErrorList); ok {
			build.LogError(log.Default(), list, 0)
		}
		return err
	}
	if err := pass.Compile.Execute(f); err != nil {
		return err
	}
	base := filepath.Join(dir, "vector_"+set.file()+"_amd64")
	cfg := printer.Config{Name: "internal/kernel/gen", Pkg: "kernel"}
	for suffix, p := range map[string]printer.Printer{".s": printer.NewGoAsm(cfg), ".go": printer.NewStubs(cfg)} {
		text, err := p.Print(f)
		if err != nil {
			return err
		}
		if err := os.WriteFile(base+suffix, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
