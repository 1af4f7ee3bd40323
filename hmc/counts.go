package hmc

import "math"

// counts are those of the sweeps since New or ResetCounts.
type counts struct {
	before              int     // complete sweeps before New or ResetCounts
	accepted, divergent int     // proposals of all chains
	chains              []int64 // accepted proposals of each chain; nil: unknown
	kernels             []kernelCounts
}

// kernelCounts are those of the sweeps of one kernel.
type kernelCounts struct{ sweeps, accepted, divergent int }

func (c *counts) accept(kernel, chain int) {
	c.accepted++
	c.kernels[kernel].accepted++
	if c.chains != nil {
		c.chains[chain]++
	}
}

func (c *counts) diverge(kernel int) {
	c.divergent++
	c.kernels[kernel].divergent++
}

// ResetCounts makes AcceptRate, ChainAcceptRates, Stuck, Divergent and Stats start from
// zero again, for instance after burn-in. Sweeps is not reset.
func (s *Sampler) ResetCounts() {
	s.counts = counts{
		before:  s.sweeps,
		chains:  make([]int64, s.Chains()),
		kernels: make([]kernelCounts, len(s.kernels)),
	}
}

// AcceptRate returns the fraction of accepted proposals, of all chains in all
// complete sweeps since New or ResetCounts. It is NaN before the first sweep. A
// good rate can hide chains that never move: see Stuck.
func (s *Sampler) AcceptRate() float64 {
	return float64(s.counts.accepted) / (float64(s.sweeps-s.counts.before) * float64(s.Chains()))
}

// ChainAcceptRates returns the fraction of accepted proposals of each chain,
// in a new slice. It counts like AcceptRate. Files of an earlier version hold
// only the sum over all chains: after Restore of one the rates are NaN until
// ResetCounts.
func (s *Sampler) ChainAcceptRates() []float64 {
	rates := make([]float64, s.Chains())
	for i := range rates {
		rates[i] = math.NaN()
		if s.counts.chains != nil {
			rates[i] = float64(s.counts.chains[i]) / float64(s.sweeps-s.counts.before)
		}
	}
	return rates
}

// Stuck returns the chains without an accepted proposal since New or
// ResetCounts, in ascending order. Such a chain has measured one configuration
// only and should not enter a mean. Stuck is nil before the first sweep, and
// where ChainAcceptRates is NaN.
func (s *Sampler) Stuck() []int {
	var stuck []int
	for i, rate := range s.ChainAcceptRates() {
		if rate == 0 {
			stuck = append(stuck, i)
		}
	}
	return stuck
}

// Divergent returns the number of divergent proposals, of all chains in all
// complete sweeps since New or ResetCounts. A divergent proposal is rejected. A
// trajectory of HMC is divergent if it met NaN or infinity, or ended with |ΔH| above
// MaxEnergyError. A proposal of another kernel is divergent if its log-density is NaN or
// +Inf; −Inf, outside the support, is a rejection only. All proposals of a sweep that
// failed (Settings.MaxFaults) are divergent.
func (s *Sampler) Divergent() int { return s.counts.divergent }

// KernelStats tell how one kernel of a sampler has moved the chains.
type KernelStats struct {
	Kernel     Kernel  // as Sampler.Kernel returns it
	Sweeps     int     // complete sweeps of this kernel since New or ResetCounts
	AcceptRate float64 // of all chains in these sweeps; NaN if there were none
	Divergent  int     // divergent proposals of all chains in these sweeps
}

// Stats returns the statistics of each kernel of the mix, or of the one kernel, since New
// or ResetCounts.
func (s *Sampler) Stats() []KernelStats {
	stats := make([]KernelStats, len(s.kernels))
	for k, c := range s.counts.kernels {
		stats[k] = KernelStats{
			Kernel:     s.kernels[k].kernel(),
			Sweeps:     c.sweeps,
			AcceptRate: float64(c.accepted) / (float64(c.sweeps) * float64(s.Chains())),
			Divergent:  c.divergent,
		}
	}
	return stats
}

// Moves tell what one sweep did. Their slices have an element per chain.
type Moves struct {
	Kernel    int    // the number of the kernel in the mix; 0 for one kernel
	Accepted  []bool // whether the chain moved
	Divergent []bool // whether the proposal was divergent

	// EnergyErrors are ΔH of HMC in nats, and minus the logarithm of the Metropolis
	// ratio of other kernels. They are NaN where the proposal met NaN or infinity.
	EnergyErrors []float64

	// Energies are H at the start of the trajectories of HMC in nats, with new
	// velocities. They are NaN in a sweep of another kernel.
	Energies []float64
}

func newMoves(chains int) Moves {
	return Moves{
		Accepted: make([]bool, chains), Divergent: make([]bool, chains),
		EnergyErrors: make([]float64, chains), Energies: make([]float64, chains),
	}
}

// LastMoves returns what the last complete sweep did. The next sweep overwrites it.
// Before the first sweep of a sampler all its elements are zero.
func (s *Sampler) LastMoves() *Moves { return &s.last }
