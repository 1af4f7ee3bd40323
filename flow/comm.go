package flow

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Comm connects the ranks of one training or one measurement: processes, mostly on several
// computers. They train equal copies of a model on parts of the same batches (Settings.Comm),
// or each moves some of the chains of Measure (MeasureSettings.Comm) or takes some of the samples
// of AIS (AISSettings.Comm). Package flow/mpi has a
// Comm for MPI. Every operation on all ranks is built here from SendRecv, so that the order
// of all sums is that of this package.
//
// One goroutine at a time uses a Comm.
type Comm interface {
	// Rank is the number of this rank, from 0.
	Rank() int
	// Size is the number of ranks.
	Size() int
	// SendRecv sends values to rank to while it receives, from rank from, as many values as
	// recv has. The two ranks may differ. An empty send is not sent, an empty recv not
	// waited for. Messages from one rank to another arrive in order. If a rank is gone,
	// SendRecv fails rather than waits. The Comm is of no use after an error.
	SendRecv(send []float64, to int, recv []float64, from int) error
}

// ErrRank reports that training, a measurement or AIS ended because of another rank. The error
// of that rank says why.
var ErrRank = errors.New("another rank failed")

// errComm marks an error of a Comm, after which ranks cannot agree on anything.
var errComm = errors.New("communication")

// ranks is a Comm, or one process alone. The zero value is one process.
type ranks struct {
	comm       Comm
	rank, size int
	room       []float64 // for messages
}

func newRanks(c Comm) (ranks, error) {
	if c == nil {
		return ranks{size: 1}, nil
	}
	r := ranks{comm: c, rank: c.Rank(), size: c.Size()}
	if r.size < 1 || r.rank < 0 || r.rank >= r.size {
		return ranks{size: 1}, fmt.Errorf("%w: Comm: rank %d of %d", ErrSettings, r.rank, r.size)
	}
	return r, nil
}

// alone reports whether there is no other rank.
func (r *ranks) alone() bool { return r.size <= 1 }

// sendRecv is Comm.SendRecv between this rank and those a number of places after and before
// it, in a ring of all.
func (r *ranks) sendRecv(send []float64, after int, recv []float64, before int) error {
	to, from := (r.rank+after)%r.size, (r.rank-before+r.size)%r.size
	if err := r.comm.SendRecv(send, to, recv, from); err != nil {
		return fmt.Errorf("%w of rank %d with ranks %d and %d: %w", errComm, r.rank, to, from, err)
	}
	return nil
}

// What can end the work of one rank, the most serious last.
const (
	wentWell = iota
	pastDeadline
	cancelled
	failed
)

// agree is called by all ranks, each with its own error or nil. It returns nil if all are
// nil. Otherwise every rank returns an error: its own, or one that names another rank and
// wraps ErrRank, or the error of a context. An error of communication is returned at once.
func (r *ranks) agree(own error) error {
	if r.alone() || errors.Is(own, errComm) {
		return own
	}
	kind := wentWell
	switch {
	case errors.Is(own, context.DeadlineExceeded):
		kind = pastDeadline
	case errors.Is(own, context.Canceled):
		kind = cancelled
	case own != nil:
		kind = failed
	}
	worst := 0.0
	if kind != wentWell {
		worst = float64(kind*r.size + r.rank)
	}
	// After the round of distance d, every rank knows the worst of the 2d ranks up to its own.
	for d := 1; d < r.size; d *= 2 {
		send, recv := []float64{worst}, []float64{0}
		if err := r.sendRecv(send, d, recv, d); err != nil {
			return errors.Join(own, err)
		}
		worst = max(worst, recv[0])
	}
	rank, kind := int(worst)%r.size, int(worst)/r.size
	switch {
	case own != nil || kind == wentWell:
		return own
	case kind == pastDeadline:
		return fmt.Errorf("%w: rank %d: %w", ErrRank, rank, context.DeadlineExceeded)
	case kind == cancelled:
		return fmt.Errorf("%w: rank %d: %w", ErrRank, rank, context.Canceled)
	}
	return fmt.Errorf("%w: rank %d", ErrRank, rank)
}

// alike fails on all ranks if what the settings of one say is not what those of rank 0 say.
func (r *ranks) alike(settings string) error {
	if r.alone() {
		return nil
	}
	all, err := r.gatherBytes([]byte(settings))
	if err != nil {
		return err
	}
	for rank, b := range all {
		if string(b) != string(all[0]) {
			return fmt.Errorf("%w: rank %d has %s; rank 0 has %s", ErrSettings, rank, b, all[0])
		}
	}
	return nil
}

