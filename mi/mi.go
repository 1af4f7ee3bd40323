// Package mi estimates the mutual information of samples, in nats.
//
// The estimators are those of Kraskov, Stögbauer and Grassberger (Phys. Rev. E
// 69, 066138 (2004)), which need nothing but distances to near neighbours.
// They are nearly unbiased where two quantities are independent, and so come
// out negative about as often as positive there: no estimate is clipped at
// zero, which would bias every average upwards. Strong dependence is
// underestimated unless there are very many samples.
//
// Samples are the rows of a matrix. They are taken to be independent draws:
// thin out a Markov chain before, or take one sample from each of many. Where
// successive rows are alike, neighbours in time are neighbours in value too, which
// biases estimates; the errors of StdErr and MeanOfPairsStdErr, which are made of
// blocks of successive rows, hold as long as a block is much longer than that.
package mi

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
)

// Errors that the package's errors wrap, for use with errors.Is.
var (
	ErrShape      = errors.New("wrong shape")
	ErrSettings   = errors.New("bad argument or setting")
	ErrNotFinite  = errors.New("not finite")
	ErrDegenerate = errors.New("constant or repeated values")
)

// Method is one of the two estimators of the paper.
type Method int

const (
	// KSG1 counts the neighbours in x and in y that are nearer than the k-th
	// in both (eq. 8). It has the smaller statistical error.
	KSG1 Method = iota
	// KSG2 counts within the rectangle of the k nearest ones (eq. 9). It has the
	// smaller bias at high dimension.
	KSG2
)

// Settings configures the estimators. A zero field means its default.
type Settings struct {
	// K is the number of neighbours, 3 by default. More lower the
	// statistical error and raise the bias.
	K int
	// Method is KSG1 by default.
	Method Method
	// Raw leaves the scales of the columns as they are. By default each is brought to mean 0
	// and variance 1: mutual information does not depend on scale, but its
	// estimate does where scales within a group differ a lot.
	Raw bool
	// Noise is the standard deviation of normal noise added to every value, to
	// tell equal ones within a column apart, relative to the standard deviation
	// of the column, 1e-10 by default. Negative means none. Two columns that are
	// the same are an error with it as without.
	Noise float64
	// Src draws the noise, column by column, x before y, and whatever else a
	// function draws. It is required unless there is nothing to draw.
	Src rand.Source
	// Progress, if not nil, is told by Matrix and MeanOfPairsStdErr how many of
	// their pairs are done. It is called by one goroutine at a time.
	Progress func(done, total int)
}

// Estimate returns the mutual information of x, (n, p), and y, (n, q), whose
// rows belong together.
//
// The error wraps ErrShape for nil matrices or numbers of rows that differ,
// ErrSettings for K outside 1…n−1, a negative number of anything or a missing
// source, ErrNotFinite, naming row and column, and ErrDegenerate for a constant
// column, for a column of x that is one of y but for scale and offset, which
// share infinitely much, or for a value that is there so often that no distance is
// left.
func Estimate(x, y *mat.Dense, s *Settings) (float64, error) {
	e, a, b, err := prepare(x, y, s)
	if err != nil {
		return 0, err
	}
	if err := distinct(a, b); err != nil {
		return 0, err
	}
	v, err := e.groups(a, b)
	if err != nil {
		return 0, fmt.Errorf("mi: %w", err)
	}
	return v, nil
}

// Baseline returns what the estimator makes of x and y if rows of y are
// permuted at random, which leaves no dependence: the mean of so many permutations,
// which is its bias at independence, and the standard error of that mean. A
// single estimate differs from it by about √times as much. The errors are those
// of Estimate, ErrSettings for less than two permutations, and that of ctx,
// which is looked at before every permutation.
func Baseline(ctx context.Context, x, y *mat.Dense, times int, s *Settings) (mean, stdErr float64, err error) {
	if ctx == nil {
		return 0, 0, fmt.Errorf("mi: %w: nil context", ErrSettings)
	}
	e, a, b, err := prepare(x, y, s)
	if err != nil {
		return 0, 0, err
	}
	if times < 2 {
		return 0, 0, fmt.Errorf("mi: %w: %d permutations, want two or more", ErrSettings, times)
	}
	if s.Src == nil {
		return 0, 0, fmt.Errorf("mi: %w: permutations need a source", ErrSettings)
	}
	rnd := rand.New(s.Src)
	values := make([]float64, times)
	for t := range values {
		if err := ctx.Err(); err != nil {
			return 0, 0, fmt.Errorf("mi: after %d of %d permutations: %w", t, times, err)
		}
		perm := rnd.Perm(e.n)
		shuffled := make([]*column, len(b))
		for j, c := range b {
			v := make([]float64, e.n)
			for i, p := range perm {
				v[i] = c.v[p]
			}
			shuffled[j] = newColumn(v)
		}
		if values[t], err = e.groups(a, shuffled); err != nil {
			return 0, 0, fmt.Errorf("mi: permutation %d: %w", t, err)
		}
	}
	mean, std := stat.MeanStdDev(values, nil)
	return mean, std / math.Sqrt(float64(times)), nil
}

