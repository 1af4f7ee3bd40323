// Command collective looks inside a flow that was trained on the
// two-dimensional Ising model: Fig. 4 of Li and Wang, Phys. Rev. Lett. 121,
// 260601 (2018).
//
//	go run ./examples/collective
//	go run ./examples/collective -L 16 -model ising.safetensors -chains 1000 -burn 450 -between 100 -samples 2000
//
// It draws the responses E[∂z_i/∂x] of the collective variables at the top of
// the hierarchy and of one at every level, and the mutual information of all
// pairs of latent and of all pairs of physical variables, all of them under the
// target, which hybrid Monte Carlo in the latent space samples without bias. The
// chains start at samples of the model; the program says how many
// autocorrelation times of m² they are given to forget them and to come apart.
// If the file of -model exists the flow is read from it, as examples/ising2d -model
// writes it; else one is trained first, and saved there.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/examples/internal/checkpoint"
	"github.com/neuralrg/neuralrg/examples/internal/console"
	"github.com/neuralrg/neuralrg/examples/internal/memory"
	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/target"
)

// groups is the number of groups of chains whose spread tells the errors.
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
	Synopsis: "collective [flags] shows what the latent variables of a trained flow are, Fig. 4 of the paper.",
	Groups: []console.Group{{Title: "Flags", Flags: []string{
		"L", "T", "steps", "model", "chains", "burn", "between", "samples", "seed", "checkpoint", "resume", "out", "memory",
	}}},
}

func main() {
	o, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		err = run(ctx, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "collective:", err)
		os.Exit(1)
	}
}

// define makes the flags.
func (o *options) define(f *flag.FlagSet) {
	f.IntVar(&o.L, "L", 8, "`N` sites along an edge, a power of two")
	f.Float64Var(&o.T, "T", target.CriticalTemperature(), "temperature `T`, by default the critical one")
	f.IntVar(&o.steps, "steps", 600, "training steps `N`, if there is no model yet")
	f.IntVar(&o.chains, "chains", 500, "`N` hybrid Monte Carlo chains, a multiple of ten")
	f.IntVar(&o.burn, "burn", 200, "`N` sweeps before the first sample, ten autocorrelation times of m² or more")
	f.IntVar(&o.between, "between", 50, "`N` sweeps between samples of a chain, two autocorrelation times or more")
	f.IntVar(&o.samples, "samples", 1000, "`N` samples, a multiple of the chains")
	f.Uint64Var(&o.seed, "seed", 1, "seed `N` of all randomness")
	f.StringVar(&o.model, "model", "", "`FILE` of the flow: read if it exists, else written")
	f.StringVar(&o.checkpoint, "checkpoint", "", "`FILE` for the state of training, every 100 steps")
	f.BoolVar(&o.resume, "resume", false, "go on training from -checkpoint, if it exists")
	f.StringVar(&o.out, "out", "out", "directory `DIR` for figures")
	f.Float64Var(&o.memory, "memory", 8, "memory that a run may need, in `GB`")
}

