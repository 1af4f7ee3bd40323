package target

import (
	"fmt"
	"math"
)

// SpinEnergy returns the expectations of E/N and of (E/N)² over the spins given one
// configuration x of length N. E = −Σ_bonds s_i s_j is the energy of the spins, in units
// of the coupling, J = k_B = 1. No spins are drawn. Given x the spins are independent,
// with means t_i = tanh x_i. With w_ij bonds between sites i and j,
//
//	⟨E|x⟩ = −½ Σ_ij w_ij t_i t_j,
//	⟨E²|x⟩ − ⟨E|x⟩² = ½ Σ_ij w_ij² (1 − t_i² t_j²) + Σ_i (1 − t_i²) Σ_{j≠k} w_ij w_ik t_j t_k.
//
// The means over configurations are ⟨E⟩/N, the energy per site of ExactEnergy, and
// ⟨E²⟩/N². The specific heat per site is
//
//	C = N (⟨(E/N)²⟩ − ⟨E/N⟩²)/T².
//
// It is a function of two means: diag.Jackknife gives its error, as the example shows.
// SpinEnergy panics if x has another length.
func (m *Ising) SpinEnergy(x []float64) (energy, square float64) {
	if len(x) != m.Dim() {
		panic(fmt.Sprintf("target: energy of %d values on %d sites", len(x), m.Dim()))
	}
	w := m.work.Get().(*isingWork)
	defer m.work.Put(w)
	t, rest := w.y[:len(x)], w.e[:len(x)]
	for i, v := range x {
		e := math.Exp(-2 * math.Abs(v))
		t[i] = math.Tanh(v)
		rest[i] = 4 * e / ((1 + e) * (1 + e)) // 1 − tanh² v, without cancellation
	}
	var bonds, variance float64
	for i, s := range t {
		var field, squares, alone float64
		stride := len(x)
		for _, n := range m.shape {
			stride /= n
			ahead, behind := ring(i, stride, n)
			number := 1.0
			if ahead == behind {
				number = 2 // of bonds to the same site
			}
			for _, j := range [2]int{ahead, behind} {
				field += t[j]
				squares += number * t[j] * t[j]
				alone += number * (rest[i] + rest[j] - rest[i]*rest[j])
			}
		}
		bonds += s * field / 2
		variance += alone/2 + rest[i]*(field*field-squares)
	}
	n := float64(len(x))
	return -bonds / n, (bonds*bonds + variance) / (n * n)
}

// ring returns the sites next to site i of a row-major lattice along an extent n whose
// neighbours are stride apart in memory. Boundaries are periodic.
func ring(i, stride, n int) (ahead, behind int) {
	k := i / stride % n
	return i + ((k+1)%n-k)*stride, i + ((k+n-1)%n-k)*stride
}
