package flow

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/hmc"
	"github.com/neuralrg/neuralrg/hmc/diag"
	"github.com/neuralrg/neuralrg/target"
)

// measuring is Measure on the ranks of a test. Its functions may change what one rank does.
type measuring struct {
	t        *testing.T
	s        MeasureSettings                             // of every rank; Src is set
	change   func(rank int, s *MeasureSettings)          // or nil
	value    func(rank, n int, x []float64) float64      // of the n-th call on a rank, from 1; nil: x[0]
	context  func(rank int) context.Context              // or nil
	measured []*Measurement                              // by every rank
	obs      func(rank int, o []Observable) []Observable // or nil
}

// on runs Measure on a number of ranks, each with a model of its own.
func (c *measuring) on(size int) []error {
	c.measured = make([]*Measurement, size)
	models, targets := make([]*Model, size), make([]*target.Ising, size)
	for rank := range size {
		models[rank], targets[rank] = mera(c.t, 4, 1), must(target.NewIsing([]int{4, 4}, 8))
		scramble(models[rank], 1, 0.2)
	}
	return onRanks(size, func(comm Comm) (err error) {
		rank, calls := comm.Rank(), 0
		s, ctx := c.s, context.Background()
		s.Src, s.Comm = rand.NewPCG(1, 2), comm
		if c.change != nil {
			c.change(rank, &s)
		}
		if c.context != nil {
			ctx = c.context(rank)
		}
		obs := []Observable{{"v", func(x []float64) float64 {
			if calls++; c.value != nil {
				return c.value(rank, calls, x)
			}
			return x[0]
		}}}
		if c.obs != nil {
			obs = c.obs(rank, obs)
		}
		c.measured[rank], err = Measure(ctx, models[rank], targets[rank], obs, &s)
		return err
	})
}

// same fails unless all ranks have the same results, and returns them.
func (c *measuring) same() *Measurement {
	c.t.Helper()
	first := c.measured[0]
	for rank, m := range c.measured {
		if m == nil || first == nil {
			c.t.Fatalf("rank %d has %v, rank 0 has %v", rank, m, first)
		}
		if fmt.Sprintf("%#v", m.Rows) != fmt.Sprintf("%#v", first.Rows) || !slices.Equal(m.Warnings, first.Warnings) ||
			!slices.Equal(m.Missed, first.Missed) || m.Sweeps != first.Sweeps || !sameSeries(m, first) {
			c.t.Errorf("rank %d has\n%vrank 0 has\n%v", rank, m, first)
		}
	}
	return first
}

func sameSeries(a, b *Measurement) bool {
	equal := func(a, b diag.Named) bool { return a.Name == b.Name && mat.Equal(a.X, b.X) }
	return slices.EqualFunc(a.Series, b.Series, equal)
}

// One rank measures what one process does, to the bit.
func TestMeasureOnOneRank(t *testing.T) {
	c := &measuring{t: t, s: MeasureSettings{Chains: 6, MaxSweeps: 60, WarmUp: 20}}
	if err := c.on(1)[0]; err != nil {
		t.Fatal(err)
	}
	one := c.same()
	c.change = func(_ int, s *MeasureSettings) { s.Comm = nil }
	if err := c.on(1)[0]; err != nil {
		t.Fatal(err)
	}
	alone := c.same()
	if !sameSeries(one, alone) || one.String() != alone.String() || !reflect.DeepEqual(one.Missed, alone.Missed) {
		t.Errorf("one rank has\n%v, one process has\n%v", one, alone)
	}
}

