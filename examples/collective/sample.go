package main

import (
	"context"
	"math/rand/v2"
	"time"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/examples/internal/console"
	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/hmc"
	"github.com/neuralrg/neuralrg/hmc/diag"
	"github.com/neuralrg/neuralrg/target"
)

// sample draws configurations x of the target, and latent variables z of their
// posterior. A latent variable may belong to the image of a configuration by a
// symmetry; x is then that image. The samples of a chain are successive rows.
func sample(
	ctx context.Context, m *flow.Model, ising *target.Ising, o *options, src rand.Source,
) (x, z *mat.Dense, err error) {
	n := m.Dim()
	// The chains start at samples of the model.
	start := mat.NewDense(o.chains, n, nil)
	target.NewNormal(n).Rand(start.RawMatrix().Data, rand.New(src))
	// Energies are in float64, forces in float32.
	density := target.NewEvaluator(flow.Latent(m, ising))
	s, err := hmc.New(density, start, &hmc.Settings{
		Kernel: hmc.HMC{StepSize: 0.2, Jitter: 0.2, Force: density.Float32()},
		Src:    src,
	})
	if err != nil {
		return nil, nil, err
	}
	r := &recording{m: m, quick: m.Float32(), ising: ising, o: o, sampler: s, last: time.Now()}
	r.x, r.now = mat.NewDense(o.samples, n, nil), mat.NewDense(o.chains, n, nil)
	total := o.burn + (o.samples/o.chains-1)*o.between
	r.m2 = mat.NewDense(total, o.chains, nil)
	if err := s.Run(ctx, total, r.record); err != nil {
		return nil, nil, err
	}
	console.Printf("%d samples from %d chains, acceptance %.2f\n", o.samples, o.chains, s.AcceptRate())
	judge(r.m2, o)
	// The chains sample x = g(z) without the symmetry. The posterior draws an image of
	// x with its weight, and its z.
	z = mat.NewDense(o.samples, n, nil)
	if err := m.Posterior(z, nil, r.x, src); err != nil {
		return nil, nil, err
	}
	return r.x, z, m.Decode(r.x, nil, z)
}

// recording keeps m² after every sweep and the configurations that are samples.
type recording struct {
	m, quick *flow.Model // quick is in float32
	ising    *target.Ising
	o        *options
	sampler  *hmc.Sampler
	x        *mat.Dense // samples
	m2       *mat.Dense // (sweeps, chains)
	now      *mat.Dense // configurations of the chains
	last     time.Time  // of a message
}

// record is called after every sweep.
func (r *recording) record(sweep int) error {
	made, total := sweep+1, r.m2.RawMatrix().Rows
	if time.Since(r.last) > 5*time.Second {
		r.last = time.Now()
		console.Printf("sampling %d/%d: acceptance %.2f\n", made, total, r.sampler.AcceptRate())
	}
	isSample := made >= r.o.burn && (made-r.o.burn)%r.o.between == 0
	model := r.quick
	if isSample {
		model = r.m
	}
	if err := model.Decode(r.now, nil, r.sampler.X()); err != nil {
		return err
	}
	perChain := r.o.samples / r.o.chains
	for c := range r.o.chains {
		x := r.now.RawRowView(c)
		r.m2.Set(sweep, c, r.ising.StructureFactor(x))
		if isSample {
			r.x.SetRow(c*perChain+(made-r.o.burn)/r.o.between, x)
		}
	}
	return nil
}

// judge prints how independent the samples are. It takes m² of all chains, (sweeps,
// chains), without the first quarter of the sweeps.
func judge(series *mat.Dense, o *options) {
	sweeps, chains := series.Dims()
	m2, stdErr := diag.MeanStdErr(series.RawRowView(sweeps - 1))
	console.Printf("⟨m²⟩ after the last sweep %.4f ± %.4f\n", m2, stdErr)
	tau, tauErr, err := diag.AutocorrTime(series.Slice(sweeps/4, sweeps, 0, chains).(*mat.Dense))
	if err != nil {
		console.Printf("autocorrelation time τ of m²: too short a run to tell; more -burn?\n")
		return
	}
	console.Printf("autocorrelation time of m² %.1f ± %.1f sweeps: burn-in %.1f, spacing %.1f of them\n",
		tau, tauErr, float64(o.burn)/tau, float64(o.between)/tau)
	if float64(o.burn) < 10*tau || o.samples > o.chains && float64(o.between) < 2*tau {
		console.Printf("want 10 or more of burn-in and 2 or more of spacing: more -burn, -between?\n")
	}
}
