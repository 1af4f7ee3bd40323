package mi

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"sync"

	"gonum.org/v1/gonum/mat"
)

// Matrix returns the mutual information of all pairs of columns of x, (n, p),
// as a symmetric (p, p) matrix, in nats, on all processors. Its diagonal is +Inf,
// the mutual information of a continuous variable with itself. The result does
// not depend on the number of processors.
//
// The error wraps those of Estimate, naming the pair, and that of ctx.
func Matrix(ctx context.Context, x *mat.Dense, s *Settings) (*mat.SymDense, error) {
	e, cols, err := prepareMatrix(ctx, x, s)
	if err != nil {
		return nil, err
	}
	var progress func(done, total int)
	if s != nil {
		progress = s.Progress
	}
	return e.matrix(ctx, cols, progress)
}

// MeanOfPairs returns the mean of the entries of a matrix off its diagonal. It is
// NaN for nil or fewer than two variables.
func MeanOfPairs(m mat.Symmetric) float64 {
	sum, p := 0.0, dim(m)
	for i := range p {
		for j := range i {
			sum += m.At(i, j)
		}
	}
	return sum / float64(p*(p-1)/2)
}

// MeanOfPairsStdErr returns the standard error of MeanOfPairs of Matrix of x, in
// nats, from the spread over blocks of successive rows (see StdErr). It takes
// about 1/√blocks of the time of Matrix. The spread of the pairs would give an
// error that is far too small, as pairs share variables and samples. The errors
// are those of Matrix and StdErr, and ErrShape for a single column.
func MeanOfPairsStdErr(ctx context.Context, x *mat.Dense, blocks int, s *Settings) (float64, error) {
	e, cols, err := prepareMatrix(ctx, x, s)
	if err != nil {
		return 0, err
	}
	p := len(cols)
	if p < 2 {
		return 0, fmt.Errorf("mi: %w: one column has no pairs", ErrShape)
	}
	part := Settings{}
	if s != nil {
		part = *s
	}
	pairs := p * (p - 1) / 2
	return e.spread(blocks, func(t, from, to int) (float64, error) {
		if s != nil && s.Progress != nil {
			part.Progress = func(done, _ int) { s.Progress(t*pairs+done, blocks*pairs) }
		}
		m, err := Matrix(ctx, rows(x, from, to), &part)
		if err != nil {
			return 0, err
		}
		return MeanOfPairs(m), nil
	})
}

// largest is the largest number of columns of Matrix: the result takes 8 GiB.
const largest = 1 << 15

// prepareMatrix checks the arguments of Matrix and scales the columns.
func prepareMatrix(ctx context.Context, x *mat.Dense, s *Settings) (*estimator, []*column, error) {
	if x == nil || x.IsEmpty() {
		return nil, nil, fmt.Errorf("mi: %w: no samples", ErrShape)
	}
	n, p := x.Dims()
	if p > largest {
		return nil, nil, fmt.Errorf("mi: %w: all pairs of %d columns, want no more than %d", ErrShape, p, largest)
	}
	e, err := s.estimator(ctx, n)
	if err != nil {
		return nil, nil, err
	}
	cols, err := e.columns("x", x, s)
	if err != nil {
		return nil, nil, err
	}
	for j := range cols {
		if err := e.distinct(cols[:j], cols[j:j+1]); err != nil {
			return nil, nil, err
		}
	}
	return e, cols, nil
}

// matrix returns the estimates for all pairs.
func (e *estimator) matrix(ctx context.Context, cols []*column, progress func(done, total int)) (*mat.SymDense, error) {
	p := len(cols)
	result := mat.NewSymDense(p, nil)
	for i := range p {
		result.SetSym(i, i, math.Inf(1))
	}
	total := p * (p - 1) / 2

	var mu sync.Mutex // guards the variables below and result
	var fault error
	i, j, done := 1, 0, 0
	next := func() (a, b int, ok bool) {
		mu.Lock()
		defer mu.Unlock()
		if err := ctx.Err(); err != nil && fault == nil {
			fault = fmt.Errorf("mi: after %d of %d pairs: %w", done, total, err)
		}
		if fault != nil || i >= p {
			return 0, 0, false
		}
		a, b = i, j
		if j++; j == i {
			i, j = i+1, 0
		}
		return a, b, true
	}
	finish := func(a, b int, v float64, err error) {
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			if fault == nil {
				fault = fmt.Errorf("mi: columns %d and %d: %w", b, a, err)
			}
			return
		}
		result.SetSym(a, b, v)
		done++
		if progress != nil {
			progress(done, total)
		}
	}
	var wg sync.WaitGroup
	for range max(1, min(runtime.GOMAXPROCS(0), total)) {
		wg.Go(func() {
			for a, b, ok := next(); ok; a, b, ok = next() {
				v, err := e.pair(ctx, cols[a], cols[b])
				finish(a, b, v, err)
			}
		})
	}
	wg.Wait()
	if fault != nil {
		return nil, fault
	}
	return result, nil
}
