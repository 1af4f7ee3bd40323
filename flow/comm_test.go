package flow

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
)

// channels is a Comm between goroutines of one process.
type channels struct {
	rank int
	to   [][]chan []float64 // to[a][b] carries messages of a to b
	gone []chan struct{}    // closed when a rank has left
}

func newChannels(size int) []*channels {
	all := make([]*channels, size)
	to, gone := make([][]chan []float64, size), make([]chan struct{}, size)
	for a := range size {
		to[a], gone[a] = make([]chan []float64, size), make(chan struct{})
		for b := range size {
			to[a][b] = make(chan []float64, 1000)
		}
		all[a] = &channels{rank: a, to: to, gone: gone}
	}
	return all
}

func (c *channels) Rank() int { return c.rank }
func (c *channels) Size() int { return len(c.to) }

func (c *channels) SendRecv(send []float64, to int, recv []float64, from int) error {
	if len(send) > 0 {
		c.to[c.rank][to] <- slices.Clone(send)
	}
	if len(recv) == 0 {
		return nil
	}
	var got []float64
	select {
	case got = <-c.to[from][c.rank]:
	case <-c.gone[from]:
		select {
		case got = <-c.to[from][c.rank]: // sent before
		default:
			return errors.New("gone")
		}
	case <-time.After(20 * time.Second):
		return fmt.Errorf("rank %d waits for rank %d", c.rank, from)
	}
	if copy(recv, got) != len(got) || len(got) != len(recv) {
		return fmt.Errorf("%d values from rank %d, want %d", len(got), from, len(recv))
	}
	return nil
}

// onRanks runs f on every rank of a number of them and returns their errors.
func onRanks(size int, f func(c Comm) error) []error {
	errs := make([]error, size)
	var wg sync.WaitGroup
	for rank, c := range newChannels(size) {
		wg.Go(func() {
			defer close(c.gone[rank])
			errs[rank] = f(c)
		})
	}
	wg.Wait()
	return errs
}

// The sum of a tree is the same to the bit for every number of ranks and in every piece.
func TestTreeSum(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	for _, leaves := range []int{1, 2, 3, 5, 8, 13, 16} {
		values := make([][]float64, leaves)
		for k := range values {
			values[k] = make([]float64, 11)
			for i := range values[k] {
				values[k][i] = rnd.NormFloat64() * math.Exp(5*rnd.NormFloat64())
			}
		}
		var want []float64
		for size := 1; size <= leaves; size++ {
			shapes := make([]*tree, size)
			for rank := range shapes {
				shapes[rank] = shape(rank*leaves/size, (rank+1)*leaves/size)
			}
			totals := make([][]float64, size)
			for rank, err := range onRanks(size, func(c Comm) error {
				r := must(newRanks(c))
				var own tree
				for k := r.rank * leaves / size; k < (r.rank+1)*leaves/size; k++ {
					own.push(subtree{index: k, values: slices.Clone(values[k])})
				}
				totals[r.rank] = make([]float64, 11)
				return r.sum(totals[r.rank], &own, shapes)
			}) {
				if err != nil {
					t.Fatalf("%d leaves on %d ranks: rank %d: %v", leaves, size, rank, err)
				}
			}
			if want == nil {
				want = totals[0]
				for i := range want {
					sum := 0.0
					for k := range values {
						sum += values[k][i]
					}
					if math.Abs(sum-want[i]) > 1e-12*(1+math.Abs(sum)) {
						t.Errorf("%d leaves: sum %g, want %g", leaves, want[i], sum)
					}
				}
			}
			for rank, got := range totals {
				if !slices.Equal(got, want) {
					t.Errorf("%d leaves on %d ranks: other bits on rank %d", leaves, size, rank)
				}
			}
		}
	}
}

// Every rank learns of an error of any of them, and bytes of rank 0 arrive.
func TestAgreeAndBroadcast(t *testing.T) {
	broken := errors.New("broken")
	for size := 1; size <= 9; size++ {
		text := []byte("state of rank zero, of any length"[:3*size])
		for bad := -1; bad < size; bad++ {
			for _, own := range []error{broken, context.Canceled, context.DeadlineExceeded} {
				errs := onRanks(size, func(c Comm) error {
					r := must(newRanks(c))
					var b []byte
					if r.rank == 0 {
						b = text
					}
					if got, err := r.broadcast(b); err != nil || !bytes.Equal(got, text) {
						return fmt.Errorf("broadcast: %q, %v", got, err)
					}
					if r.rank == bad {
						return r.agree(own)
					}
					return r.agree(nil)
				})
				for rank, err := range errs {
					switch {
					case bad < 0 && err == nil, rank == bad && errors.Is(err, own):
					case bad >= 0 && rank != bad && errors.Is(err, ErrRank) && (own == broken || errors.Is(err, own)):
					default:
						t.Errorf("%d ranks, %v on %d: rank %d has %v", size, own, bad, rank, err)
					}
				}
			}
		}
	}
}

// Every rank has the pieces and the bytes of all, of any length.
func TestGather(t *testing.T) {
	for size := 1; size <= 5; size++ {
		for n := range 12 {
			want := make([]float64, n)
			for i := range want {
				want[i] = float64(i*i + 1)
			}
			text := func(rank int) string { return "some words of some length, and a few more"[:n*(rank+2)%41] }
			for rank, err := range onRanks(size, func(c Comm) error {
				r := must(newRanks(c))
				got := make([]float64, n)
				from, to := r.piece(r.rank, n)
				copy(got[from:to], want[from:to])
				if err := r.gather(got); err != nil || !slices.Equal(got, want) {
					return fmt.Errorf("gather: %v, want %v; %v", got, want, err)
				}
				all, err := r.gatherBytes([]byte(text(r.rank)))
				if err != nil || len(all) != size {
					return fmt.Errorf("%d texts, %v", len(all), err)
				}
				for k, b := range all {
					if string(b) != text(k) {
						return fmt.Errorf("%q of rank %d, want %q", b, k, text(k))
					}
				}
				return nil
			}) {
				if err != nil {
					t.Errorf("%d values on %d ranks: rank %d: %v", n, size, rank, err)
				}
			}
		}
	}
}
