// Package mi estimates the mutual information of samples, in nats.
//
// The estimators are those of Kraskov, Stögbauer and Grassberger (Phys. Rev. E
// 69, 066138 (2004)), KSG for short. They count near neighbours. For independent
// quantities they are nearly unbiased, so that estimates are negative about as
// often as positive. No estimate is set to zero, which would bias averages
// upwards. Strong dependence is underestimated unless there are very many
// samples: no estimate is above ψ(n) − ψ(K) ≈ ln(n/K), for n samples and the K-th
// neighbour (Settings.K), with ψ the digamma function.
//
// Mutual information does not change under a monotone map of any column. By
// default the estimates do not change either: they use only the ranks of the
// values, so that a heavy tail or one wrong value does little harm.
// Settings.Scale offers other scales. Columns may be discrete: equal values are
// put in random order, which does not change mutual information.
//
// Samples are the rows of a matrix. They must be independent: from a Markov chain, take
// rows that are several autocorrelation times apart, or one row of each of many chains.
// Otherwise neighbours in time are also neighbours in value, and estimates are biased. The
// errors of StdErr and MeanOfPairsStdErr come from blocks of successive rows. They hold if
// a block is much longer than the correlation between rows.
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
	// ErrDegenerate reports a constant column, too many equal values, or variables that
	// determine each other.
	ErrDegenerate = errors.New("constant or repeated values")
)

// Method is one of the two estimators of the paper.
type Method int

const (
	// KSG1 counts the samples that are nearer in x, and those that are nearer in
	// y, than the K-th neighbour in (x, y) (eq. 8). It has the smaller statistical
	// error.
	KSG1 Method = iota
	// KSG2 counts the samples within the sides of the rectangle that holds the K
	// nearest neighbours (eq. 9). It has the smaller bias in high dimensions.
	KSG2
)

// Settings configures the estimators. A zero field means its default, and a nil
// pointer means all defaults.
type Settings struct {
	// K is the number of neighbours, 3 by default. A larger K lowers the
	// statistical error and raises the bias.
	K int
	// Method is KSG1 by default.
	Method Method
	// Scale is Rank by default.
	Scale Scale
	// Src draws the random order of equal values, column by column, x before y, and the
	// permutations of Baseline. It is required by Baseline, and if a value occurs twice in
	// a column. Otherwise nothing is drawn.
	Src rand.Source
	// Progress, if not nil, is called by Matrix and MeanOfPairsStdErr with the
	// number of pairs that are done. It is called by one goroutine at a time.
	Progress func(done, total int)
}

// Estimate returns the mutual information of x, (n, p), and y, (n, q), whose
// rows belong together, in nats. The time grows about as n log n.
//
// The error wraps
//   - ErrShape for nil matrices or numbers of rows that differ;
//   - ErrSettings for K outside 1…n−1, an unknown method or scale, a nil context, or
//     a nil source if values repeat;
//   - ErrNotFinite for NaN or infinity, naming row and column;
//   - ErrDegenerate for a constant column, and if a column of x is a monotone function of
//     a column of y in all rows: their mutual information is infinite. It is finite, and
//     no error, for two discrete columns in which every value occurs more than K times;
//   - the error of ctx, which is checked every few hundred samples.
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

// Baseline returns the mean of Estimate over random permutations of the rows of
// y, and the standard error of that mean, in nats. A permutation removes all
// dependence, so the mean is the bias of the estimator at independence. times is
// the number of permutations. The standard deviation of a single estimate is
// about √times·stdErr. It fails as Estimate does, except that columns may be monotone
// functions of each other, and with ErrSettings for fewer than two permutations or a nil
// source.
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

// prepare checks the arguments of an estimate and scales the columns.
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

// estimator returns the estimator for n samples, or an error for bad settings.
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
