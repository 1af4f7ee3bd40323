package flow

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/target"
)

// aisOn runs AIS on a number of ranks, each with a model of its own. change may change what one
// rank does.
func aisOn(t *testing.T, size int, s AISSettings, change func(c *aisRank)) (results []*AISResult, errs []error) {
	t.Helper()
	all := make([]*aisRank, size)
	for rank := range all {
		c := &aisRank{rank: rank, s: s, ctx: t.Context(), pi: must(target.NewIsing([]int{4, 4}, 8)), m: mera(t, 4, 1)}
		scramble(c.m, 1, 0.2)
		c.s.Src = rand.NewPCG(1, 2+uint64(rank)) // those of other ranks must not matter
		if change != nil {
			change(c)
		}
		all[rank] = c
	}
	results = make([]*AISResult, size)
	errs = onRanks(size, func(comm Comm) (err error) {
		c := all[comm.Rank()]
		if c.s.Comm = comm; size == 1 {
			c.s.Comm = nil
		}
		results[c.rank], err = AIS(c.ctx, c.m, c.pi, &c.s)
		return err
	})
	return results, errs
}

// aisRank is what one rank gives to AIS.
type aisRank struct {
	rank int
	s    AISSettings
	ctx  context.Context
	m    *Model
	pi   target.Density
}

// sameAIS fails unless two results are equal to the bit.
func sameAIS(t *testing.T, what string, got, want *AISResult) {
	t.Helper()
	rest := func(r *AISResult) string { // NaN where a move was not made, and in estimates
		type plain Estimate // has no text of its own
		return fmt.Sprintf("%#v %v", plain(r.Estimate), r.AcceptRates)
	}
	if !mat.Equal(got.X, want.X) || !slices.Equal(got.LogWeights, want.LogWeights) ||
		!slices.Equal(got.Betas, want.Betas) || rest(got) != rest(want) {
		t.Errorf("%s: got\n%v\n%s\nwant\n%v\n%s", what, got, rest(got), want, rest(want))
	}
}

// Any number of ranks has the bits of one process, with and without a pilot run, where parts are not
// equal and where ranks have no samples.
func TestAISOnRanks(t *testing.T) {
	for name, s := range map[string]AISSettings{
		"pilot":   {Samples: 21, Batch: 4, Rungs: 7},
		"rungs":   {Samples: 13, Betas: evenly(5), Steps: 2},
		"direct":  {Samples: 8, Rungs: 1},
		"samples": {Samples: 3, Betas: evenly(4)},
	} {
		alone, errs := aisOn(t, 1, s, nil)
		if errs[0] != nil {
			t.Fatal(name, errs[0])
		}
		for _, size := range []int{2, 3, 4} {
			results, errs := aisOn(t, size, s, nil)
			for rank, r := range results {
				if errs[rank] != nil {
					t.Fatalf("%s: rank %d of %d: %v", name, rank, size, errs[rank])
				}
				sameAIS(t, name, r, alone[0])
			}
		}
	}
}

// A rank that stops ends all ranks after the batch. All have the samples that are finished.
func TestAISStopsOnRanks(t *testing.T) {
	s := AISSettings{Samples: 24, Batch: 2, Betas: evenly(4)} // 4 batches on each of 3 ranks
	whole, _ := aisOn(t, 1, s, nil)
	stop := errors.New("enough")
	results, errs := aisOn(t, 3, s, func(c *aisRank) {
		c.s.Progress = func(done, all int) error {
			if all != 8*4 {
				t.Errorf("rank %d: %d evaluations of a rank, want 32", c.rank, all)
			}
			if c.rank == 1 && done > 2*2*4 { // in its third batch
				return stop
			}
			return nil
		}
	})
	for rank, r := range results {
		if want := map[bool]error{true: stop, false: ErrRank}[rank == 1]; !errors.Is(errs[rank], want) {
			t.Errorf("rank %d: %v, want %v", rank, errs[rank], want)
		}
		if r == nil || len(r.LogWeights) != 6+4+6 {
			t.Fatalf("rank %d has %+v, want 16 samples", rank, r)
		}
		for k, at := range []int{0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 16, 17, 18, 19, 20, 21} {
			same := slices.Equal(r.X.RawRowView(k), whole[0].X.RawRowView(at))
			if !same || r.LogWeights[k] != whole[0].LogWeights[at] {
				t.Errorf("rank %d: sample %d is not sample %d of all", rank, k, at)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	few := s
	few.Samples = 2 // none on rank 0
	_, errs = aisOn(t, 3, few, func(c *aisRank) {
		if c.rank == 0 {
			c.ctx = ctx
		}
	})
	for rank, err := range errs {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("rank %d of few samples: %v", rank, err)
		}
	}
	results, errs = aisOn(t, 3, s, func(c *aisRank) {
		if c.rank == 2 {
			c.ctx = ctx
		}
	})
	for rank, err := range errs {
		if !errors.Is(err, context.Canceled) || results[rank] == nil || len(results[rank].LogWeights) != 4 {
			t.Errorf("rank %d: %v with %+v, want 4 samples", rank, err, results[rank])
		}
	}
}

// What goes wrong on one rank is an error on all of them.
func TestAISFaultsOnRanks(t *testing.T) {
	s := AISSettings{Samples: 12, Batch: 2, Betas: evenly(4)}
	for name, c := range map[string]struct {
		change func(c *aisRank)
		want   error // of rank 1
		text   string
		others error
	}{
		"not finite": {
			func(c *aisRank) { c.pi = shifted{c.pi, math.NaN()} }, ErrNotFinite, "rung 0, sample 4", ErrRank,
		},
		"no source": {func(c *aisRank) { c.s.Src = nil }, ErrSettings, "nil source", ErrRank},
		"samples":   {func(c *aisRank) { c.s.Samples = 11 }, ErrSettings, "rank 1 has 11 Samples", ErrSettings},
		"betas":     {func(c *aisRank) { c.s.Betas = evenly(5) }, ErrSettings, "rank 0 has 12 Samples", ErrSettings},
		"batch":     {func(c *aisRank) { c.s.Batch = 4 }, ErrSettings, "Batch 4, ", ErrSettings},
		"resample":  {func(c *aisRank) { c.s.Resample = 0.5 }, ErrSettings, "needs one process, not 3 ranks", ErrRank},
	} {
		results, errs := aisOn(t, 3, s, func(r *aisRank) {
			if r.rank == 1 {
				c.change(r)
			}
		})
		for rank, err := range errs {
			want := c.others
			if rank == 1 {
				want = c.want
			}
			if !errors.Is(err, want) || rank == 1 && !strings.Contains(err.Error(), c.text) || results[rank] != nil {
				t.Errorf("%s: rank %d: %v with %v", name, rank, err, results[rank])
			}
		}
	}
	_, errs := aisOn(t, 2, AISSettings{Samples: 12, Rungs: 5}, func(c *aisRank) {
		if c.rank == 0 {
			c.pi = shifted{c.pi, math.NaN()}
		}
	})
	pilot := errors.Is(errs[0], ErrNotFinite) && strings.Contains(errs[0].Error(), "pilot run")
	if !pilot || !errors.Is(errs[1], ErrRank) {
		t.Errorf("pilot: %v", errs)
	}
}
