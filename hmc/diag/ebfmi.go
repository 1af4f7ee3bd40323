package diag

import (
	"fmt"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
)

// EBFMI returns, for every chain, the energy Bayesian fraction of missing
// information of a run of hybrid Monte Carlo,
//
//	Σ_k (E_k − E_{k−1})²/(n−1) / var E.
//
// Row k of energies, (steps, chains), holds H at the end of the k-th sweep, with
// the velocity that was drawn for it. Below 0.3, drawing velocities moves the
// energy too slowly to explore the tails (M. Betancourt, arXiv:1604.00695).
// Errors are those of RHat; a chain whose energy is constant is an ErrSettings
// that names it.
func EBFMI(energies *mat.Dense) ([]float64, error) {
	c, _, err := newChains(energies)
	if err != nil {
		return nil, fmt.Errorf("diag: EBFMI: %w", err)
	}
	out := make([]float64, len(c))
	for i, s := range c {
		for k := range s[1:] {
			d := s[k+1] - s[k]
			out[i] += d * d / float64(len(s)-1)
		}
		if !(out[i] > 0) {
			return nil, fmt.Errorf("diag: EBFMI: %w: the energy of chain %d is constant", ErrSettings, i)
		}
		out[i] /= stat.Variance(s, nil)
	}
	return out, nil
}
