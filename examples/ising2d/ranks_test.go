package main

import (
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// pair is a Comm of two ranks in one process.
type pair struct {
	rank      int
	out, back chan []float64
}

func (p *pair) Rank() int { return p.rank }
func (p *pair) Size() int { return 2 }

func (p *pair) SendRecv(send []float64, _ int, recv []float64, _ int) error {
	if len(send) > 0 {
		p.out <- slices.Clone(send)
	}
	if len(recv) > 0 {
		copy(recv, <-p.back)
	}
	return nil
}

// Two ranks share the annealed samples and the chains of the latent mix, and both end, whether they
// measure or not. The annealed samples are those of one rank.
func TestMeasureOnRanks(t *testing.T) {
	root := t.TempDir()
	options := func(dir, flags string) *options {
		return must(parse(strings.Fields("-L 4 -recipe none -couplings 2 -hidden 4 -batch 8 -parts 2 -steps 3 " +
			"-chains 5 -sweeps 5 -physical 5 -samples 100 -every 0 -relerr 0.5 -ais 20 -rungs 3 " + flags +
			" -out " + dir + " -checkpoint " + filepath.Join(dir, "state"))))
	}
	alone := filepath.Join(root, "alone")
	if err := run(options(alone, "-measure 0")); err != nil {
		t.Fatal(err)
	}
	want := *recordOf(t, filepath.Join(alone, "state")).Annealed
	for _, c := range []struct {
		dir, flags string
		ranks      int
	}{{"a", "-measure 1m", 2}, {"b", "-measure 0", 0}, {"a", "-measure 1m -resume", 2}} {
		dir := filepath.Join(root, c.dir)
		a, b := make(chan []float64, 100), make(chan []float64, 100)
		errs := make([]error, 2)
		var wg sync.WaitGroup
		for rank, p := range []*pair{{0, a, b}, {1, b, a}} {
			o := options(dir, c.flags)
			o.comm = p
			wg.Go(func() { errs[rank] = run(o) })
		}
		wg.Wait()
		if errs[0] != nil || errs[1] != nil {
			t.Errorf("%s: %v, %v", c.flags, errs[0], errs[1])
		}
		if len(a)+len(b) > 0 {
			t.Errorf("%s: a message that nobody waits for", c.flags)
		}
		record := recordOf(t, filepath.Join(dir, "state"))
		if got := *record.Annealed; got.LogZ != want.LogZ || got.Bound != want.Bound || got.ESS != want.ESS {
			t.Errorf("%s: annealed %+v, on one rank %+v", c.flags, got, want)
		}
		m := record.Measured
		if (m == nil) != (c.ranks == 0) || m != nil && (m.Ranks != c.ranks || m.Sweeps < 100) {
			t.Errorf("%s: measured %+v", c.flags, m)
		}
	}
}
