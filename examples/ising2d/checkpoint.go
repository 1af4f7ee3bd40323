package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/examples/internal/checkpoint"
	"github.com/neuralrg/neuralrg/examples/internal/console"
	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/hmc"
	"github.com/neuralrg/neuralrg/internal/safetensors"
)

// keeper writes the state of the program to a file: with it, a run that was
// stopped, by whatever, goes on as if it had not been. One without a file does
// nothing.
type keeper struct {
	record
	o         *options
	src       *rand.PCG
	model     *flow.Model
	trainer   *flow.Trainer
	walkers   []*walkers
	sampler   *hmc.Sampler // under way, or nil
	saved     []byte       // state of the sampler that a file says to be under way
	history   history
	evaluated *flow.Estimate
	ended     []byte // the file as it was at the end of training, which can go on from there
}

// record is what a file says about the program in JSON; the rest are
// arrays.
type record struct {
	Options map[string]string `json:"options"`           // flags that must be the same
	Legs    []leg             `json:"legs"`              // of training
	Seconds float64           `json:"seconds"`           // of training
	Trained bool              `json:"trained"`           // training is over
	Pending bool              `json:"pending,omitempty"` // after the last step the chains were to move
	Walkers []walkersState    `json:"walkers"`
}

type walkersState struct {
	Final   int     `json:"final"`
	Seconds float64 `json:"seconds"`
	Accept  float64 `json:"accept"`
	Done    bool    `json:"done"`
}

const (
	kind     = "ising2d"
	stateKey = "state"
)

// save writes the file.
func (k *keeper) save() error {
	if k.o.checkpoint == "" {
		return nil
	}
	f, err := k.file()
	if err != nil {
		return err
	}
	return checkpoint.Write(k.o.checkpoint, checkpoint.Versions, func(w io.Writer) error { return safetensors.Save(w, kind, f) })
}

// file is the state as a file.
func (k *keeper) file() (*safetensors.File, error) {
	f := &safetensors.File{Meta: map[string]string{}}
	add := func(name string, values any, shape ...int) {
		f.Arrays = append(f.Arrays, safetensors.Array{Name: name, Shape: shape, Values: values})
	}
	// keep adds what is a file of its own.
	keep := func(name string, save func(w io.Writer) error) error {
		var b bytes.Buffer
		err := save(&b)
		add(name, b.Bytes(), b.Len())
		return err
	}
	source, err := k.src.MarshalBinary()
	if err != nil {
		return nil, err
	}
	add("source", source, len(source))
	if k.Trained {
		err = keep("model", k.model.Save)
	} else {
		err = keep("trainer", k.trainer.Save)
	}
	if err == nil && k.sampler != nil {
		err = keep("sampler", k.sampler.Save)
	}
	if err != nil {
		return nil, err
	}
	add("history.loss", k.history.Loss, len(k.history.Loss))
	add("history.err", k.history.Err, len(k.history.Err))
	add("history.last", numbersOf(&k.history.Last), estimateFields)
	if k.evaluated != nil {
		add("evaluated", numbersOf(k.evaluated), estimateFields)
	}
	if k.ended != nil {
		add("training", k.ended, len(k.ended))
	}
	k.Options, k.Seconds, k.Walkers = k.o.values, k.history.Seconds, nil
	for _, w := range k.walkers {
		k.Walkers = append(k.Walkers, walkersState{w.final, w.seconds, w.accept, w.done})
		rows, n := w.x.Dims()
		add(w.name+".x", w.x.RawMatrix().Data, rows, n)
		add(w.name+".m2", slices.Concat(w.chains...), len(w.chains), rows)
	}
	text, err := json.Marshal(&k.record)
	f.Meta[stateKey] = string(text)
	return f, err
}

// load takes up the run of a file, if there is one.
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
		if errors.Is(err, flow.ErrCheckpoint) && age < checkpoint.Versions-1 {
			err = fmt.Errorf("%w; without this file -resume takes the version before it, if there is one", err)
		}
		return err
	}
	sweeps := 0
	for _, w := range k.walkers {
		sweeps += len(w.chains)
	}
	console.Printf("resumed from %s after %d training steps and %d sweeps\n", file, len(k.history.Loss), sweeps)
	return k.extend()
}

