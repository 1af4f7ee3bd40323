package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/neuralrg/neuralrg/examples/internal/console"
	"github.com/neuralrg/neuralrg/target"
)

// options are the flags.
type options struct {
	L           int
	T           float64
	recipe      string
	paper       bool
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
	single      bool // float32
	seed        uint64
	every       int
	adapt       float64
	between     int
	chains      int
	sweeps      int
	physical    int
	stepSize    float64
	jitter      float64
	leapfrog    int
	samples     int
	out         string
	grow        string
	model       string
	json        string
	memory      float64

	checkpoint string
	resume     bool
	save       int

	hiddenText, dtypeText string
	values                map[string]string // of the flags that make a run what it is
}

var help = console.Help{
	Synopsis: "ising2d [flags] trains a flow on the Ising model and samples the model with it.",
	Groups: []console.Group{
		{Title: "Most used", Flags: []string{
			"recipe", "paper", "L", "T", "steps", "seed", "chains", "sweeps", "out", "model", "grow", "json", "checkpoint", "resume",
		}},
		{Title: "Network", Flags: []string{"couplings", "hidden", "repeat", "size", "spline", "conditional", "white", "symmetric", "reflect", "translate"}},
		{Title: "Training", Flags: []string{"batch", "lr", "cosine", "average", "path", "anneal", "images", "dtype", "every", "between", "adapt"}},
		{Title: "Sampling", Flags: []string{"physical", "samples", "stepsize", "leapfrog", "jitter"}},
		{Title: "Other", Flags: []string{"save", "memory"}},
	},
}

// define makes the flags.
func (o *options) define(f *flag.FlagSet) {
	f.StringVar(&o.recipe, "recipe", "fast", "`NAME` of settings: fast, best, paper or none")
	f.BoolVar(&o.paper, "paper", false, "the run of Fig. 3 of the paper, 16×16 sites")
	f.IntVar(&o.L, "L", 4, "`N` sites along an edge of the lattice, even")
	f.Float64Var(&o.T, "T", target.CriticalTemperature(), "temperature `T`, by default the critical one")
	f.IntVar(&o.steps, "steps", 800, "training steps `N`, may be raised on -resume")
	f.Uint64Var(&o.seed, "seed", 1, "seed `N` of all randomness")
	f.IntVar(&o.chains, "chains", 128, "`N` hybrid Monte Carlo chains")
	f.IntVar(&o.sweeps, "sweeps", 120, "`N` trajectories of every chain in latent space")
	f.StringVar(&o.out, "out", "out", "directory `DIR` for figures")
	f.StringVar(&o.model, "model", "", "`FILE` for the trained flow")
	f.StringVar(&o.grow, "grow", "", "begin with the flow of a smaller lattice, `FILE`")
	f.StringVar(&o.json, "json", "", "`FILE` for the results")
	f.StringVar(&o.checkpoint, "checkpoint", "", "`FILE` for the state of the run")
	f.BoolVar(&o.resume, "resume", false, "go on from the file of -checkpoint, if it is there")

	f.IntVar(&o.couplings, "couplings", 0, "`N` couplings per block, 0 for 10, or 4 with -spline")
	f.StringVar(&o.hiddenText, "hidden", "10,10,10", "units `N,N,...` of the hidden layers")
	f.IntVar(&o.repeat, "repeat", 1, "`N` pairs of layers per scale; recipe best: 2")
	f.IntVar(&o.size, "size", 2, "`N` sites along an edge of a block, of which -L is a multiple")
	f.BoolVar(&o.spline, "spline", false, "a rational-quadratic spline after every affine coupling; recipes fast and best")
	f.BoolVar(&o.conditional, "conditional", false, "what a scale adds depends on the coarse field around; recipes fast and best")
	f.BoolVar(&o.white, "white", false, "end with the root of the covariance K+αI; recipes fast and best")
	f.BoolVar(&o.symmetric, "symmetric", true, "symmetrise over x → −x")
	f.BoolVar(&o.reflect, "reflect", false, "symmetrise over the reflections of the lattice, too")
	f.BoolVar(&o.translate, "translate", false, "symmetrise over the translations, too")

	f.IntVar(&o.batch, "batch", 512, "`N` configurations per step")
	f.Float64Var(&o.lr, "lr", 1e-3, "learning rate `X`; all recipes but none: 5e-3, with -grow 2e-3")
	f.BoolVar(&o.cosine, "cosine", false, "let the learning rate rise for 50 steps and then fall to zero; all recipes but none")
	f.Float64Var(&o.average, "average", 0, "decay `X` of the moving average of the parameters with which training ends, 0.97 for example, 0 for the last ones")
	f.BoolVar(&o.path, "path", false, "path gradients; recipes fast and best")
	f.Float64Var(&o.anneal, "anneal", 1, "inverse temperature `X` at the start of training, which rises to 1 in the first half; recipes fast and best: 0.5, with -grow 1")
	f.IntVar(&o.images, "images", 0, "`N` elements of the symmetry group, at random, that a sample of training is symmetrised over, 0 for all")
	f.StringVar(&o.dtypeText, "dtype", "f32", "precision `TYPE` of training, f64 or f32")
	f.IntVar(&o.every, "every", 0, "training steps `N` between two runs of hybrid Monte Carlo alongside, 0 for none")
	f.IntVar(&o.between, "between", 4, "`N` trajectories of each such run")
	f.Float64Var(&o.adapt, "adapt", 0, "weight `X`, below 1, of the likelihood of the latent chains' configurations, from which the flow learns what it does not propose; with -every")

	f.IntVar(&o.samples, "samples", 10000, "`N` samples that judge the flow, and that are weighted")
	f.IntVar(&o.physical, "physical", 0, "`N` trajectories of every chain in physical space, which cost so much less, 0 for ten times -sweeps")
	f.Float64Var(&o.stepSize, "stepsize", 0.2, "leapfrog step `X`")
	f.IntVar(&o.leapfrog, "leapfrog", 10, "`N` leapfrog steps of a trajectory")
	f.Float64Var(&o.jitter, "jitter", 0.2, "fraction `X` by which the step varies at random between trajectories, below 1, 0 for none: a trajectory that is a period of the motion goes nowhere")

	f.IntVar(&o.save, "save", 100, "`N` steps and sweeps from one checkpoint to the next")
	f.Float64Var(&o.memory, "memory", 8, "memory that a run may need, in `GB`")
}

