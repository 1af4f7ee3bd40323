package mi

import (
	"context"
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
)

// StdErr returns the standard error of Estimate, in nats. It divides the rows into blocks
// of successive rows; rows left over are not used. The error is the standard deviation of
// the estimates of the blocks over √blocks, because the variance of an estimate is nearly
// proportional to 1/n (Holmes and Nemenman, Phys. Rev. E 100, 022404 (2019)). For short
// blocks the variance is smaller, and the error is corrected for this. A bootstrap would
// not work: it repeats rows, and repeated rows are neighbours at distance zero.
//
// A block needs at least 100 rows, and at least 33 K. The error is statistical;
// the bias of the estimator is not part of it. With b blocks the relative error
// of the error is 1/√(2b−2), and Student's distribution with b−1 degrees of
// freedom gives intervals: for 95 %, ±2.3 errors with ten blocks, a good number
// for independent rows, ±4.3 with three and ±12.7 with two.
//
// If rows are correlated, a block should be at least ten autocorrelation times
// long: the spread of blocks that are correlated is too small. Put the rows of
// several Markov chains one chain after the other, so that each block consists of
// some of the chains.
//
// The errors are those of Estimate, of all rows and of every block, and
// ErrSettings for fewer than two blocks or blocks that are too short.
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

// spread returns the standard error of an estimate from its spread over blocks.
// estimate is the estimate from the rows from, …, to−1.
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

// growth returns n times the variance of an estimate from n samples, relative to
// its limit for large n. With few samples the neighbours are far away and the
// variance is lower. The law is a fit to normal variables with n = 50…2000. It is
// close for independent variables; dependent ones need a smaller correction.
func (e *estimator) growth(n int) float64 {
	return 1 - math.Sqrt(3*float64(e.k)/float64(n))
}

// rows returns the rows from, …, to−1.
func rows(x *mat.Dense, from, to int) *mat.Dense {
	_, cols := x.Dims()
	return x.Slice(from, to, 0, cols).(*mat.Dense)
}
