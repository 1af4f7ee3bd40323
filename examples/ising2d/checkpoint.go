package main

import (
	"bytes"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/examples/internal/checkpoint"
	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/hmc"
)

// record is the state of the program: with it, a run that was stopped, by
// whatever, goes on as if it had not been.
type record struct {
	Options   string
	Source    []byte
	Trainer   []byte // as flow.Trainer.Save writes it
	Sampler   []byte // as hmc.Sampler.Save writes it, while a sampler is under way
	Trained   bool
	Evaluated *flow.Estimate
	History   history
	Walkers   []walkerRecord
}

type walkerRecord struct {
	X                 []float64
	M2, Err           []float64
	Chains            [][]float64
	Final             int
	Accepted, Seconds float64
	Done              bool
}

// keeper writes records. One without a file does nothing.
type keeper struct {
	record
	o       *options
	src     *rand.PCG
	trainer *flow.Trainer
	walkers []*walkers
	sampler *hmc.Sampler // under way, or nil
}

// key tells whether two runs are the same but for where they write.
func (o *options) key() string {
	c := *o
	c.out, c.model, c.json, c.checkpoint, c.resume, c.save = "", "", "", "", false, 0
	return fmt.Sprintf("%+v", c)
}

// save writes the record.
func (k *keeper) save() error {
	if k.o.checkpoint == "" {
		return nil
	}
	k.Options = k.o.key()
	var err error
	if k.Source, err = k.src.MarshalBinary(); err != nil {
		return err
	}
	if !k.Trained || k.Trainer == nil {
		var b bytes.Buffer
		if err := k.trainer.Save(&b); err != nil {
			return err
		}
		k.Trainer = b.Bytes()
	}
	k.Sampler = nil
	if k.sampler != nil {
		var b bytes.Buffer
		if err := k.sampler.Save(&b); err != nil {
			return err
		}
		k.Sampler = b.Bytes()
	}
	k.Walkers = nil
	for _, w := range k.walkers {
		k.Walkers = append(k.Walkers, walkerRecord{w.x.RawMatrix().Data, w.m2, w.err, w.chains, w.final, w.accepted, w.seconds, w.done})
	}
	return checkpoint.Write(k.o.checkpoint, 3, func(w io.Writer) error { return gob.NewEncoder(w).Encode(&k.record) })
}

// load takes up the run of a record, if there is one.
func (k *keeper) load() error {
	if !k.o.resume {
		return nil
	}
	err := checkpoint.Read(k.o.checkpoint, func(r io.Reader) error { return gob.NewDecoder(r).Decode(&k.record) })
	if errors.Is(err, fs.ErrNotExist) {
		fmt.Printf("no checkpoint %s yet: starting from the beginning\n", k.o.checkpoint)
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w (older ones may be there as %s.1 and .2)", err, k.o.checkpoint)
	}
	if k.Options != k.o.key() {
		return fmt.Errorf("%s: of a run with other flags: %s, now %s", k.o.checkpoint, k.Options, k.o.key())
	}
	if err := k.trainer.Restore(bytes.NewReader(k.Trainer)); err != nil {
		return fmt.Errorf("%s: %w", k.o.checkpoint, err)
	}
	if len(k.Walkers) != len(k.walkers) {
		return fmt.Errorf("%s: %d sets of chains, want %d", k.o.checkpoint, len(k.Walkers), len(k.walkers))
	}
	for i, w := range k.walkers {
		s := k.Walkers[i]
		rows, n := w.x.Dims()
		if len(s.X) != rows*n {
			return fmt.Errorf("%s: %d values of %d chains, want %d", k.o.checkpoint, len(s.X), rows, rows*n)
		}
		w.x = mat.NewDense(rows, n, s.X)
		w.m2, w.err, w.chains = s.M2, s.Err, s.Chains
		w.final, w.accepted, w.seconds, w.done = s.Final, s.Accepted, s.Seconds, s.Done
	}
	if err := k.src.UnmarshalBinary(k.Source); err != nil {
		return fmt.Errorf("%s: %w", k.o.checkpoint, err)
	}
	fmt.Printf("resumed from %s after %d training steps\n", k.o.checkpoint, k.trainer.Result().Steps)
	return nil
}

// errStopped ends a program that will be resumed.
var errStopped = errors.New("stopped; go on with -resume")

// stopped decides what becomes of a phase that was interrupted: a program that
// can be resumed ends, any other goes on with what there is.
func (k *keeper) stopped() error {
	if k.o.checkpoint == "" {
		return nil
	}
	if err := k.save(); err != nil {
		return err
	}
	return errStopped
}
