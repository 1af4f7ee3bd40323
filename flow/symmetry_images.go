package flow

import (
	"fmt"
	"math"
	"math/rand/v2"

	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/graph"
)

// images are the group elements over which the density of a symmetrised model is
// averaged: the identity and, for every row of a batch, K−1 other elements, drawn
// uniformly,
//
//	q_S(x) = 1/K Σ_{η∈S} q(ηx), 1 ∈ S ⊆ G, |S| = K.
//
// This is equivalent to another procedure: draw a set T of K elements uniformly, then a
// sample x from the mean of q over T, as x = η⁻¹u with u = g(z) and η drawn from T. Then
// q_T(x) = q_S(u) with S = Tη⁻¹, and π(x) = π(u). Therefore the loss is a bound, and the
// mean of the weights π/q_S is Z. A mean over K elements is the mean of the means over
// their subsets of K−1 elements. The divergence is convex, so the loss falls with K.
//
// All images of a batch go through one inverse pass. Every row has its own set, so that
// rows are independent. A nil *images means the whole group.
type images struct {
	graph.Images     // without the identity
	order        int // of the group
}

const (
	// maxCopies is the largest order of a group for which the graph has a separate inverse
	// pass for every element.
	maxCopies = 1024
	// maxImages is the largest number of values of the images of a batch under a larger
	// group.
	maxImages = 1 << 25
)

// newImages returns the images for K = k elements. It returns nil for k = 0, which means
// the whole group.
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

// allImages returns the images under the whole group.
func allImages(m *Model) *images {
	element := func(k int) ([]int, []float64) { return m.group[k+1].Perm, m.group[k+1].Sign }
	return &images{graph.Images{N: len(m.group) - 1, Element: element}, max(1, len(m.group))}
}

// random reports whether the images are drawn, that is, not those of the whole group.
func (s *images) random() bool { return s != nil && s.N < s.order-1 }

// inputs returns the inputs that a program needs for the images, after its other inputs:
// the elements that were drawn, if any are.
func (s *images) inputs() []graph.Input {
	if !s.random() || s.N == 0 {
		return nil
	}
	return []graph.Input{{Name: "images", Cols: s.N, Below: s.order - 1}}
}

// among returns the images in a program whose last inputs are those of s.inputs.
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

// orbit holds the images of every row over which the density of a batch is averaged. A nil
// *orbit means the images under the whole group.
type orbit struct {
	*images
	chosen *gorgonia.Node // elements, (rows, N), or nil for all
}

// drawer draws the images of one batch after another.
type drawer struct {
	*images
	taken  []bool    // which elements the current row has; all false between rows
	chosen []float64 // elements, row after row
}

func (s *images) drawer() *drawer {
	d := &drawer{images: s}
	if s.random() {
		d.taken = make([]bool, s.order-1)
	}
	return d
}

// draw returns in, followed by values for the inputs of images.inputs, drawn for a batch of
// the given number of rows. The next call overwrites these values.
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

// average returns the logarithm of the mean of q over the images of x, given ln q(x) of the
// bijector alone.
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
