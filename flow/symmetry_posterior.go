package flow

import (
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/internal/graph"
)

// Posterior draws the latent variables of configurations (paper, eq. D.4). For every row
// of x, (rows, Dim), it draws an element η of the symmetry group with probability
// q(ηx)/Σ_η q(ηx), where q is the density of the bijector alone. It stores g⁻¹(ηx) in z,
// (rows, Dim), so that Decode(z) is ηx. element, (rows) or nil, receives the index of η in
// Symmetries. The arithmetic is float64 for every model, because the probabilities depend
// on small differences of large ln q.
//
// If x is a sample of π/Z, z is a sample of the density of Latent. For a model without
// symmetry Posterior is Encode. It fails with ErrShape if the extents do not fit, with
// ErrSettings for a nil source and with ErrNotFinite, naming the row, if some q(ηx) is NaN
// or infinite, or all are zero.
func (m *Model) Posterior(z *mat.Dense, element []int, x *mat.Dense, src rand.Source) error {
	rows, err := m.rows("Posterior", nil, x)
	if err != nil {
		return err
	}
	if r, err := m.rows("Posterior", nil, z); err != nil {
		return err
	} else if r != rows || element != nil && len(element) != rows {
		return fmt.Errorf("flow: Posterior: %w: %d rows of z and %d elements for %d rows", ErrShape, r, len(element),
			rows)
	}
	if missing(src) {
		return fmt.Errorf("flow: Posterior: %w: nil source", ErrSettings)
	}
	group := m.group
	if group == nil {
		group = m.Symmetries()
	}
	n := m.Dim()
	choice := newChoice(rows, n, rand.New(src))
	y, out, logq := make([]float64, rows*n), make([]float64, rows*n), make([]float64, rows)
	from := mat.DenseCopyOf(x)
	for k, g := range group {
		for r := range rows {
			g.apply(y[r*n:(r+1)*n], from.RawRowView(r))
		}
		if err := m.infer.Run(rows, [][]float64{y}, [][]float64{out, logq}); err != nil {
			return fmt.Errorf("flow: Posterior: %w", err)
		}
		if err := choice.offer(k, out, logq); err != nil {
			return fmt.Errorf("flow: Posterior: %w", err)
		}
	}
	for r, t := range choice.total {
		if math.IsInf(t, -1) {
			return fmt.Errorf("flow: Posterior: row %d: %w: q is zero at all its images", r, ErrNotFinite)
		}
	}
	copy(element, choice.element)
	into := graph.Contiguous(z)
	copy(into, choice.z)
	graph.Restore(z, into)
	return nil
}

// choice holds, for every row, one of the elements offered so far, chosen with
// probability proportional to its weight.
type choice struct {
	n       int // values per row
	rnd     *rand.Rand
	element []int
	z       []float64
	total   []float64 // logarithm of the sum of the weights so far
}

func newChoice(rows, n int, rnd *rand.Rand) *choice {
	c := &choice{n, rnd, make([]int, rows), make([]float64, rows*n), make([]float64, rows)}
	for r := range c.total {
		c.total[r] = math.Inf(-1)
	}
	return c
}

// offer offers element k, with latent variables z and log-weights of the rows. It replaces
// the element chosen before with probability weight/total, where the total includes the
// new weight.
func (c *choice) offer(k int, z, logWeight []float64) error {
	for r, l := range logWeight {
		u := c.rnd.Float64()
		if math.IsNaN(l) || math.IsInf(l, 1) {
			return fmt.Errorf("row %d: %w: ln q is %g at its image under element %d", r, ErrNotFinite, l, k)
		}
		high := max(c.total[r], l)
		if math.IsInf(high, -1) {
			continue
		}
		c.total[r] = high + math.Log(math.Exp(c.total[r]-high)+math.Exp(l-high))
		if u < math.Exp(l-c.total[r]) {
			c.element[r] = k
			copy(c.z[r*c.n:(r+1)*c.n], z[r*c.n:(r+1)*c.n])
		}
	}
	return nil
}

// Symmetries returns the elements of the symmetry group, the identity first. For a model
// that is not symmetrised it returns the identity alone.
func (m *Model) Symmetries() []Symmetry {
	if m.group == nil {
		one, _ := Symmetry{}.complete(m.Dim())
		return []Symmetry{one}
	}
	all := make([]Symmetry, len(m.group))
	for k, g := range m.group {
		all[k], _ = g.complete(m.Dim()) // a copy
	}
	return all
}
