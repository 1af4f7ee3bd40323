// Command ising2d trains a neural-network renormalization group flow on the
// two-dimensional Ising model in its continuous dual form, on the bare energy
// alone, and then computes ⟨m²⟩ without bias in three ways: by hybrid Monte Carlo
// in the latent space of the flow and in physical space, and from samples of the
// flow that are weighted by π/q.
//
//	go run ./examples/ising2d
//	go run ./examples/ising2d -paper
//	go run ./examples/ising2d -recipe best -L 8 -steps 5000 -model flow8
//	go run ./examples/ising2d -recipe best -L 16 -steps 2000 -grow flow8
//
// The second is Fig. 3 of Li and Wang, Phys. Rev. Lett. 121, 260601 (2018):
// the 16×16 lattice, with hybrid Monte Carlo running alongside training too.
//
// It prints the loss beside its exact lower bound −ln Z and ⟨m²⟩ beside its
// exact value, and saves figures. Ctrl-C ends the phase under way (training,
// evaluation, either sampler) and goes on with what there is. With -checkpoint
// FILE it ends the program instead, as a request to terminate does, and the
// same command with -resume takes it up where it was, to the bit; so it does
// after a crash. Without -resume a file that exists is left alone.
//
// With -resume -steps may be raised, and training goes on, where it was or from
// its end; samples of the shorter training do not count. The learning rate of
// -cosine is then that of a cosine over all steps, the inverse temperature of
// -anneal rises as it would have. Without these two the result is that of one
// run of all steps, to the bit.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/examples/internal/checkpoint"
	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/target"
)

func main() {
	o, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		err = run(o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "ising2d:", err)
		os.Exit(1)
	}
}

func run(o *options) error {
	interrupts := newInterrupts(o.checkpoint != "")
	defer interrupts.stop()
	if err := o.ready(); err != nil {
		return err
	}
	src := rand.NewPCG(o.seed, 2018)
	ising, err := target.NewIsing([]int{o.L, o.L}, o.T)
	if err != nil {
		return err
	}
	model, err := newModel(o, ising, src)
	if err != nil {
		return err
	}
	printBanner(o, model, ising)
	// Sampling and evaluation are in float64.
	model64 := model.Float64()
	samplers, err := newWalkers(model64, ising, o, src)
	if err != nil {
		return err
	}
	k := &keeper{o: o, src: src, model: model, walkers: samplers}
	if err := train(interrupts, k, model, ising); err != nil {
		return err
	}
	if o.model != "" {
		if err := checkpoint.Write(o.model, 1, model.Save); err != nil {
			return err
		}
	}
	exact := -ising.LogZ()
	if err := errors.Join(lossFigure(&k.history, exact, o), errorFigure(&k.history, exact, o)); err != nil {
		return err
	}
	if k.evaluated == nil {
		if err := evaluate(interrupts, k, model64, ising); err != nil {
			return err
		}
	}
	s := summarise(k, exact)
	s.printEnergy(k.evaluated)
	if err := s.sample(interrupts, k, model64, ising); err != nil {
		return err
	}
	if err := sheetFigure(model64, o, src); err != nil {
		return err
	}
	s.printEnd(o)
	if o.json == "" {
		return nil
	}
	return checkpoint.Write(o.json, 1, func(out io.Writer) error {
		w := json.NewEncoder(out)
		w.SetIndent("", "  ")
		return w.Encode(s)
	})
}

// ready checks, before anything is spent on it, that the run fits into memory
// and that what it makes can be written.
func (o *options) ready() error {
	if o.checkpoint != "" && !o.resume {
		if err := checkpoint.Refuse(o.checkpoint); err != nil {
			return err
		}
	}
	if err := o.price(); err != nil {
		return err
	}
	if err := os.MkdirAll(o.out, 0o777); err != nil {
		return err
	}
	return checkpoint.Probe(o.model, o.json, o.checkpoint,
		o.figure(lossName), o.figure(errorName), o.figure(m2Name), o.figure(sheetName))
}

func newModel(o *options, ising *target.Ising, src rand.Source) (*flow.Model, error) {
	recipe := &flow.Recipe{
		Couplings: o.couplings, Hidden: o.hidden, Spline: o.spline,
		Network: bijector.NetworkSettings{Size: o.size, Repeat: o.repeat}, ConditionalDecimators: o.conditional, Whiten: o.white,
	}
	shape := []int{o.L, o.L}
	var m *flow.Model
	var err error
	if o.grow == "" {
		m, err = recipe.Model(shape, ising.Spectrum(), src)
	} else if err = checkpoint.Read(o.grow, func(r io.Reader) (err error) { m, err = flow.Load(r); return err }); err == nil {
		m, err = recipe.Grow(m, shape, ising.Spectrum())
	}
	if err != nil {
		return nil, err
	}
	var symmetries []flow.Symmetry
	if o.symmetric {
		symmetries = append(symmetries, flow.Inversion(m.Dim()))
	}
	if o.reflect {
		r, err := flow.Reflections(shape)
		if err != nil {
			return nil, err
		}
		symmetries = append(symmetries, r...)
	}
	if o.translate {
		t, err := flow.Translations(shape)
		if err != nil {
			return nil, err
		}
		symmetries = append(symmetries, t...)
	}
	if m, err = flow.Symmetrize(m, symmetries...); err != nil {
		return nil, err
	}
	if o.single {
		m = m.Float32()
	}
	return m, nil
}

func countParams(m *flow.Model) int {
	n := 0
	for _, p := range m.Params() {
		n += p.Value().DataSize()
	}
	return n
}

// exactM2 is the exact structure factor where it is known. The value at L = 16
// comes from the same transfer matrix, which takes minutes there.
func exactM2(ising *target.Ising, o *options) (float64, bool) {
	if o.L == 16 && o.T == target.CriticalTemperature() {
		return 0.545417204397, true
	}
	return ising.ExactStructureFactor()
}
