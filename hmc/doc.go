// Package hmc samples a log-density by hybrid (Hamiltonian) Monte Carlo, many
// independent chains at once.
//
// A position x with density π(x) is given a velocity v and the energy
//
//	H(x, v) = vᵀv/2 + U(x),    U(x) = −ln π(x),
//
// in nats; the mass is one. π need not be normalised. A trajectory draws v from
// the standard normal, follows the equations of motion ẋ = v, v̇ = −∇U for
// Settings.Leapfrog steps of size ε,
//
//	v ← v − (ε/2)∇U(x),    x ← x + εv,    v ← v − (ε/2)∇U(x),
//
// and moves the chain to its end point with probability min(1, e^−ΔH).
// Otherwise the chain stays where it was. A sweep is one trajectory of every
// chain. It costs Settings.Leapfrog gradients per chain.
//
// The leapfrog is reversible and preserves volume. The accept step therefore
// leaves π exactly invariant for any ε; the step size decides only how fast the
// chains move. The gradient of another density may drive the trajectories
// (Settings.Force), as long as ΔH is that of π.
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
