package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"

	"github.com/neuralrg/neuralrg/examples/internal/checkpoint"
	"github.com/neuralrg/neuralrg/examples/internal/console"
	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/hmc"
)

// keeper writes the state of the program to the file of -checkpoint. With this
// file, a run that was stopped in any way goes on as if it had not been. Without
// -checkpoint it does nothing.
type keeper struct {
	record
	o         *options
	src       *rand.PCG
	model     *flow.Model
	trainer   *flow.Trainer
	walkers   []*walkers
	sampler   *hmc.Sampler // under way, or nil
	saved     []byte       // state of the sampler that was under way, as read from the file
	history   history
	evaluated *flow.Estimate
	ended     checkpoint.State // at the end of training, which can go on from there
	resumed   bool             // the file is of this lattice
	passed    bool             // the file is of a larger lattice
}

// save writes the file.
func (k *keeper) save() error {
	if k.o.checkpoint == "" || k.o.helper() {
		return nil
	}
	s, err := k.state()
	if err != nil {
		return err
	}
	return checkpoint.Write(k.o.checkpoint, checkpoint.Versions, s.Write)
}

// load takes up the run of the file, if there is one.
func (k *keeper) load() error {
	if !k.o.resume {
		return nil
	}
	file, age, err := checkpoint.Find(k.o.checkpoint)
	if errors.Is(err, fs.ErrNotExist) {
		console.Printf("no checkpoint %s yet: starting from the beginning\n", k.o.checkpoint)
		return nil
	}
	if err != nil {
		return err
	}
	if age > 0 {
		console.Printf("checkpoint %s is missing, taking the earlier one %s\n", k.o.checkpoint, file)
	}
	if err := checkpoint.Read(file, k.read); err != nil {
		damaged := errors.Is(err, checkpoint.ErrDamaged) || errors.Is(err, flow.ErrCheckpoint)
		if damaged && age < checkpoint.Versions-1 {
			err = fmt.Errorf("%w; without this file -resume takes the version before it, if there is one", err)
		}
		return err
	}
	if !k.resumed {
		return nil
	}
	sweeps := 0
	for _, w := range k.walkers {
		sweeps += len(w.chains)
	}
	console.Printf("resumed from %s after %d training steps and %d sweeps\n", file, len(k.history.Loss), sweeps)
	return k.extend()
}

func (k *keeper) read(r io.Reader) error {
	s, err := checkpoint.ReadState(r)
	if err != nil {
		return err
	}
	return k.restore(s)
}

// errStopped ends a program that will be resumed.
var errStopped = errors.New("stopped; go on with -resume")

// stopped decides what follows a phase that was interrupted: a program that can
// be resumed ends, any other one goes on with what there is.
func (k *keeper) stopped() error {
	if k.o.checkpoint == "" {
		return nil
	}
	if err := k.save(); err != nil {
		return err
	}
	return errStopped
}
