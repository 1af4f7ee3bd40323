package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/neuralrg/neuralrg/examples/internal/checkpoint"
	"github.com/neuralrg/neuralrg/examples/internal/console"
	"github.com/neuralrg/neuralrg/examples/internal/memory"
	"github.com/neuralrg/neuralrg/target"
)

// groups is the number of groups of chains. Their spread gives the errors.
const groups = 10

type options struct {
	L, steps, chains, burn, between, samples int

	T     float64
	seed  uint64
	model string
	out   string

	checkpoint string
	resume     bool
	memory     float64
}

var help = console.Help{
	Synopsis: "collective [flags] draws Fig. 4 of the paper: what the latent variables of a trained flow mean.",
	Groups: []console.Group{{Title: "Flags", Flags: []string{
		"L", "T", "steps", "model", "chains", "burn", "between", "samples", "seed",
		"checkpoint", "resume", "out", "memory",
	}}},
}

// define makes the flags.
func (o *options) define(f *flag.FlagSet) {
	f.IntVar(&o.L, "L", 8, "the lattice has `N`×N sites, N a power of two")
	f.Float64Var(&o.T, "T", target.CriticalTemperature(),
		"temperature `T` in units of J, by default the critical temperature")
	f.IntVar(&o.steps, "steps", 600, "make `N` training steps if there is no model yet")
	f.IntVar(&o.chains, "chains", 500, "run `N` hybrid Monte Carlo chains, a multiple of ten")
	f.IntVar(&o.burn, "burn", 200,
		"make `N` sweeps before the first sample, at least ten autocorrelation times of m²")
	f.IntVar(&o.between, "between", 50,
		"make `N` sweeps between samples of a chain, at least two autocorrelation times")
	f.IntVar(&o.samples, "samples", 1000, "take `N` samples in all, a multiple of -chains")
	f.Uint64Var(&o.seed, "seed", 1, "seed `N` of all random numbers")
	f.StringVar(&o.model, "model", "",
		"read the flow from `FILE` if it exists, else train one and write it there")
	f.StringVar(&o.checkpoint, "checkpoint", "", "write the state of training to `FILE` every 100 steps")
	f.BoolVar(&o.resume, "resume", false, "go on from the file of -checkpoint if it exists")
	f.StringVar(&o.out, "out", "out", "write figures to the directory `DIR`")
	f.Float64Var(&o.memory, "memory", 8, "refuse a run that needs more memory than this, in `GB`")
}

func parse(args []string) (*options, error) {
	o := &options{}
	f := flag.NewFlagSet("collective", flag.ContinueOnError)
	o.define(f)
	if err := help.Parse(f, args, os.Stdout, console.Width(os.Stdout)); err != nil {
		return nil, err
	}
	if err := console.Positive(f, "steps", "burn", "between"); err != nil {
		return nil, err
	}
	return o, o.check()
}

// check refuses flags that are out of their range.
func (o *options) check() error {
	switch {
	case o.resume && o.checkpoint == "":
		return errors.New("-resume: from which file? give -checkpoint")
	case o.L < 4 || o.L&(o.L-1) != 0:
		return fmt.Errorf("-L %d: want a power of two, 4 or more, so that the network ends in one block", o.L)
	case o.chains <= 0 || o.chains%groups != 0:
		return fmt.Errorf("-chains %d: want a multiple of %d, for the errors", o.chains, groups)
	case o.samples < o.chains || o.samples%o.chains != 0:
		return fmt.Errorf("-samples %d: want a multiple of the %d chains", o.samples, o.chains)
	case o.samples < 100*groups:
		return fmt.Errorf("-samples %d: want %d or more, 100 in each of %d groups, for the errors",
			o.samples, 100*groups, groups)
	}
	return nil
}

// Names of the figures in the directory -out.
const (
	responseName    = "response.png"
	levelsName      = "levels.png"
	informationName = "information.png"
)

func (o *options) figure(name string) string { return filepath.Join(o.out, name) }

// ready checks, before any work is done, that the run fits into memory and that its
// files can be written.
func (o *options) ready() error {
	params, layers := memory.Network{L: o.L, Size: 2, Hidden: []int{10, 10, 10}}.Cost()
	sites := float64(o.L) * float64(o.L)
	samples, chains := float64(o.samples), float64(o.chains)
	sweeps := float64(o.burn) + samples/chains*float64(o.between)
	if err := memory.Check(o.memory,
		memory.Part{What: "the parameters (-L)", Bytes: memory.Params(params)},
		memory.Part{What: "a batch (-L)", Bytes: memory.Rows(2*batch, sites, layers)},
		memory.Part{What: "the chains (-chains, -L)", Bytes: 2*memory.Rows(chains, sites, layers) + 8*chains*sweeps},
		memory.Part{What: "the samples (-samples, -L)", Bytes: memory.Rows(2*samples, sites, 0)},
		memory.Part{What: "all pairs of variables (-L)", Bytes: 64 * sites * sites},
	); err != nil {
		return err
	}
	if err := os.MkdirAll(o.out, 0o777); err != nil {
		return err
	}
	outputs := []string{o.checkpoint, o.figure(responseName), o.figure(levelsName), o.figure(informationName)}
	if _, err := os.Stat(o.model); err != nil { // else it is read
		outputs = append(outputs, o.model)
	}
	return checkpoint.Probe(outputs...)
}
