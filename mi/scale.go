package mi

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/mat"
)

// Scale is the scale on which an estimate compares the values of a column. Mutual
// information does not depend on it, but estimates do.
type Scale int

const (
	// Rank replaces values by normal scores: the r-th smallest of n values becomes
	// Φ⁻¹((r − ½)/n), with Φ the normal distribution, as in Holmes and Nemenman,
	// Phys. Rev. E 100, 022404 (2019). A monotone map of a column does not change
	// the estimate, to the bit, and a wrong value does no more harm than one row.
	Rank Scale = iota
	// Robust subtracts the median and divides by the interquartile range. The shape
	// of the distribution stays. It is better than Rank for columns with well
	// separated modes, between which ranks leave no gap, and poor for heavy tails.
	// A column whose quartiles are equal is ErrDegenerate.
	Robust
	// Raw leaves the values as they are: distances in all columns have one unit. The
	// estimate is poor if the scales of columns, or of parts of a column, differ a
	// lot.
	Raw
)

// tieWidth is the width over which a repeated value is spread, as a fraction of
// the distance to the next values. It is small, so that the values stay apart.
// Results hardly depend on it.
const tieWidth = 0.01

// column is one variable in all samples.
type column struct {
	v      []float64 // scaled, no two equal, by sample
	order  []int     // samples, the smallest value first
	sorted []float64

	name     string    // for errors
	raw      []float64 // as given, by sample
	rawOrder []int     // samples, the smallest value as given first
	rounding float64   // differences below are taken for rounding
	discrete bool      // every value occurs more than K times
}

// newColumn returns a column of values that are scaled already.
func newColumn(v []float64) *column {
	c := &column{v: v, order: orderOf(v)}
	c.sort()
	return c
}

// sort fills sorted.
func (c *column) sort() {
	c.sorted = make([]float64, len(c.v))
	for r, i := range c.order {
		c.sorted[r] = c.v[i]
	}
}

// orderOf returns the samples in ascending order of their values. Samples of
// equal value are in ascending order themselves.
func orderOf(v []float64) []int {
	order := make([]int, len(v))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int {
		switch {
		case v[i] < v[j]:
			return -1
		case v[i] > v[j]:
			return 1
		}
		return i - j
	})
	return order
}

// columns returns the columns of a matrix, checked and scaled.
func (e *estimator) columns(name string, x *mat.Dense, s *Settings) ([]*column, error) {
	if s == nil {
		s = &Settings{}
	}
	_, cols := x.Dims()
	out := make([]*column, cols)
	for j := range out {
		raw, what := mat.Col(nil, j, x), fmt.Sprintf("column %d of %s", j, name)
		for i, u := range raw {
			if math.IsNaN(u) || math.IsInf(u, 0) {
				return nil, fmt.Errorf("mi: %w: row %d, %s is %g", ErrNotFinite, i, what, u)
			}
		}
		c, err := e.scale(raw, what, s)
		if err != nil {
			return nil, err
		}
		out[j] = c
	}
	return out, nil
}

// scale returns the column of the given values.
func (e *estimator) scale(raw []float64, what string, s *Settings) (*column, error) {
	order := orderOf(raw)
	low, high := raw[order[0]], raw[order[e.n-1]]
	if low == high {
		return nil, fmt.Errorf("mi: %w: %s is %g in all %d rows", ErrDegenerate, what, low, e.n)
	}
	// Values are divided by four, so that differences do not overflow.
	first, third := raw[order[e.n/4]]/4, raw[order[e.n-1-e.n/4]]/4
	v := make([]float64, e.n)
	switch s.Scale {
	case Rank:
		for r, i := range order {
			v[i] = e.score(float64(r) + 0.5)
		}
	case Robust:
		if first == third {
			return nil, fmt.Errorf("mi: %w: %s has both quartiles at %g, which leaves Robust no scale; Rank needs none",
				ErrDegenerate, what, 4*first)
		}
		mid := raw[order[e.n/2]] / 4
		for i, u := range raw {
			v[i] = (u/4 - mid) / (third - first)
		}
		if u := max(-v[order[0]], v[order[e.n-1]]); math.IsInf(u, 0) {
			return nil, fmt.Errorf("mi: %w: %s from %g to %g on the scale of its quartiles %g and %g",
				ErrNotFinite, what, low, high, 4*first, 4*third)
		}
	case Raw:
		mid := raw[order[e.n/2]] / 4 // keeps the bits of values far from zero
		for i, u := range raw {
			v[i] = u/4 - mid
		}
	}
	c := &column{v: v, order: order, name: what, raw: raw, rawOrder: slices.Clone(order)}
	c.rounding = 4e-10 * (third - first)
	if err := e.untie(c, s); err != nil {
		return nil, err
	}
	c.sort()
	return c, nil
}

// untie puts equal values in random order and spreads them evenly over a small
// part of the distance to the next values, or of their ranks.
func (e *estimator) untie(c *column, s *Settings) error {
	var rnd *rand.Rand
	if s.Src != nil {
		rnd = rand.New(s.Src)
	}
	c.discrete = true
	below := math.Inf(-1)
	for from, to := 0, 0; from < e.n; from = to {
		first := c.order[from]
		value := c.v[first]
		for to = from + 1; to < e.n; to++ {
			// Values that differed by rounding may be equal after scaling.
			if i := c.order[to]; c.raw[i] != c.raw[first] && c.v[i] != value {
				break
			}
		}
		count := to - from
		c.discrete = c.discrete && count > e.k
		if count > 1 {
			if rnd == nil {
				return fmt.Errorf("mi: %w: %s is %g in rows %d and %d: "+
					"equal values are put in random order, which needs a source",
					ErrSettings, c.name, c.raw[first], first, c.order[from+1])
			}
			above := math.Inf(1)
			if to < e.n {
				above = c.v[c.order[to]]
			}
			room := min(value-below, above-value)
			same := c.order[from:to]
			rnd.Shuffle(count, func(i, j int) { same[i], same[j] = same[j], same[i] })
			for r, i := range same {
				part := tieWidth * (float64(r) + 0.5 - float64(count)/2)
				if s.Scale == Rank {
					c.v[i] = e.score(float64(from+to)/2 + part)
				} else {
					c.v[i] = value + room*part/float64(count)
				}
			}
		}
		below = value
	}
	return nil
}

// score returns the normal score of a rank between 0 and n. Reversing the order
// changes its sign exactly.
func (e *estimator) score(rank float64) float64 {
	n := float64(e.n)
	return math.Sqrt2 * math.Erfinv((rank-(n-rank))/n)
}
