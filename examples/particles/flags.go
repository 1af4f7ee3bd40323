package main

import (
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/neuralrg/neuralrg/examples/internal/console"
	"github.com/neuralrg/neuralrg/target"
)

// options are the flags.
type options struct {
	n, axes              int
	density, temperature float64

	budget, train time.Duration
	samples       int
	rungs         int
	nodes         int
	sweeps        int
	seed          uint64
	json, out     string
	dimer         bool
}

var help = console.Help{
	Synopsis: "anneals a fluid of particles in a periodic box.",
	Groups: []console.Group{{Title: "Flags", Flags: []string{
		"n", "axes", "density", "temperature",
		"budget", "train", "samples", "rungs", "nodes", "sweeps", "seed", "json", "out", "dimer",
	}}},
}

func (o *options) define(f *flag.FlagSet) {
	f.IntVar(&o.n, "n", 8, "`N` particles, 2 or more")
	f.IntVar(&o.axes, "axes", 2, "a box of `N` dimensions, 2 or 3")
	f.Float64Var(&o.density, "density", 0.5, "`X` particles in a cube of edge σ")
	f.Float64Var(&o.temperature, "temperature", 1, "the temperature is `X` in units of ε")
	f.DurationVar(&o.budget, "budget", 15*time.Second, "anneal for about the time `D`")
	f.DurationVar(&o.train, "train", 0, "train a flow for the time `D` and anneal from it")
	f.IntVar(&o.samples, "samples", 1000, "anneal `N` samples")
	f.IntVar(&o.rungs, "rungs", 0, "anneal over `N` rungs, whatever the time; 0: what -budget allows")
	f.IntVar(&o.nodes, "nodes", 16, "integrate over the temperature with `N` nodes")
	f.IntVar(&o.sweeps, "sweeps", 500, "`N` sweeps of hybrid Monte Carlo per node, four times as many for g(r)")
	f.Uint64Var(&o.seed, "seed", 1, "seed `N` of all random numbers")
	f.StringVar(&o.json, "json", "", "write the results to `FILE`")
	f.BoolVar(&o.dimer, "dimer", false, "instead, measure the free energy of a dimer in a solvent by umbrella sampling")
	f.StringVar(&o.out, "out", "out/particles", "write the figure to the directory `DIR`")
}

func parse(args []string) (*options, error) {
	o := &options{}
	f := flag.NewFlagSet("particles", flag.ContinueOnError)
	o.define(f)
	if err := help.Parse(f, args, os.Stdout, console.Width(os.Stdout)); err != nil {
		return nil, err
	}
	if err := console.Positive(f, "density", "temperature", "samples", "nodes", "sweeps"); err != nil {
		return nil, err
	}
	if o.budget <= 0 || o.train < 0 {
		return nil, fmt.Errorf("-budget %v, -train %v: want positive times", o.budget, o.train)
	}
	if o.rungs < 0 {
		return nil, fmt.Errorf("-rungs %d: want a number that is not negative", o.rungs)
	}
	if o.n < 2 {
		return nil, fmt.Errorf("-n %d: want two particles or more", o.n)
	}
	if o.axes < 2 || o.axes > 3 {
		return nil, fmt.Errorf("-axes %d: want 2 or 3", o.axes)
	}
	return o, nil
}

// edge is that of the box.
func (o *options) edge() float64 {
	return math.Pow(float64(o.n)/o.density, 1/float64(o.axes))
}

// fluid is the target at some temperature.
func (o *options) fluid(temperature float64) (*target.Particles, error) {
	return target.NewParticles(o.n, slices.Repeat([]float64{o.edge()}, o.axes),
		&target.ParticlesSettings{Temperature: temperature, Pinned: true})
}

// files are those that the program writes.
func (o *options) files() []string {
	if o.dimer {
		return []string{filepath.Join(o.out, "dimer.png")}
	}
	files := []string{o.figure()}
	if o.json != "" {
		files = append(files, o.json)
	}
	return files
}

func (o *options) figure() string { return filepath.Join(o.out, "radial.png") }
