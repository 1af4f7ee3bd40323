package main

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/neuralrg/neuralrg/examples/internal/console"
	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/target"
)

// options are the values of the flags.
type options struct {
	// Most used.
	recipe     string
	paper      bool
	L          int
	T          float64
	steps      int // 0 until a run with -budget knows them
	budget     time.Duration
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
	couplings    int
	hiddenText   string
	hidden       []int // hiddenText in numbers
	repeat       int
	conditional  bool
	checkerboard bool
	size         int
	reflect      bool
	translate    bool
	spline       bool
	rational     bool
	white        bool
	symmetric    bool
	soap         bool

	// Training.
	batch     int
	parts     int
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
	measure  time.Duration
	relErr   float64
	ais      int
	rungs    int
	cold     bool
	physical int
	samples  int
	stepSize float64
	leapfrog int
	jitter   float64

	save   int
	memory float64

	// values are the flags that must be the same when a run is resumed.
	values map[string]string

	comm flow.Comm // of several ranks, or nil

	// With -budget.
	share    time.Duration // of the budget, for this lattice
	smaller  []*options    // the runs of smaller lattices before this one
	fresh    pace          // of a flow that begins with random parameters
	ownBatch bool          // -batch is given
}

var help = console.Help{
	Synopsis: "ising2d [flags] trains a flow on the Ising model and samples the model with it.",
	Groups: []console.Group{
		{Title: "Most used", Flags: []string{
			"recipe", "paper", "L", "T", "steps", "budget", "seed", "chains", "sweeps",
			"out", "model", "grow", "json", "checkpoint", "resume",
		}},
		{Title: "Network", Flags: []string{
			"couplings", "hidden", "repeat", "size", "spline", "rational", "conditional", "checkerboard", "white",
			"symmetric", "reflect", "translate",
		}},
		{Title: "Training", Flags: []string{
			"batch", "parts", "lr", "soap", "cosine", "average", "path", "anneal", "images", "dtype",
			"every", "between", "adapt",
		}},
		{Title: "Sampling", Flags: []string{
			"measure", "relerr", "ais", "rungs", "samples", "physical", "stepsize", "leapfrog", "jitter", "cold",
		}},
		{Title: "Other", Flags: []string{"save", "memory"}},
	},
}

// define makes the flags.
func (o *options) define(f *flag.FlagSet) {
	o.defineMostUsed(f)
	o.defineNetwork(f)
	o.defineTraining(f)
	o.defineSampling(f)
	f.IntVar(&o.save, "save", 100, "write the file of -checkpoint after every `N` training steps or sweeps")
	f.Float64Var(&o.memory, "memory", 8, "refuse a run that needs more memory than this, in `GB`")
}

func (o *options) defineMostUsed(f *flag.FlagSet) {
	f.StringVar(&o.recipe, "recipe", "fast", "set several flags by `NAME`: fast, best, paper or none")
	f.BoolVar(&o.paper, "paper", false, "make the run of Fig. 3 of the paper, on 16×16 sites")
	f.IntVar(&o.L, "L", 4, "the lattice has `N`×N sites")
	f.Float64Var(&o.T, "T", target.CriticalTemperature(), "temperature `T` in units of J, by default the critical one")
	f.IntVar(&o.steps, "steps", 800, "make `N` training steps; may be raised with -resume")
	f.DurationVar(&o.budget, "budget", 0, "train for at most the time `D`, for example 20m, in place of -steps")
	f.Uint64Var(&o.seed, "seed", 1, "seed `N` of all random numbers")
	f.IntVar(&o.chains, "chains", 128, "run `N` hybrid Monte Carlo chains")
	f.IntVar(&o.sweeps, "sweeps", 40, "`N` trajectories of every chain in latent space")
	f.StringVar(&o.out, "out", "out", "write figures to the directory `DIR`")
	f.StringVar(&o.model, "model", "", "write the trained flow to `FILE`")
	f.StringVar(&o.grow, "grow", "", "start from the flow of a smaller lattice in `FILE`")
	f.StringVar(&o.json, "json", "", "write the results to `FILE`")
	f.StringVar(&o.checkpoint, "checkpoint", "", "write the state of the run to `FILE`")
	f.BoolVar(&o.resume, "resume", false, "go on from the file of -checkpoint if it exists")
}

func (o *options) defineNetwork(f *flag.FlagSet) {
	f.IntVar(&o.couplings, "couplings", 0, "`N` couplings per block; 0 means 10, or 4 with -spline")
	f.StringVar(&o.hiddenText, "hidden", "10,10,10", "hidden layers of `N,N,...` units; recipe best sets 12,12")
	f.IntVar(&o.repeat, "repeat", 1, "`N` pairs of layers per scale; recipe best sets 2")
	f.IntVar(&o.size, "size", 2, "blocks of `N`×N sites, if the lattice can be cut into such blocks")
	f.BoolVar(&o.spline, "spline", false,
		"add a smooth spline to every affine coupling; recipes fast and best set it")
	f.BoolVar(&o.rational, "rational", false,
		"rational-quadratic splines and affine conditional decimators, as in earlier versions")
	f.BoolVar(&o.conditional, "conditional", false,
		"the latent variables of a scale depend on the coarse field around them; recipes fast and best set it")
	f.BoolVar(&o.checkerboard, "checkerboard", false,
		"layers on nested checkerboards in place of a MERA, if -L is even; recipe best sets it")
	f.BoolVar(&o.white, "white", false, "end with the square root of the covariance K+αI; recipes fast and best set it")
	f.BoolVar(&o.symmetric, "symmetric", true, "symmetrise over x → −x")
	f.BoolVar(&o.reflect, "reflect", false, "symmetrise over the reflections of the lattice as well")
	f.BoolVar(&o.translate, "translate", false, "symmetrise over the translations as well")
}

