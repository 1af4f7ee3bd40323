package flow

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/neuralrg/neuralrg/target"
)

// spreadRun trains on a number of ranks, 0 for no Comm. It returns the last reports and the
// file of every rank.
func spreadRun(t *testing.T, size int, setup func() (*Model, target.Density, *Settings)) ([]Report, [][]byte) {
	t.Helper()
	n := max(1, size)
	last, files := make([]Report, n), make([][]byte, n)
	run := func(rank int, c Comm) error {
		m, pi, s := setup()
		s.Comm = c
		if rank > 0 { // NewTrainer makes up for it
			scramble(m, 77, 1)
			s.Src = rand.NewPCG(5, 5)
		}
		s.Recorder = RecorderFunc(func(r *Report) error { last[rank] = *r; return nil })
		tr, err := NewTrainer(m, pi, s)
		if err != nil {
			return err
		}
		if err := tr.Run(context.Background(), 7); err != nil {
			return err
		}
		var b bytes.Buffer
		err = tr.Save(&b)
		files[rank] = b.Bytes()
		return err
	}
	errs := []error{nil}
	if size == 0 {
		errs[0] = run(0, nil)
	} else {
		errs = onRanks(size, func(c Comm) error { return run(c.Rank(), c) })
	}
	for rank, err := range errs {
		if err != nil {
			t.Fatalf("rank %d of %d: %v", rank, size, err)
		}
	}
	return last, files
}

// The number of ranks changes no bit of training, whatever the settings.
func TestRanksSameBits(t *testing.T) {
	plain := func() *Settings { return &Settings{Batch: 24, Parts: 4, Src: rand.NewPCG(1, 2), Window: 5} }
	best := func() *Settings {
		s := plain()
		s.Objective, s.Anneal = ReverseKL{PathGradient: true}, Ramp(0.5, 4)
		s.Optimizer = OptimizerSettings{Method: Soap, LearnRate: 1e-2, Average: 0.9, ClipNorm: 3, MaxScale: 0.5,
			Schedule: Cosine(7, 2), Plateau: &Plateau{Patience: 2}}
		s.Evaluation = &EvaluationSettings{Every: 3,
			EvaluateSettings: EvaluateSettings{Samples: 20, Batch: 7, Src: rand.NewPCG(3, 4)}}
		return s
	}
	for name, c := range map[string]struct {
		change func(s *Settings)
		base   func() *Settings
	}{
		"plain":      {func(s *Settings) {}, plain},
		"many parts": {func(s *Settings) { s.Parts = 6 }, plain},
		"best":       {func(s *Settings) {}, best},
		"images":     {func(s *Settings) { s.Images = 1 }, plain},
		"data": {func(s *Settings) {
			s.Images = 1
			s.Data = &DataSettings{Source: &numberedData{}, Weight: 0.3}
		}, best},
		"own loss": {func(s *Settings) { s.Objective = LossFunc(ownKL) }, plain},
		"default":  {func(s *Settings) { s.Batch, s.Parts = 256, 0 }, plain},
	} {
		for _, single := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/%v", name, single), func(t *testing.T) {
				setup := func() (*Model, target.Density, *Settings) {
					m := symmetrize(t, mera(t, 4, 3), Inversion(16))
					if single {
						m = m.Float32()
					}
					s := c.base()
					c.change(s)
					return m, ising(t, 4), s
				}
				reports, files := spreadRun(t, 1, setup)
				for _, size := range []int{0, 2, 3, 4} {
					if _, _, s := setup(); size == 0 && s.Parts == 0 {
						continue // without Comm the default is no parts
					}
					gotReports, got := spreadRun(t, size, setup)
					for rank := range got {
						if !bytes.Equal(got[rank], files[0]) {
							t.Errorf("%d ranks: another file on rank %d", size, rank)
						}
						a, b := gotReports[rank], reports[0]
						if fmt.Sprint(a.Estimate, a.Running, a.Data, a.LearnRate) !=
							fmt.Sprint(b.Estimate, b.Running, b.Data, b.LearnRate) {
							t.Errorf("%d ranks: rank %d reports %+v, want %+v", size, rank, a, b)
						}
					}
				}
			})
		}
	}
}

