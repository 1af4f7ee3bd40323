package cluster

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
)

// Wolff flips a number of clusters in every chain, one after the other, each the cluster
// of a random site. The update leaves π invariant. At T_c of the square lattice, N/⟨|C|⟩
// clusters cost about as much as one sweep.
//
// Unless m2 is nil, Wolff stores in m2[c] an estimate of ⟨m²⟩ = ⟨(Σ s_i)²⟩/N² from the
// clusters C of chain c: the mean of
//
//	(Σ_{i∈C} s_i)²/(|C|·N),
//
// which is |C|/N if no coupling is negative. Its expectation is ⟨m²⟩, and it fluctuates
// less than m² itself (U. Wolff, Nucl. Phys. B 334, 581 (1990)).
//
// Wolff fails with ErrSettings unless clusters is positive, and with ErrShape if the
// length of m2 is not the number of chains.
func (s *Sampler) Wolff(m2 []float64, clusters int) error {
	if clusters < 1 {
		return fmt.Errorf("cluster: %w: %d clusters, want 1 or more", ErrSettings, clusters)
	}
	if m2 != nil && len(m2) != len(s.rnd) {
		return s.wrongLength("estimates of m²", m2)
	}
	s.inParallel(func(c int, w *workspace) {
		spins, rnd := s.chain(c)
		sum := 0.0
		for range clusters {
			sum += s.graph.flipOne(spins, rnd, w)
		}
		if m2 != nil {
			m2[c] = sum / (float64(clusters) * float64(len(spins)))
		}
	})
	return nil
}

// flipOne flips the cluster of a random site and returns (Σ_{i∈C} s_i)²/|C|.
//
// Spins are flipped after the cluster is complete. Only so is an unsatisfied bond within
// a cluster seen as such, and every bond is tried once.
func (g *graph) flipOne(s []int8, rnd *rand.PCG, w *workspace) float64 {
	seed := int32(below(rnd, g.sites))
	found := append(w.sites[:0], seed)
	w.in[seed] = true
	mag := 0
	for k := 0; k < len(found); k++ {
		i := found[k]
		mag += int(s[i])
		for _, l := range g.near[g.first[i]:g.first[i+1]] {
			if w.in[l.to] {
				continue
			}
			if p := l.active * float64(s[i]*s[l.to]); p > 0 && uniform(rnd) < p {
				w.in[l.to] = true
				found = append(found, l.to)
			}
		}
	}
	for _, i := range found {
		s[i] = -s[i]
		w.in[i] = false
	}
	return float64(mag) * float64(mag) / float64(len(found))
}

// uniform returns a number of [0, 1), a multiple of 2⁻⁵³.
func uniform(rnd *rand.PCG) float64 { return float64(rnd.Uint64()>>11) * 0x1p-53 }

// below returns a random integer of [0, n), n ≤ 2²⁶. The probabilities differ from 1/n by
// less than 2⁻³⁸ of it.
func below(rnd *rand.PCG, n int) int {
	high, _ := bits.Mul64(rnd.Uint64(), uint64(n))
	return int(high)
}
