package cluster

import "math/rand/v2"

// SwendsenWang updates every chain once: it divides all sites into clusters and flips
// each of them with probability 1/2. The update leaves π invariant.
//
// Unless m2 is nil, SwendsenWang stores in m2[c] an estimate of ⟨m²⟩ = ⟨(Σ s_i)²⟩/N² from
// the clusters C of chain c:
//
//	Σ_C (Σ_{i∈C} s_i)²/N²,
//
// which is Σ_C |C|²/N² if no coupling is negative. It is the mean of m² over all flips of
// the clusters. SwendsenWang fails with ErrShape if the length of m2 is not the number of
// chains.
func (s *Sampler) SwendsenWang(m2 []float64) error {
	if m2 != nil && len(m2) != len(s.rnd) {
		return s.wrongLength("estimates of m²", m2)
	}
	s.inParallel(func(c int, w *workspace) {
		spins, rnd := s.chain(c)
		squares := s.graph.flipAll(spins, rnd, w)
		if m2 != nil {
			n := float64(len(spins))
			m2[c] = squares / (n * n)
		}
	})
	return nil
}

// flipAll makes one update and returns Σ_C (Σ_{i∈C} s_i)².
func (g *graph) flipAll(s []int8, rnd *rand.PCG, w *workspace) float64 {
	parent, mag, flip := w.sites, w.mag, w.in
	for i := range parent {
		parent[i] = int32(i)
	}
	for _, l := range g.bonds {
		if p := l.active * float64(s[l.from]*s[l.to]); p > 0 && uniform(rnd) < p {
			join(parent, l.from, l.to)
		}
	}
	// The parent of a site comes before it: its own parent is the first site of the cluster.
	clear(mag)
	for i, p := range parent {
		if int(p) == i {
			flip[i] = rnd.Uint64()>>63 == 1
		}
		root := parent[p]
		parent[i] = root
		mag[root] += int32(s[i])
		if flip[root] {
			s[i] = -s[i]
		}
	}
	clear(flip)
	squares := int64(0) // at most N² ≤ 2⁵²
	for _, m := range mag {
		squares += int64(m) * int64(m)
	}
	return float64(squares)
}

// join joins the clusters of two sites. The first site of a cluster is its root, and the
// parent of every other site comes before the site.
func join(parent []int32, i, j int32) {
	i, j = root(parent, i), root(parent, j)
	parent[max(i, j)] = min(i, j)
}

// root returns the first site of the cluster of i, and halves the path to it.
func root(parent []int32, i int32) int32 {
	for parent[i] != i {
		parent[i] = parent[parent[i]]
		i = parent[i]
	}
	return i
}
