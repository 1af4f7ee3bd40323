// Package hmc samples a log-density by kernels that leave it invariant, many
// independent chains at once. Kernels are plain data (Kernel); a Mix draws one for every
// sweep. The default is hybrid (Hamiltonian) Monte Carlo, HMC.
//
// A position x with density π(x) is given a velocity v and the energy
//
//	H(x, v) = vᵀv/2 + U(x),    U(x) = −ln π(x),
//
// in nats; the mass is one unless HMC.InverseMass says otherwise. π need not be
// normalised. A trajectory draws v from the standard normal, follows the equations of
// motion ẋ = v, v̇ = −∇U for HMC.Steps steps of size ε,
//
//	v ← v − (ε/2)∇U(x),    x ← x + εv,    v ← v − (ε/2)∇U(x),
//
// and moves the chain to its end point with probability min(1, e^−ΔH).
// Otherwise the chain stays where it was. A sweep is one trajectory of every
// chain. It costs HMC.Steps gradients per chain.
//
// The leapfrog is reversible and preserves volume. The accept step therefore
// leaves π exactly invariant for any ε; the step size decides only how fast the
// chains move. The gradient of another density may drive the trajectories
// (HMC.Force), as long as ΔH is that of π.
//
// RandomWalk, Independence, Windows and CrankNicolson propose a position, evaluate the
// density there once, without its gradient, and accept or reject. The last three propose
// relative to N(0, 1) and are good where the density is close to it, as in the latent
// space of a flow. Gibbs is an exact update of the caller's own.
//
// Sampler.WarmUp tunes step sizes, masses and lengths of trajectories before sampling.
// Nothing is tuned afterwards.
//
// The method is that of Duane, Kennedy, Pendleton and Roweth, "Hybrid Monte
// Carlo", Phys. Lett. B 195, 216 (1987). In the latent space of a normalizing
// flow it is Algorithm 2 in Appendix C of Li and Wang, "Neural Network
// Renormalization Group", arXiv:1802.02840.
//
// The sampler sees a target as a LogDensity. Func makes one of a plain Go
// function and evaluates the chains on all processors, so that the package
// serves programs without any flow. The Evaluator of package target is another.
//
// Positions and gradients are matrices with one row per chain and one column
// per coordinate. Numbers in errors (chain, coordinate, sweep, leapfrog step)
// count from zero, sweeps from New.
package hmc
