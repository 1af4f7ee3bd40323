package main

import (
	"errors"
	"flag"
	"fmt"
	"strconv"
	"strings"

	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/target"
)

// options are the flags.
type options struct {
	L           int
	T           float64
	steps       int
	batch       int
	couplings   int
	hidden      []int
	repeat      int
	conditional bool
	size        int
	reflect     bool
	translate   bool
	images      int
	spline      bool
	white       bool
	lr          float64
	cosine      bool
	average     float64
	path        bool
	anneal      float64
	symmetric   bool
	dtype       tensor.Dtype
	seed        uint64
	every       int
	adapt       float64
	between     int
	chains      int
	sweeps      int
	stepSize    float64
	leapfrog    int
	out         string
	grow        string
	model       string
	json        string

	checkpoint string
	resume     bool
	save       int
}

func parse(args []string) (*options, error) {
	o := &options{}
	f := flag.NewFlagSet("ising2d", flag.ContinueOnError)
	paper := f.Bool("paper", false, "the run of the paper's Fig. 3: -L 16 -steps 5000 -lr 5e-3 -cosine -every 100 -chains 512 -sweeps 700, unless given")
	recipe := f.String("recipe", "", "settings that belong together, unless given: paper, the network of the paper with -lr 5e-3 -cosine; fast, -spline -conditional -white -path -anneal 0.5 besides; best, -repeat 2 too")
	f.IntVar(&o.L, "L", 4, "linear size of the lattice, even")
	f.Float64Var(&o.T, "T", target.CriticalTemperature(), "temperature")
	f.IntVar(&o.steps, "steps", 600, "training steps")
	f.IntVar(&o.batch, "batch", 512, "configurations per step")
	f.IntVar(&o.couplings, "couplings", 0, "couplings per block, 0 for 10, or 4 with -spline")
	hidden := f.String("hidden", "10,10,10", "units of the hidden layers")
	f.IntVar(&o.repeat, "repeat", 1, "pairs of layers per scale")
	f.BoolVar(&o.spline, "spline", false, "a rational-quadratic spline after every affine coupling")
	f.BoolVar(&o.conditional, "conditional", false, "what a scale adds is distributed given the coarse field around")
	f.IntVar(&o.size, "size", 2, "linear size of a block, of which -L is a multiple")
	f.BoolVar(&o.reflect, "reflect", false, "symmetrise over the reflections of the lattice, too")
	f.BoolVar(&o.translate, "translate", false, "symmetrise over the translations, too")
	f.IntVar(&o.images, "images", 0, "elements of the symmetry group, at random, that a sample of training is symmetrised over, 0 for all")
	f.BoolVar(&o.white, "white", false, "end with the root of the covariance K+αI")
	f.BoolVar(&o.path, "path", false, "path gradients")
	f.Float64Var(&o.anneal, "anneal", 1, "inverse temperature at the start of training, which rises to 1 in the first half")
	f.Float64Var(&o.lr, "lr", 1e-3, "learning rate")
	f.BoolVar(&o.cosine, "cosine", false, "let the learning rate rise for 50 steps and then fall to zero")
	f.Float64Var(&o.average, "average", 0, "decay of the moving average of the parameters with which training ends, 0.97 for example, 0 for the last ones")
	f.BoolVar(&o.symmetric, "symmetric", true, "symmetrise over x → −x")
	dtype := f.String("dtype", "f32", "precision of training, f64 or f32")
	f.Uint64Var(&o.seed, "seed", 1, "seed of all randomness")
	f.IntVar(&o.every, "every", 0, "training steps between two runs of hybrid Monte Carlo alongside, 0 for none")
	f.Float64Var(&o.adapt, "adapt", 0, "weight, below 1, of the likelihood of the latent chains' configurations, from which the flow learns what it does not propose; with -every")
	f.IntVar(&o.between, "between", 4, "sweeps of each such run")
	f.IntVar(&o.chains, "chains", 128, "hybrid Monte Carlo chains")
	f.IntVar(&o.sweeps, "sweeps", 120, "hybrid Monte Carlo sweeps after training")
	f.Float64Var(&o.stepSize, "stepsize", 0.2, "hybrid Monte Carlo step size")
	f.IntVar(&o.leapfrog, "leapfrog", 10, "leapfrog steps per sweep")
	f.StringVar(&o.out, "out", "out", "directory for the figures")
	f.StringVar(&o.grow, "grow", "", "file of -model from a smaller lattice at this temperature with the same -size, -repeat, -conditional and -white, whose flow this one begins as; with -recipe also -lr 2e-3 -anneal 1, unless given")
	f.StringVar(&o.model, "model", "", "file for the trained flow, which examples/collective reads")
	f.StringVar(&o.json, "json", "", "file for the results")
	f.StringVar(&o.checkpoint, "checkpoint", "", "file for the state of the run, written every -save steps and sweeps")
	f.BoolVar(&o.resume, "resume", false, "go on from the file of -checkpoint, if it exists")
	f.IntVar(&o.save, "save", 100, "steps and sweeps from one checkpoint to the next")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	given := map[string]bool{}
	f.Visit(func(f *flag.Flag) { given[f.Name] = true })
	preset := func(values map[string]string) {
		for name, v := range values {
			if !given[name] {
				f.Set(name, v)
			}
		}
	}
	if *recipe != "" && o.grow != "" {
		preset(map[string]string{"lr": "2e-3", "anneal": "1"})
		given["lr"], given["anneal"] = true, true
	}
	switch *recipe {
	case "":
	case "paper":
		preset(map[string]string{"lr": "5e-3", "cosine": "true"})
	case "fast":
		preset(map[string]string{"lr": "5e-3", "cosine": "true", "spline": "true", "conditional": "true", "white": "true", "path": "true", "anneal": "0.5"})
	case "best":
		preset(map[string]string{"lr": "5e-3", "cosine": "true", "repeat": "2", "spline": "true", "conditional": "true", "white": "true", "path": "true", "anneal": "0.5"})
	default:
		return nil, fmt.Errorf("-recipe %s: want paper, fast or best", *recipe)
	}
	if *paper {
		preset(map[string]string{"L": "16", "steps": "5000", "lr": "5e-3", "cosine": "true", "every": "100", "chains": "512", "sweeps": "700"})
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	for name, v := range map[string]int{"steps": o.steps, "batch": o.batch, "chains": o.chains, "sweeps": o.sweeps,
		"between": o.between, "leapfrog": o.leapfrog, "save": o.save, "repeat": o.repeat} {
		if v <= 0 {
			return nil, fmt.Errorf("-%s %d: want a positive number", name, v)
		}
	}
	if !(o.lr > 0) {
		return nil, fmt.Errorf("-lr %g: want a positive learning rate", o.lr)
	}
	if !(o.anneal > 0) {
		return nil, fmt.Errorf("-anneal %g: want a positive inverse temperature", o.anneal)
	}
	if !(o.average >= 0 && o.average < 1) {
		return nil, fmt.Errorf("-average %g: want a decay between 0 and 1, or 0 for none", o.average)
	}
	if o.couplings < 0 {
		return nil, fmt.Errorf("-couplings %d: want a positive number, or 0 for the default", o.couplings)
	}
	if o.resume && o.checkpoint == "" {
		return nil, errors.New("-resume: from which file? give -checkpoint")
	}
	if o.every < 0 {
		return nil, fmt.Errorf("-every %d: want a positive number, or 0 for no sampling alongside", o.every)
	}
	if !(o.adapt >= 0 && o.adapt < 1) || o.adapt > 0 && (o.every == 0 || o.every > o.steps) {
		return nil, fmt.Errorf("-adapt %g -every %d: want a weight below 1, and chains that move", o.adapt, o.every)
	}
	if o.size < 2 {
		return nil, fmt.Errorf("-size %d: want two or more", o.size)
	}
	if !(o.stepSize > 0) {
		return nil, fmt.Errorf("-stepsize %g: want a positive step size", o.stepSize)
	}
	if o.chains < 2 {
		return nil, fmt.Errorf("-chains %d: want two or more, whose spread gives the error", o.chains)
	}
	o.hidden = []int{}
	if *hidden != "" { // else linear networks
		for _, s := range strings.Split(*hidden, ",") {
			h, err := strconv.Atoi(s)
			if err != nil || h <= 0 {
				return nil, fmt.Errorf("-hidden %s: want positive numbers separated by commas", *hidden)
			}
			o.hidden = append(o.hidden, h)
		}
	}
	switch *dtype {
	case "f64":
		o.dtype = tensor.Float64
	case "f32":
		o.dtype = tensor.Float32
	default:
		return nil, fmt.Errorf("-dtype %s: want f64 or f32", *dtype)
	}
	return o, nil
}
