package target

import "math"

// torusLogZ returns the exact ln Z, in nats, of the Ising spins on the periodic
// rows×cols square lattice at temperature T > 0,
//
//	Z = Σ_s exp(½ sᵀKs) = Σ_s exp(β Σ_bonds s_i s_j), β = 1/T,
//
// below, at and above T_c. Both extents are at least 2; along an extent of 2, neighbours
// share two bonds. The cost is proportional to cols.
//
// This is the closed form of B. Kaufman, Phys. Rev. 76, 1232 (1949), with
// m = rows and n = cols:
//
//	Z = ½ (2 sinh 2β)^(mn/2) [ ∏ 2cosh(mγ_k/2) + ∏ 2sinh(mγ_k/2)   (k = 1, 3, … 2n−1)
//	                         + ∏ 2cosh(mγ_k/2) + ∏ 2sinh(mγ_k/2) ] (k = 0, 2, … 2n−2)
//	cosh γ_k = cosh 2β coth 2β − cos(πk/n),
//
// Every γ_k is positive except γ_0 = 2β + ln tanh β. Above T_c, γ_0 is negative, and so
// is the last product.
func torusLogZ(rows, cols int, T float64) float64 {
	return 2*float64(rows)*float64(cols)/T + torusLogZAboveGround(rows, cols, T)
}

// torusLogZAboveGround returns ln Z − 2β·rows·cols. The second term is the logarithm of
// the weight of a ground state. The result lies between ln 2 (T → 0) and rows·cols·ln 2 (T → ∞). It
// keeps its digits at low T, where ln Z is nearly equal to the ground-state term.
func torusLogZAboveGround(rows, cols int, T float64) float64 {
	beta := 1 / T
	sites := float64(rows) * float64(cols)

	// Onsager's duality sinh 2β ↔ 1/sinh 2β does not change |γ_k|: every |γ_k| is a
	// function of w, the smaller of the two. The large part ln(2/w) of each |γ_k| is
	// combined with the prefactor of Z analytically, in common. So no digits are lost at
	// high T and nothing overflows at low T.
	w := math.Sinh(2 * beta)
	common := sites * (math.Ln2 - 2*beta)
	sign := -1.0 // of γ_0
	if w > 1 {
		w = 1 / w
		common = sites * math.Log(-math.Expm1(-4*beta))
		sign = 1
	}

	var terms [4]float64 // logarithms of the four products, in the order above
	for k := range 2 * cols {
		gamma, delta := kaufmanGamma(w, k, cols)
		grow := 0.5 * float64(rows) * delta
		decay := math.Exp(-float64(rows) * gamma)
		pair := terms[:2]
		if k%2 == 0 {
			pair = terms[2:]
		}
		pair[0] += grow + math.Log1p(decay)
		pair[1] += grow + math.Log1p(-decay) // −∞ at T_c, where γ_0 = 0
	}
	top := max(terms[0], terms[1], terms[2], terms[3])
	sum := math.Exp(terms[0]-top) + math.Exp(terms[1]-top) +
		math.Exp(terms[2]-top) + sign*math.Exp(terms[3]-top)
	return common + top + math.Log(sum) - math.Ln2
}

// kaufmanGamma returns |γ_k| of a torus of n columns, and delta = |γ_k| − ln(2/w).
// w ≤ 1 is the smaller of sinh 2β and its inverse: cosh 2β coth 2β = w + 1/w.
//
// Near T_c, |γ_k| is small, and the arccosh of a number near 1 would lose half of the
// digits. The sum d below has positive terms only and keeps all digits.
func kaufmanGamma(w float64, k, n int) (gamma, delta float64) {
	h := math.Sin(math.Pi * float64(k) / float64(2*n))
	d := (1-w)*(1-w) + 2*w*h*h // w(cosh γ_k − 1)
	gamma = 2 * math.Asinh(math.Sqrt(d/(2*w)))
	delta = math.Log((d + w + math.Sqrt(d*(d+2*w))) / 2) // ln of w·exp(γ_k)/2
	return gamma, delta
}

// ringLogZ returns the exact ln Z, in nats, of the Ising spins on a ring of n ≥ 2
// sites at temperature T > 0: Z = (2cosh β)^n + (2sinh β)^n, from the 2×2 transfer
// matrix. On a ring of 2 the neighbours share two bonds.
func ringLogZ(n int, T float64) float64 {
	beta := 1 / T
	size := float64(n)
	return size*(beta+math.Log1p(math.Exp(-2*beta))) + math.Log1p(math.Pow(math.Tanh(beta), size))
}
