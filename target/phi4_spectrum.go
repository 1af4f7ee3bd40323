package target

import (
	"math"
	"slices"
)

// Spectrum returns the N eigenvalues of the covariance of the Gaussian density q of mean
// zero that is closest to π, with the least KL(q‖π):
//
//	1/(2(M² + Σ_μ 4 sin²(k_μ/2))), k_μ = 2πj_μ/L_μ,
//
// row-major in the wave numbers j and the same for each component. M² is the positive
// solution of
//
//	M² = m² + (2n+4) λ G, G = (1/N) Σ_k 1/(2(M² + Σ_μ 4 sin²(k_μ/2))),
//
// the Hartree approximation. There is one for every m² and λ, also where m² is negative. At
// weak coupling q is close to π. At strong coupling it is too narrow for long waves: on 6×6
// sites with m² = −4, λ = 6.975 its χ is 0.447, where 1.061 is right. In the ordered phase
// q is a density around zero, while π has its weight at |φ| > 0.
//
// bijector.NewSpectral takes the eigenvalues in this order.
func (p *Phi4) Spectrum() []float64 {
	momenta := eigenvalues(p.shape, slices.Repeat([]float64{-1}, len(p.shape)), 0)
	mass2 := hartreeMass2(momenta, p.mass2, float64(2*p.components+4)*p.lambda)
	for k, v := range momenta {
		momenta[k] = 1 / (2 * (mass2 + v))
	}
	return momenta
}

// hartreeMass2 returns the solution M² > 0 of M² = mass2 + coupling·G(M²), where G is the
// mean of 1/(2(M² + p)) over the given momenta p ≥ 0, the first of which is 0.
//
// M² − mass2 − coupling·G is an increasing and concave function of M². Newton's method
// from below its zero therefore ascends to the zero. It starts from the solution for the
// first momentum alone.
func hartreeMass2(momenta []float64, mass2, coupling float64) float64 {
	n := float64(len(momenta))
	m := positiveRoot(mass2, coupling/(2*n))
	for range 100 {
		var g, slope float64
		for _, p := range momenta {
			v := 1 / (m + p)
			g += v / 2
			slope += v * v / 2
		}
		step := (mass2 + coupling*g/n - m) / (1 + coupling*slope/n)
		if !(step > 1e-15*m) {
			break
		}
		m += step
	}
	return m
}

// positiveRoot returns the solution m > 0 of m = b + a/m for a > 0.
func positiveRoot(b, a float64) float64 {
	root := math.Hypot(b, 2*math.Sqrt(a))
	if b > 0 {
		return (b + root) / 2
	}
	return 2 * a / (root - b)
}
