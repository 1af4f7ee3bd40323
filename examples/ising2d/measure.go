package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/target"
)

// measured is the result of flow.Measure.
type measured struct {
	M2      number `json:"m2"`
	M2Err   number `json:"m2_err"`
	Seconds number `json:"seconds"`
	ESS     number `json:"ess"`
	RHat    number `json:"rhat"`
	Verdict string `json:"verdict"`
	Sweeps  int    `json:"sweeps"`
	Ranks   int    `json:"ranks,omitempty"` // that shared the chains, if there were several
}

// untrusted begins a verdict that is not "ok", and missed what a run that is too short for
// -relerr adds to its verdict.
const untrusted, missed = "do not trust: ", "; error not reached: "

// row is the column of the result in the table of samplers, with the reason why it is not
// to be trusted, if there is one, and a note.
func (r *measured) row() (s sampling, doubt, note string) {
	nan := number(math.NaN())
	s = sampling{M2: r.M2, M2Err: r.M2Err, Accept: nan, Tau: nan, TauErr: nan, TauSeconds: nan, Seconds: r.Seconds}
	s.price()
	text, short, isShort := strings.Cut(r.Verdict, missed)
	if strings.HasPrefix(text, untrusted) {
		doubt = strings.TrimPrefix(text, untrusted)
	}
	note = "moves that flow.Measure chooses by itself"
	if r.Ranks > 0 {
		note += fmt.Sprintf(", on %d ranks", r.Ranks)
	}
	if isShort {
		note += fmt.Sprintf("; it ended after %d sweeps, before the wanted error, %s", r.Sweeps, short)
	}
	return s, doubt, note
}

// measure computes ⟨m²⟩ by flow.Measure, to the relative error of -relerr or for the time
// of -measure. If it is interrupted, it takes what is known by then.
func measure(i *interrupts, k *keeper, m *flow.Model, ising *target.Ising) error {
	if k.o.measure == 0 || k.Measured != nil {
		return nil
	}
	ctx, done := i.phase()
	defer done()
	limited, cancel := context.WithTimeout(ctx, k.o.measure)
	defer cancel()
	start := time.Now()
	shown := start
	if err := k.o.tell(toMeasure); err != nil {
		return err
	}
	r, err := k.o.measureM2(limited, m, ising, func(r *flow.Measurement) error {
		if time.Since(shown) > 5*time.Second {
			shown = time.Now()
			fmt.Printf("latent mix %d: ⟨m²⟩ = %.4f ± %.4f\n", r.Sweeps, r.Rows[0].Mean, r.Rows[0].MCSE)
		}
		return nil
	})
	if err != nil && !(errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		return err
	}
	helperStopped := errors.Is(err, flow.ErrRank) && errors.Is(err, context.Canceled)
	if (ctx.Err() != nil || helperStopped) && k.o.checkpoint != "" {
		return errStopped
	}
	seconds := number(time.Since(start).Seconds())
	if r == nil {
		nan := number(math.NaN())
		k.Measured = &measured{M2: nan, M2Err: nan, Seconds: seconds, ESS: nan, RHat: nan,
			Verdict: untrusted + "it was stopped in its warm-up"}
		return k.save()
	}
	row, verdict := r.Rows[0], r.Verdict()
	if len(r.Missed) > 0 {
		verdict += missed + strings.Join(r.Missed, ", ")
	}
	k.Measured = &measured{number(row.Mean), number(row.MCSE), seconds, number(row.ESS), number(row.RHat),
		verdict, r.Sweeps, 0}
	if k.o.comm != nil {
		k.Measured.Ranks = k.o.comm.Size()
	}
	return k.save()
}

// measureM2 is flow.Measure on all ranks.
func (o *options) measureM2(
	ctx context.Context, m *flow.Model, ising *target.Ising, progress func(*flow.Measurement) error,
) (*flow.Measurement, error) {
	chains := o.chains
	if o.comm != nil {
		ranks := o.comm.Size()
		chains = (chains + ranks - 1) / ranks * ranks
	}
	return flow.Measure(ctx, m, ising, []flow.Observable{{Name: "m2", Func: ising.StructureFactor}},
		&flow.MeasureSettings{
			Chains: chains, RelErr: o.relErr, Comm: o.comm, Progress: progress,
			Src: rand.NewPCG(o.seed, 2021), // of its own, so that nothing else depends on the sweeps
		})
}
