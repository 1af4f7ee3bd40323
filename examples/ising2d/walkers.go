package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/hmc"
	"github.com/neuralrg/neuralrg/hmc/diag"
	"github.com/neuralrg/neuralrg/target"
)

// walkers are hybrid Monte Carlo chains in one space, latent or physical, and m²
// after each of their sweeps. Between two runs of the chains the flow may change,
// so that their configurations x are kept and not their latent variables.
type walkers struct {
	name    string
	sweeps  int // after training
	ising   *target.Ising
	density *target.Evaluator
	force   hmc.LogDensity // of the trajectories, nil for the density's own
	o       *options
	src     rand.Source
	x       *mat.Dense                  // configurations, a row per chain
	fresh   func(x *mat.Dense) error    // sets x to samples of the flow; nil: chains begin where they are
	state   func(z, x *mat.Dense) error // sets z to positions of the sampler for x
	image   func(x, z *mat.Dense) error // sets x to the configurations of z
	m2, err []float64                   // mean of m² over the chains and its standard error, sweep by sweep
	chains  [][]float64                 // m² of each chain, sweep by sweep
	done    bool                        // all sweeps are made
	final   int                         // sweeps before the model was final
	accept  float64                     // fraction of the trajectories since then that were accepted
	seconds float64                     // taken by the sweeps since then
}

// newWalkers returns the chains in latent and in physical space. All of them are at the
// same cold configuration. Without -cold, chains in latent space that have not moved during
// training begin at samples of the flow: a cold configuration may be one that the flow
// hardly generates, and chains stay there. Energies are in float64. Forces on latent
// variables are in the precision of training, as they take nearly all of the time.
func newWalkers(m *flow.Model, ising *target.Ising, o *options, src rand.Source) ([]*walkers, error) {
	latent := target.NewEvaluator(flow.Latent(m, ising))
	var force hmc.LogDensity
	if o.single {
		force = latent.Float32()
	}
	cold := mat.NewDense(o.chains, m.Dim(), nil)
	// Spins all up, and x at its mean given them: (K+αI)s.
	cold.Apply(func(_, _ int, _ float64) float64 { return 4/o.T + ising.Alpha() }, cold)
	fresh := func(x *mat.Dense) error { return m.Sample(x, nil, src) }
	if o.cold {
		fresh = nil
	}
	return []*walkers{{
		name: "latent", sweeps: o.sweeps, density: latent, force: force, x: mat.DenseCopyOf(cold), fresh: fresh,
		// Drawing z from its posterior given x leaves π invariant for any flow.
		state: func(z, x *mat.Dense) error { return m.Posterior(z, nil, x, src) },
		image: func(x, z *mat.Dense) error { return m.Decode(x, nil, z) },
		ising: ising, o: o, src: src,
	}, {
		name: "physical", sweeps: o.physical, density: target.NewEvaluator(ising), x: cold,
		state: func(z, x *mat.Dense) error { z.Copy(x); return nil },
		image: func(x, z *mat.Dense) error { x.Copy(z); return nil },
		ising: ising, o: o, src: src,
	}}, nil
}

// start returns a sampler whose chains are at the configurations x.
func (w *walkers) start() (*hmc.Sampler, error) {
	z := mat.DenseCopyOf(w.x)
	if err := w.state(z, w.x); err != nil {
		return nil, err
	}
	return w.sampler(z)
}

// sampler returns a sampler whose chains are at the positions z.
func (w *walkers) sampler(z *mat.Dense) (*hmc.Sampler, error) {
	jitter := w.o.jitter
	if jitter == 0 {
		jitter = -1 // 0 would be the default of hmc
	}
	return hmc.New(w.density, z, &hmc.Settings{
		Kernel: hmc.HMC{StepSize: w.o.stepSize, Steps: w.o.leapfrog, Jitter: jitter, Force: w.force},
		Src:    w.src,
	})
}

// sweep makes sweeps. After each it measures m² and calls visit.
func (w *walkers) sweep(ctx context.Context, s *hmc.Sampler, sweeps int, visit func() error) error {
	last := time.Now()
	return s.Run(ctx, sweeps, func(int) error {
		if err := w.image(w.x, s.X()); err != nil {
			return err
		}
		m2 := make([]float64, w.o.chains)
		for i := range m2 {
			m2[i] = w.ising.StructureFactor(w.x.RawRowView(i))
		}
		w.measured(m2)
		w.seconds += time.Since(last).Seconds()
		err := visit()
		last = time.Now()
		return err
	})
}

// measured adds m² of every chain after a sweep.
func (w *walkers) measured(m2 []float64) {
	mean, stdErr := diag.MeanStdErr(m2)
	w.m2, w.err, w.chains = append(w.m2, mean), append(w.err, stdErr), append(w.chains, m2)
}

// follow makes the sweeps after training, with a progress bar, or those that are
// left if the run was resumed among them.
func (w *walkers) follow(i *interrupts, k *keeper) error {
	if w.done {
		return nil
	}
	ctx, done := i.phase()
	defer done()
	s, err := w.begin(k)
	if err != nil {
		return err
	}
	k.sampler = s
	bar := newProgress(w.name+" HMC", w.sweeps, s.Sweeps())
	err = w.sweep(ctx, s, w.sweeps-s.Sweeps(), func() error {
		bar.step(fmt.Sprintf("acceptance %.2f", s.AcceptRate()))
		if s.Sweeps()%w.o.save == 0 {
			return k.save()
		}
		return nil
	})
	bar.done()
	if errors.Is(err, context.Canceled) {
		err = k.stopped()
	}
	if err != nil {
		return err
	}
	w.done, w.accept, k.sampler = true, s.AcceptRate(), nil
	return k.save()
}

// begin returns the sampler for the sweeps after training, in the state of the file
// if there is one.
func (w *walkers) begin(k *keeper) (*hmc.Sampler, error) {
	if k.saved == nil {
		w.final, w.seconds = len(w.m2), 0
		if w.fresh != nil && w.final == 0 {
			if err := w.fresh(w.x); err != nil {
				return nil, err
			}
		}
		return w.start()
	}
	s, err := w.sampler(w.x)
	if err == nil {
		err = s.Restore(bytes.NewReader(k.saved))
	}
	k.saved = nil
	return s, err
}
