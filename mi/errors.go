package mi

import (
	"context"
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
)

// StdErr returns the standard error of Estimate, in nats, from so many blocks of
// successive rows: the spread of the estimates of the blocks over the root of
// their number, as the variance goes with about one over the number of samples
// (Holmes and Nemenman, Phys. Rev. E 100, 022404 (2019)). The variance of short blocks
// is below that law, which the error allows for. Rows drawn anew with replacement,
// as in a bootstrap, would repeat, and repeated rows are neighbours at no
// distance. Rows that fill no block are left out.
//
// A block needs 100 rows or more, and 33 K or more. The error is that of the
// statistical fluctuations; the bias of the estimator is not part of it. With b
// blocks the error is itself uncertain by 1/√(2b−2), and intervals are those of
// Student's distribution with b−1 degrees of freedom: 95 % of them are within 2.3
// errors for ten blocks, a good number for independent rows, 4.3 for three and
// 12.7 for two.
//
// If rows are correlated a block should be ten or
// more autocorrelation times long, for what two blocks share is missing from their
// spread. Rows of several Markov chains belong chain after chain, so that a
// block is made of some of the chains.
//
// The errors are those of Estimate of all rows and of every block, and ErrSettings for less
// than two blocks or blocks that are too short.
func StdErr(ctx context.Context, x, y *mat.Dense, blocks int, s *Settings) (float64, error) {
	e, a, b, err := prepare(ctx, x, y, s)
	if err != nil {
		return 0, err
	}
	if err := e.distinct(a, b); err != nil {
		return 0, err
	}
	return e.spread(blocks, func(_, from, to int) (float64, error) {
		return Estimate(ctx, rows(x, from, to), rows(y, from, to), s)
	})
}

// spread is the standard error of an estimate by that of blocks of rows.
func (e *estimator) spread(blocks int, estimate func(block, from, to int) (float64, error)) (float64, error) {
	least := max(100, 33*e.k)
	if blocks < 2 || e.n/blocks < least {
		return 0, fmt.Errorf("mi: %w: %d blocks of %d rows, want two or more blocks of %d rows or more",
			ErrSettings, blocks, e.n/max(1, blocks), least)
	}
	size := e.n / blocks
	values := make([]float64, blocks)
	for t := range values {
		v, err := estimate(t, t*size, (t+1)*size)
		if err != nil {
			return 0, fmt.Errorf("mi: block %d of %d, rows %d to %d: %w", t, blocks, t*size, (t+1)*size-1, err)
		}
		values[t] = v
	}
	variance := stat.Variance(values, nil) / float64(blocks)
	return math.Sqrt(variance * e.growth(e.n) / e.growth(size)), nil
}

// growth is the variance of an estimate of n samples times n, relative to that of
// very many. Few samples leave few neighbours to tell regions apart, and the variance
// is lower. The law was measured on normal variables, n = 50…2000, and is close to
// that of independent ones; that of dependent ones falls short less.
func (e *estimator) growth(n int) float64 {
	return 1 - math.Sqrt(3*float64(e.k)/float64(n))
}

// rows are those from one up to another.
func rows(x *mat.Dense, from, to int) *mat.Dense {
	_, cols := x.Dims()
	return x.Slice(from, to, 0, cols).(*mat.Dense)
}