// The gradient of a batch in parts is that of the batch as a whole.
func TestPartsGradient(t *testing.T) {
	for _, o := range []Objective{ReverseKL{}, ReverseKL{PathGradient: true}, LossFunc(ownKL)} {
		m, pi := mera(t, 4, 3), ising(t, 4)
		cut := must(NewTrainer(m, pi, &Settings{Batch: 24, Parts: 3, Objective: o, Src: rand.NewPCG(1, 1)}))
		whole := must(NewTrainer(m, pi, &Settings{Batch: 24, Objective: o, Src: rand.NewPCG(1, 1)}))
		got, err := cut.gradients()
		if err != nil {
			t.Fatal(err)
		}
		// The same samples in one batch.
		rnd, p := rand.New(rand.NewPCG(1, 1)), cut.parts
		p.begin(rnd)
		for part := range 3 {
			p.random(part)
			m.draw(whole.z[part*8*16:(part+1)*8*16], p.rnd)
		}
		if err := whole.program.Run(24, [][]float64{whole.z, {1}}, whole.out); err != nil {
			t.Fatal(err)
		}
		want := newMoments()
		if err := want.addRows(whole.logq, whole.logpi); err != nil {
			t.Fatal(err)
		}
		wantClose(t, "gradient", cut.gradient, whole.gradient, 1e-12)
		wantClose(t, "moments", []float64{got.mean, got.m2, got.lw, got.lw2},
			[]float64{want.mean, want.m2, want.lw, want.lw2}, 1e-11)
	}
}

// Training goes on from a file of rank 0 with another number of ranks, to the bit.
func TestResumeOnOtherRanks(t *testing.T) {
	settings := func(c Comm) *Settings {
		return &Settings{Batch: 12, Parts: 4, Comm: c, Src: rand.NewPCG(1, 2),
			Optimizer: OptimizerSettings{Average: 0.9}}
	}
	train := func(size, steps int, file []byte) (after []byte) {
		for rank, err := range onRanks(size, func(c Comm) error {
			tr, err := NewTrainer(mera(t, 2, 3), ising(t, 2), settings(c))
			if err != nil {
				return err
			}
			if file != nil {
				var r bytes.Buffer // of other ranks: empty
				if c.Rank() == 0 {
					r.Write(file)
				}
				if err := tr.Restore(&r); err != nil {
					return err
				}
			}
			if err := tr.Run(t.Context(), steps); err != nil || c.Rank() > 0 {
				return err
			}
			var b bytes.Buffer
			err = tr.Save(&b)
			after = b.Bytes()
			return err
		}) {
			if err != nil {
				t.Fatalf("rank %d of %d: %v", rank, size, err)
			}
		}
		return after
	}
	want := train(1, 9, nil)
	if got := train(4, 2, train(3, 3, train(2, 4, nil))); !bytes.Equal(got, want) {
		t.Error("another file")
	}
	errs := onRanks(2, func(c Comm) error {
		tr, err := NewTrainer(mera(t, 2, 3), ising(t, 2), settings(c))
		if err != nil {
			return err
		}
		return tr.Restore(bytes.NewReader(want[:len(want)-1-c.Rank()]))
	})
	wantError(t, "damaged", errs[0], ErrCheckpoint, "flow: Restore: ")
	wantError(t, "damaged on rank 0", errs[1], ErrRank, "rank 0")
}

// stopAt makes the settings of one rank stop training after some step.
func stopAt(step int, stop func() error) func(s *Settings) {
	return func(s *Settings) {
		s.Recorder = RecorderFunc(func(r *Report) error {
			if r.Step == step {
				return stop()
			}
			return nil
		})
	}
}

// What ends training on one rank ends it on all, in the same step.
func TestErrorsReachAllRanks(t *testing.T) {
	broken := errors.New("broken")
	const size, bad = 3, 1
	var cancel context.CancelFunc // of the bad rank
	for name, c := range map[string]struct {
		step   int // steps made
		change func(s *Settings)
		pi     target.Density // of the bad rank
		is     error
		all    error // of the other ranks, too
	}{
		"recorder": {4, stopAt(4, func() error { return broken }), nil, broken, ErrRank},
		"context":  {3, stopAt(3, func() error { cancel(); return nil }), nil, context.Canceled, context.Canceled},
		"schedule": {1, func(s *Settings) {
			s.Optimizer.Schedule = func(step int) float64 { return 1 / float64(2-step) }
		}, nil, ErrSettings, ErrRank},
		"target": {0, func(*Settings) {}, fussy(4, 0), ErrNotFinite, ErrRank},
	} {
		t.Run(name, func(t *testing.T) {
			var own context.Context
			own, cancel = context.WithCancel(t.Context())
			defer cancel()
			steps := make([]int, size)
			errs := onRanks(size, func(comm Comm) error {
				ctx, pi := own, target.Density(ising(t, 2))
				s := &Settings{Batch: 6, Parts: 6, Comm: comm, Src: rand.NewPCG(1, 2)}
				if comm.Rank() != bad {
					ctx = t.Context()
				} else if c.change(s); c.pi != nil {
					pi = c.pi
				}
				tr, err := NewTrainer(mera(t, 2, 3), pi, s)
				if err != nil {
					return err
				}
				err = tr.Run(ctx, 5)
				steps[comm.Rank()] = tr.step
				return err
			})
			for rank, err := range errs {
				if steps[rank] != c.step {
					t.Errorf("rank %d stops after step %d, want %d: %v", rank, steps[rank], c.step, err)
				}
				if rank == bad {
					wantError(t, "own error", err, c.is)
				} else {
					wantError(t, "error of others", err, c.all, "rank 1")
				}
			}
		})
	}
}

