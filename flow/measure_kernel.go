package flow

import (
	"context"
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/hmc"
	"github.com/neuralrg/neuralrg/internal/graph"
	"github.com/neuralrg/neuralrg/target"
)

const (
	// fastEnough is the part of an observable that proposals must renew in a sweep, so that
	// hybrid Monte Carlo is not needed: a trajectory renews all of it at best, in the time
	// of gradientCost·mostSteps sweeps.
	fastEnough = 0.02
	// spread is the part of the sweeps that all proposals share alike.
	spread = 0.25
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
	for _, w := range slices.Concat(coarseOf(m), windowsOf(m, 3)) {
		kernels = append(kernels, w)
	}
	return append(kernels, hmc.CrankNicolson{Beta: 0.3})
}

// coarseOf returns the windows of the coarse latent variables: those of the coarsest level,
// of the two coarsest, and so on, without the last, which is of all variables. There are
// none if the bijector of m has no hierarchy.
func coarseOf(m *Model) (windows []hmc.Windows) {
	h := hierarchyIn(m)
	if h == nil {
		return nil
	}
	var coarse []int
	for level := h.Levels() - 1; level > 0; level-- {
		if coarse = append(coarse, h.Latents(level)...); len(coarse) > 0 {
			windows = append(windows, hmc.Windows{Sites: [][]int{slices.Clone(coarse)}})
		}
	}
	return windows
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
	if trial.slowest() < fastEnough {
		tuned, err := r.tunedHMC(ctx)
		if err != nil {
			return err
		}
		// As much time as all others together.
		trial.kernels = append(trial.kernels, tuned)
		weights = append(weights, floats.Sum(weights)/float64(gradientCost*tuned.Steps))
	}
	z := r.sampler.X()
	if r.s.PhysicalSteps > 0 {
		var physical hmc.Kernel
		if physical, z, err = r.tunedPhysical(ctx, half); err != nil {
			return err
		}
		trial.kernels = append(trial.kernels, physical)
		weights = append(weights, floats.Sum(weights)*physicalShare/(1-physicalShare))
	}
	if err := r.sampleFrom(z, mixOf(trial.kernels, weights)); err != nil {
		return err
	}
	if err := r.sampler.Run(ctx, r.s.WarmUp-half, nil); err != nil {
		return err
	}
	r.sampler.ResetCounts()
	r.accepted, r.trajectories = 0, 0
	return r.m.Decode(r.x, nil, r.sampler.X())
}

// trial is what kernels have done in the warm-up.
type trial struct {
	kernels []hmc.Kernel
	renewed [][]float64 // of every observable, the part that a sweep of each kernel renews
}

// slowest is what the best kernel renews of the observable for which this is least.
func (t *trial) slowest() float64 {
	least := math.Inf(1)
	for _, parts := range t.renewed {
		least = min(least, slices.Max(parts))
	}
	return least
}

// weights are the sum of equal weights and, for every observable, of weights in proportion to
// what the kernels renew.
func (t *trial) weights() []float64 {
	n := float64(len(t.kernels))
	w := make([]float64, len(t.kernels))
	for _, parts := range t.renewed {
		if sum := floats.Sum(parts); sum > 0 {
			floats.AddScaled(w, 1/sum, parts)
		}
	}
	if sum := floats.Sum(w); sum > 0 {
		floats.Scale((1-spread)/sum, w)
	}
	floats.AddConst(spread/n, w)
	return w
}

// try makes sweeps of the mix of all proposals. What a kernel renews of an observable v is
// ⟨(Δv)²⟩ / 2σ²: 1 if every sweep gives an independent value. It is multiplied by the ratio
// of the harmonic and the arithmetic mean over chains of the acceptance: a chain at a point
// of large weight is stuck there for about 1/rate sweeps, and such chains make errors large.
func (r *measurer) try(ctx context.Context, sweeps int) (*trial, error) {
	stats := r.sampler.Stats()
	moves := make([]moves, len(stats))
	for k := range moves {
		moves[k] = newMoves(r.chains, len(r.observables))
	}
	before, now := r.newValues(), r.newValues()
	seen := make([][]float64, len(r.observables))
	if err := r.evaluate(before); err != nil {
		return nil, err
	}
	err := r.sampler.Run(ctx, sweeps, func(sweep int) error {
		if err := r.follow(); err != nil {
			return err
		}
		if err := r.evaluate(now); err != nil {
			return err
		}
		if sweep >= sweeps/4 { // chains were still on their way
			last := r.sampler.LastMoves()
			moves[last.Kernel].add(last.EnergyErrors, before, now)
			for o := range seen {
				seen[o] = append(seen[o], now[o]...)
			}
		}
		before, now = now, before
		return nil
	})
	t := &trial{}
	for _, kernel := range stats {
		t.kernels = append(t.kernels, kernel.Kernel)
	}
	for o, values := range seen {
		variance := 0.0
		if len(values) > 1 {
			variance = stat.Variance(values, nil)
		}
		if !(variance > 0) {
			continue // a constant needs no moves
		}
		parts := make([]float64, len(moves))
		for k := range moves {
			parts[k] = moves[k].renewed(o, variance)
		}
		t.renewed = append(t.renewed, parts)
	}
	return t, err
}

// moves are the sums of what a kernel has done.
type moves struct {
	sweeps float64
	rates  []float64 // of every chain, acceptance probabilities
	jumps  []float64 // of every observable, mean squared changes
}

func newMoves(chains, observables int) moves {
	return moves{rates: make([]float64, chains), jumps: make([]float64, observables)}
}

// add adds a sweep that has changed the observables of the chains.
func (m *moves) add(energyErrors []float64, before, after [][]float64) {
	m.sweeps++
	for c, rise := range energyErrors {
		if rate := math.Exp(-rise); !math.IsNaN(rate) {
			m.rates[c] += min(1, rate)
		}
	}
	for o := range m.jumps {
		d := floats.Distance(before[o], after[o], 2)
		m.jumps[o] += d * d / float64(len(before[o]))
	}
}

// renewed is the part of observable o, of the given variance, that a sweep renews.
func (m *moves) renewed(o int, variance float64) float64 {
	if m.sweeps == 0 {
		return 0
	}
	inverse := 0.0
	for _, sum := range m.rates {
		inverse += 1 / max(sum/m.sweeps, leastRate)
	}
	chains := float64(len(m.rates))
	rate := floats.Sum(m.rates) / (m.sweeps * chains)
	uneven := chains / (inverse * max(rate, leastRate))
	return uneven * m.jumps[o] / (2 * variance * m.sweeps)
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