func (k *keeper) read(r io.Reader) error {
	f, got, err := safetensors.Load(r)
	if err == nil && got != kind {
		err = fmt.Errorf("a file of kind %.40q, want %q", got, kind)
	}
	if err != nil {
		return err
	}
	var was record
	if err := json.Unmarshal([]byte(f.Meta[stateKey]), &was); err != nil || len(was.Legs) == 0 {
		return fmt.Errorf("of another version of this program: %v", err)
	}
	if err := k.o.same(&was); err != nil {
		return err
	}
	if was.Trained && k.o.steps > was.Legs[len(was.Legs)-1].Steps { // then training goes on
		data, err := f.Bytes("training", -1)
		if err != nil {
			return err
		}
		return k.read(bytes.NewReader(data))
	}
	k.record = was
	return k.restore(f)
}

func (k *keeper) restore(f *safetensors.File) error {
	if len(k.Walkers) != len(k.walkers) {
		return fmt.Errorf("%d sets of chains, want %d", len(k.Walkers), len(k.walkers))
	}
	// part reads what is a file of its own.
	part := func(name string, restore func(r io.Reader) error) error {
		data, err := f.Bytes(name, -1)
		if err != nil {
			return err
		}
		return restore(bytes.NewReader(data))
	}
	var err error
	if k.Trained {
		err = part("model", k.model.Restore)
	} else {
		err = part("trainer", k.trainer.Restore)
	}
	if err != nil {
		return err
	}
	if _, err := f.Array("sampler"); err == nil {
		if k.saved, err = f.Bytes("sampler", -1); err != nil {
			return err
		}
	}
	if k.Trained {
		if k.ended, err = f.Bytes("training", -1); err != nil {
			return err
		}
	}
	return errors.Join(k.restoreHistory(f), k.restoreWalkers(f))
}

// restoreHistory reads the course of training and the evaluation after it.
func (k *keeper) restoreHistory(f *safetensors.File) (err error) {
	h := &k.history
	h.Seconds = k.Seconds
	if h.Loss, err = f.Float64s("history.loss", -1); err != nil {
		return err
	}
	if h.Err, err = f.Float64s("history.err", len(h.Loss)); err != nil {
		return err
	}
	last, err := f.Float64s("history.last", estimateFields)
	if err != nil {
		return err
	}
	h.Last = *estimateOf(last)
	if _, err := f.Array("evaluated"); err == nil {
		v, err := f.Float64s("evaluated", estimateFields)
		if err != nil {
			return err
		}
		k.evaluated = estimateOf(v)
	}
	return nil
}

// restoreWalkers reads the chains and the state of the source.
func (k *keeper) restoreWalkers(f *safetensors.File) error {
	for i, w := range k.walkers {
		s := k.Walkers[i]
		rows, n := w.x.Dims()
		x, err := f.Float64s(w.name+".x", rows, n)
		if err != nil {
			return err
		}
		m2, err := f.Float64s(w.name+".m2", -1, rows)
		if err != nil {
			return err
		}
		w.x = mat.NewDense(rows, n, x)
		w.m2, w.err, w.chains = nil, nil, nil
		for row := range slices.Chunk(m2, rows) {
			w.measured(row)
		}
		if s.Final < 0 || s.Final > len(w.chains) {
			return fmt.Errorf("%s: %d of %d sweeps during training", w.name, s.Final, len(w.chains))
		}
		w.final, w.seconds, w.accept, w.done = s.Final, s.Seconds, s.Accept, s.Done
	}
	source, err := f.Bytes("source", -1)
	if err != nil {
		return err
	}
	return k.src.UnmarshalBinary(source)
}

const estimateFields = 7

func numbersOf(e *flow.Estimate) []float64 {
	return []float64{float64(e.Samples), e.Loss, e.StdErr, e.Variance, e.ESS, e.LogZ, e.LogZErr}
}

func estimateOf(v []float64) *flow.Estimate {
	return &flow.Estimate{Samples: int(v[0]), Loss: v[1], StdErr: v[2], Variance: v[3], ESS: v[4], LogZ: v[5], LogZErr: v[6]}
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
