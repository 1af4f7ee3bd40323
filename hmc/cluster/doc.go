// Package cluster samples Ising models by cluster updates, on any graph. It gives
// reference results: its chains forget their state in a few sweeps also at a critical
// point, where local updates are slow.
//
// The spins s_i = ±1 on N sites have the density
//
//	π(s) ∝ exp(Σ_bonds K_ij s_i s_j), K_ij = βJ_ij,
//
// with a dimensionless coupling K of either sign on every bond. One update puts a bond
// in the state "active" with probability 1 − exp(−2|K|) if it is satisfied, K s_i s_j > 0,
// and never otherwise. Sites joined by active bonds form clusters, and flipping all spins
// of a cluster leaves π invariant.
//
//   - SwendsenWang flips every cluster with probability 1/2: R. H. Swendsen and
//     J.-S. Wang, Phys. Rev. Lett. 58, 86 (1987).
//   - Wolff flips the cluster of one random site: U. Wolff, Phys. Rev. Lett. 62, 361
//     (1989).
//
// Both are exact for couplings of any sign. On frustrated graphs, where no state
// satisfies all bonds, they are slow: the clusters join sites that are not correlated,
// and at low temperatures a chain can stay in one valley for any time.
//
// A field h_i is a bond with K = βh_i from site i to one more site, the ghost spin. The
// products s_i·s_ghost then have the density of the spins in the field.
//
// A series of a quantity is a matrix with row k = the k-th measurement on every chain, as
// package hmc/diag takes it. Its rows can be filled by the methods of a Sampler.
package cluster

import "github.com/neuralrg/neuralrg/internal/errs"

// Errors are wrapped with what was wrong and where. They are the same values as in the
// other packages of the module.
var (
	// ErrShape reports a lattice or a slice with wrong extents.
	ErrShape = errs.ErrShape
	// ErrSettings reports an argument outside its range.
	ErrSettings = errs.ErrSettings
	// ErrNotFinite reports a coupling that is NaN or infinite.
	ErrNotFinite = errs.ErrNotFinite
)
