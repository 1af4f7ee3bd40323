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
	graph.Images     // without the identity
	order        int // of the group
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
		return nil, fmt.Errorf("%w: %d images, want 1 to %d, the order of the symmetry group, or 0 for all of it",
			ErrSettings, k, order)
	}
	if k == 0 {
		return nil, nil
	}
	s := allImages(m)
	s.N = k - 1
	return s, nil
}

// allImages are those of the whole group.
func allImages(m *Model) *images {
	element := func(k int) ([]int, []float64) { return m.group[k+1].Perm, m.group[k+1].Sign }
	return &images{graph.Images{N: len(m.group) - 1, Element: element}, max(1, len(m.group))}
}

// random reports whether the images are drawn: they are not those of the whole
// group.
func (s *images) random() bool { return s != nil && s.N < s.order-1 }

// inputs are the inputs that a program over the images has after its others: the
// elements that were drawn, if there are any.
func (s *images) inputs() []graph.Input {
	if !s.random() || s.N == 0 {
		return nil
	}
	return []graph.Input{{Name: "images", Cols: s.N, Below: s.order - 1}}
}

// among are the images in a program whose inputs end with those of s.
func (s *images) among(in []*gorgonia.Node) *orbit {
	if s == nil {
		return nil
	}
	o := &orbit{images: s}
	if s.inputs() != nil {
		o.chosen = in[len(in)-1]
	}
	return o
}

// orbit is what the density of a batch is averaged over: the images of every
// row. A nil *orbit means those of the whole group.
type orbit struct {
	*images
	chosen *gorgonia.Node // elements, (rows, N), or nil for all
}

// drawer draws the images of one batch after another.
type drawer struct {
	*images
	taken  []bool    // elements, while those of a row are drawn
	chosen []float64 // elements, row after row
}

func (s *images) drawer() *drawer {
	d := &drawer{images: s}
	if s.random() {
		d.taken = make([]bool, s.order-1)
	}
	return d
}

// draw returns in followed by what s.inputs takes for a batch of so many rows,
// which the next call overwrites.
func (d *drawer) draw(rows int, rnd *rand.Rand, in [][]float64) [][]float64 {
	if d.inputs() == nil {
		return in
	}
	all := d.chosen[:0]
	for range rows {
		row := len(all)
		// Floyd's algorithm: every set is as likely as any other (Bentley and
		// Floyd, Commun. ACM 30, 754 (1987)).
		for last := len(d.taken) - d.N; last < len(d.taken); last++ {
			k := rnd.IntN(last + 1)
			if d.taken[k] {
				k = last
			}
			d.taken[k] = true
			all = append(all, float64(k))
		}
		for _, k := range all[row:] {
			d.taken[int(k)] = false
		}
	}
	d.chosen = all
	return append(in, all)
}

// average turns the bijector's ln q(x) into the logarithm of its mean over the
// images.
func (o *orbit) average(m *Model, logq, x *gorgonia.Node) (*gorgonia.Node, error) {
	if o.N == 0 {
		return logq, nil
	}
	y, err := o.Of(x, o.chosen)
	if err != nil {
		return nil, err
	}
	_, others, err := m.inferred(y)
	if err != nil {
		return nil, err
	}
	if others, err = graph.LogSumExpTiles(others, o.N); err != nil {
		return nil, err
	}
	if logq, err = graph.LogAddExp(logq, others); err != nil {
		return nil, err
	}
	return graph.Combine(-math.Log(float64(o.N+1)), []float64{1}, logq)
}