func parse(args []string) (*options, error) {
	o := &options{}
	f := flag.NewFlagSet("collective", flag.ContinueOnError)
	o.define(f)
	if err := help.Parse(f, args, os.Stdout, console.Width(os.Stdout)); err != nil {
		return nil, err
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if o.resume && o.checkpoint == "" {
		return nil, errors.New("-resume: from which file? give -checkpoint")
	}
	if o.L < 4 || o.L&(o.L-1) != 0 {
		return nil, fmt.Errorf("-L %d: want a power of two, 4 or more: the network halves the lattice down to one block", o.L)
	}
	if o.steps <= 0 || o.burn <= 0 || o.between <= 0 {
		return nil, fmt.Errorf("want positive numbers for -steps %d, -burn %d and -between %d", o.steps, o.burn, o.between)
	}
	if o.chains <= 0 || o.chains%groups != 0 {
		return nil, fmt.Errorf("-chains %d: want a multiple of %d, for the errors", o.chains, groups)
	}
	if o.samples < o.chains || o.samples%o.chains != 0 {
		return nil, fmt.Errorf("-samples %d: want a multiple of the %d chains", o.samples, o.chains)
	}
	if o.samples < 100*groups {
		return nil, fmt.Errorf("-samples %d: want %d or more, 100 in each of %d groups, for the errors", o.samples, 100*groups, groups)
	}
	return o, nil
}

// batch is the number of configurations of a training step.
const batch = 512

// Names of the figures in the directory -out.
const (
	responseName    = "response.png"
	levelsName      = "levels.png"
	informationName = "information.png"
)

func (o *options) figure(name string) string { return filepath.Join(o.out, name) }

// ready checks, before anything is spent on it, that the run fits into memory
// and that what it makes can be written.
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

func run(ctx context.Context, o *options) error {
	if err := o.ready(); err != nil {
		return err
	}
	ising, err := target.NewIsing([]int{o.L, o.L}, o.T)
	if err != nil {
		return err
	}
	m, h, err := prepare(ctx, ising, o)
	if err != nil {
		return err
	}
	// Sources of their own: samples depend neither on whether the model was
	// trained or read nor on where training was stopped.
	x, z, err := sample(ctx, m, ising, o, rand.NewPCG(o.seed, 4))
	if err != nil {
		return err
	}
	if err := respond(ctx, m, h, x, o); err != nil {
		return err
	}
	src := rand.NewPCG(o.seed, 5)
	latent, err := inform(ctx, "latent", z, src)
	if err != nil {
		return err
	}
	// What Posterior may have flipped is flipped back at random.
	if err := m.RandomImages(x, src); err != nil {
		return err
	}
	physical, err := inform(ctx, "physical", x, src)
	if err != nil {
		return err
	}
	console.Printf("ratio %.0f, with the baselines taken off %.0f\n", physical.mean/latent.mean, (physical.mean-physical.baseline)/(latent.mean-latent.baseline))
	latent.printLevels(h)
	return informationFigure(latent.m, physical.m, o)
}

// prepare reads the model, or trains and saves one. Its bijector is h, or
// begins with it.
func prepare(ctx context.Context, ising *target.Ising, o *options) (m *flow.Model, h *bijector.Hierarchy, err error) {
	if o.model != "" {
		err = checkpoint.Read(o.model, func(r io.Reader) error { m, err = flow.Load(r); return err })
	}
	switch {
	case o.model == "" || errors.Is(err, fs.ErrNotExist):
		m, err = train(ctx, ising, o)
	case err == nil && m.Dim() != ising.Dim():
		err = fmt.Errorf("%s: a model of %d sites, want %d×%d", o.model, m.Dim(), o.L, o.L)
	}
	if err != nil {
		return nil, nil, err
	}
	b := m.Bijector()
	if c, ok := b.(*bijector.Chain); ok { // then whitened
		b = c.Bijectors()[0]
	}
	h, ok := b.(*bijector.Hierarchy)
	if !ok {
		return nil, nil, fmt.Errorf("%s: the model is a %T, want a hierarchy", o.model, b)
	}
	return m.Float64(), h, nil
}

// train trains the paper's network, symmetrised, from where a run that was
// stopped left it.
func train(ctx context.Context, ising *target.Ising, o *options) (*flow.Model, error) {
	src := rand.NewPCG(o.seed, 2018)
	block := func(int) (bijector.Bijector, error) {
		return bijector.NewRealNVP(4, &bijector.RealNVPSettings{Src: src})
	}
	h, err := bijector.NewMERA([]int{o.L, o.L}, block, nil)
	if err != nil {
		return nil, err
	}
	m, err := flow.New(target.NewNormal(h.Dim()), h)
	if err != nil {
		return nil, err
	}
	if m, err = flow.Symmetrize(m, flow.Inversion(h.Dim())); err != nil {
		return nil, err
	}
	m = m.Float32()
	last := time.Now()
	var tr *flow.Trainer
	watch := func(r *flow.Report) error {
		if time.Since(last) > 5*time.Second {
			last = time.Now()
			console.Printf("training %d/%d: loss %.4f\n", r.Step, r.Steps, r.Running.Loss)
		}
		if o.checkpoint == "" || r.Step%100 != 0 {
			return nil
		}
		return checkpoint.Write(o.checkpoint, checkpoint.Versions, o.keep(tr))
	}
	tr, err = flow.NewTrainer(m, ising, &flow.Settings{Batch: batch, Src: src, Recorder: flow.RecorderFunc(watch)})
	if err != nil {
		return nil, err
	}
	if o.resume {
		if err := o.load(tr); err != nil {
			return nil, err
		}
	}
	err = tr.Run(ctx, max(0, o.steps-tr.Result().Steps))
	if o.checkpoint != "" && (err == nil || errors.Is(err, context.Canceled)) {
		err = errors.Join(err, checkpoint.Write(o.checkpoint, checkpoint.Versions, o.keep(tr)))
	}
	if err != nil {
		return nil, err
	}
	res := tr.Result()
	console.Printf("trained for %d steps: %.3f ± %.3f nats above the exact free energy\n", res.Steps, res.Loss+ising.LogZ(), res.StdErr)
	if o.model == "" {
		return m, nil
	}
	return m, checkpoint.Write(o.model, 1, m.Save)
}

// training are the flags that runs which go on where another one was stopped have
// in common with it.
func (o *options) training() map[string]string {
	return map[string]string{"L": fmt.Sprint(o.L), "T": fmt.Sprint(o.T), "seed": fmt.Sprint(o.seed)}
}

// keep writes the state of training after a line that says of what.
func (o *options) keep(tr *flow.Trainer) func(io.Writer) error {
	return func(w io.Writer) error {
		if err := json.NewEncoder(w).Encode(o.training()); err != nil {
			return err
		}
		return tr.Save(w)
	}
}

// load takes up training from the youngest state, if there is any.
func (o *options) load(tr *flow.Trainer) error {
	file, age, err := checkpoint.Find(o.checkpoint)
	if errors.Is(err, fs.ErrNotExist) {
		console.Printf("no checkpoint %s yet: starting from the beginning\n", o.checkpoint)
		return nil
	}
	if err == nil {
		err = checkpoint.Read(file, o.takeUp(tr))
	}
	if err != nil {
		return err
	}
	if age > 0 {
		console.Printf("checkpoint %s is missing, taking the earlier one %s\n", o.checkpoint, file)
	}
	console.Printf("resumed from %s after %d training steps\n", file, tr.Result().Steps)
	return nil
}

// takeUp reads what keep wrote.
func (o *options) takeUp(tr *flow.Trainer) func(io.Reader) error {
	return func(r io.Reader) error {
		b := bufio.NewReader(r)
		line, err := b.ReadString('\n')
		var was map[string]string
		if err != nil || json.Unmarshal([]byte(line), &was) != nil {
			return errors.New("not a checkpoint of this program")
		}
		if differ := checkpoint.Differences(was, o.training()); differ != "" {
			return fmt.Errorf("of training with other flags: %s", differ)
		}
		return tr.Restore(b)
	}
}
