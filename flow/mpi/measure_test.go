//go:build mpi

package mpi_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/target"
)

// measure measures ⟨m²⟩ of the Ising model on all ranks. Every rank writes its results to a file
// of its own. If it is to go badly, rank 1 fails after the warm-up.
func measure(comm flow.Comm, bad bool, file string) error {
	ising, err := target.NewIsing([]int{4, 4}, 8)
	if err != nil {
		return err
	}
	m, err := flow.FastRecipe().Model([]int{4, 4}, ising.Spectrum(), rand.NewPCG(1, 2))
	if err != nil {
		return err
	}
	calls := 0
	m2 := flow.Observable{Name: "m2", Func: func(x []float64) float64 {
		if calls++; bad && comm.Rank() == 1 && calls == 800 {
			return math.NaN()
		}
		return ising.StructureFactor(x)
	}}
	s := &flow.MeasureSettings{Chains: 8, RelErr: 0.05, MaxSweeps: 500, WarmUp: 40, Src: rand.NewPCG(3, 4), Comm: comm}
	r, err := flow.Measure(context.Background(), m, ising, []flow.Observable{m2}, s)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	exact, _ := ising.ExactStructureFactor()
	row := r.Rows[0]
	fmt.Fprintln(&b, "distance", (row.Mean-exact)/row.MCSE)
	fmt.Fprintf(&b, "%d sweeps, warnings %q\n%v\n%v\n", r.Sweeps, r.Warnings, row, r.Series[0].X.RawMatrix().Data)
	return os.WriteFile(fmt.Sprint(file, comm.Rank()), b.Bytes(), 0o666)
}

// Two ranks have the same measurements of all chains, and the exact mean within four standard
// errors. An error on one ends both.
func TestMeasure(t *testing.T) {
	file := filepath.Join(t.TempDir(), "results")
	if out, err := run(t, 2, "measure", file); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	first := read(t, file+"0")
	if !bytes.Equal(first, read(t, file+"1")) {
		t.Error("two ranks have different results")
	}
	var distance float64
	if _, err := fmt.Sscanf(string(first), "distance %g", &distance); err != nil || !(math.Abs(distance) < 4) {
		t.Errorf("%g standard errors from the exact value, %v", distance, err)
	}
	t.Logf("%.200s", first)
	out, err := run(t, 2, "bad measure", file)
	for _, text := range []string{"rank 1 of 2", "not finite", "another rank failed: rank 1"} {
		if err == nil || !strings.Contains(out, text) {
			t.Errorf("%v, no %q in\n%s", err, text, out)
		}
	}
}
