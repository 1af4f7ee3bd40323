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
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/examples/internal/checkpoint"
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

func parse(args []string) (*options, error) {
	o := &options{}
	f := flag.NewFlagSet("collective", flag.ContinueOnError)
	f.IntVar(&o.L, "L", 8, "linear size of the lattice, a power of two")
	f.Float64Var(&o.T, "T", target.CriticalTemperature(), "temperature")
	f.IntVar(&o.steps, "steps", 600, "training steps, if there is no model yet")
	f.IntVar(&o.chains, "chains", 500, "hybrid Monte Carlo chains, a multiple of ten")
	f.IntVar(&o.burn, "burn", 200, "sweeps before the first sample, ten autocorrelation times of m² or more")
	f.IntVar(&o.between, "between", 50, "sweeps from one sample of a chain to the next, two autocorrelation times or more")
	f.IntVar(&o.samples, "samples", 1000, "samples, a multiple of the chains")
	f.Uint64Var(&o.seed, "seed", 1, "seed of all randomness")
	f.StringVar(&o.model, "model", "", "file of the model: read if it exists, else written")
	f.StringVar(&o.checkpoint, "checkpoint", "", "file for the state of training, written every 100 steps")
	f.BoolVar(&o.resume, "resume", false, "go on training from the file of -checkpoint, if it exists")
	f.StringVar(&o.out, "out", "out", "directory for the figures")
	if err := f.Parse(args); err != nil {
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

func run(ctx context.Context, o *options) error {
	ising, err := target.NewIsing([]int{o.L, o.L}, o.T)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(o.out, 0o777); err != nil {
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
	fmt.Printf("ratio %.0f, with the baselines taken off %.0f\n", physical.mean/latent.mean, (physical.mean-physical.baseline)/(latent.mean-latent.baseline))
	latent.printLevels(h)
	return informationFigure(latent.m, physical.m, o)
}

// prepare reads the model, or trains and saves one. Its bijector is h, or
// begins with it.
func prepare(ctx context.Context, ising *target.Ising, o *options) (m *flow.Model, h *flow.Hierarchy, err error) {
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
	h, ok := b.(*flow.Hierarchy)
	if !ok {
		return nil, nil, fmt.Errorf("%s: the model is a %T, want a hierarchy", o.model, b)
	}
	m, err = m.Convert(tensor.Float64)
	return m, h, err
}

// train trains the paper's network, symmetrised, from where a run that was
// stopped left it.
func train(ctx context.Context, ising *target.Ising, o *options) (*flow.Model, error) {
	src := rand.NewPCG(o.seed, 2018)
	block := func() (bijector.Bijector, error) {
		return bijector.NewRealNVP(4, &bijector.RealNVPSettings{Src: src})
	}
	h, err := flow.NewMERA([]int{o.L, o.L}, block, nil)
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
	if m, err = m.Convert(tensor.Float32); err != nil {
		return nil, err
	}
	last := time.Now()
	var tr *flow.Trainer
	tr, err = flow.NewTrainer(m, ising, &flow.Settings{Src: src, Recorder: recorder(func(r *flow.Report) error {
		if time.Since(last) > 5*time.Second {
			last = time.Now()
			fmt.Printf("training %d/%d: loss %.4f\n", r.Step, o.steps, r.Running.Loss)
		}
		if o.checkpoint == "" || r.Step%100 != 0 {
			return nil
		}
		return checkpoint.Write(o.checkpoint, 3, o.keep(tr))
	})})
	if err != nil {
		return nil, err
	}
	if o.resume {
		if err := checkpoint.Read(o.checkpoint, o.takeUp(tr)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	err = tr.Run(ctx, max(0, o.steps-tr.Result().Steps))
	if o.checkpoint != "" && (err == nil || errors.Is(err, context.Canceled)) {
		err = errors.Join(err, checkpoint.Write(o.checkpoint, 3, o.keep(tr)))
	}
	if err != nil {
		return nil, err
	}
	res := tr.Result()
	fmt.Printf("trained for %d steps: %.3f ± %.3f nats above the exact free energy\n", res.Steps, res.Loss+ising.LogZ(), res.StdErr)
	if o.model == "" {
		return m, nil
	}
	return m, checkpoint.Write(o.model, 1, m.Save)
}

type recorder func(r *flow.Report) error

func (f recorder) Record(r *flow.Report) error { return f(r) }

// training is what runs that go on where another one was stopped have in
// common with it.
func (o *options) training() string { return fmt.Sprintf("-L %d -T %g -seed %d", o.L, o.T, o.seed) }

// keep writes the state of training after a line that says of what.
func (o *options) keep(tr *flow.Trainer) func(io.Writer) error {
	return func(w io.Writer) error {
		if _, err := fmt.Fprintln(w, o.training()); err != nil {
			return err
		}
		return tr.Save(w)
	}
}

// takeUp reads what keep wrote.
func (o *options) takeUp(tr *flow.Trainer) func(io.Reader) error {
	return func(r io.Reader) error {
		b := bufio.NewReader(r)
		line, err := b.ReadString('\n')
		if err != nil || !strings.HasPrefix(line, "-L ") {
			return errors.New("not a checkpoint of this program")
		}
		if was := strings.TrimSpace(line); was != o.training() {
			return fmt.Errorf("training with %s, now %s", was, o.training())
		}
		return tr.Restore(b)
	}
}
