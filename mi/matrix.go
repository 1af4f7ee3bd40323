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
// as a symmetric (p, p) matrix, on all processors. Its diagonal is +Inf: a
// continuous variable tells everything about itself. The result does not depend
// on the number of processors.
//
// The error wraps those of Estimate, naming the pair, and that of ctx, which is
// looked at before every pair.
func Matrix(ctx context.Context, x *mat.Dense, s *Settings) (*mat.SymDense, error) {
	if ctx == nil {
		return nil, fmt.Errorf("mi: %w: nil context", ErrSettings)
	}
	if x == nil || x.IsEmpty() {
		return nil, fmt.Errorf("mi: %w: no samples", ErrShape)
	}
	n, p := x.Dims()
	e, err := s.estimator(n)
	if err != nil {
		return nil, err
	}
	cols, err := columns("x", x, s)
	if err != nil {
		return nil, err
	}
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
		if s.Progress != nil {
			s.Progress(done, total)
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
