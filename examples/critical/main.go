// Command critical trains flows of the Ising model at its critical temperature on ever larger
// lattices. Each flow begins as the one of half the extent.
//
//	go run ./examples/critical -L 16
//	go run ./examples/critical -L 32 -from out/critical/16.flow -steps 350 -scales
//	go run ./examples/critical -L 64 -from out/critical/32.flow -steps 200 -batch 64 -anneal 500
//	go run ./examples/critical -L 128 -from out/critical/64.flow -steps 0 -anneal 64 -rungs 200
//
// Without -from it trains a flow from random parameters. A flow of the lattice itself is
// trained further, or with -steps 0 only judged. Ctrl-C ends the training, and the flow is kept
// as it is. The program prints the gap, the effective sample size and −ln Z beside the exact
// one. -scales divides the gap among the scales of the flow. -anneal takes samples of the flow
// to the target. -measure runs Markov chains in the latent space. The flow goes to a file of
// the directory -out, the numbers to a JSON file beside it. Figures show the scales,
// configurations of the flow, and the gaps of all flows of the directory.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"

	"github.com/neuralrg/neuralrg/examples/internal/checkpoint"
	"github.com/neuralrg/neuralrg/examples/internal/console"
	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/target"
)

func main() {
	o, err := parse(os.Args[1:])
	if err == nil {
		err = run(o)
	}
	console.Exit("critical", err)
}

func run(o *options) error {
	ising, err := target.NewIsing(o.shape(o.l), o.t)
	if err != nil {
		return err
	}
	c := &critical{o: o, ising: ising}
	if err := os.MkdirAll(o.out, 0o777); err != nil {
		return err
	}
	if err := checkpoint.Probe(o.file("flow"), o.file("json")); err != nil {
		return err
	}
	if c.m, err = c.model(); err != nil {
		return err
	}
	for _, phase := range []func(context.Context) error{c.train, c.judge, c.divide, c.anneal, c.measure} {
		if err := interruptible(phase); err != nil {
			return err
		}
	}
	err = checkpoint.Write(o.file("json"), 1, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(&c.report)
	})
	return errors.Join(err, c.draw())
}

// interruptible runs a phase, which Ctrl-C ends. What the phase has so far counts.
func interruptible(phase func(ctx context.Context) error) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := phase(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// critical is a flow and its target.
type critical struct {
	o      *options
	ising  *target.Ising
	m      *flow.Model // not symmetrised
	report report
}

// model returns the flow that training begins with: a new one, the one of -from, or that one
// grown from half the extent.
func (c *critical) model() (*flow.Model, error) {
	shape, recipe := c.o.shape(c.o.l), flow.BestRecipe()
	if c.o.from == "" {
		return recipe.Model(shape, c.ising.Spectrum(), rand.NewPCG(c.o.seed, 1))
	}
	f, err := os.Open(c.o.from)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	m, err := flow.Load(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.o.from, err)
	}
	if m.Dim() == c.ising.Dim() {
		return m, nil
	}
	return recipe.Grow(m, shape, c.ising.Spectrum())
}

// symmetrised is the flow with all symmetries of the lattice. Above 32 × 32 sites it has no
// translations: their group would take too much memory.
func (c *critical) symmetrised() (*flow.Model, error) {
	shape := c.o.shape(c.o.l)
	symmetries, err := flow.Reflections(shape)
	if err != nil {
		return nil, err
	}
	if c.o.l <= 32 {
		translations, err := flow.Translations(shape)
		if err != nil {
			return nil, err
		}
		symmetries = append(symmetries, translations...)
	}
	return flow.Symmetrize(c.m, append(symmetries, flow.Inversion(c.ising.Dim()))...)
}

// even is the flow with the symmetry under x → −x alone, which costs one image more.
func (c *critical) even() (*flow.Model, error) {
	return flow.Symmetrize(c.m, flow.Inversion(c.ising.Dim()))
}

// save keeps the flow.
func (c *critical) save() error { return checkpoint.Write(c.o.file("flow"), 1, c.m.Save) }

// file is the name of a result.
func (o *options) file(kind string) string {
	return filepath.Join(o.out, o.name+"."+kind)
}
