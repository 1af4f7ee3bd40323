// Package hmc samples a log-density by hybrid (Hamiltonian) Monte Carlo, many
// independent chains at once.
//
// A position x with density π(x) is given a velocity v and the energy
//
//	H(x, v) = vᵀv/2 + U(x),    U(x) = −ln π(x),
//
// in nats, π known up to a constant. A sweep draws v from the standard normal,
// follows the equations of motion ẋ = v, v̇ = −∇U for a number of leapfrog steps
//
//	v ← v − (ε/2)∇U(x),    x ← x + εv,    v ← v − (ε/2)∇U(x)
//
// and moves to the end point with probability min(1, e^−ΔH), else stays. The
// leapfrog is reversible and preserves volume, so this Metropolis step leaves
// π exactly invariant whatever ε is; the step size decides only how fast the
// chains move. The force −∇U may even be an approximation (Settings.Force), as
// long as ΔH is that of π.
//
// The method is that of Duane, Kennedy, Pendleton and Roweth, "Hybrid Monte
// Carlo", Phys. Lett. B 195, 216 (1987). For sampling in the latent space of a
// normalizing flow it is Algorithm 2 in Appendix C of Li and Wang, "Neural
// Network Renormalization Group", arXiv:1802.02840; the density is then that of
// the latent variables, and the package neither knows nor cares.
//
// Positions and gradients are matrices with one row per chain and one column
// per coordinate. Numbers in errors (chain, coordinate, sweep, leapfrog step)
// count from zero, sweeps from the making of the sampler.
package hmc
