package target

import "math"

// LogZ returns the exact ln Z of a chain, in nats,
//
//	Z = ∫ π(θ) dθ = (2π)^N Σ_n I_n(β)^N, n = 0, ±1, ±2, …,
//
// where I_n is a modified Bessel function. It returns 0 and false in more dimensions, and
// for β < 0 on a chain of odd length, where the terms cancel.
func (m *XY) LogZ() (logZ float64, ok bool) {
	n := m.Dim()
	if len(m.shape) > 1 || m.beta < 0 && n%2 == 1 {
		return 0, false
	}
	beta, size := math.Abs(m.beta), float64(n)
	ratios := besselRatios(beta)
	sum, norm, p := 1.0, 1.0, 1.0 // of (I_n/I_0)^N, of I_n/I_0, and I_n/I_0
	for _, r := range ratios {
		p *= r
		norm += 2 * p
		sum += 2 * math.Pow(p, size)
	}
	// e^β = Σ I_n
	return size*(math.Log(2*math.Pi)+beta-math.Log(norm)) + math.Log(sum), true
}

// ExactStructureFactor returns the exact ⟨m²⟩ of a chain with β ≥ 0. With p_n = I_n/I_0 and
// the correlation at distance r,
//
//	⟨cos(θ_0 − θ_r)⟩ = Σ_n p_n^(N−r) p_{n+1}^r / Σ_n p_n^N,
//
// it is the mean over r = 0, …, N−1. ExactStructureFactor returns 0 and false in more
// dimensions and for β < 0.
func (m *XY) ExactStructureFactor() (m2 float64, ok bool) {
	if len(m.shape) > 1 || m.beta < 0 {
		return 0, false
	}
	size := float64(m.Dim())
	sum, total := 1.0, 0.0 // of p_n^N, and of that times the sum over r
	weight := 1.0          // p_n^N
	for k, r := range besselRatios(m.beta) {
		// The sum over r is geometric. The term of −n−1 is r times that of n.
		inner := size
		if r < 1 {
			q := math.Log(r)
			inner = math.Expm1(size*q) / math.Expm1(q)
		}
		total += weight * inner * (1 + r)
		if k > 0 {
			sum += 2 * weight
		}
		weight *= math.Pow(r, size)
	}
	return total / (sum * size), true
}

// besselRatios returns I_1/I_0, I_2/I_1, … at x ≥ 0, as far as I_n/I_0 is more than about
// 1e-20, and at least one of them.
//
// The recurrence I_{n−1} − I_{n+1} = (2n/x) I_n gives the ratio r_n = I_n/I_{n−1} from the
// next one, r_n = 1/(2n/x + r_{n+1}). Downwards it is stable: an error of r_{n+1} is
// multiplied by r_n², which is less than 1.
func besselRatios(x float64) []float64 {
	// I_n/I_0 falls faster than exp(−n²/(2x+n)), about.
	count := 50 + int(10*math.Sqrt(x))
	ratios := make([]float64, count)
	r := 0.0
	for n := 2 * count; n > 0; n-- {
		r = 1 / (2*float64(n)/x + r)
		if n <= count {
			ratios[n-1] = r
		}
	}
	return ratios
}
