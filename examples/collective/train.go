package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"time"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/examples/internal/checkpoint"
	"github.com/neuralrg/neuralrg/examples/internal/console"
	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/target"
)

// batch is the number of configurations of a training step.
const batch = 512

// prepare reads the model, or trains and saves one. Its bijector is the hierarchy h,
// or a chain that begins with h.
func prepare(ctx context.Context, ising *target.Ising, o *options) (m *flow.Model, h *bijector.Hierarchy, err error) {
	if o.model != "" {
		err = checkpoint.Read(o.model, func(r io.Reader) error { m, err = flow.Load(r); return err })
	}
	switch {
	case o.model == "" || errors.Is(err, fs.ErrNotExist):
		m, err = train(ctx, ising, o)
	case err == nil && m.Dim() != ising.Dim():
		err = fmt.Errorf("%s: a model of %d sites, want %d×%d", o.model, m.Dim(), o.L, o.L)
	}
	if err != nil {
		return nil, nil, err
	}
	b := m.Bijector()
	if c, ok := b.(*bijector.Chain); ok { // the hierarchy and the root of a covariance
		b = c.Bijectors()[0]
	}
	h, ok := b.(*bijector.Hierarchy)
	if !ok {
		return nil, nil, fmt.Errorf("%s: the model is a %T, want a hierarchy", o.model, b)
	}
	return m.Float64(), h, nil
}

// train trains the paper's network, symmetrised. With -resume it goes on where the run
// of the checkpoint was.
func train(ctx context.Context, ising *target.Ising, o *options) (*flow.Model, error) {
	src := rand.NewPCG(o.seed, 2018)
	m, err := newModel(o.L, src)
	if err != nil {
		return nil, err
	}
	last := time.Now()
	var tr *flow.Trainer
	watch := func(r *flow.Report) error {
		if time.Since(last) > 5*time.Second {
			last = time.Now()
			console.Printf("training %d/%d: loss %.4f\n", r.Step, r.Steps, r.Running.Loss)
		}
		if o.checkpoint == "" || r.Step%100 != 0 {
			return nil
		}
		return o.save(tr)
	}
	tr, err = flow.NewTrainer(m, ising, &flow.Settings{Batch: batch, Src: src, Recorder: flow.RecorderFunc(watch)})
	if err != nil {
		return nil, err
	}
	if o.resume {
		if err := o.load(tr); err != nil {
			return nil, err
		}
	}
	err = tr.Run(ctx, max(0, o.steps-tr.Result().Steps))
	if o.checkpoint != "" && (err == nil || errors.Is(err, context.Canceled)) {
		err = errors.Join(err, o.save(tr))
	}
	if err != nil {
		return nil, err
	}
	res := tr.Result()
	console.Printf("trained for %d steps: %.3f ± %.3f nats above the exact free energy\n",
		res.Steps, res.Loss+ising.LogZ(), res.StdErr)
	if o.model == "" {
		return m, nil
	}
	return m, checkpoint.Write(o.model, 1, m.Save)
}

// newModel returns the paper's network on L×L sites, symmetrised, in float32.
func newModel(L int, src rand.Source) (*flow.Model, error) {
	block := func(int) (bijector.Bijector, error) {
		return bijector.NewRealNVP(4, &bijector.RealNVPSettings{Src: src})
	}
	h, err := bijector.NewMERA([]int{L, L}, block, nil)
	if err != nil {
		return nil, err
	}
	m, err := flow.New(target.NewNormal(h.Dim()), h)
	if err != nil {
		return nil, err
	}
	if m, err = flow.Symmetrize(m, flow.Inversion(h.Dim())); err != nil {
		return nil, err
	}
	return m.Float32(), nil
}

// training are the flags that must be the same when training is resumed.
func (o *options) training() map[string]string {
	return map[string]string{"L": fmt.Sprint(o.L), "T": fmt.Sprint(o.T), "seed": fmt.Sprint(o.seed)}
}

// Parts of the state of training.
const (
	flagsPart   = "collective.json"
	trainerPart = "trainer.safetensors"
)

// save writes the state of training.
func (o *options) save(tr *flow.Trainer) error {
	s := checkpoint.State{}
	if err := errors.Join(s.AddJSON(flagsPart, o.training()), s.Add(trainerPart, tr.Save)); err != nil {
		return err
	}
	return checkpoint.Write(o.checkpoint, checkpoint.Versions, s.Write)
}

// load takes up training from the youngest state, if there is any.
func (o *options) load(tr *flow.Trainer) error {
	file, age, err := checkpoint.Find(o.checkpoint)
	if errors.Is(err, fs.ErrNotExist) {
		console.Printf("no checkpoint %s yet: starting from the beginning\n", o.checkpoint)
		return nil
	}
	if err == nil {
		err = checkpoint.Read(file, func(r io.Reader) error { return o.restore(r, tr) })
	}
	if err != nil {
		return err
	}
	if age > 0 {
		console.Printf("checkpoint %s is missing, taking the earlier one %s\n", o.checkpoint, file)
	}
	console.Printf("resumed from %s after %d training steps\n", file, tr.Result().Steps)
	return nil
}

// restore takes up training from a state that save wrote.
func (o *options) restore(r io.Reader, tr *flow.Trainer) error {
	s, err := checkpoint.ReadState(r)
	if err != nil {
		return err
	}
	var was map[string]string
	if err := s.ReadJSON(flagsPart, &was); err != nil {
		return err
	}
	if differ := checkpoint.Differences(was, o.training()); differ != "" {
		return fmt.Errorf("of training with other flags: %s", differ)
	}
	return s.Read(trainerPart, tr.Restore)
}
