package hmc

import "math"

// counts are of the sweeps since New or ResetCounts.
type counts struct {
	before              int     // complete sweeps before these
	accepted, divergent int     // trajectories of all chains
	chains              []int64 // accepted ones of each; nil if only their sum is known
}

func (c *counts) accept(chain int) {
	c.accepted++
	if c.chains != nil {
		c.chains[chain]++
	}
}

// ResetCounts makes AcceptRate, ChainAcceptRates, Stuck and Divergent count from
// here, for instance after burn-in. Sweeps goes on.
func (s *Sampler) ResetCounts() {
	s.counts = counts{before: s.sweeps, chains: make([]int64, s.Chains())}
}

// AcceptRate returns the fraction of trajectories accepted, of all chains in all
// complete sweeps since New or ResetCounts; NaN before the first. A good mean
// can hide chains that never move, which Stuck tells.
func (s *Sampler) AcceptRate() float64 {
	return float64(s.counts.accepted) / (float64(s.sweeps-s.counts.before) * float64(s.Chains()))
}

// ChainAcceptRates returns the fraction of trajectories accepted of each chain,
// in a new slice. It counts like AcceptRate. After Restore of a file of an
// earlier version, which has only the sum, it is NaN until ResetCounts.
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

// Stuck returns the chains of which no trajectory was accepted in the sweeps
// since New or ResetCounts, in order. They have measured one configuration
// and should not enter a mean. It is nil before the first sweep, and where
// ChainAcceptRates is NaN.
func (s *Sampler) Stuck() []int {
	var stuck []int
	for i, rate := range s.ChainAcceptRates() {
		if rate == 0 {
			stuck = append(stuck, i)
		}
	}
	return stuck
}

// Divergent returns the number of trajectories, of all chains in all complete
// sweeps since New or ResetCounts, that were rejected because they met a number
// that is not finite or ended with |ΔH| above MaxEnergyError.
func (s *Sampler) Divergent() int { return s.counts.divergent }
