// Command collective looks inside a flow that was trained on the
// two-dimensional Ising model: Fig. 4 of Li and Wang, Phys. Rev. Lett. 121,
// 260601 (2018).
//
//	go run ./examples/collective
//	go run ./examples/collective -L 16 -model ising.safetensors -samples 2000
//
// It draws the responses E[∂z_i/∂x] of the collective variables at the top of
// the hierarchy and the mutual information of all pairs of latent and of all
// pairs of physical variables, all of them under the target, which hybrid Monte
// Carlo in the latent space samples without bias. If the file of -model
// exists the flow is read from it, as examples/ising2d -model writes it;
// else one is trained first, and saved there.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"time"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/examples/internal/checkpoint"
	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/hmc"
	"github.com/neuralrg/neuralrg/mi"
	"github.com/neuralrg/neuralrg/target"
)

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
	f.IntVar(&o.steps, "steps", 600, "training steps, if there are no model yet")
	f.IntVar(&o.chains, "chains", 250, "hybrid Monte Carlo chains")
	f.IntVar(&o.burn, "burn", 50, "sweeps before the first sample")
	f.IntVar(&o.between, "between", 10, "sweeps from one sample of a chain to the next")
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
	if o.steps <= 0 || o.chains < 2 || o.burn < 0 || o.between <= 0 {
		return nil, fmt.Errorf("want positive numbers for -steps %d, -burn %d and -between %d, and two or more for -chains %d", o.steps, o.burn, o.between, o.chains)
	}
	if o.samples < o.chains || o.samples%o.chains != 0 {
		return nil, fmt.Errorf("-samples %d: want a multiple of the %d chains", o.samples, o.chains)
	}
	return o, nil
}

func run(ctx context.Context, o *options) error {
	src := rand.NewPCG(o.seed, 2018)
	ising, err := target.NewIsing([]int{o.L, o.L}, o.T)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(o.out, 0o777); err != nil {
		return err
	}
	m, h, err := prepare(ctx, ising, o, src)
	if err != nil {
		return err
	}
	x, z, err := sample(ctx, m, ising, o, src)
	if err != nil {
		return err
	}

	// The four variables of the last tile listen to all of the lattice.
	layers := h.Layers()
	top := layers[len(layers)-1].Tiles()[0]
	response, _, err := m.Response(ctx, x, top)
	if err != nil {
		return err
	}
	if err := responseFigure(response, top, o); err != nil {
		return err
	}
	latent, err := information(ctx, "latent", z, src)
	if err != nil {
		return err
	}
	// What Posterior may have flipped is flipped back at random.
	if err := m.RandomImages(x, src); err != nil {
		return err
	}
	physical, err := information(ctx, "physical", x, src)
	if err != nil {
		return err
	}
	a, b := meanOfPairs(latent), meanOfPairs(physical)
	fmt.Printf("mean mutual information of pairs: latent %.5f, physical %.5f nats, ratio %.1f\n", a, b, b/a)
	return informationFigure(latent, physical, o)
}

// prepare reads the model, or trains and saves one. Its bijector is h, or
// begins with it.
func prepare(ctx context.Context, ising *target.Ising, o *options, src rand.Source) (m *flow.Model, h *flow.Hierarchy, err error) {
	if o.model != "" {
		err = checkpoint.Read(o.model, func(r io.Reader) error { m, err = flow.Load(r); return err })
	}
	switch {
	case o.model == "" || errors.Is(err, fs.ErrNotExist):
		m, err = train(ctx, ising, o, src)
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
func train(ctx context.Context, ising *target.Ising, o *options, src rand.Source) (*flow.Model, error) {
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
		return checkpoint.Write(o.checkpoint, 3, tr.Save)
	})})
	if err != nil {
		return nil, err
	}
	if o.resume {
		if err := checkpoint.Read(o.checkpoint, tr.Restore); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	err = tr.Run(ctx, max(0, o.steps-tr.Result().Steps))
	if o.checkpoint != "" && (err == nil || errors.Is(err, context.Canceled)) {
		err = errors.Join(err, checkpoint.Write(o.checkpoint, 3, tr.Save))
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

// sample draws configurations x of the target and latent variables z of the
// posterior, of the images ηx that go with them, which take the place of x.
func sample(ctx context.Context, m *flow.Model, ising *target.Ising, o *options, src rand.Source) (x, z *mat.Dense, err error) {
	n := m.Dim()
	start := mat.NewDense(o.chains, n, nil)
	target.NewNormal(n).Rand(start.RawMatrix().Data, rand.New(src))
	s, err := hmc.New(target.NewEvaluator(flow.Latent(m, ising)), start, &hmc.Settings{StepSize: 0.2, Src: src})
	if err != nil {
		return nil, nil, err
	}
	x, z = mat.NewDense(o.samples, n, nil), mat.NewDense(o.samples, n, nil)
	rounds := o.samples / o.chains
	for k := range rounds {
		sweeps := o.between
		if k == 0 {
			sweeps = o.burn
		}
		if err := s.Run(ctx, sweeps, nil); err != nil {
			return nil, nil, err
		}
		fmt.Printf("sampling %d/%d: acceptance %.2f\n", k+1, rounds, s.AcceptRate())
		rows := x.Slice(k*o.chains, (k+1)*o.chains, 0, n).(*mat.Dense)
		if err := m.Decode(rows, nil, s.X()); err != nil {
			return nil, nil, err
		}
	}
	// The chains sample x = g(z) with the identity for η; the posterior draws
	// it with its weight, and z anew.
	if err := m.Posterior(z, nil, x, src); err != nil {
		return nil, nil, err
	}
	return x, z, m.Decode(x, nil, z)
}

func information(ctx context.Context, name string, x *mat.Dense, src rand.Source) (*mat.SymDense, error) {
	last := time.Now()
	return mi.Matrix(ctx, x, &mi.Settings{Src: src, Progress: func(done, total int) {
		if time.Since(last) > 5*time.Second || done == total {
			last = time.Now()
			fmt.Printf("mutual information, %s: %d of %d pairs\n", name, done, total)
		}
	}})
}

// meanOfPairs is the mean of the entries off the diagonal.
func meanOfPairs(m mat.Symmetric) float64 {
	var pairs []float64
	for i := range m.SymmetricDim() {
		for j := range i {
			pairs = append(pairs, m.At(i, j))
		}
	}
	return stat.Mean(pairs, nil)
}
