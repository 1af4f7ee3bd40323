package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"

	"github.com/neuralrg/neuralrg/examples/internal/checkpoint"
	"github.com/neuralrg/neuralrg/examples/internal/console"
	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/target"
)

// work is the training of a cell.
type work struct {
	Settings settings `json:"settings"`
	Depth    int      `json:"depth"`
	T        float64  `json:"T"`
	Warm     bool     `json:"warm"`  // it starts from another cell
	Steps    int      `json:"steps"` // in all
}

// flags are the settings by the names of their flags, and which cell it is.
func (w *work) flags() map[string]string {
	f := w.Settings.flags()
	f["cell"] = fmt.Sprintf("depth %d, T = %g, warm: %t, %d steps", w.Depth, w.T, w.Warm, w.Steps)
	return f
}

// Parts of the state of training.
const (
	workPart    = "scan.json"
	trainerPart = "trainer.safetensors"
)

// save writes the state of training.
func (w *work) save(name string, tr *flow.Trainer) error {
	s := checkpoint.State{}
	if err := errors.Join(s.AddJSON(workPart, w), s.Add(trainerPart, tr.Save)); err != nil {
		return err
	}
	return checkpoint.Write(name, 1, s.Write)
}

// restore takes up training from a file, if there is one.
func (w *work) restore(name string, tr *flow.Trainer) error {
	err := checkpoint.Read(name, func(r io.Reader) error {
		s, err := checkpoint.ReadState(r)
		if err != nil {
			return err
		}
		var of work
		if err := s.ReadJSON(workPart, &of); err != nil {
			return err
		}
		if of != *w {
			differ := checkpoint.Differences(of.flags(), w.flags())
			return fmt.Errorf("of another cell or other settings: %s; use another -out", differ)
		}
		return s.Read(trainerPart, tr.Restore)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// training is how a cell is trained. With -recipe it is that of the recipe, and InversionKL is
// zero for a symmetrised flow.
func (w *work) training(src rand.Source) *flow.Settings {
	o := w.Settings
	if r := o.recipe(w.Depth); r != nil {
		r.LearnRate = o.Rate
		if w.Warm {
			r.Anneal = 1
		}
		s := r.Settings(w.Steps, src)
		s.Batch = o.Batch
		return s
	}
	return &flow.Settings{
		Batch:     o.Batch,
		Optimizer: flow.OptimizerSettings{LearnRate: o.Rate, Schedule: flow.Cosine(w.Steps, w.Steps/20)},
		Objective: flow.ReverseKL{InversionKL: o.Alpha},
		Src:       src,
	}
}

// train trains a model. It goes on from the state in the file name, if there is one,
// and leaves its state there.
func (w *work) train(ctx context.Context, m *flow.Model, t target.Density, src rand.Source, name string) error {
	s := w.training(src)
	var tr *flow.Trainer
	s.Recorder = flow.RecorderFunc(func(r *flow.Report) error {
		if r.Step%100 != 0 && r.Step != w.Steps {
			return nil
		}
		return w.save(name, tr)
	})
	tr, err := flow.NewTrainer(m, t, s)
	if err != nil {
		return err
	}
	if err := w.restore(name, tr); err != nil {
		return err
	}
	done := tr.Result().Steps
	if done > 0 {
		console.Printf("  resumed after step %d\n", done)
	}
	if done > w.Steps {
		return fmt.Errorf("%s: after %d of %d steps", name, done, w.Steps)
	}
	err = tr.Run(ctx, w.Steps-done)
	if errors.Is(err, context.Canceled) && tr.Result().Steps > 0 {
		err = errors.Join(err, w.save(name, tr))
	}
	return err
}
