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
	r, err := flow.Measure(limited, m, ising, []flow.Observable{{Name: "m2", Func: ising.StructureFactor}},
		&flow.MeasureSettings{
			Chains: k.o.chains, RelErr: k.o.relErr,
			Src: rand.NewPCG(k.o.seed, 2021), // of its own, so that nothing else depends on the sweeps
			Progress: func(r *flow.Measurement) error {
				if time.Since(shown) > 5*time.Second {
					shown = time.Now()
					fmt.Printf("latent mix %d: ⟨m²⟩ = %.4f ± %.4f\n", r.Sweeps, r.Rows[0].Mean, r.Rows[0].MCSE)
				}
				return nil
			},
		})
	if err != nil && !(errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		return err
	}
	if ctx.Err() != nil && k.o.checkpoint != "" {
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
		verdict, r.Sweeps}
	return k.save()
}
