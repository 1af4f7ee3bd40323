package flow

import (
	"fmt"
	"math"
	"math/rand/v2"

	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/graph"
)

// images are those over which the density of a symmetrised model is taken:
// the identity and, for every row of a batch, K−1 other elements of the group,
// drawn uniformly,
//
//	q_S(x) = 1/K Σ_{η∈S} q(ηx), 1 ∈ S ⊆ G, |S| = K.
//
// It is as if K elements T were drawn, all alike, and x from the mean over them, by way
// of a u = g(z) and an η of T: x = η⁻¹u. For q_T(x) is q_S(u) with S = Tη⁻¹,
// and π(x) is π(u). Hence the loss is a bound, the mean of the weights π/q_S is Z, and
// a mean over sets of K elements being one over their subsets of K−1, the loss falls with
// K, as the divergence is convex.
//
// All images of a batch go through one inverse pass. Rows have sets of their
// own, so that they are independent. A nil *images means the whole group.
type images struct {
	of    graph.Images // all but the identity
	taken []bool       // of the other elements, while a row's are drawn; nil if all take part
}

const (
	// maxCopies bounds the order of groups of which every element has an inverse
	// pass of its own in a graph.
	maxCopies = 1024
	// maxImages bounds the values of the images of a batch under larger ones.
	maxImages = 1 << 25
)

// newImages returns those of K elements, or nil for K = 0.
func newImages(m *Model, k int) (*images, error) {
	order := max(1, len(m.group))
	if k < 0 || k > order {
		return nil, fmt.Errorf("%w: %d images, want 1 to %d, the order of the symmetry group, or 0 for all of it", ErrSettings, k, order)
	}
	if k == 0 {
		return nil, nil
	}
	s := allImages(m)
	s.of.N = k - 1
	if k < order {
		s.taken = make([]bool, order-1)
	}
	return s, nil
}

// allImages are those of the whole group.
func allImages(m *Model) *images {
	element := func(k int) ([]int, []float64) { return m.group[k+1].Perm, m.group[k+1].Sign }
	return &images{of: graph.Images{N: len(m.group) - 1, Element: element}}
}

// random tells whether the images are not those of the whole group.
func (s *images) random() bool { return s != nil && s.taken != nil }

// draw chooses the images of the rows of the next batch.
func (s *images) draw(rows int, rnd *rand.Rand) {
	if !s.random() {
		return
	}
	all := s.of.Chosen[:0]
	for range rows {
		row := len(all)
		// Floyd's algorithm: every set is as likely as any other (Bentley and
		// Floyd, Commun. ACM 30, 754 (1987)).
		for last := len(s.taken) - s.of.N; last < len(s.taken); last++ {
			k := rnd.IntN(last + 1)
			if s.taken[k] {
				k = last
			}
			s.taken[k] = true
			all = append(all, k)
		}
		for _, k := range all[row:] {
			s.taken[k] = false
		}
	}
	s.of.Chosen = all
}

// average turns the bijector's ln q(x) into the logarithm of its mean over the
// images.
func (s *images) average(m *Model, logq, x *gorgonia.Node) (*gorgonia.Node, error) {
	if s.of.N == 0 {
		return logq, nil
	}
	y, err := s.of.Of(x)
	if err != nil {
		return nil, err
	}
	_, others, err := m.inferred(y)
	if err != nil {
		return nil, err
	}
	if others, err = graph.LogSumExpTiles(others, s.of.N); err != nil {
		return nil, err
	}
	if logq, err = graph.LogAddExp(logq, others); err != nil {
		return nil, err
	}
	return graph.Combine(-math.Log(float64(s.of.N+1)), []float64{1}, logq)
}
