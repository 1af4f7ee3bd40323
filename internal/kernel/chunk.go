package kernel

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// maxChunks bounds the number of chunks into which work with partial sums is cut.
const maxChunks = 128

// chunks is the number of chunks for the given number of units of work. It
// must not depend on the number of processors: the order of the sums follows from it.
func chunks(units int) int { return min(units, maxChunks) }

// maxPieces bounds the number of pieces of work without partial sums.
const maxPieces = 256

// pieces is chunks for work without partial sums, whose results do not depend on how it is
// cut.
func pieces(units int) int { return min(units, maxPieces) }

// job is work on units, which may be done in any order.
type job interface {
	do(chunk, from, to int) // units from ≤ u < to
}

// inChunks cuts the units of a job into chunks and does them, on as many
// goroutines as there are processors. It does not allocate.
func inChunks(units int, j job) { inParallel(units, chunks(units), j) }

// inPieces is inChunks for a job that does not use the chunk's number. It may be cut into more
// pieces, for more processors.
func inPieces(units int, j job) {
	if runtime.GOMAXPROCS(0) == 1 {
		j.do(0, 0, units)
		return
	}
	inParallel(units, pieces(units), j)
}

// inParallel does n ranges of units.
func inParallel(units, n int, j job) {
	workers := min(n, runtime.GOMAXPROCS(0))
	if workers <= 1 {
		for c := range n {
			j.do(c, c*units/n, (c+1)*units/n)
		}
		return
	}
	g := gangs.Get().(*gang)
	g.job, g.units, g.chunks = j, units, n
	g.next.Store(0)
	g.wg.Add(workers - 1)
	help := g.help // the statement "go g.help()" would allocate
	for range workers - 1 {
		go help()
	}
	g.work()
	g.wg.Wait()
	fault := g.fault.Swap(nil)
	g.job = nil
	gangs.Put(g)
	if fault != nil {
		panic(*fault) // on the caller's goroutine, where it can be recovered
	}
}

// gang is a group of goroutines that do one job together.
type gang struct {
	job           job
	units, chunks int
	next          atomic.Int64 // next chunk to be done
	wg            sync.WaitGroup
	fault         atomic.Pointer[any] // first panic
	help          func()              // calls work; run by every goroutine but the caller's
}

var gangs = sync.Pool{New: func() any {
	g := &gang{}
	g.help = func() {
		defer g.wg.Done()
		g.work()
	}
	return g
}}

func (g *gang) work() {
	defer func() {
		if p := recover(); p != nil {
			fault := p // allocates, but only after a panic
			g.fault.CompareAndSwap(nil, &fault)
		}
	}()
	for c := int(g.next.Add(1)) - 1; c < g.chunks; c = int(g.next.Add(1)) - 1 {
		g.job.do(c, c*g.units/g.chunks, (c+1)*g.units/g.chunks)
	}
}

// inPass is inChunks for a job that only moves and adds the given number of
// values. A small job runs as one chunk on the caller's goroutine: it is done
// before another goroutine would wake. The job must not use the chunk's number.
func inPass(units, values int, j job) {
	const few = 1 << 14
	if values < few {
		j.do(0, 0, units)
		return
	}
	inPieces(units, j)
}

// Rows cuts a batch of rows into chunks and calls f with the range of every
// chunk, on as many goroutines as there are processors.
func Rows(rows int, f func(from, to int)) { inPieces(rows, rowsJob(f)) }

// Pass is Rows for an f that only moves and adds the given number of values.
func Pass(rows, values int, f func(from, to int)) { inPass(rows, values, rowsJob(f)) }

type rowsJob func(from, to int)

func (f rowsJob) do(_, from, to int) { f(from, to) }
