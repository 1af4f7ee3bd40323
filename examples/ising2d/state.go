package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/examples/internal/checkpoint"
	"github.com/neuralrg/neuralrg/flow"
)

// Parts of the state file. Every set of chains has two more, see chainParts.
const (
	recordPart  = "ising2d.json"
	sourcePart  = "source"              // of random numbers
	trainerPart = "trainer.safetensors" // while training goes on
	modelPart   = "model.safetensors"   // after training
	samplerPart = "sampler.safetensors" // while chains move after training
	lossPart    = "loss.f64"            // running mean, step by step
	errPart     = "loss_err.f64"        // its standard error
	endedPart   = "training.zip"        // the state at the end of training
)

// chainParts are the parts of a set of chains: configurations, (chains, sites),
// and m² after every sweep, (sweeps, chains).
func chainParts(name string) (x, m2 string) { return name + ".x.f64", name + ".m2.f64" }

// record is the part of a state in JSON.
type record struct {
	Options map[string]string `json:"options"`           // flags that must be the same
	Legs    []leg             `json:"legs"`              // of training
	Seconds float64           `json:"seconds"`           // of training
	Trained bool              `json:"trained"`           // training is over
	Pending bool              `json:"pending,omitempty"` // the chains have not moved yet after the last step
	Last    flow.Estimate     `json:"last"`              // running estimate after the last step
	Judged  *flow.Estimate    `json:"judged,omitempty"`  // evaluation after training
	Walkers []walkersState    `json:"walkers"`
	// Results after training, nil until they are there.
	Annealed *annealed `json:"annealed,omitempty"`
	Measured *measured `json:"measured,omitempty"`
	// Of a chain of lattices.
	Stage   int     `json:"stage,omitempty"`   // lattices trained before this one
	Earlier float64 `json:"earlier,omitempty"` // seconds of their training
}

// walkersState says how far a set of chains is.
type walkersState struct {
	Final   int     `json:"final"`
	Seconds float64 `json:"seconds"`
	Accept  float64 `json:"accept"`
	Done    bool    `json:"done"`
}

// state is all that the program needs to go on.
func (k *keeper) state() (checkpoint.State, error) {
	s := checkpoint.State{}
	k.Options, k.Seconds, k.Last, k.Judged = k.o.values, k.history.Seconds, k.history.Last, k.evaluated
	k.Walkers = nil
	for _, w := range k.walkers {
		k.Walkers = append(k.Walkers, walkersState{w.final, w.seconds, w.accept, w.done})
		x, m2 := chainParts(w.name)
		s.AddFloats(x, w.x.RawMatrix().Data)
		s.AddFloats(m2, slices.Concat(w.chains...))
	}
	s.AddFloats(lossPart, k.history.Loss)
	s.AddFloats(errPart, k.history.Err)
	source, err := k.src.MarshalBinary()
	s[sourcePart] = source
	err = errors.Join(err, s.AddJSON(recordPart, &k.record))
	if k.Trained {
		err = errors.Join(err, s.Add(modelPart, k.model.Save))
	} else {
		err = errors.Join(err, s.Add(trainerPart, k.trainer.Save))
	}
	if k.sampler != nil {
		err = errors.Join(err, s.Add(samplerPart, k.sampler.Save))
	}
	if k.ended != nil {
		err = errors.Join(err, s.Add(endedPart, k.ended.Write))
	}
	return s, err
}

// restore takes up the run of a state. If there are to be more steps than the run
// was trained for, it takes up the state at the end of training.
func (k *keeper) restore(s checkpoint.State) error {
	var was record
	if err := s.ReadJSON(recordPart, &was); err != nil {
		return err
	}
	if len(was.Legs) == 0 || was.Stage == k.Stage && len(was.Walkers) != len(k.walkers) {
		return errors.New("a checkpoint of another version of this program")
	}
	steps := was.Legs[len(was.Legs)-1].Steps
	if err := k.o.same(&was); err != nil {
		return err
	}
	if was.Stage != k.Stage { // of a smaller or of a larger lattice
		k.passed = was.Stage > k.Stage
		return nil
	}
	if k.o.budget > 0 { // the first start has set them
		k.o.steps = steps
	}
	if was.Trained && k.o.steps > steps {
		return s.Read(endedPart, k.read)
	}
	k.record, k.resumed = was, true
	return errors.Join(k.restoreModel(s), k.restoreHistory(s), k.restoreWalkers(s))
}

// restoreModel reads the trainer, or the model and what follows training.
func (k *keeper) restoreModel(s checkpoint.State) (err error) {
	if !k.Trained {
		return s.Read(trainerPart, k.trainer.Restore)
	}
	if s.Has(samplerPart) {
		k.saved = s[samplerPart]
	}
	return errors.Join(
		s.Read(modelPart, k.model.Restore),
		s.Read(endedPart, func(r io.Reader) (err error) { k.ended, err = checkpoint.ReadState(r); return err }))
}

// restoreHistory reads the course of training and the evaluation after it.
func (k *keeper) restoreHistory(s checkpoint.State) (err error) {
	h := &k.history
	h.Seconds, h.Last, k.evaluated = k.Seconds, k.Last, k.Judged
	if h.Loss, err = s.Floats(lossPart, 1); err != nil {
		return err
	}
	h.Err, err = s.Floats(errPart, 1)
	if err == nil && len(h.Err) != len(h.Loss) {
		err = fmt.Errorf("%w: %d losses with %d errors", checkpoint.ErrDamaged, len(h.Loss), len(h.Err))
	}
	return err
}

// restoreWalkers reads the chains and the state of the source.
func (k *keeper) restoreWalkers(s checkpoint.State) error {
	for i, w := range k.walkers {
		was := k.Walkers[i]
		rows, n := w.x.Dims()
		xPart, m2Part := chainParts(w.name)
		x, err := s.Floats(xPart, rows*n)
		if err != nil {
			return err
		}
		m2, err := s.Floats(m2Part, rows)
		if err != nil {
			return err
		}
		if len(x) != rows*n || was.Final < 0 || was.Final > len(m2)/rows {
			return fmt.Errorf("%w: %s: other chains, or %d of %d sweeps during training",
				checkpoint.ErrDamaged, w.name, was.Final, len(m2)/rows)
		}
		w.x = mat.NewDense(rows, n, x)
		w.m2, w.err, w.chains = nil, nil, nil
		for row := range slices.Chunk(m2, rows) {
			w.measured(row)
		}
		w.final, w.seconds, w.accept, w.done = was.Final, was.Seconds, was.Accept, was.Done
	}
	return s.Read(sourcePart, func(r io.Reader) error {
		var b bytes.Buffer
		_, err := b.ReadFrom(r)
		return errors.Join(err, k.src.UnmarshalBinary(b.Bytes()))
	})
}
