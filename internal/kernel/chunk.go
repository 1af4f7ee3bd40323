package kernel

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// maxChunks bounds the number of chunks into which work is cut, and with it
// the partial sums of a parameter gradient that are held at once.
const maxChunks = 16

// chunks is the number of chunks for the given number of units of work. It
// must not depend on the number of processors: sums are taken chunk by chunk.
func chunks(units int) int { return min(units, maxChunks) }

// inChunks calls f for every chunk with the range of units it covers, on as
// many goroutines as there are processors.
func inChunks(units int, f func(chunk, from, to int)) {
	n := chunks(units)
	run := func(c int) { f(c, c*units/n, (c+1)*units/n) }
	workers := min(n, runtime.GOMAXPROCS(0))
	if workers <= 1 {
		for c := range n {
			run(c)
		}
		return
	}
	var next atomic.Int64
	var fault atomic.Value
	work := func() {
		defer func() {
			if p := recover(); p != nil {
				fault.CompareAndSwap(nil, &p)
			}
		}()
		for c := int(next.Add(1)) - 1; c < n; c = int(next.Add(1)) - 1 {
			run(c)
		}
	}
	var wg sync.WaitGroup
	for range workers - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
	if p := fault.Load(); p != nil {
		panic(*p.(*any)) // on the caller's goroutine, where it can be recovered
	}
}

// Rows calls f for every chunk of a batch of rows with the range it covers,
// on as many goroutines as there are processors.
func Rows(rows int, f func(from, to int)) {
	inChunks(rows, func(_, from, to int) { f(from, to) })
}