// separate are the flags in which two parts of one run may differ, or that only
// set others.
var separate = []string{"recipe", "paper", "out", "model", "json", "checkpoint", "resume", "save", "memory", "help-all", "steps"}

func parse(args []string) (*options, error) {
	o := &options{}
	f := flag.NewFlagSet("ising2d", flag.ContinueOnError)
	o.define(f)
	if err := help.Parse(f, args, os.Stdout, console.Width(os.Stdout)); err != nil {
		return nil, err
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if err := o.preset(f); err != nil {
		return nil, err
	}
	if err := errors.Join(o.lists(), o.positive(), o.sensible()); err != nil {
		return nil, err
	}
	if o.physical == 0 {
		o.physical = 10 * o.sweeps
		f.Set("physical", strconv.Itoa(o.physical))
	}
	o.values = map[string]string{}
	f.VisitAll(func(f *flag.Flag) {
		if !slices.Contains(separate, f.Name) {
			o.values[f.Name] = f.Value.String()
		}
	})
	return o, nil
}

// recipes are settings that belong together.
var recipes = map[string]map[string]string{
	"none":  {},
	"paper": {"lr": "5e-3", "cosine": "true"},
	"fast":  {"lr": "5e-3", "cosine": "true", "spline": "true", "conditional": "true", "white": "true", "path": "true", "anneal": "0.5"},
	"best":  {"lr": "5e-3", "cosine": "true", "spline": "true", "conditional": "true", "white": "true", "path": "true", "anneal": "0.5", "repeat": "2"},
}

// preset sets the flags that are not given as others say.
func (o *options) preset(f *flag.FlagSet) error {
	given := map[string]bool{}
	f.Visit(func(f *flag.Flag) { given[f.Name] = true })
	set := func(values map[string]string) {
		for name, v := range values {
			if !given[name] {
				f.Set(name, v)
				given[name] = true
			}
		}
	}
	if o.paper {
		set(map[string]string{"recipe": "paper", "L": "16", "steps": "5000", "every": "100", "chains": "512", "sweeps": "700", "physical": "700"})
	}
	recipe, ok := recipes[o.recipe]
	if !ok {
		return fmt.Errorf("-recipe %s: want none, paper, fast or best", o.recipe)
	}
	if o.grow != "" && o.recipe != "none" {
		set(map[string]string{"lr": "2e-3", "anneal": "1"})
	}
	set(recipe)
	return nil
}

// lists reads what is not a number.
func (o *options) lists() error {
	o.hidden = []int{}
	if o.hiddenText != "" { // else linear networks
		for _, s := range strings.Split(o.hiddenText, ",") {
			h, err := strconv.Atoi(s)
			if err != nil || h <= 0 {
				return fmt.Errorf("-hidden %s: want positive numbers separated by commas", o.hiddenText)
			}
			o.hidden = append(o.hidden, h)
		}
	}
	switch o.dtypeText {
	case "f64":
		o.single = false
	case "f32":
		o.single = true
	default:
		return fmt.Errorf("-dtype %s: want f64 or f32", o.dtypeText)
	}
	return nil
}

func (o *options) positive() error {
	for _, n := range []struct {
		name  string
		value int
	}{{"L", o.L}, {"steps", o.steps}, {"batch", o.batch}, {"chains", o.chains}, {"sweeps", o.sweeps},
		{"between", o.between}, {"leapfrog", o.leapfrog}, {"save", o.save}, {"repeat", o.repeat}} {
		if n.value <= 0 {
			return fmt.Errorf("-%s %d: want a positive number", n.name, n.value)
		}
	}
	for _, x := range []struct {
		name  string
		value float64
	}{{"lr", o.lr}, {"anneal", o.anneal}, {"stepsize", o.stepSize}, {"memory", o.memory}} {
		if !(x.value > 0) {
			return fmt.Errorf("-%s %g: want a positive number", x.name, x.value)
		}
	}
	return nil
}

func (o *options) sensible() error {
	switch {
	case !(o.average >= 0 && o.average < 1):
		return fmt.Errorf("-average %g: want a decay between 0 and 1, or 0 for none", o.average)
	case !(o.jitter >= 0 && o.jitter < 1):
		return fmt.Errorf("-jitter %g: want a fraction from 0 to 1", o.jitter)
	case o.couplings < 0:
		return fmt.Errorf("-couplings %d: want a positive number, or 0 for the default", o.couplings)
	case o.physical < 0:
		return fmt.Errorf("-physical %d: want a positive number, or 0 for ten times -sweeps", o.physical)
	case o.images < 0:
		return fmt.Errorf("-images %d: want a positive number, or 0 for all", o.images)
	case o.every < 0:
		return fmt.Errorf("-every %d: want a positive number, or 0 for no sampling alongside", o.every)
	case !(o.adapt >= 0 && o.adapt < 1) || o.adapt > 0 && (o.every == 0 || o.every > o.steps):
		return fmt.Errorf("-adapt %g -every %d: want a weight below 1, and chains that move", o.adapt, o.every)
	case o.size < 2:
		return fmt.Errorf("-size %d: want two or more", o.size)
	case o.chains < 2:
		return fmt.Errorf("-chains %d: want two or more, whose spread gives the error", o.chains)
	case o.samples < 2:
		return fmt.Errorf("-samples %d: want two or more, whose spread gives the error", o.samples)
	case o.resume && o.checkpoint == "":
		return errors.New("-resume: from which file? give -checkpoint")
	}
	return nil
}

// Names of the figures in the directory -out.
const (
	lossName  = "loss.png"
	errorName = "free_energy.png"
	m2Name    = "m2.png"
	sheetName = "configurations.png"
)

func (o *options) figure(name string) string { return filepath.Join(o.out, name) }
