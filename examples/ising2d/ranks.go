package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"

	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/flow/mpi"
	"github.com/neuralrg/neuralrg/target"
)

// Under mpirun the ranks train together and share the chains of flow.Measure. Rank 0 does the
// rest alone, and it alone prints and writes files. -resume reads the file on every rank.

// defaultParts is -parts on several ranks.
const defaultParts = 8

// onRank parses the arguments and runs the program on this rank.
func onRank(comm *mpi.Comm, args []string) error {
	if comm.Rank() > 0 { // also help, and errors of flags
		silent, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		os.Stdout = silent
	}
	o, err := parse(args)
	if err == nil {
		err = o.spread(comm)
	}
	if err == nil {
		err = run(o)
	}
	if errors.Is(err, flag.ErrHelp) || errors.Is(err, errStopped) && o.helper() {
		return nil
	}
	return err
}

// spread tells the run about the ranks that take part in it.
func (o *options) spread(comm *mpi.Comm) error {
	switch {
	case comm.Size() == 1:
		return nil
	case o.budget > 0:
		return fmt.Errorf("-budget on %d ranks: their clocks differ; give -steps", comm.Size())
	case o.every > 0:
		return fmt.Errorf("-every %d on %d ranks: chains do not move on several ranks; give -every 0", o.every,
			comm.Size())
	}
	o.comm = comm
	if o.parts == 0 {
		o.setParts(defaultParts)
	}
	return nil
}

// setParts sets -parts. A run that is resumed must have the same parts, but may have other
// ranks.
func (o *options) setParts(n int) {
	delete(o.values, "parts")
	if o.parts = n; n > 0 {
		o.values["parts"] = strconv.Itoa(n)
	}
}

// helper reports whether this rank only helps in training and in flow.Measure.
func (o *options) helper() bool { return o != nil && o.comm != nil && o.comm.Rank() > 0 }

// tell tells the helpers, who wait after training, whether to measure. Only the first call counts.
func (o *options) tell(measure bool) error {
	if o.comm == nil || o.told {
		return nil
	}
	o.told = true
	word := []float64{0}
	if measure {
		word[0] = 1
	}
	for rank := 1; rank < o.comm.Size(); rank++ {
		if err := o.comm.SendRecv(word, rank, nil, rank); err != nil {
			return err
		}
	}
	return nil
}

// assist is what a helper does after training. An interrupt before its part was for rank 0.
func (o *options) assist(i *interrupts, m *flow.Model, ising *target.Ising) error {
	word := []float64{0}
	if err := o.comm.SendRecv(nil, 0, word, 0); err != nil || word[0] == 0 {
		return err
	}
	i.forget()
	ctx, done := i.phase()
	defer done()
	limited, cancel := context.WithTimeout(ctx, o.measure)
	defer cancel()
	_, err := o.measureM2(limited, m, ising, nil)
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

// exit ends the rank. A rank that ends because of another one leaves the words to that one.
func exit(comm *mpi.Comm, err error) {
	if err != nil && (comm.Rank() == 0 || !errors.Is(err, flow.ErrRank)) {
		fmt.Fprintf(os.Stderr, "ising2d: %v\n", err)
	}
	comm.Close(err)
}
