package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/neuralrg/neuralrg/examples/internal/console"
	"github.com/neuralrg/neuralrg/target"
)

// options are the flags.
type options struct {
	// Most used.
	recipe     string
	paper      bool
	L          int
	T          float64
	steps      int
	seed       uint64
	chains     int
	sweeps     int
	out        string
	model      string
	grow       string
	json       string
	checkpoint string
	resume     bool

	// Network.
	couplings   int
	hiddenText  string
	hidden      []int // hiddenText in numbers
	repeat      int
	conditional bool
	size        int
	reflect     bool
	translate   bool
	spline      bool
	white       bool
	symmetric   bool

	// Training.
	batch     int
	lr        float64
	cosine    bool
	average   float64
	path      bool
	anneal    float64
	images    int
	dtypeText string
	single    bool // dtypeText is f32
	every     int
	between   int
	adapt     float64

	// Sampling.
	physical int
	samples  int
	stepSize float64
	leapfrog int
	jitter   float64

	save   int
	memory float64

	// values are the flags that must be the same when a run is resumed.
	values map[string]string
}

var help = console.Help{
	Synopsis: "ising2d [flags] trains a flow on the Ising model and samples the model with it.",
	Groups: []console.Group{
		{Title: "Most used", Flags: []string{
			"recipe", "paper", "L", "T", "steps", "seed", "chains", "sweeps",
			"out", "model", "grow", "json", "checkpoint", "resume",
		}},
		{Title: "Network", Flags: []string{
			"couplings", "hidden", "repeat", "size", "spline", "conditional", "white",
			"symmetric", "reflect", "translate",
		}},
		{Title: "Training", Flags: []string{
			"batch", "lr", "cosine", "average", "path", "anneal", "images", "dtype", "every", "between", "adapt",
		}},
		{Title: "Sampling", Flags: []string{"physical", "samples", "stepsize", "leapfrog", "jitter"}},
		{Title: "Other", Flags: []string{"save", "memory"}},
	},
}

// define makes the flags.
func (o *options) define(f *flag.FlagSet) {
	o.defineMostUsed(f)
	o.defineNetwork(f)
	o.defineTraining(f)
	o.defineSampling(f)
	f.IntVar(&o.save, "save", 100, "training steps or sweeps `N` from one checkpoint to the next")
	f.Float64Var(&o.memory, "memory", 8, "memory that a run may need, in `GB`")
}

func (o *options) defineMostUsed(f *flag.FlagSet) {
	f.StringVar(&o.recipe, "recipe", "fast", "`NAME` of settings: fast, best, paper or none")
	f.BoolVar(&o.paper, "paper", false, "the run of Fig. 3 of the paper, 16×16 sites")
	f.IntVar(&o.L, "L", 4, "`N` sites along an edge of the lattice")
	f.Float64Var(&o.T, "T", target.CriticalTemperature(), "temperature `T`, by default the critical one")
	f.IntVar(&o.steps, "steps", 800, "training steps `N`, may be raised on -resume")
	f.Uint64Var(&o.seed, "seed", 1, "seed `N` of all random numbers")
	f.IntVar(&o.chains, "chains", 128, "`N` hybrid Monte Carlo chains")
	f.IntVar(&o.sweeps, "sweeps", 120, "`N` trajectories of every chain in latent space")
	f.StringVar(&o.out, "out", "out", "directory `DIR` for figures")
	f.StringVar(&o.model, "model", "", "`FILE` for the trained flow")
	f.StringVar(&o.grow, "grow", "", "begin with the flow of a smaller lattice, `FILE`")
	f.StringVar(&o.json, "json", "", "`FILE` for the results")
	f.StringVar(&o.checkpoint, "checkpoint", "", "`FILE` for the state of the run")
	f.BoolVar(&o.resume, "resume", false, "go on from the file of -checkpoint, if it is there")
}

