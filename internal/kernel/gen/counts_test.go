package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// assembly are the generated instructions of every function of an instruction set, and
// their labels.
type assembly struct {
	set       instructionSet
	size      int // bytes in a value
	functions map[string][]string
}

func readAssembly(t *testing.T, set instructionSet, size int) assembly {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "vector_"+set.file()+"_"+set.arch+".s"))
	if err != nil {
		t.Fatal(err)
	}
	a := assembly{set, size, map[string][]string{}}
	name := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if text, ok := strings.CutPrefix(line, "TEXT ·"); ok {
			name, _, _ = strings.Cut(text, "(")
		} else if line != "" && !strings.HasPrefix(line, "//") {
			a.functions[name] = append(a.functions[name], line)
		}
	}
	return a
}

// loops returns the numbers of instructions of the innermost loops of a kernel whose
// labels begin with the given word, in their order.
func (a assembly) loops(t *testing.T, kernel, label string) (n []int) {
	t.Helper()
	lines := a.functions[fmt.Sprintf("%sF%d%s", kernel, 8*a.size, a.set.name)]
	start, top := 0, ""
	for i, line := range lines {
		if name, ok := strings.CutSuffix(line, ":"); ok {
			start, top = i, name
			continue
		}
		f := strings.Fields(line)
		if len(f) == 2 && f[1] == top && (f[0] == "JNZ" || f[0] == "BNE" || f[0] == "JMP" || f[0] == "B") {
			if strings.HasPrefix(top, label) {
				n = append(n, i-start)
			}
			top = ""
		}
	}
	if len(n) == 0 {
		t.Fatalf("%s has no loop %s", kernel, label)
	}
	return n
}

// split is the sizes of the blocks of emitter.blocks.
func split(n, most int) (sizes []int) {
	for n > 0 {
		s := most
		if n < 2*most {
			s = (n + 1) / 2
		}
		if n <= most {
			s = n
		}
		sizes, n = append(sizes, s), n-s
	}
	return sizes
}

// dense counts the product with a matrix, for a tile. The loops are those of the blocks
// of 6 outputs to 1.
func (a assembly) dense(t *testing.T, no, ni int) (n int) {
	vectors := 4
	if a.set.name == "AVX2" {
		vectors = 2
	}
	perBlock := a.loops(t, "dense", "loop")
	for _, s := range split(no, 6) {
		n += perBlock[6-s] * ni * lanes * a.size / (vectors * a.set.width)
	}
	return n
}

// denseGrad counts the gradient of the weights and biases, for a tile.
func (a assembly) denseGrad(t *testing.T, no, ni int) (n int) {
	maxJ, maxI, width, steps := 5, 5, min(a.set.width, 32), 1
	if a.set.name == "AVX2" {
		maxJ, maxI, steps = 3, 4, 4
	}
	loops := a.loops(t, "denseGrad", "loop")
	for _, j := range split(no, maxJ) {
		for _, i := range split(ni, maxI) {
			n += loops[(maxJ-j)*maxI+maxI-i] * lanes * a.size / (width * steps)
		}
	}
	fold := a.loops(t, "denseGrad", "fold")[0] * (no*ni + no) * a.size / width
	return n + fold + loops[maxJ*maxI]*no
}

// each counts a kernel that goes through a tile of one value, so many vectors at a time.
func (a assembly) each(t *testing.T, kernel string, together int) int {
	if a.set.name == "AVX512" && together > 1 && kernel != "add" || a.set.name == "AVX2" && kernel == "elu" {
		together = 4
	}
	return a.loops(t, kernel, "loop")[0] * lanes * a.size / (together * a.set.width)
}

// affine counts the affine update of a column.
func (a assembly) affine(t *testing.T) int {
	if a.set.name == "AVX2" {
		return a.each(t, "affineForward", 2)
	}
	return a.each(t, "affineForward", 1)
}

// step counts the work of a training step on one coupling of one tile, nets 2-10-10-10-2:
// forward pass, recomputation and gradient.
func (a assembly) step(t *testing.T) (products, grads, elu, rest int) {
	sizes := []int{2, 10, 10, 10, 2}
	for k := 1; k < len(sizes); k++ {
		ni, no := sizes[k-1], sizes[k]
		products += 2 * (2*a.dense(t, no, ni) + a.dense(t, ni, no))
		grads += 2 * a.denseGrad(t, no, ni)
	}
	elu = 2 * 2 * 30 * a.each(t, "elu", 2)
	rest = 2*2*(a.each(t, "tanh", 2)+a.affine(t)) + 2*a.each(t, "affineForwardGrad", 1) +
		2*2*a.each(t, "add", 2)
	return products, grads, elu, rest
}

// The table of docs/benchmarks.md: instructions in the innermost loops, for a tile of 64
// rows. NEON has half of the values in a vector that AVX2 has, and needs less than 2.1
// times as many instructions.
func TestInstructionCounts(t *testing.T) {
	for _, size := range []int{4, 8} {
		var all [3]int
		for i, set := range sets {
			a := readAssembly(t, set, size)
			products, grads, elu, rest := a.step(t)
			all[i] = products + grads + elu + rest
			t.Logf("float%d %-6s dense %d, its gradient %d, elu %d, tanh %d, affine %d, its gradient %d",
				8*size, set.name, a.dense(t, 10, 10), a.denseGrad(t, 10, 10), 10*a.each(t, "elu", 2),
				a.each(t, "tanh", 2), a.affine(t), a.each(t, "affineForwardGrad", 1))
			t.Logf("float%d %-6s step: products %d, gradients %d, elu %d, rest %d, all %d", 8*size, set.name,
				products, grads, elu, rest, all[i])
		}
		if ratio := float64(all[2]) / float64(all[0]); ratio > 2.1 {
			t.Errorf("float%d: NEON needs %.2f times the instructions of AVX2", 8*size, ratio)
		}
	}
}
