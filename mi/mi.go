// Package mi estimates the mutual information of samples, in nats.
//
// The estimators are those of Kraskov, Stögbauer and Grassberger (Phys. Rev. E
// 69, 066138 (2004)), which need nothing but distances to near neighbours.
// They are nearly unbiased where two quantities are independent, and so come
// out negative about as often as positive there: no estimate is clipped at
// zero, which would bias every average upwards. Strong dependence is
// underestimated unless there are very many samples: no estimate is above
// ψ(n) − ψ(K), which is about ln(n/K).
//
// Mutual information does not change under a monotone map of any column. By
// default the estimates do not either: they see only the ranks of the values, so
// that neither a heavy tail nor a wrong value in one row can spoil them. Settings.Scale
// offers other scales. Columns may be discrete: equal values are put in random
// order, which changes no mutual information.
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

	"github.com/neuralrg/neuralrg/internal/errs"
)

// Errors are wrapped with what was wrong and where. All but ErrDegenerate are
// the same values as in the other packages of the module.
var (
	// ErrShape reports a matrix whose rows or columns do not fit.
	ErrShape = errs.ErrShape
	// ErrSettings reports an argument or a setting outside its range.
	ErrSettings = errs.ErrSettings
	// ErrNotFinite reports a number that is NaN or infinite.
	ErrNotFinite = errs.ErrNotFinite
	// ErrDegenerate reports values that leave an estimator nothing to compare, or
	// variables that determine each other.
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

// Settings configures the estimators. A zero field means its default, and a nil
// pointer means all defaults.
type Settings struct {
	// K is the number of neighbours, 3 by default. More lower the
	// statistical error and raise the bias.
	K int
	// Method is KSG1 by default.
	Method Method
	// Scale is Rank by default.
	Scale Scale
	// Src puts equal values of a column in random order, column by column, x
	// before y, and draws the permutations of Baseline. It is required where
	// values repeat and by Baseline; otherwise nothing is drawn.
	Src rand.Source
	// Progress, if not nil, is told by Matrix and MeanOfPairsStdErr how many of
	// their pairs are done. It is called by one goroutine at a time.
	Progress func(done, total int)
}

// Estimate returns the mutual information of x, (n, p), and y, (n, q), whose
// rows belong together, in nats. It takes a time of about n log n.
//
// The error wraps
//   - ErrShape for nil matrices or numbers of rows that differ;
//   - ErrSettings for K outside 1…n−1, an unknown method or scale, a nil context, or
//     a missing source where values repeat;
//   - ErrNotFinite, naming row and column;
//   - ErrDegenerate for a constant column, and for a column of x that is in the
//     same or in the opposite order as one of y throughout: to these samples
//     one is a monotone function of the other, and such columns share infinitely
//     much. Discrete columns of which every value is there more than K times share
//     what one of them tells, and are no error;
//   - the error of ctx, which is looked at now and then.
func Estimate(ctx context.Context, x, y *mat.Dense, s *Settings) (float64, error) {
	e, a, b, err := prepare(ctx, x, y, s)
	if err != nil {
		return 0, err
	}
	if err := e.distinct(a, b); err != nil {
		return 0, err
	}
	v, err := e.groups(ctx, a, b)
	if err != nil {
		return 0, fmt.Errorf("mi: %w", err)
	}
	return v, nil
}

// Baseline returns what the estimator makes of x and y if rows of y are
// permuted at random, which leaves no dependence: the mean of so many permutations,
// which is its bias at independence, and the standard error of that mean. A
// single estimate differs from it by about √times as much. The errors are those
// of Estimate but for columns in the same order, ErrSettings for less than two
// permutations or a missing source, and that of ctx.
func Baseline(ctx context.Context, x, y *mat.Dense, times int, s *Settings) (mean, stdErr float64, err error) {
	e, a, b, err := prepare(ctx, x, y, s)
	if err != nil {
		return 0, 0, err
	}
	if times < 2 {
		return 0, 0, fmt.Errorf("mi: %w: %d permutations, want two or more", ErrSettings, times)
	}
	if s == nil || s.Src == nil {
		return 0, 0, fmt.Errorf("mi: %w: permutations need a source", ErrSettings)
	}
	rnd := rand.New(s.Src)
	squares := 0.0 // of differences from the mean
	for t := range times {
		perm := rnd.Perm(e.n)
		shuffled := make([]*column, len(b))
		for j, c := range b {
			v := make([]float64, e.n)
			for i, p := range perm {
				v[i] = c.v[p]
			}
			shuffled[j] = newColumn(v)
		}
		v, err := e.groups(ctx, a, shuffled)
		if err != nil {
			return 0, 0, fmt.Errorf("mi: permutation %d of %d: %w", t, times, err)
		}
		d := v - mean
		mean += d / float64(t+1)
		squares += d * (v - mean)
	}
	return mean, math.Sqrt(squares / float64(times-1) / float64(times)), nil
}

// prepare checks the arguments of an estimate.
func prepare(ctx context.Context, x, y *mat.Dense, s *Settings) (e *estimator, a, b []*column, err error) {
	if x == nil || y == nil || x.IsEmpty() || y.IsEmpty() {
		return nil, nil, nil, fmt.Errorf("mi: %w: no samples", ErrShape)
	}
	n, _ := x.Dims()
	if m, _ := y.Dims(); m != n {
		return nil, nil, nil, fmt.Errorf("mi: %w: %d rows of x and %d of y", ErrShape, n, m)
	}
	if e, err = s.estimator(ctx, n); err != nil {
		return nil, nil, nil, err
	}
	if a, err = e.columns("x", x, s); err != nil {
		return nil, nil, nil, err
	}
	b, err = e.columns("y", y, s)
	return e, a, b, err
}

// estimator checks the settings for n samples.
func (s *Settings) estimator(ctx context.Context, n int) (*estimator, error) {
	if ctx == nil {
		return nil, fmt.Errorf("mi: %w: nil context", ErrSettings)
	}
	if s == nil {
		s = &Settings{}
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
	case s.Scale < Rank || s.Scale > Raw:
		return nil, fmt.Errorf("mi: %w: scale %d", ErrSettings, s.Scale)
	}
	return newEstimator(n, k, s.Method), nil
}