func (o *options) defineNetwork(f *flag.FlagSet) {
	f.IntVar(&o.couplings, "couplings", 0, "`N` couplings per block, 0 for 10, or 4 with -spline")
	f.StringVar(&o.hiddenText, "hidden", "10,10,10", "units `N,N,...` of the hidden layers")
	f.IntVar(&o.repeat, "repeat", 1, "`N` pairs of layers per scale; recipe best: 2")
	f.IntVar(&o.size, "size", 2, "`N` sites along an edge of a block, if the lattice can be cut into such blocks")
	f.BoolVar(&o.spline, "spline", false,
		"a rational-quadratic spline after every affine coupling; recipes fast and best")
	f.BoolVar(&o.conditional, "conditional", false,
		"what a scale adds to the field depends on the coarse field around it; recipes fast and best")
	f.BoolVar(&o.white, "white", false, "end with the root of the covariance K+αI; recipes fast and best")
	f.BoolVar(&o.symmetric, "symmetric", true, "symmetrise over x → −x")
	f.BoolVar(&o.reflect, "reflect", false, "symmetrise over the reflections of the lattice, too")
	f.BoolVar(&o.translate, "translate", false, "symmetrise over the translations, too")
}

func (o *options) defineTraining(f *flag.FlagSet) {
	f.IntVar(&o.batch, "batch", 512, "`N` configurations per step")
	f.Float64Var(&o.lr, "lr", 1e-3, "learning rate `X`; all recipes but none: 5e-3, with -grow 2e-3")
	f.BoolVar(&o.cosine, "cosine", false,
		"the learning rate rises for 50 steps and then falls to zero; all recipes but none")
	f.Float64Var(&o.average, "average", 0,
		"training ends with the moving average of the parameters with decay `X`, for example 0.97; 0 for the last ones")
	f.BoolVar(&o.path, "path", false, "path gradients; recipes fast and best")
	f.Float64Var(&o.anneal, "anneal", 1, "inverse temperature `X` at the start of training, which rises to 1 "+
		"in the first half; recipes fast and best: 0.5, with -grow 1")
	f.IntVar(&o.images, "images", 0,
		"symmetrise a sample of training over `N` random elements of the symmetry group, 0 for all")
	f.StringVar(&o.dtypeText, "dtype", "f32", "precision `TYPE` of training, f64 or f32")
	f.IntVar(&o.every, "every", 0,
		"run hybrid Monte Carlo during training, too, after every `N` training steps, 0 for never")
	f.IntVar(&o.between, "between", 4, "`N` trajectories of every chain each time")
	f.Float64Var(&o.adapt, "adapt", 0, "train on the configurations of the latent chains, too, with weight `X` "+
		"below 1, to learn what the flow does not propose; needs -every")
}

func (o *options) defineSampling(f *flag.FlagSet) {
	f.IntVar(&o.samples, "samples", 10000, "`N` samples that judge the flow, and as many with weights")
	f.IntVar(&o.physical, "physical", 0,
		"`N` trajectories of every chain in physical space, where they cost much less; 0 for ten times -sweeps")
	f.Float64Var(&o.stepSize, "stepsize", 0.2, "leapfrog step `X`")
	f.IntVar(&o.leapfrog, "leapfrog", 10, "`N` leapfrog steps of a trajectory")
	f.Float64Var(&o.jitter, "jitter", 0.2, "fraction `X`, below 1, by which the leapfrog step varies at random from "+
		"trajectory to trajectory; 0 for none, then a trajectory as long as a period of the motion goes nowhere")
}

// separate are the flags that may change when a run is resumed, or that only set
// other flags.
var separate = []string{
	"recipe", "paper", "out", "model", "json", "checkpoint", "resume", "save", "memory", "help-all", "steps",
}

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

// Names of the figures in the directory -out.
const (
	lossName  = "loss.png"
	errorName = "free_energy.png"
	m2Name    = "m2.png"
	sheetName = "configurations.png"
)

func (o *options) figure(name string) string { return filepath.Join(o.out, name) }
