package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/hmc"
	"github.com/neuralrg/neuralrg/target"
)

const (
	stepSize = 0.2
	leapfrog = 10
)

// sampling is the result of one sampler.
type sampling struct {
	M2     float64 `json:"m2"`
	M2Err  float64 `json:"m2_err"`
	Accept float64 `json:"accept"`
}

// trace is the course of one sampler.
type trace struct {
	name     string
	m2, err  []float64 // mean over the chains and its standard error, sweep by sweep
	chainSum []float64 // over the sweeps that count
	counted  int
	result   sampling
}

// sample runs hybrid Monte Carlo in latent and in physical space, from the
// same cold start and for the same number of leapfrog steps.
func sample(m *flow.Model, ising *target.Ising, o *options, src rand.Source) ([]*trace, error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	// Spins all up, and x at its mean given them: (K+αI)s.
	n := m.Dim()
	cold, z := mat.NewDense(o.chains, n, nil), mat.NewDense(o.chains, n, nil)
	for i := range o.chains {
		for j := range n {
			cold.Set(i, j, 4/o.T+ising.Alpha())
		}
	}
	if err := m.Encode(z, nil, cold); err != nil {
		return nil, err
	}
	x := mat.NewDense(o.chains, n, nil)
	latent, err := follow(ctx, "latent", flow.Latent(m, ising), z, ising, o, src, func(z *mat.Dense) (*mat.Dense, error) {
		return x, m.Decode(x, nil, z)
	})
	if err != nil {
		return nil, err
	}
	physical, err := follow(ctx, "physical", ising, cold, ising, o, src, func(x *mat.Dense) (*mat.Dense, error) {
		return x, nil
	})
	return []*trace{latent, physical}, err
}

// follow runs one sampler and measures ⟨m²⟩ of the configurations that its
// states stand for. The first quarter of the sweeps does not count.
func follow(ctx context.Context, name string, d target.Density, start *mat.Dense, ising *target.Ising, o *options, src rand.Source,
	configurations func(state *mat.Dense) (*mat.Dense, error)) (*trace, error) {
	s, err := hmc.New(target.NewEvaluator(d), start, &hmc.Settings{StepSize: stepSize, Leapfrog: leapfrog, Src: src})
	if err != nil {
		return nil, err
	}
	t := &trace{name: name, chainSum: make([]float64, o.chains)}
	m2 := make([]float64, o.chains)
	bar := newProgress(name+" HMC", o.sweeps)
	err = s.Run(ctx, o.sweeps, func(sweep int) error {
		x, err := configurations(s.X())
		if err != nil {
			return err
		}
		for i := range m2 {
			m2[i] = ising.StructureFactor(x.RawRowView(i))
		}
		mean, stdErr := hmc.MeanStdErr(m2)
		t.m2, t.err = append(t.m2, mean), append(t.err, stdErr)
		if sweep >= o.sweeps/4 {
			for i, v := range m2 {
				t.chainSum[i] += v
			}
			t.counted++
		}
		bar.step(fmt.Sprintf("acceptance %.2f", s.AcceptRate()))
		return nil
	})
	bar.done()
	if errors.Is(err, context.Canceled) && t.counted > 0 {
		err = nil
	}
	if err != nil {
		return nil, err
	}
	// Chains are independent: their means tell the error.
	for i := range t.chainSum {
		t.chainSum[i] /= float64(t.counted)
	}
	t.result.M2, t.result.M2Err = hmc.MeanStdErr(t.chainSum)
	t.result.Accept = s.AcceptRate()
	return t, nil
}
