package main

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"time"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/target"
)

// leastESS is a fraction of the samples. If the effective sample size is below it,
// a few large weights dominate and their spread does not give the error.
const leastESS = 0.1

// weigh computes ⟨m²⟩ from samples of the flow, Σw·m²/Σw with w = π/q. If ctx ends
// before all samples are drawn, it takes those that there are. It says why the
// result is not to be trusted, if it is not.
func weigh(ctx context.Context, m *flow.Model, ising *target.Ising, o *options) (r sampling, doubt string, err error) {
	nan := number(math.NaN())
	r = sampling{M2: nan, M2Err: nan, Accept: nan, Tau: nan, TauErr: nan, TauSeconds: nan, Seconds: nan, Cost: nan}
	density := target.NewEvaluator(ising)
	src := rand.NewPCG(o.seed, 2019) // of its own, so that what follows does not depend on -samples
	var m2, logw []float64
	start := time.Now()
	for len(m2) < o.samples && ctx.Err() == nil {
		batch := min(batchOfSamples, o.samples-len(m2))
		x, logq, logp := mat.NewDense(batch, m.Dim(), nil), make([]float64, batch), make([]float64, batch)
		if err := errors.Join(m.Sample(x, logq, src), density.LogProbs(logp, x)); err != nil {
			return r, "", err
		}
		for i := range batch {
			m2 = append(m2, ising.StructureFactor(x.RawRowView(i)))
			logw = append(logw, logp[i]-logq[i])
		}
	}
	if len(m2) == 0 {
		return r, "it was stopped before its first sample", nil
	}
	r.Seconds = number(time.Since(start).Seconds())
	mean, stdErr, ess := weightedMean(m2, logw)
	r.M2, r.M2Err = number(mean), number(stdErr)
	if ess < leastESS {
		return r, "its weights are too uneven", nil
	}
	r.price()
	return r, "", nil
}

// weightedMean returns Σw·v/Σw, its standard error, and the effective sample size as
// a fraction of the values.
func weightedMean(v, logw []float64) (mean, stdErr, ess float64) {
	largest := floats.Max(logw)
	sum, sum2 := 0.0, 0.0
	for i, l := range logw {
		w := math.Exp(l - largest)
		sum += w
		sum2 += w * w
		mean += w * v[i]
	}
	mean /= sum
	for i, l := range logw {
		d := math.Exp(l-largest) * (v[i] - mean)
		stdErr += d * d
	}
	return mean, math.Sqrt(stdErr) / sum, sum * sum / sum2 / float64(len(v))
}
