package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/neuralrg/neuralrg/examples/internal/console"
)

// options are the flags.
type options struct {
	kind      string
	shapeText string
	shape     []int

	components          int
	mass2, lambda, beta float64
	couplings           uint64

	recipe  string
	budget  time.Duration
	batch   int
	images  int
	samples int
	rungs   int
	relErr  float64
	seed    uint64
	json    string
	out     string
}

var help = console.Help{
	Synopsis: "trains a flow on a lattice field theory and measures the theory with it.",
	Groups: []console.Group{{Title: "Flags", Flags: []string{
		"theory", "shape", "components", "mass2", "lambda", "beta", "couplings",
		"recipe", "budget", "batch", "images", "samples", "relerr", "rungs", "seed", "json", "out",
	}}},
}

func (o *options) define(f *flag.FlagSet) {
	f.StringVar(&o.kind, "theory", "phi4", "the theory is `NAME`: phi4, xy, ising, glass or villain")
	f.StringVar(&o.shapeText, "shape", "6x6", "the lattice has the extents `NxN`, any number of them")
	f.IntVar(&o.components, "components", 1, "the field of φ⁴ theory has `N` components, with O(N) symmetry")
	f.Float64Var(&o.mass2, "mass2", -4, "m² of φ⁴ theory is `X`")
	f.Float64Var(&o.lambda, "lambda", 6.975, "λ of φ⁴ theory is `X`")
	f.Float64Var(&o.beta, "beta", 1, "β of angles and spins is `X`")
	f.Uint64Var(&o.couplings, "couplings", 1, "seed `N` of the couplings ±β of the glass")
	f.StringVar(&o.recipe, "recipe", "best", "take the network and training `NAME`: fast or best")
	f.DurationVar(&o.budget, "budget", time.Minute, "train for the time `D`")
	f.IntVar(&o.batch, "batch", 256, "`N` configurations per training step")
	f.IntVar(&o.images, "images", 4, "average the density over `N` random images under the symmetries of the lattice")
	f.IntVar(&o.samples, "samples", 10000, "judge the flow by `N` samples")
	f.Float64Var(&o.relErr, "relerr", 0.01, "sample until χ has the relative error `X`, or half of the budget is over")
	f.IntVar(&o.rungs, "rungs", 0,
		"anneal the samples in `N` rungs, 1 for none; by default 100 of a glass, 1 of other theories")
	f.Uint64Var(&o.seed, "seed", 1, "seed `N` of all random numbers")
	f.StringVar(&o.json, "json", "", "write the results to `FILE`")
	f.StringVar(&o.out, "out", "out/fieldtheory", "write the figure to the directory `DIR`")
}

func parse(args []string) (*options, error) {
	o := &options{}
	f := flag.NewFlagSet("fieldtheory", flag.ContinueOnError)
	o.define(f)
	if err := help.Parse(f, args, os.Stdout, console.Width(os.Stdout)); err != nil {
		return nil, err
	}
	if err := console.Positive(f, "batch", "components", "images", "samples", "relerr"); err != nil {
		return nil, err
	}
	if o.rungs < 0 {
		return nil, fmt.Errorf("-rungs %d: want a positive number, or 0 for the default", o.rungs)
	}
	if o.components > 1 && o.kind != "phi4" {
		return nil, fmt.Errorf("-components %d: the theory %s has no components to choose", o.components, o.kind)
	}
	if o.budget <= 0 {
		return nil, fmt.Errorf("-budget %v: want a positive time", o.budget)
	}
	if _, ok := recipes[o.recipe]; !ok {
		return nil, fmt.Errorf("-recipe %s: want fast or best", o.recipe)
	}
	for _, text := range strings.Split(o.shapeText, "x") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 2 {
			return nil, fmt.Errorf("-shape %s: want extents of 2 or more, as in 6x6", o.shapeText)
		}
		o.shape = append(o.shape, n)
	}
	return o, nil
}

// files are those that the program writes.
func (o *options) files() []string {
	files := []string{o.figure()}
	if o.json != "" {
		files = append(files, o.json)
	}
	return files
}

func (o *options) figure() string { return filepath.Join(o.out, "two_point.png") }

// interruptible runs a phase, which Ctrl-C ends.
func interruptible(phase func(ctx context.Context) error) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := phase(ctx)
	if errors.Is(err, context.Canceled) {
		fmt.Println("stopped")
		return nil
	}
	return err
}
