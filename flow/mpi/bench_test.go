//go:build mpi

package mpi_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/target"
)

// Variables of a worker that measures time.
const (
	sidesKey = "NEURALRG_MPI_L"     // of the lattice
	partsKey = "NEURALRG_MPI_PARTS" // of a batch of 512
	stepsKey = "NEURALRG_MPI_STEPS" // that are measured
)

// timeSteps trains the flow of the paper, in float32. Rank 0 prints the median of the times of
// some steps and the number of parameters.
func timeSteps(comm flow.Comm) error {
	L, _ := strconv.Atoi(os.Getenv(sidesKey))
	parts, _ := strconv.Atoi(os.Getenv(partsKey))
	steps, _ := strconv.Atoi(os.Getenv(stepsKey))
	ising, err := target.NewIsing([]int{L, L}, target.CriticalTemperature())
	if err != nil {
		return err
	}
	m, err := flow.PaperRecipe().Model([]int{L, L}, ising.Spectrum(), rand.NewPCG(1, 2))
	if err != nil {
		return err
	}
	s := &flow.Settings{Batch: 512, Parts: parts, Src: rand.NewPCG(3, 4)}
	if parts > 0 {
		s.Comm = comm
	}
	tr, err := flow.NewTrainer(m.Float32(), ising, s)
	if err != nil {
		return err
	}
	times := make([]time.Duration, steps+1)
	for k := range times {
		start := time.Now()
		if _, err := tr.Step(); err != nil {
			return err
		}
		times[k] = time.Since(start)
	}
	n := 0
	for _, p := range m.Params() {
		n += p.Value().DataSize()
	}
	slices.Sort(times[1:])
	if comm.Rank() == 0 {
		fmt.Println("measured", times[1+steps/2].Microseconds(), times[1].Microseconds(), n)
	}
	return nil
}

// BenchmarkStep is a training step of 512 samples, whole and in 8 or 2 parts, on ranks×cores. It
// takes the ways in turn and reports the medians, in ms. NEURALRG_MPI_L is the extent of the lattice, 16 by
// default.
func BenchmarkStep(b *testing.B) {
	ways := []struct {
		name         string
		ranks, cores int
		parts        int
	}{
		{"whole-1x2", 1, 2, 0}, {"parts-1x2", 1, 2, 8}, {"parts-2x1", 2, 1, 8},
		{"whole-1x1", 1, 1, 0}, {"parts-1x1", 1, 1, 8},
		{"two-1x2", 1, 2, 2}, {"two-2x1", 2, 1, 2},
	}
	sides, steps := cmp.Or(os.Getenv(sidesKey), "16"), cmp.Or(os.Getenv(stepsKey), "3")
	times := make([][]float64, len(ways))
	params := 0
	for b.Loop() {
		for k, w := range ways {
			out, err := start(b, w.ranks, workerKey+"=time", sidesKey+"="+sides, stepsKey+"="+steps,
				partsKey+"="+fmt.Sprint(w.parts), "GOMAXPROCS="+fmt.Sprint(w.cores))
			var median, least float64
			at := max(0, strings.Index(out, "measured"))
			if _, bad := fmt.Sscan(strings.TrimPrefix(out[at:], "measured"), &median, &least, &params); bad != nil {
				b.Fatalf("%v, %v\n%s", err, bad, out)
			}
			times[k] = append(times[k], median/1000)
			b.Logf("%s: %.0f ms, at least %.0f ms", w.name, median/1000, least/1000)
		}
	}
	for k, w := range ways {
		slices.Sort(times[k])
		b.ReportMetric(times[k][len(times[k])/2], w.name+"-ms")
	}
	b.ReportMetric(float64(8*params), "gradient-bytes")
}
