package mi

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"sync"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
)

// Matrix returns the mutual information of all pairs of columns of x, (n, p),
// as a symmetric (p, p) matrix, on all processors. Its diagonal is +Inf: a
// continuous variable tells everything about itself. The result does not depend
// on the number of processors.
//
// The error wraps those of Estimate, naming the pair, and that of ctx, which is
// looked at before every pair.
func Matrix(ctx context.Context, x *mat.Dense, s *Settings) (*mat.SymDense, error) {
	e, cols, err := prepareMatrix(ctx, x, s)
	if err != nil {
		return nil, err
	}
	return e.matrix(ctx, cols, s.Progress)
}

// MeanOfPairs returns the mean of the entries of a matrix off its diagonal, NaN
// for less than two variables.
func MeanOfPairs(m mat.Symmetric) float64 {
	sum, p := 0.0, m.SymmetricDim()
	for i := range p {
		for j := range i {
			sum += m.At(i, j)
		}
	}
	return sum / float64(p*(p-1)/2)
}

// MeanOfPairsStdErr returns the standard error of MeanOfPairs of Matrix of x,
// from the spread over so many blocks of successive rows as in StdErr, and in
// about as much time as Matrix takes over the root of their number. Pairs share
// variables and samples: their spread over the root of their number would be far
// too small. The errors are those of Matrix and StdErr.
func MeanOfPairsStdErr(ctx context.Context, x *mat.Dense, blocks int, s *Settings) (float64, error) {
	e, cols, err := prepareMatrix(ctx, x, s)
	if err != nil {
		return 0, err
	}
	size, err := e.block(blocks)
	if err != nil {
		return 0, err
	}
	part := newEstimator(size, e.k, e.method)
	values := make([]float64, blocks)
	pairs := len(cols) * (len(cols) - 1) / 2
	for t := range values {
		var progress func(done, total int)
		if s.Progress != nil {
			progress = func(done, _ int) { s.Progress(t*pairs+done, blocks*pairs) }
		}
		m, err := part.matrix(ctx, cut(cols, t*size, size), progress)
		if err != nil {
			return 0, fmt.Errorf("mi: block %d: %w", t, err)
		}
		values[t] = MeanOfPairs(m)
	}
	return stat.StdDev(values, nil) / math.Sqrt(float64(blocks)), nil
}

// prepareMatrix checks the arguments of a matrix.
func prepareMatrix(ctx context.Context, x *mat.Dense, s *Settings) (*estimator, []*column, error) {
	if ctx == nil {
		return nil, nil, fmt.Errorf("mi: %w: nil context", ErrSettings)
	}
	if x == nil || x.IsEmpty() {
		return nil, nil, fmt.Errorf("mi: %w: no samples", ErrShape)
	}
	n, _ := x.Dims()
	e, err := s.estimator(n)
	if err != nil {
		return nil, nil, err
	}
	cols, err := columns("x", x, s)
	if err != nil {
		return nil, nil, err
	}
	for j := range cols {
		if err := distinct(cols[:j], cols[j:j+1]); err != nil {
			return nil, nil, err
		}
	}
	return e, cols, nil
}

// matrix is the estimate for all pairs.
func (e *estimator) matrix(ctx context.Context, cols []*column, progress func(done, total int)) (*mat.SymDense, error) {
	p := len(cols)
	result := mat.NewSymDense(p, nil)
	for i := range p {
		result.SetSym(i, i, math.Inf(1))
	}
	total := p * (p - 1) / 2

	var mu sync.Mutex // of what follows
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
				v, err := e.pair(cols[a], cols[b])
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