func (o *options) defineTraining(f *flag.FlagSet) {
	f.IntVar(&o.batch, "batch", 512, "`N` configurations per training step; with -budget, 256 above 16×16 sites")
	f.IntVar(&o.parts, "parts", 0, "compute each batch in `N` equal parts, with samples of their own; "+
		"0 means 1, or 8 on several ranks of mpirun")
	f.Float64Var(&o.lr, "lr", 1e-3,
		"learning rate `X`; recipes fast and best set 1e-2, or 5e-3 with -grow, paper 5e-3 or 2e-3")
	f.BoolVar(&o.soap, "soap", false, "use the optimiser Soap in place of Adam; recipes fast and best set it")
	f.BoolVar(&o.cosine, "cosine", false,
		"the learning rate rises for 50 steps and then falls to zero; all recipes but none set it")
	f.Float64Var(&o.average, "average", 0,
		"at the end, take the moving average of the parameters with decay `X`, for example 0.97; 0 takes the last ones")
	f.BoolVar(&o.path, "path", false, "use path gradients; recipes fast and best set it")
	f.Float64Var(&o.anneal, "anneal", 1, "inverse temperature `X` at the start of training; it rises to 1 "+
		"in the first half of the steps; recipes fast and best set 0.5, or 1 with -grow")
	f.IntVar(&o.images, "images", 0,
		"symmetrise each sample of training over `N` random elements of the symmetry group; 0 means all")
	f.StringVar(&o.dtypeText, "dtype", "f32", "precision `TYPE` of training: f64 or f32")
	f.IntVar(&o.every, "every", 0,
		"run hybrid Monte Carlo during training as well, after every `N` training steps; 0 means never")
	f.IntVar(&o.between, "between", 4, "`N` trajectories of every chain each time that -every runs them")
	f.Float64Var(&o.adapt, "adapt", 0, "train on the configurations of the latent chains as well, with weight `X` "+
		"below 1; the flow then learns configurations that it does not propose; needs -every")
}

func (o *options) defineSampling(f *flag.FlagSet) {
	f.DurationVar(&o.measure, "measure", 10*time.Minute,
		"measure ⟨m²⟩ by the latent mix, flow.Measure, for at most the time `D`; 0, which -paper sets, leaves it out")
	f.Float64Var(&o.relErr, "relerr", 0.01, "the relative error `X` at which the latent mix stops")
	f.IntVar(&o.ais, "ais", 0, "compute ln Z by `N` samples annealed from the flow to π; "+
		"0 means 1000 in 30 rungs up to 8×8 sites, and none on larger lattices")
	f.IntVar(&o.rungs, "rungs", 0, "`N` steps from the flow to π for -ais; 0 lets a short pilot run choose")
	f.BoolVar(&o.cold, "cold", false,
		"start the latent chains at a cold configuration, not at samples of the flow; -paper sets it")
	f.IntVar(&o.samples, "samples", 10000, "evaluate the flow on `N` samples, and reweight as many")
	f.IntVar(&o.physical, "physical", 0,
		"`N` trajectories of every chain in physical space, where they cost much less; 0 means ten times -sweeps")
	f.Float64Var(&o.stepSize, "stepsize", 0.2, "size `X` of a leapfrog step")
	f.IntVar(&o.leapfrog, "leapfrog", 10, "`N` leapfrog steps per trajectory")
	f.Float64Var(&o.jitter, "jitter", 0.2, "fraction `X`, below 1, by which the leapfrog step varies at random from "+
		"trajectory to trajectory; with 0, a trajectory as long as a period of the motion ends where it began")
}

// positive are the numbers that must be above zero.
var positive = []string{
	"L", "steps", "batch", "chains", "sweeps", "between", "leapfrog", "save", "repeat",
	"lr", "anneal", "stepsize", "memory", "relerr",
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
	if err := o.preset(f); err != nil {
		return nil, err
	}
	if err := errors.Join(console.Positive(f, positive...), o.lists(), o.sensible()); err != nil {
		return nil, err
	}
	if o.physical == 0 {
		o.physical = 10 * o.sweeps
		f.Set("physical", strconv.Itoa(o.physical))
	}
	if o.ais == 0 && o.L <= 8 {
		f.Set("ais", "1000")
		if o.rungs == 0 {
			f.Set("rungs", "30")
		}
	}
	o.values = map[string]string{}
	f.VisitAll(func(f *flag.Flag) {
		if !slices.Contains(separate, f.Name) {
			o.values[f.Name] = f.Value.String()
		}
	})
	o.setParts(o.parts)
	if o.budget > 0 {
		o.steps = 0
		o.chain()
	}
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
