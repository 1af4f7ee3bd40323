package flow

import (
	"context"
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/hmc"
	"github.com/neuralrg/neuralrg/internal/graph"
	"github.com/neuralrg/neuralrg/target"
)

const (
	// goodMove is the part of the latent variables that the best proposal must refresh in
	// a sweep, so that hybrid Monte Carlo is not needed.
	goodMove = 0.2
	// gradientCost is what a leapfrog step costs, in evaluations without a gradient.
	gradientCost = 3
	// leastRate is the acceptance below which rates of single chains are not told apart.
	leastRate = 1e-3
	// Trajectories are a quarter of the period of a normal distribution long, or as long as
	// mostSteps. The step is the first of a falling sequence that is accepted with goodRate.
	quarter, mostSteps            = math.Pi / 2, 12
	firstStep, nextStep, lastStep = 0.5, 0.7, 0.01
	stepTrials, goodRate          = 4, 0.65
)

// candidates are the proposals that Measure tries.
func candidates(m *Model) []hmc.Kernel {
	kernels := []hmc.Kernel{hmc.Independence{}}
	for _, w := range windowsOf(m, 3) {
		kernels = append(kernels, w)
	}
	return append(kernels, hmc.CrankNicolson{Beta: 0.3})
}

// mixOf mixes kernels with their weights; nil for equal ones.
func mixOf(kernels []hmc.Kernel, weights []float64) hmc.Mix {
	var mix hmc.Mix
	for i, k := range kernels {
		w := hmc.Weighted{Kernel: k, Weight: 1}
		if weights != nil {
			w.Weight = weights[i]
		}
		mix = append(mix, w)
	}
	return mix
}

// refreshes is the fraction of the latent variables that an accepted move draws anew: the
// mean squared distance that it moves a normal z, over 2·Dim.
func refreshes(k hmc.Kernel, dim int) float64 {
	switch k := k.(type) {
	case hmc.Windows:
		sites := 0
		for _, w := range k.Sites {
			sites += len(w)
		}
		return float64(sites) / float64(len(k.Sites)*dim)
	case hmc.CrankNicolson:
		return 1 - math.Sqrt((1-k.Beta)*(1+k.Beta))
	}
	return 1
}

// warmUp moves the chains away from their start and chooses the kernel.
func (r *measurer) warmUp(ctx context.Context) error {
	if r.s.Kernel != nil {
		if err := r.sampler.WarmUp(ctx, r.s.WarmUp, nil); err != nil {
			return err
		}
		return r.m.Decode(r.x, nil, r.sampler.X())
	}
	half := r.s.WarmUp / 2
	trial, err := r.try(ctx, half)
	if err != nil {
		return err
	}
	weights := trial.weights()
	if trial.best() < goodMove {
		tuned, err := r.tunedHMC(ctx)
		if err != nil {
			return err
		}
		// As much time as all others together.
		trial.kernels = append(trial.kernels, tuned)
		weights = append(weights, floats.Sum(weights)/float64(gradientCost*tuned.Steps))
	}
	if err := r.sampleFrom(r.sampler.X(), mixOf(trial.kernels, weights)); err != nil {
		return err
	}
	if err := r.sampler.Run(ctx, r.s.WarmUp-half, nil); err != nil {
		return err
	}
	r.sampler.ResetCounts()
	return r.m.Decode(r.x, nil, r.sampler.X())
}

// trial is what kernels have done in the warm-up.
type trial struct {
	kernels []hmc.Kernel
	moved   []float64 // the part of the latent variables that a sweep refreshes
}

// best is the part that the best kernel refreshes in a sweep.
func (t *trial) best() float64 { return slices.Max(t.moved) }

// weights give half of the sweeps to the best kernel and the other half, in equal parts, to
// all others.
func (t *trial) weights() []float64 {
	w := make([]float64, len(t.kernels))
	for k := range w {
		w[k] = 1
	}
	w[slices.Index(t.moved, t.best())] = float64(max(1, len(w)-1))
	return w
}

// try makes sweeps of the mix of all proposals. The rate that counts is the harmonic mean
// over chains of the mean acceptance probabilities: a chain at a point of large weight
// is stuck there for about 1/rate sweeps, and such chains make errors large.
func (r *measurer) try(ctx context.Context, sweeps int) (*trial, error) {
	stats := r.sampler.Stats()
	sums, counts := make([][]float64, len(stats)), make([]float64, len(stats))
	for k := range sums {
		sums[k] = make([]float64, r.s.Chains)
	}
	err := r.sampler.Run(ctx, sweeps, func(sweep int) error {
		if sweep < sweeps/4 { // chains are still on their way
			return nil
		}
		last := r.sampler.LastMoves()
		counts[last.Kernel]++
		for c, rise := range last.EnergyErrors {
			if rate := math.Exp(-rise); !math.IsNaN(rate) {
				sums[last.Kernel][c] += min(1, rate)
			}
		}
		return nil
	})
	t := &trial{}
	for k, kernel := range stats {
		inverse := 0.0
		for _, sum := range sums[k] {
			inverse += 1 / max(sum/max(counts[k], 1), leastRate)
		}
		rate := float64(r.s.Chains) / inverse
		t.kernels = append(t.kernels, kernel.Kernel)
		t.moved = append(t.moved, rate*refreshes(kernel.Kernel, r.m.Dim()))
	}
	return t, err
}

// tunedHMC is hybrid Monte Carlo with a step that suits the chains where they are.
func (r *measurer) tunedHMC(ctx context.Context) (k hmc.HMC, err error) {
	for step := firstStep; step > lastStep; step *= nextStep {
		k = hmc.HMC{StepSize: step, Steps: min(mostSteps, int(math.Ceil(quarter/step))), Rotate: true, Force: r.force}
		if err := r.sampleFrom(r.sampler.X(), k); err != nil {
			return k, err
		}
		if err := r.sampler.Run(ctx, stepTrials, nil); err != nil {
			return k, err
		}
		if r.sampler.AcceptRate() >= goodRate {
			break
		}
	}
	return k, nil
}

// latentProgram maps z to the log-density of Latent and to x = g(z).
func latentProgram(m *Model, t target.Density) *graph.Program {
	in, out, l := []graph.Input{{Name: "z", Cols: m.Dim()}}, []string{"−U", "x"}, &latent{m, t}
	return graph.NewProgram(tensor.Float64, in, out, func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
		logp, x, err := l.at(in[0])
		return []*gorgonia.Node{logp, x}, err
	})
}
