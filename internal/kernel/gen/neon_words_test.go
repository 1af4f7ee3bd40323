package main

import (
	"debug/elf"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"maps"
)

// Every encoding is that of the GNU assembler, for both precisions and random registers.
func TestWordsAgainstAssembler(t *testing.T) {
	assembler, err := exec.LookPath("aarch64-linux-gnu-as")
	if err != nil {
		t.Skip("needs aarch64-linux-gnu-as (Debian's binutils-aarch64-linux-gnu)")
	}
	rnd := rand.New(rand.NewPCG(1, 1))
	var source strings.Builder
	var texts []string
	var want []uint32
	for _, name := range slices.Sorted(maps.Keys(words)) {
		for _, size := range []int{4, 8} {
			for k := range 20 {
				registers := make([]int, words[name].operands)
				for i := range registers {
					registers[i] = rnd.IntN(32)
					if k == 0 {
						registers[i] = 31
					}
				}
				w, text, err := encode(name, size, registers)
				if err != nil {
					t.Fatal(err)
				}
				want, texts = append(want, w), append(texts, text)
				fmt.Fprintln(&source, text)
			}
		}
	}
	for i, w := range assemble(t, assembler, source.String(), len(want)) {
		if w != want[i] {
			t.Errorf("%s is %08x, the assembler has %08x", texts[i], want[i], w)
		}
	}
}

// assemble returns the n instructions of a source.
func assemble(t *testing.T, assembler, source string, n int) []uint32 {
	t.Helper()
	dir := t.TempDir()
	in, out := filepath.Join(dir, "a.s"), filepath.Join(dir, "a.o")
	if err := os.WriteFile(in, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := exec.Command(assembler, "-o", out, in).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	f, err := elf.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	code, err := f.Section(".text").Data()
	if err != nil {
		t.Fatal(err)
	}
	if len(code) != 4*n {
		t.Fatalf("%d bytes of code for %d instructions", len(code), n)
	}
	got := make([]uint32, n)
	for i := range got {
		got[i] = binary.LittleEndian.Uint32(code[4*i:])
	}
	return got
}

// The encoder refuses what it does not know.
func TestEncodeRefuses(t *testing.T) {
	for _, c := range []struct {
		name      string
		registers []int
	}{{"FROB", []int{1, 2, 3}}, {"FADD", []int{1, 2}}, {"FSQRT", []int{1, 2, 3}}, {"FADD", []int{1, 2, 32}}} {
		if _, _, err := encode(c.name, 4, c.registers); err == nil {
			t.Errorf("%s %v: no error", c.name, c.registers)
		}
	}
}