// broadcast returns the bytes of rank 0 on every rank.
func (r *ranks) broadcast(b []byte) ([]byte, error) {
	length := []float64{float64(len(b))}
	if err := r.passOn(length); err != nil {
		return nil, err
	}
	n := int(length[0])
	words := make([]float64, wordsOf(n))
	if r.rank == 0 {
		toWords(words, b)
	}
	if err := r.passOn(words); err != nil {
		return nil, err
	}
	if r.rank == 0 {
		return b, nil
	}
	return fromWords(words, n), nil
}

// wordsOf is the number of words of n bytes.
func wordsOf(n int) int { return (n + 7) / 8 }

// toWords sets the first words to the bits of b.
func toWords(words []float64, b []byte) {
	padded := append(append([]byte{}, b...), make([]byte, 7)...)
	for i := range wordsOf(len(b)) {
		words[i] = math.Float64frombits(binary.LittleEndian.Uint64(padded[8*i:]))
	}
}

// fromWords returns the first n bytes of words.
func fromWords(words []float64, n int) []byte {
	all := make([]byte, 8*len(words))
	for i, w := range words {
		binary.LittleEndian.PutUint64(all[8*i:], math.Float64bits(w))
	}
	return all[:n]
}

// passOn sets values to those of rank 0. The ranks that have them double in every round.
func (r *ranks) passOn(values []float64) error {
	for d := 1; d < r.size; d *= 2 {
		var send, recv []float64
		if r.rank < d && r.rank+d < r.size {
			send = values
		} else if r.rank >= d && r.rank < 2*d {
			recv = values
		}
		if err := r.sendRecv(send, d, recv, d); err != nil {
			return err
		}
	}
	return nil
}

// sum sets total to the sum of the tree of which every rank has its own nodes. shapes are the
// trees of all ranks. Every rank first sums one piece of the vector, for all ranks, and then
// hands it out: each sends and receives about twice the length of the vector, for any number
// of ranks.
func (r *ranks) sum(total []float64, own *tree, shapes []*tree) error {
	if r.alone() {
		copy(total, own.root())
		return nil
	}
	from, to := r.piece(r.rank, len(total))
	n := to - from
	pieces := make([][]float64, r.size) // of the nodes of every rank, end to end
	pieces[r.rank] = own.pack(nil, from, to)
	for d := 1; d < r.size; d++ {
		source := (r.rank - d + r.size) % r.size
		pieces[source] = make([]float64, n*len(shapes[source].nodes))
		a, b := r.piece((r.rank+d)%r.size, len(total))
		r.room = own.pack(r.room[:0], a, b)
		if err := r.sendRecv(r.room, d, pieces[source], d); err != nil {
			return err
		}
	}
	all := &tree{}
	for rank, s := range shapes {
		for k, at := range s.nodes {
			all.push(subtree{at.level, at.index, pieces[rank][k*n : (k+1)*n]})
		}
	}
	copy(total[from:to], all.root())
	return r.gather(total)
}

// piece is the part of a vector of n values that belongs to a rank.
func (r *ranks) piece(rank, n int) (from, to int) { return rank * n / r.size, (rank + 1) * n / r.size }

// gather sets all pieces of a vector, of which every rank has set its own.
func (r *ranks) gather(all []float64) error {
	from, to := r.piece(r.rank, len(all))
	for d := 1; d < r.size; d++ {
		a, b := r.piece((r.rank-d+r.size)%r.size, len(all))
		if err := r.sendRecv(all[from:to], d, all[a:b], d); err != nil {
			return err
		}
	}
	return nil
}

// gatherBytes returns the bytes of every rank.
func (r *ranks) gatherBytes(own []byte) ([][]byte, error) {
	lengths := make([]float64, r.size)
	lengths[r.rank] = float64(len(own))
	if err := r.gather(lengths); err != nil {
		return nil, err
	}
	n := wordsOf(int(slices.Max(lengths)))
	words := make([]float64, r.size*n)
	toWords(words[r.rank*n:], own)
	if err := r.gather(words); err != nil {
		return nil, err
	}
	all := make([][]byte, r.size)
	for rank := range all {
		all[rank] = fromWords(words[rank*n:][:n], int(lengths[rank]))
	}
	return all, nil
}
