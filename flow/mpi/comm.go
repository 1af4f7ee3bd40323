package mpi

import (
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/internal/errs"
)

// ErrSettings reports a program that mpirun has started and that cannot see the other ranks,
// or a rank that is not there. It is the same value as flow.ErrSettings.
var ErrSettings = errs.ErrSettings

// Comm connects the ranks of an MPI job. It is a flow.Comm. One goroutine at a time may use
// it.
type Comm struct{ rank, size int }

// Open returns the ranks of the job. It must be called once, at the start of a program, on
// every rank. It fails if MPI cannot be initialised, and with ErrSettings if mpirun has
// started several ranks that do not see each other: the program was built without the tag
// mpi, or for another MPI library than that of mpirun.
func Open() (*Comm, error) {
	rank, size, err := open()
	if err == nil {
		err = check(size)
	}
	if err != nil {
		return nil, fmt.Errorf("mpi: Open: %w", err)
	}
	return &Comm{rank, size}, nil
}

// Rank is the number of this rank, from 0.
func (c *Comm) Rank() int { return c.rank }

// Size is the number of ranks.
func (c *Comm) Size() int { return c.size }

// SendRecv implements flow.Comm. It fails with ErrSettings for a rank that is not there, and
// with the error of MPI.
func (c *Comm) SendRecv(send []float64, to int, recv []float64, from int) error {
	for _, rank := range []int{to, from} {
		if rank < 0 || rank >= c.size {
			return fmt.Errorf("mpi: SendRecv: %w: rank %d of %d", ErrSettings, rank, c.size)
		}
	}
	if n := max(len(send), len(recv)); n > math.MaxInt32 {
		return fmt.Errorf("mpi: SendRecv: %w: a message of %d values", ErrSettings, n)
	}
	if err := sendRecv(send, to, recv, from); err != nil {
		return fmt.Errorf("mpi: SendRecv: %w", err)
	}
	return nil
}

const (
	// grace is how long a rank that another one has stopped leaves that one to report its error.
	grace = time.Second
	// flush is how long the launcher has to pass on what a rank wrote, before all ranks end.
	flush = 300 * time.Millisecond
)

// Close ends the use of MPI. Call it once, at the end of the program, with the error of this
// rank or nil. It waits for all ranks to do the same. With an error it does not return: it
// ends the job on all ranks, with exit status 1. Report the error before. With an error that
// wraps flow.ErrRank it first leaves the other rank a second to report its own. A launcher may lose
// what ranks write just before the end, so that every rank waits a moment with an error.
func (c *Comm) Close(err error) {
	if err == nil && c.wait() == nil {
		finish()
		return
	}
	if errors.Is(err, flow.ErrRank) {
		time.Sleep(grace)
	}
	time.Sleep(flush)
	abort()
	os.Exit(1)
}

// wait waits for all ranks. MPI could do that too, but it takes a whole core for it.
func (c *Comm) wait() error {
	for d := 1; d < c.size; d *= 2 {
		if err := c.SendRecv([]float64{0}, (c.rank+d)%c.size, []float64{0}, (c.rank-d+c.size)%c.size); err != nil {
			return err
		}
	}
	return nil
}
