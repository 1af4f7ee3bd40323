//go:build mpi

package mpi_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/target"
)

// anneal anneals samples on all ranks. Every rank writes them to a file of its own.
func anneal(comm flow.Comm, file string) error {
	ising, err := target.NewIsing([]int{4, 4}, 8)
	if err != nil {
		return err
	}
	m, err := flow.FastRecipe().Model([]int{4, 4}, ising.Spectrum(), rand.NewPCG(1, 2))
	if err != nil {
		return err
	}
	r, err := flow.AIS(context.Background(), m, ising, &flow.AISSettings{
		Samples: 11, Batch: 3, Rungs: 6, Src: rand.NewPCG(3, uint64(4+comm.Rank())), Comm: comm,
	})
	if err != nil {
		return err
	}
	text := fmt.Appendf(nil, "%v\n%v\n%v\n%v\n", r.LogZ, r.Betas, r.LogWeights, r.X.RawMatrix().Data)
	return os.WriteFile(fmt.Sprint(file, comm.Rank()), text, 0o666)
}

// All ranks have the samples of one rank, to the bit.
func TestAIS(t *testing.T) {
	var want []byte
	for size := 1; size <= 3; size++ {
		file := filepath.Join(t.TempDir(), "results")
		if out, err := run(t, size, "anneal", file); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if want == nil {
			want = read(t, file+"0")
		}
		for rank := range size {
			if got := read(t, file+fmt.Sprint(rank)); !bytes.Equal(got, want) {
				t.Errorf("rank %d of %d has %.200s\nwant %.200s", rank, size, got, want)
			}
		}
	}
}
