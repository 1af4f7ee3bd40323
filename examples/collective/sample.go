package main

import (
	"context"
	"math/rand/v2"
	"time"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/examples/internal/console"
	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/hmc"
	"github.com/neuralrg/neuralrg/target"
)

// sample draws configurations x of the target and latent variables z of the
// posterior, of the images ηx that go with them, which take the place of x. The
// samples of a chain are successive rows.
func sample(ctx context.Context, m *flow.Model, ising *target.Ising, o *options, src rand.Source) (x, z *mat.Dense, err error) {
	n := m.Dim()
	// Samples of the model.
	start := mat.NewDense(o.chains, n, nil)
	target.NewNormal(n).Rand(start.RawMatrix().Data, rand.New(src))
	// Energies in float64, forces in float32.
	density := target.NewEvaluator(flow.Latent(m, ising))
	s, err := hmc.New(density, start, &hmc.Settings{StepSize: 0.2, Jitter: 0.2, Force: density.Float32(), Src: src})
	if err != nil {
		return nil, nil, err
	}
	quick := m.Float32()
	perChain := o.samples / o.chains
	total := o.burn + (perChain-1)*o.between
	x, z = mat.NewDense(o.samples, n, nil), mat.NewDense(o.samples, n, nil)
	now, series := mat.NewDense(o.chains, n, nil), mat.NewDense(total, o.chains, nil)
	last := time.Now()
	err = s.Run(ctx, total, func(sweep int) error {
		if time.Since(last) > 5*time.Second {
			last = time.Now()
			console.Printf("sampling %d/%d: acceptance %.2f\n", sweep+1, total, s.AcceptRate())
		}
		k, rest := (sweep+1-o.burn)/o.between, (sweep+1-o.burn)%o.between
		model := quick
		if kept := sweep+1 >= o.burn && rest == 0; kept {
			model = m
			defer func() {
				for c := range o.chains {
					x.SetRow(c*perChain+k, now.RawRowView(c))
				}
			}()
		}
		if err := model.Decode(now, nil, s.X()); err != nil {
			return err
		}
		for c := range o.chains {
			series.Set(sweep, c, ising.StructureFactor(now.RawRowView(c)))
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	console.Printf("%d samples from %d chains, acceptance %.2f\n", o.samples, o.chains, s.AcceptRate())
	judge(series, o)
	// The chains sample x = g(z) with the identity for η; the posterior draws
	// it with its weight, and z anew.
	if err := m.Posterior(z, nil, x, src); err != nil {
		return nil, nil, err
	}
	return x, z, m.Decode(x, nil, z)
}

// judge says how independent the samples are, from m² of all chains, sweep
// by sweep, of which the first quarter is left out.
func judge(series *mat.Dense, o *options) {
	sweeps, chains := series.Dims()
	m2, stdErr := hmc.MeanStdErr(series.RawRowView(sweeps - 1))
	console.Printf("⟨m²⟩ after the last sweep %.4f ± %.4f\n", m2, stdErr)
	tau, tauErr, err := hmc.AutocorrTime(series.Slice(sweeps/4, sweeps, 0, chains).(*mat.Dense))
	if err != nil {
		console.Printf("autocorrelation time τ of m²: too short a run to tell; more -burn?\n")
		return
	}
	console.Printf("autocorrelation time of m² %.1f ± %.1f sweeps: burn-in %.1f, spacing %.1f of them\n", tau, tauErr, float64(o.burn)/tau, float64(o.between)/tau)
	if float64(o.burn) < 10*tau || o.samples > o.chains && float64(o.between) < 2*tau {
		console.Printf("want 10 or more of burn-in and 2 or more of spacing: more -burn, -between?\n")
	}
}