// StdErr returns the standard error of Estimate from so many blocks of
// successive rows: the spread of the estimates of the blocks over the root of
// their number, as the variance goes with about one over the number of samples
// (Holmes and Nemenman, Phys. Rev. E 100, 022404 (2019)). Rows drawn anew with replacement,
// as in a bootstrap, would repeat, and repeated rows are neighbours at no
// distance. Rows that fill no block are left out.
//
// With b blocks the error is itself uncertain by 1/√(2b−2): ten are a good
// number for independent rows. If rows are correlated a block should be ten or
// more autocorrelation times long, for what two blocks share is missing from their
// spread. Rows of several Markov chains belong chain after chain, so that a
// block is made of some of the chains.
//
// The errors are those of Estimate, and ErrSettings for less than two blocks
// or blocks of no more than K rows.
func StdErr(x, y *mat.Dense, blocks int, s *Settings) (float64, error) {
	e, a, b, err := prepare(x, y, s)
	if err != nil {
		return 0, err
	}
	if err := distinct(a, b); err != nil {
		return 0, err
	}
	size, err := e.block(blocks)
	if err != nil {
		return 0, err
	}
	part := newEstimator(size, e.k, e.method)
	values := make([]float64, blocks)
	for t := range values {
		if values[t], err = part.groups(cut(a, t*size, size), cut(b, t*size, size)); err != nil {
			return 0, fmt.Errorf("mi: block %d: %w", t, err)
		}
	}
	return stat.StdDev(values, nil) / math.Sqrt(float64(blocks)), nil
}

// block is the number of rows in each of so many blocks.
func (e *estimator) block(blocks int) (int, error) {
	if blocks < 2 || e.n/blocks <= e.k {
		return 0, fmt.Errorf("mi: %w: %d blocks of %d rows, want two or more of more than %d", ErrSettings, blocks, e.n, e.k)
	}
	return e.n / blocks, nil
}

// cut is a block of successive samples.
func cut(all []*column, from, size int) []*column {
	some := make([]*column, len(all))
	for j, c := range all {
		some[j] = newColumn(c.v[from : from+size])
		some[j].name = c.name
	}
	return some
}

// prepare checks the arguments of an estimate.
func prepare(x, y *mat.Dense, s *Settings) (e *estimator, a, b []*column, err error) {
	if x == nil || y == nil || x.IsEmpty() || y.IsEmpty() {
		return nil, nil, nil, fmt.Errorf("mi: %w: no samples", ErrShape)
	}
	n, _ := x.Dims()
	if m, _ := y.Dims(); m != n {
		return nil, nil, nil, fmt.Errorf("mi: %w: %d rows of x and %d of y", ErrShape, n, m)
	}
	if e, err = s.estimator(n); err != nil {
		return nil, nil, nil, err
	}
	if a, err = columns("x", x, s); err != nil {
		return nil, nil, nil, err
	}
	b, err = columns("y", y, s)
	return e, a, b, err
}

// estimator checks the settings for n samples.
func (s *Settings) estimator(n int) (*estimator, error) {
	if s == nil {
		return nil, fmt.Errorf("mi: %w: nil settings, noise needs a source", ErrSettings)
	}
	k := s.K
	if k == 0 {
		k = 3
	}
	switch {
	case k < 1 || k >= n:
		return nil, fmt.Errorf("mi: %w: %d neighbours among %d samples", ErrSettings, k, n)
	case s.Method != KSG1 && s.Method != KSG2:
		return nil, fmt.Errorf("mi: %w: method %d", ErrSettings, s.Method)
	case math.IsNaN(s.Noise) || math.IsInf(s.Noise, 1):
		return nil, fmt.Errorf("mi: %w: noise %g", ErrSettings, s.Noise)
	case s.Noise >= 0 && s.Src == nil:
		return nil, fmt.Errorf("mi: %w: noise needs a source; negative noise is none", ErrSettings)
	}
	return newEstimator(n, k, s.Method), nil
}

// columns takes a matrix apart, checked, scaled and with noise.
func columns(name string, x *mat.Dense, s *Settings) ([]*column, error) {
	n, cols := x.Dims()
	noise := s.Noise
	if noise == 0 {
		noise = 1e-10
	}
	var rnd *rand.Rand
	if noise > 0 {
		rnd = rand.New(s.Src)
	}
	out := make([]*column, cols)
	for j := range cols {
		v := mat.Col(nil, j, x)
		low, high := v[0], v[0]
		for i, u := range v {
			if math.IsNaN(u) || math.IsInf(u, 0) {
				return nil, fmt.Errorf("mi: %w: row %d, column %d of %s is %g", ErrNotFinite, i, j, name, u)
			}
			low, high = min(low, u), max(high, u)
		}
		if low == high {
			return nil, fmt.Errorf("mi: %w: column %d of %s is %g in all %d rows", ErrDegenerate, j, name, low, n)
		}
		// Scaled by the largest first: squares must not overflow.
		scale := max(math.Abs(low), math.Abs(high))
		for i := range v {
			v[i] /= scale
		}
		mean, std := stat.MeanStdDev(v, nil)
		standard, width := make([]float64, n), 1.0
		for i, u := range v {
			standard[i] = (u - mean) / std
		}
		if s.Raw {
			mat.Col(v, j, x)
			width = std * scale
		} else {
			copy(v, standard)
		}
		for i := range v {
			if noise > 0 {
				v[i] += noise * width * rnd.NormFloat64()
			}
		}
		out[j] = newColumn(v)
		out[j].standard, out[j].name = standard, fmt.Sprintf("column %d of %s", j, name)
	}
	return out, nil
}

// distinct fails if a column of a is one of b but for scale and offset: to the
// precision at which they can be told from rounding.
func distinct(a, b []*column) error {
	for _, x := range a {
		for _, y := range b {
			if same(x.standard, y.standard, 1) || same(x.standard, y.standard, -1) {
				return fmt.Errorf("mi: %w: %s is %s but for scale and offset, their mutual information infinite", ErrDegenerate, x.name, y.name)
			}
		}
	}
	return nil
}

func same(x, y []float64, sign float64) bool {
	for i, v := range x {
		if math.Abs(v-sign*y[i]) > 1e-10 {
			return false
		}
	}
	return true
}
