// Command ising2d trains a neural-network renormalization group flow on the
// two-dimensional Ising model in its continuous dual form, on the bare energy
// alone, and then samples the model without bias by hybrid Monte Carlo, in the
// latent space of the flow and, for comparison, in physical space.
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
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"time"

	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/examples/internal/checkpoint"
	"github.com/neuralrg/neuralrg/flow"
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

// summary is what -json writes; energies are in nats.
type summary struct {
	Loss           float64  `json:"loss"`
	LossErr        float64  `json:"loss_err"`
	Exact          float64  `json:"exact"` // −ln Z
	Gap            float64  `json:"gap"`
	Std            float64  `json:"std"` // of ln(q/π)
	ESS            float64  `json:"ess"`
	LogZ           number   `json:"log_z"` // by reweighting
	LogZErr        number   `json:"log_z_err"`
	Steps          int      `json:"steps"`
	Params         int      `json:"params"`
	SecondsPerStep float64  `json:"seconds_per_step"`
	PeakMB         float64  `json:"peak_mb"`
	Latent         sampling `json:"latent"`
	Physical       sampling `json:"physical"`
}

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

func run(o *options) error {
	if o.checkpoint != "" && !o.resume {
		if err := checkpoint.Refuse(o.checkpoint); err != nil {
			return err
		}
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
	interrupts := newInterrupts(o.checkpoint != "")
	defer interrupts.stop()
	if err := os.MkdirAll(o.out, 0o777); err != nil {
		return err
	}
	var report *os.File // opened now: a bad path must not cost the run
	if o.json != "" {
		if report, err = os.Create(o.json); err != nil {
			return err
		}
	}
	exact := -ising.LogZ()
	fmt.Printf("Ising model on a %d×%d torus at T = %.6g, %d parameters, exact bound −ln Z = %.6f\n", o.L, o.L, o.T, countParams(model), exact)

	// Sampling and evaluation are in float64.
	model64, err := model.Convert(tensor.Float64)
	if err != nil {
		return err
	}
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
	history := &k.history
	if err := errors.Join(lossFigure(history, exact, o), errorFigure(history, exact, o)); err != nil {
		return err
	}
	if k.evaluated == nil {
		if err := evaluate(interrupts, k, model64, ising); err != nil {
			return err
		}
	}
	e := k.evaluated
	s := summary{
		Loss: e.Loss, LossErr: e.StdErr, Exact: exact, Gap: e.Loss - exact, Std: math.Sqrt(e.Variance), ESS: e.ESS,
		LogZ: number(e.LogZ), LogZErr: number(e.LogZErr),
		Steps: len(history.Loss), Params: countParams(model), SecondsPerStep: history.Seconds / float64(len(history.Loss)),
	}
	fmt.Printf("loss         %.4f ± %.4f (%d samples)\n", s.Loss, s.LossErr, e.Samples)
	fmt.Printf("exact −ln Z  %.4f\n", s.Exact)
	fmt.Printf("gap          %.4f ± %.4f nats\n", s.Gap, s.LossErr)
	fmt.Printf("ESS          %.3f, standard deviation of ln(q/π) %.3f\n", s.ESS, s.Std)
	fmt.Printf("−ln⟨π/q⟩     %.4f ± %.4f, %+.4f from exact\n", -e.LogZ, e.LogZErr, -e.LogZ-exact)

	m2, known := exactM2(ising, o)
	for i, w := range samplers {
		if err := w.follow(interrupts, k); err != nil {
			return err
		}
		r, drift := w.result()
		fmt.Printf("⟨m²⟩ %-8s %.4f ± %.4f, acceptance %.2f%s\n", w.name, r.M2, r.M2Err, r.Accept, warning(r, drift))
		if math.IsNaN(float64(r.Tau)) {
			fmt.Println("  autocorrelation time of m²: too long for so few sweeps to tell")
		} else {
			fmt.Printf("  autocorrelation time of m²: %.0f ± %.0f leapfrog steps, %.3g s\n", r.Tau, r.TauErr, r.TauSeconds)
		}
		*[]*sampling{&s.Latent, &s.Physical}[i] = r
	}
	if known {
		fmt.Printf("⟨m²⟩ exact    %.4f\n", m2)
	} else {
		m2 = math.NaN()
	}
	if err := m2Figure(samplers, m2, o); err != nil {
		return err
	}
	if err := sheetFigure(model64, o, src); err != nil {
		return err
	}
	s.PeakMB = peakMB()
	fmt.Printf("%.3f s per training step, peak memory %.0f MB, figures in %s\n", s.SecondsPerStep, s.PeakMB, o.out)
	if report == nil {
		return nil
	}
	w := json.NewEncoder(report)
	w.SetIndent("", "  ")
	return errors.Join(w.Encode(s), report.Close())
}

func newModel(o *options, ising *target.Ising, src rand.Source) (*flow.Model, error) {
	recipe := &flow.Recipe{
		Couplings: o.couplings, Hidden: o.hidden, Spline: o.spline,
		Network: flow.NetworkSettings{Size: o.size, Repeat: o.repeat}, Conditional: o.conditional, White: o.white,
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
	return m.Convert(o.dtype)
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

// history is the course of training.
type history struct {
	Loss, Err []float64     // running mean and its standard error, step by step
	Last      flow.Estimate // the running estimate at the end
	Seconds   float64
}

// train trains the model; every o.every steps the samplers, if any, take part.
func train(i *interrupts, k *keeper, m *flow.Model, t target.Density) error {
	o, h := k.o, &k.history
	ctx, done := i.phase()
	defer done()
	s := &flow.Settings{Batch: o.batch, LearnRate: o.lr, Average: o.average, Images: o.images, PathGradient: o.path, Window: 20, Src: k.src}
	if o.anneal != 1 {
		s.Anneal = flow.Ramp(o.anneal, o.steps/2)
	}
	if o.cosine {
		s.Schedule = flow.Cosine(o.steps, min(50, o.steps/10))
	}
	if o.adapt > 0 {
		// To begin with, what the flow proposes: all in one place they would be a
		// poor example.
		if len(h.Loss) == 0 {
			if err := m.Sample(k.walkers[0].x, nil, k.src); err != nil {
				return err
			}
		}
		s.Data, s.DataWeight = &chainSampler{k.walkers[0], m, k.src}, o.adapt
	}
	var bar *progress
	last := time.Now()
	// The chains move at every o.every-th step; if that is interrupted they do so
	// first of all when the program goes on.
	move := func() error {
		err := alongside(ctx, k.walkers, k.src, o.between)
		k.Pending = errors.Is(err, context.Canceled)
		return err
	}
	s.Recorder = recorder(func(r *flow.Report) error {
		h.Loss, h.Err = append(h.Loss, r.Running.Loss), append(h.Err, r.Running.StdErr)
		h.Last = r.Running
		h.Seconds += time.Since(last).Seconds()
		bar.step(fmt.Sprintf("loss %.4f ± %.4f", r.Running.Loss, r.Running.StdErr))
		if o.every > 0 && r.Step%o.every == 0 {
			if err := move(); err != nil {
				return err
			}
		}
		var err error
		if r.Step%o.save == 0 {
			err = k.save()
		}
		last = time.Now()
		return err
	})
	var err error
	if k.trainer, err = flow.NewTrainer(m, t, s); err != nil {
		return err
	}
	if err := k.load(); err != nil || k.Trained {
		return err
	}
	bar = newProgress("training", o.steps, len(h.Loss))
	if k.Pending {
		err = move()
	}
	last = time.Now()
	if err == nil {
		err = k.trainer.Run(ctx, o.steps-len(h.Loss))
	}
	bar.done()
	if errors.Is(err, context.Canceled) {
		if err = k.stopped(); err == nil && len(h.Loss) == 0 {
			err = errors.New("stopped before the first training step")
		}
		if err == nil {
			fmt.Printf("training stopped after %d steps\n", len(h.Loss))
		}
	}
	if err == nil && o.average != 0 {
		err = k.trainer.UseAverage()
	}
	k.Trained, k.Pending = err == nil, false
	return err
}

// evaluate judges the model by fresh samples, or, if it is interrupted, by the
// last ones of training.
func evaluate(i *interrupts, k *keeper, m *flow.Model, t target.Density) error {
	ctx, done := i.phase()
	defer done()
	e, err := flow.Evaluate(ctx, m, t, &flow.EvaluateSettings{Src: k.src})
	if errors.Is(err, context.Canceled) {
		if k.o.checkpoint != "" { // as of the last save
			return errStopped
		}
		e, err = &k.history.Last, nil
	}
	if err != nil {
		return err
	}
	k.evaluated = e
	return k.save()
}

type recorder func(r *flow.Report) error

func (f recorder) Record(r *flow.Report) error { return f(r) }
