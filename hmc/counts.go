package hmc

import "math"

// counts are those of the sweeps since New or ResetCounts.
type counts struct {
	before              int     // complete sweeps before New or ResetCounts
	accepted, divergent int     // trajectories of all chains
	chains              []int64 // accepted trajectories of each chain; nil: unknown
}

func (c *counts) accept(chain int) {
	c.accepted++
	if c.chains != nil {
		c.chains[chain]++
	}
}

// ResetCounts makes AcceptRate, ChainAcceptRates, Stuck and Divergent start from
// zero again, for instance after burn-in. Sweeps is not reset.
func (s *Sampler) ResetCounts() {
	s.counts = counts{before: s.sweeps, chains: make([]int64, s.Chains())}
}

// AcceptRate returns the fraction of accepted trajectories, of all chains in all
// complete sweeps since New or ResetCounts. It is NaN before the first sweep. A
// good rate can hide chains that never move: see Stuck.
func (s *Sampler) AcceptRate() float64 {
	return float64(s.counts.accepted) / (float64(s.sweeps-s.counts.before) * float64(s.Chains()))
}

// ChainAcceptRates returns the fraction of accepted trajectories of each chain,
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

// Stuck returns the chains without an accepted trajectory since New or
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

// Divergent returns the number of divergent trajectories, of all chains in all
// complete sweeps since New or ResetCounts. A trajectory is divergent, and
// rejected, if it met NaN or infinity, ended with |ΔH| above MaxEnergyError, or
// belonged to a sweep that failed (Settings.MaxFaults).
func (s *Sampler) Divergent() int { return s.counts.divergent }
