package diag

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat/distuv"
)

// chains holds one slice per chain.
type chains [][]float64

// newChains copies a series, divided by unit, a power of two, so that the largest
// number is between ½ and 1 and no square overflows. It fails for fewer than four
// steps and for a number that is not finite.
func newChains(x *mat.Dense) (c chains, unit float64, err error) {
	if x == nil || x.IsEmpty() {
		return nil, 0, fmt.Errorf("%w: no measurements", ErrShape)
	}
	steps, n := x.Dims()
	if steps < 4 {
		return nil, 0, fmt.Errorf("%w: %d steps, want four or more", ErrShape, steps)
	}
	largest := 0.0
	for k := range steps {
		row := x.RawRowView(k)
		if i := slices.IndexFunc(row, notFinite); i >= 0 {
			return nil, 0, fmt.Errorf("%w: step %d of chain %d is %v", ErrNotFinite, k, i, row[i])
		}
		for _, v := range row {
			largest = max(largest, math.Abs(v))
		}
	}
	_, exponent := math.Frexp(largest)
	exponent = min(exponent, 1023) // 2^1024 is infinite
	c = make(chains, n)
	for i := range c {
		c[i] = mat.Col(nil, i, x)
		for k, v := range c[i] {
			c[i][k] = math.Ldexp(v, -exponent)
		}
	}
	return c, math.Ldexp(1, exponent), nil
}

// all returns the numbers of all chains.
func (c chains) all() []float64 { return slices.Concat(c...) }

// halves splits every chain in two. Of an odd number of steps the middle one is
// left out.
func (c chains) halves() chains {
	h := make(chains, 0, 2*len(c))
	for _, s := range c {
		h = append(h, s[:len(s)/2], s[len(s)-len(s)/2:])
	}
	return h
}

// apply returns f of every number.
func (c chains) apply(f func(float64) float64) chains {
	y := make(chains, len(c))
	for i, s := range c {
		y[i] = make([]float64, len(s))
		for k, v := range s {
			y[i][k] = f(v)
		}
	}
	return y
}

// folded returns distances from the median.
func (c chains) folded() chains {
	all := c.all()
	slices.Sort(all)
	median := quantile(all, 0.5)
	return c.apply(func(v float64) float64 { return math.Abs(v - median) })
}

// below returns 1 where a number is at most its quantile p, elsewhere 0.
func (c chains) below(p float64) chains {
	all := c.all()
	slices.Sort(all)
	q := quantile(all, p)
	return c.apply(func(v float64) float64 {
		if v <= q {
			return 1
		}
		return 0
	})
}

// normal replaces every number by the normal quantile of its rank among all of
// them; equal numbers have their mean rank (G. Blom (1958)).
func (c chains) normal() chains {
	all := c.all()
	slices.Sort(all)
	score := make(map[float64]float64, len(all))
	for i := 0; i < len(all); {
		j := i
		for j < len(all) && all[j] == all[i] {
			j++
		}
		rank := float64(i+j+1) / 2 // from one
		score[all[i]] = distuv.UnitNormal.Quantile((rank - 0.375) / (float64(len(all)) + 0.25))
		i = j
	}
	return c.apply(func(v float64) float64 { return score[v] })
}

// quantile returns the quantile p of ascending numbers by linear interpolation,
// type 7 of Hyndman and Fan.
func quantile(sorted []float64, p float64) float64 {
	at := p * float64(len(sorted)-1)
	i := int(math.Floor(at))
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	w := at - float64(i)
	return (1-w)*sorted[i] + w*sorted[i+1]
}

// constant reports whether all numbers of all chains are equal.
func (c chains) constant() bool {
	for _, s := range c {
		for _, v := range s {
			if v != c[0][0] {
				return false
			}
		}
	}
	return true
}