// A rank that cannot make its trainer, or makes another one, ends all.
func TestRanksOfOtherTrainers(t *testing.T) {
	for name, change := range map[string]func(s *Settings){
		"fails":  func(s *Settings) { s.Window = -1 },
		"source": func(s *Settings) { s.Src = nil },
		"differ": func(s *Settings) { s.Batch = 16 },
	} {
		errs := onRanks(3, func(c Comm) error {
			s := &Settings{Batch: 8, Parts: 4, Comm: c, Src: rand.NewPCG(1, 2)}
			if c.Rank() == 2 {
				change(s)
			}
			_, err := NewTrainer(mera(t, 2, 3), ising(t, 2), s)
			return err
		})
		for rank, err := range errs {
			is := ErrRank
			if rank == 2 {
				is = map[bool]error{true: ErrCheckpoint, false: ErrSettings}[name == "differ"]
			}
			wantError(t, name, err, is, "flow: ")
		}
	}
}

// Faults on one rank are faults of the batch on all, and are skipped together.
func TestRanksSkipFaults(t *testing.T) {
	var want []float64
	for _, size := range []int{1, 2, 4} {
		for rank, err := range onRanks(size, func(c Comm) error {
			m := mera(t, 2, 3)
			tr, err := NewTrainer(m, fussy(4, 3), &Settings{Batch: 8, Parts: 4, Comm: c, Src: rand.NewPCG(1, 2),
				Faults: FaultSettings{Policy: FaultShrink}})
			if err != nil {
				return err
			}
			if err := tr.Run(t.Context(), 20); err != nil {
				return err
			}
			got := append(params(m), float64(tr.faults), tr.shrink)
			if want == nil {
				want = got
				if tr.faults == 0 || tr.faults > 100 {
					return fmt.Errorf("%d faults", tr.faults)
				}
			}
			if !slices.Equal(got, want) {
				return fmt.Errorf("other parameters, or %d faults", tr.faults)
			}
			return nil
		}) {
			if err != nil {
				t.Errorf("rank %d of %d: %v", rank, size, err)
			}
		}
	}
}

// A Comm that fails ends training, whatever the policy of faults.
func TestCommFails(t *testing.T) {
	errs := onRanks(2, func(c Comm) error {
		tr, err := NewTrainer(mera(t, 2, 3), ising(t, 2), &Settings{Batch: 8, Parts: 4, Comm: c,
			Src: rand.NewPCG(1, 2), Faults: FaultSettings{Policy: FaultSkip}})
		if err != nil || c.Rank() == 1 {
			return err // rank 1 leaves
		}
		return tr.Run(t.Context(), 3)
	})
	if errs[1] != nil || !errors.Is(errs[0], errComm) {
		t.Errorf("errors %v", errs)
	}
}

// What is wrong with parts is said when the trainer is made.
func TestPartsSettings(t *testing.T) {
	m, pi := mera(t, 2, 3), ising(t, 2)
	for name, s := range map[string]*Settings{
		"negative":    {Batch: 8, Parts: -1},
		"unequal":     {Batch: 8, Parts: 3},
		"more":        {Batch: 8, Parts: 16},
		"ranks":       {Batch: 8, Parts: 2, Comm: newChannels(3)[0]},
		"default":     {Batch: 509, Comm: newChannels(2)[0]},
		"no rank":     {Batch: 8, Comm: &channels{rank: 3, to: newChannels(2)[0].to}},
		"scalar loss": {Batch: 8, Parts: 2, Objective: LossFunc(variance), Steps: 1},
	} {
		s.Src = rand.NewPCG(1, 1)
		if s.Steps > 0 {
			_, err := Train(t.Context(), m, pi, s)
			wantError(t, name, err, ErrSettings, "flow: step 1", "Parts")
			continue
		}
		_, err := newTrainer(m, pi, s)
		wantError(t, name, err, ErrSettings, "flow: ")
	}
	for batch, want := range map[int]int{1: 1, 64: 1, 127: 1, 128: 2, 500: 5, 509: 1, 512: 8, 4096: 64} {
		if got := defaultParts(batch); got != want {
			t.Errorf("batch of %d in %d parts, want %d", batch, got, want)
		}
	}
}
