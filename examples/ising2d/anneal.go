package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/neuralrg/neuralrg/examples/internal/console"
	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/target"
)

// annealed is the result of flow.AIS; energies are in nats.
type annealed struct {
	ESS     number `json:"ess"`
	LogZ    number `json:"log_z"`
	LogZErr number `json:"log_z_err"`
	Bound   number `json:"bound"` // of −ln Z
	Seconds number `json:"seconds"`
	Rungs   int    `json:"rungs"`
	Samples int    `json:"samples"`
}

// anneal anneals samples of the flow to the target, as many as -ais says. If it is
// interrupted, it takes the samples that are finished.
func anneal(i *interrupts, k *keeper, m *flow.Model, ising *target.Ising) error {
	if k.o.ais == 0 || k.Annealed != nil {
		return nil
	}
	ctx, done := i.phase()
	defer done()
	const percent = 100
	bar := newProgress("annealing", percent, 0)
	defer bar.done()
	start := time.Now()
	if err := k.o.tell(toAnneal); err != nil {
		return err
	}
	r, err := k.o.annealTo(ctx, m, ising, func(done, all int) error {
		for bar.made < percent*done/all {
			bar.step(fmt.Sprintf("%d of %d evaluations", done, all))
		}
		return nil
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	if err != nil && k.o.checkpoint != "" {
		return errStopped
	}
	if r == nil {
		return nil
	}
	k.Annealed = &annealed{
		number(r.ESS), number(r.LogZ), number(r.LogZErr), number(r.Loss), number(time.Since(start).Seconds()),
		len(r.Betas) - 1, r.Samples,
	}
	return k.save()
}

// annealTo is flow.AIS on all ranks.
func (o *options) annealTo(
	ctx context.Context, m *flow.Model, ising *target.Ising, progress func(done, all int) error,
) (*flow.AISResult, error) {
	return flow.AIS(ctx, m, ising, &flow.AISSettings{
		Samples: o.ais, Rungs: o.rungs, Batch: batchOfSamples, Comm: o.comm, Progress: progress,
		Src: rand.NewPCG(o.seed, 2022), // of its own, so that nothing else depends on -ais
	})
}

// print tells how much annealing improves the samples of the flow; exact is −ln Z.
func (a *annealed) print(exact float64) {
	if a == nil {
		return
	}
	console.Printf("\nThe same by %d samples annealed from the flow to π in %d rungs, %s s\n",
		a.Samples, a.Rungs, seconds(a.Seconds))
	for _, line := range []string{
		fmt.Sprintf("bound         %10.4f", a.Bound),
		fmt.Sprintf("gap           %10.4f", float64(a.Bound)-exact),
		fmt.Sprintf("−ln⟨w⟩        %10.4f ± %.4f", -a.LogZ, a.LogZErr),
		fmt.Sprintf("ESS           %10.3f", a.ESS),
	} {
		console.Printf("  %s\n", line)
	}
}
