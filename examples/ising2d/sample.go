package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

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
	M2     number `json:"m2"`
	M2Err  number `json:"m2_err"`
	Accept number `json:"accept"`
}

// number is null in JSON where it is NaN.
type number float64

func (n number) MarshalJSON() ([]byte, error) {
	if math.IsNaN(float64(n)) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(n))
}

// trace is the course of one sampler.
type trace struct {
	name    string
	m2, err []float64   // mean over the chains and its standard error, sweep by sweep
	chains  [][]float64 // of each chain, sweep by sweep
	result  sampling
	drift   float64 // between the halves of the sweeps that count, in standard errors
}

// sample runs hybrid Monte Carlo in latent and in physical space, from the
// same cold start and for the same number of leapfrog steps.
func sample(i *interrupts, m *flow.Model, ising *target.Ising, o *options, src rand.Source) ([]*trace, error) {
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
	latent, err := follow(i, "latent", flow.Latent(m, ising), z, ising, o, src, func(z *mat.Dense) (*mat.Dense, error) {
		return x, m.Decode(x, nil, z)
	})
	if err != nil {
		return nil, err
	}
	physical, err := follow(i, "physical", ising, cold, ising, o, src, func(x *mat.Dense) (*mat.Dense, error) {
		return x, nil
	})
	return []*trace{latent, physical}, err
}

// follow runs one sampler and measures ⟨m²⟩ of the configurations that its
// states stand for.
func follow(i *interrupts, name string, d target.Density, start *mat.Dense, ising *target.Ising, o *options, src rand.Source,
	configurations func(state *mat.Dense) (*mat.Dense, error)) (*trace, error) {
	s, err := hmc.New(target.NewEvaluator(d), start, &hmc.Settings{StepSize: stepSize, Leapfrog: leapfrog, Src: src})
	if err != nil {
		return nil, err
	}
	t := &trace{name: name}
	ctx, done := i.phase()
	defer done()
	bar := newProgress(name+" HMC", o.sweeps)
	err = s.Run(ctx, o.sweeps, func(int) error {
		x, err := configurations(s.X())
		if err != nil {
			return err
		}
		m2 := make([]float64, o.chains)
		for i := range m2 {
			m2[i] = ising.StructureFactor(x.RawRowView(i))
		}
		mean, stdErr := hmc.MeanStdErr(m2)
		t.m2, t.err, t.chains = append(t.m2, mean), append(t.err, stdErr), append(t.chains, m2)
		bar.step(fmt.Sprintf("acceptance %.2f", s.AcceptRate()))
		return nil
	})
	bar.done()
	if err != nil && !errors.Is(err, context.Canceled) {
		return nil, err
	}
	t.result.Accept = number(s.AcceptRate())
	t.measure()
	return t, nil
}

// measure takes the mean over the sweeps but the first quarter. Chains are
// independent: their means tell the error, provided that they have forgotten
// where they started, which the drift between the halves of these sweeps puts
// to the test.
func (t *trace) measure() {
	from := len(t.chains) / 4
	mean, stdErr := chainMean(t.chains[from:])
	t.result.M2, t.result.M2Err = number(mean), number(stdErr)
	middle := (from + len(t.chains)) / 2
	early, earlyErr := chainMean(t.chains[from:middle])
	late, lateErr := chainMean(t.chains[middle:])
	t.drift = (late - early) / math.Hypot(earlyErr, lateErr)
}

// chainMean is the mean over sweeps and chains, NaN without sweeps.
func chainMean(sweeps [][]float64) (mean, stdErr float64) {
	if len(sweeps) == 0 {
		return math.NaN(), math.NaN()
	}
	means := make([]float64, len(sweeps[0]))
	for _, m2 := range sweeps {
		for i, v := range m2 {
			means[i] += v / float64(len(sweeps))
		}
	}
	return hmc.MeanStdErr(means)
}

// warning says why a result is not to be trusted.
func (t *trace) warning() string {
	switch {
	case !(t.result.Accept > 0):
		return " (nothing accepted: not sampled)"
	case math.IsNaN(t.drift):
		return " (too little to tell whether it is equilibrated)"
	case math.Abs(t.drift) > 3:
		return fmt.Sprintf(" (drifts by %.1f standard errors: not equilibrated)", t.drift)
	}
	return ""
}
