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

// Under mpirun the ranks train together and share the chains of flow.Measure and the samples of
// flow.AIS. Rank 0 does the rest alone, and it alone prints and writes files. -resume reads the
// file on every rank.

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

// helper reports whether this rank only helps.
func (o *options) helper() bool { return o != nil && o.comm != nil && o.comm.Rank() > 0 }

// What rank 0 tells the helpers, who wait after training.
const (
	noMore = iota
	toAnneal
	toMeasure
)

// tell tells the helpers what to do next.
func (o *options) tell(task int) error {
	if o.comm == nil {
		return nil
	}
	for rank := 1; rank < o.comm.Size(); rank++ {
		if err := o.comm.SendRecv([]float64{float64(task)}, rank, nil, rank); err != nil {
			return err
		}
	}
	return nil
}

// assist is what a helper does after training.
func (o *options) assist(i *interrupts, m *flow.Model, ising *target.Ising) error {
	for {
		task := []float64{noMore}
		if err := o.comm.SendRecv(nil, 0, task, 0); err != nil || task[0] == noMore {
			return err
		}
		i.forget() // an interrupt before was for rank 0
		err := o.part(i, int(task[0]), m, ising)
		if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
	}
}

// part does the helper's part of a task.
func (o *options) part(i *interrupts, task int, m *flow.Model, ising *target.Ising) error {
	ctx, done := i.phase()
	defer done()
	if task == toAnneal {
		_, err := o.annealTo(ctx, m, ising, nil)
		return err
	}
	limited, cancel := context.WithTimeout(ctx, o.measure)
	defer cancel()
	_, err := o.measureM2(limited, m, ising, nil)
	return err
}

// exit ends the rank. A rank that ends because of another one leaves the words to that one.
func exit(comm *mpi.Comm, err error) {
	if err != nil && (comm.Rank() == 0 || !errors.Is(err, flow.ErrRank)) {
		fmt.Fprintf(os.Stderr, "ising2d: %v\n", err)
	}
	comm.Close(err)
}
