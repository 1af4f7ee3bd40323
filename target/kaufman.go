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

	w, sign := kaufmanW(beta)
	common := sites * (math.Ln2 - 2*beta)
	if sign > 0 {
		common = sites * math.Log(-math.Expm1(-4*beta))
	}
	return common + kaufmanSum(rows, cols, w, sign).v - math.Ln2
}

// kaufmanW returns w, the smaller of sinh 2β and its inverse, and the sign of γ_0.
//
// Onsager's duality sinh 2β ↔ 1/sinh 2β does not change |γ_k|: every |γ_k| is a function
// of w. The large part ln(2/w) of each |γ_k| is combined with the prefactor of Z
// analytically, in common. So no digits are lost at high T and nothing overflows at low T.
func kaufmanW(beta float64) (w, sign float64) {
	w = math.Sinh(2 * beta)
	if w > 1 {
		return 1 / w, 1
	}
	return w, -1
}

// kaufmanSum returns the logarithm of the bracket [ … ] of Z times (w/2)^(mn/2), with its
// derivatives by ln w.
//
// As functions of β, the γ_k are smooth at T_c, where w has its largest value 1, and so is
// sign·|γ_0| = γ_0. The last product vanishes there, but not its derivative. Its factor of
// k = 0 is kept as a number with a sign; all other factors are kept as logarithms.
func kaufmanSum(rows, cols int, w, sign float64) taylor {
	m := float64(rows)
	var terms [4]taylor // logarithms of the four products, in the order above
	var factor taylor   // of k = 0 in the last product
	for k := range 2 * cols {
		gamma, delta := kaufmanGamma(w, k, cols)
		grow, x := delta.scaled(m/2), gamma.scaled(m)
		q, rest := math.Exp(-x.v), -math.Expm1(-x.v)
		cosh := 2 - 2*(k%2)
		sinh := cosh + 1
		terms[cosh] = terms[cosh].plus(grow).plus(x.through(math.Log1p(q), -q/(1+q), q/((1+q)*(1+q))))
		terms[sinh] = terms[sinh].plus(grow)
		if k == 0 {
			factor = x.through(sign*rest, sign*q, -sign*q)
		} else {
			terms[sinh] = terms[sinh].plus(x.through(math.Log1p(-q), q/rest, -q/(rest*rest)))
		}
	}
	top := terms[0]
	for _, t := range terms[1:] {
		if t.v > top.v {
			top = t
		}
	}
	var sum taylor
	for i, t := range terms {
		t = t.plus(top.scaled(-1))
		e := math.Exp(t.v)
		if t = t.through(e, e, e); i == 3 {
			t = t.times(factor)
		}
		sum = sum.plus(t)
	}
	return top.plus(sum.through(math.Log(sum.v), 1/sum.v, -1/(sum.v*sum.v)))
}

// kaufmanGamma returns |γ_k| of a torus of n columns, and delta = |γ_k| − ln(2/w), with
// their derivatives by ln w. w ≤ 1 is the smaller of sinh 2β and its inverse:
// cosh 2β coth 2β = w + 1/w. For w < 1/2, the derivatives of delta are those of
// delta + w cos(πk/n): over the k of a product, the cosines add up to zero.
//
// Near T_c, |γ_k| is small, and the arccosh of a number near 1 would lose half of the
// digits. The sum d below has positive terms only and keeps all digits. For small w, the
// derivatives of delta are of the order of w², and keep their digits, too.
func kaufmanGamma(w float64, k, n int) (gamma, delta taylor) {
	h := math.Sin(math.Pi * float64(k) / float64(2*n))
	c := 1 - 2*h*h
	d := (1-w)*(1-w) + 2*w*h*h          // w(cosh γ_k − 1)
	r := math.Sqrt(d * (d + 2*w))       // w sinh |γ_k|
	delta.v = math.Log((d + w + r) / 2) // ln of w·exp(γ_k)/2
	gamma.v = 2 * math.Asinh(math.Sqrt(d/(2*w)))
	if k > 0 {
		gamma.d = -(1 - w) * (1 + w) / r
		gamma.dd = (1 + w*w - (d+w)*gamma.d*gamma.d) / r
		s := w*(1+c*c-2*w*c+w*w) - 2*c // (r²−1)/w
		t := s / (r + 1)
		delta.d = w * w * (3 + c*c - 2*w*c + c*(s+t) - w*c*r) / (r * (r + 1 - w*w))
		delta.dd = (w*w*c*(2*c-2*w+t) + (d+w)*(delta.d*(2+2*w*c-delta.d)-w*w*c*c)) / r
	} else { // r = (1−w)√(1+w²) may vanish
		root := math.Sqrt(1 + w*w)
		gamma.d = -(1 + w) / root
		gamma.dd = -w * (1 - w) / (root * root * root)
		delta.d = w * w * (root + w + w/(root+1)) / (root * (root + 1 + w))
		delta.dd = w * w * (1 + w*(root*root+root+1)/(root+1)) / (root * root * root)
	}
	if w >= 0.5 {
		delta.d, delta.dd = 1+gamma.d, gamma.dd
	}
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