// All ranks have the measurements of all chains, which differ, and the exact mean, up to four
// standard errors; the seed is fixed. A second run has the same bits.
func TestMeasureOnRanks(t *testing.T) {
	pi := must(target.NewIsing([]int{4, 4}, 8))
	exact, _ := pi.ExactStructureFactor()
	for _, size := range []int{2, 4} {
		own := make([][]float64, size)
		c := &measuring{t: t, s: MeasureSettings{Chains: 16, RelErr: 0.04, WarmUp: 60, MaxSweeps: 2000}}
		c.value = func(rank, _ int, x []float64) float64 {
			own[rank] = append(own[rank], pi.StructureFactor(x))
			return own[rank][len(own[rank])-1]
		}
		run := func() *Measurement {
			own = make([][]float64, size)
			for rank, err := range c.on(size) {
				if err != nil {
					t.Fatalf("%d ranks: rank %d: %v", size, rank, err)
				}
			}
			return c.same()
		}
		r := run()
		t.Logf("%d ranks: exact %.4f\n%v", size, exact, r)
		if row := r.Rows[0]; math.Abs(row.Mean-exact) > 4*row.MCSE || !r.OK() || len(r.Missed) > 0 {
			t.Errorf("%d ranks: exact %.4f\n%v", size, exact, r)
		}
		x, chains := r.Series[0].X, 16/size
		if rows, cols := x.Dims(); rows != r.Sweeps || cols != 16 {
			t.Fatalf("%d ranks: a series (%d, %d)", size, rows, cols)
		}
		for a := range 16 {
			values := own[a/chains][len(own[a/chains])-r.Sweeps*chains:] // without the warm-up
			for sweep := range r.Sweeps {
				if x.At(sweep, a) != values[sweep*chains+a%chains] {
					t.Fatalf("%d ranks: chain %d is not that of its rank", size, a)
				}
			}
			for b := range a {
				if x.At(r.Sweeps-1, a) == x.At(r.Sweeps-1, b) {
					t.Errorf("%d ranks: chains %d and %d are the same", size, a, b)
				}
			}
		}
		if again := run(); !sameSeries(r, again) {
			t.Errorf("%d ranks: other bits in a second run", size)
		}
	}
}

// Chain k of all starts from row k of Start, modulo the number of rows.
func TestStartOnRanks(t *testing.T) {
	start := mat.NewDense(3, 16, []float64{0: 0.1, 16: 0.2, 32: 0.3, 47: 0})
	c := &measuring{t: t, s: MeasureSettings{Chains: 4, WarmUp: 4, MaxSweeps: 5, Start: start}}
	first := make([][]float64, 2)
	c.value = func(rank, n int, x []float64) float64 {
		if n <= 2 {
			first[rank] = append(first[rank], x[0])
		}
		return x[0]
	}
	for rank, err := range c.on(2) {
		if err != nil {
			t.Fatalf("rank %d: %v", rank, err)
		}
	}
	for k, v := range slices.Concat(first...) {
		if want := 0.1 * float64(1+k%3); math.Abs(v-want) > 1e-12 {
			t.Errorf("chain %d starts at %g, want %g", k, v, want)
		}
	}
}

// Warnings of the sampler of a rank are told on all. The chains of rank 2 and of rank 1 start
// where the model hardly goes, and refuse to leave.
func TestWarningsOnRanks(t *testing.T) {
	start := mat.NewDense(6, 16, nil)
	for k := 2; k < 6; k++ {
		for i := range 16 {
			start.Set(k, i, 9)
		}
	}
	c := &measuring{t: t, s: MeasureSettings{Chains: 6, WarmUp: 4, MaxSweeps: 30, Start: start}}
	c.s.Kernel = hmc.Independence{}
	for rank, err := range c.on(3) {
		if err != nil {
			t.Fatalf("rank %d: %v", rank, err)
		}
	}
	var stuck []string
	for _, w := range c.same().Warnings {
		if strings.HasPrefix(w, "rank") {
			stuck = append(stuck, w)
		}
	}
	if len(stuck) != 2 || !strings.HasPrefix(stuck[0], "rank 1: stuck: 2 of 2") ||
		!strings.HasPrefix(stuck[1], "rank 2: stuck: 2 of 2") {
		t.Errorf("warnings %q", c.same().Warnings)
	}
}

// What ends the measurement on one rank ends it on all, which return the sweeps of all.
func TestMeasureEndsOnAllRanks(t *testing.T) {
	broken := errors.New("broken")
	nan := func(at int) func(rank, n int, x []float64) float64 {
		return func(rank, n int, x []float64) float64 {
			if rank == 1 && n == at {
				return math.NaN()
			}
			return x[0]
		}
	}
	const warmUp = 3 * 2 // measurements of a rank
	done, cancel := context.WithCancel(context.Background())
	late, cancelLate := context.WithCancel(context.Background())
	cancel()
	on1 := func(ctx context.Context) func(rank int) context.Context {
		return func(rank int) context.Context {
			if rank == 1 {
				return ctx
			}
			return context.Background()
		}
	}
	for name, c := range map[string]struct {
		c      *measuring
		own    error // of rank 1
		others error // beside ErrRank
		sweeps int
	}{
		"warm-up": {&measuring{value: nan(3)}, ErrNotFinite, nil, 0},
		"block":   {&measuring{value: nan(warmUp + 2*120 + 1)}, ErrNotFinite, nil, 120},
		"short":   {&measuring{value: nan(warmUp + 2*3 + 1)}, ErrNotFinite, nil, 0},
		"context": {&measuring{context: on1(done)}, context.Canceled, context.Canceled, 0},
		"late context": {&measuring{context: on1(late), value: func(rank, n int, x []float64) float64 {
			if rank == 1 && n == warmUp+2*110 {
				cancelLate()
			}
			return x[0]
		}}, context.Canceled, context.Canceled, 110},
		"progress": {&measuring{change: func(rank int, s *MeasureSettings) {
			if rank == 1 {
				s.Progress = func(r *Measurement) error {
					if r.Sweeps > 100 {
						return broken
					}
					return nil
				}
			}
		}}, broken, nil, 125},
		"source": {&measuring{change: func(rank int, s *MeasureSettings) {
			if rank == 1 {
				s.Src = nil
			}
		}}, ErrSettings, nil, 0},
		"no context": {&measuring{context: on1(nil)}, ErrSettings, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			c.c.t, c.c.s = t, MeasureSettings{Chains: 6, WarmUp: 4, RelErr: 1e-9, MaxSweeps: 400}
			for rank, err := range c.c.on(3) {
				switch {
				case rank == 1 && errors.Is(err, c.own) && !errors.Is(err, ErrRank):
				case rank != 1 && errors.Is(err, ErrRank) && (c.others == nil || errors.Is(err, c.others)):
				default:
					t.Errorf("rank %d has %v", rank, err)
				}
				if r := c.c.measured[rank]; (r == nil) != (c.sweeps == 0) || r != nil && r.Sweeps != c.sweeps {
					t.Errorf("rank %d has %v, want %d sweeps", rank, r, c.sweeps)
				}
			}
			if c.sweeps > 0 {
				c.c.same()
			}
		})
	}
}

// Settings that cannot be spread, or that differ, are errors on all ranks.
func TestMeasureSettingsOfRanks(t *testing.T) {
	second := func(rank int, o []Observable) []Observable {
		o = append(o, Observable{"w", o[0].Func})
		if rank == 2 {
			slices.Reverse(o)
		}
		return o
	}
	other := func(rank int, s *MeasureSettings) { s.MaxSweeps = 9 + rank/2 }
	for name, c := range map[string]struct {
		c    *measuring
		text string
	}{
		"multiple": {&measuring{s: MeasureSettings{Chains: 8}}, "8 Chains on 3 ranks"},
		"few":      {&measuring{s: MeasureSettings{Chains: 2}}, "2 Chains on 3 ranks"},
		"other":    {&measuring{change: other}, "rank 2 has"},
		"order":    {&measuring{obs: second}, `rank 2 has observables ["w" "v"]`},
	} {
		c.c.t = t
		for rank, err := range c.c.on(3) {
			if !errors.Is(err, ErrSettings) || errors.Is(err, ErrRank) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%s: rank %d has %v", name, rank, err)
			}
		}
	}
	for size, want := range map[int]int{1: 32, 3: 33, 4: 32, 20: 40} {
		comm := newChannels(size)[0]
		if s := (MeasureSettings{Comm: comm}); must(s.chains()) != want/size || s.Chains != want {
			t.Errorf("%d chains on %d ranks by default, want %d", s.Chains, size, want)
		}
	}
}
