package flow

import (
	"context"
	"fmt"
	"math/rand/v2"

	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/graph"
	"github.com/neuralrg/neuralrg/target"
)

// Estimate judges a model q by its own samples x ∼ q: their ln(q/π) says how close q is
// to the target π. Fields are NaN if there are too few samples.
//
// If q leaves out a mode of the target, its own samples do not show it. The loss is then
// still a bound, but ESS, LogZ and LogZErr describe only the modes that q has.
// Configurations of the target show a missing mode: see EvaluateSettings.Data and
// Forward.
type Estimate struct {
	// Samples is the number of samples from which the other fields are estimated.
	Samples int
	// Loss is the mean of ln(q/π), in nats, an upper bound of −ln Z (eq. 4). StdErr is
	// its standard error. If a sample is OutOfSupport, Loss is +Inf, and StdErr and
	// Variance are NaN.
	Loss, StdErr float64
	// Variance is the variance of ln(q/π). It is zero if and only if q = π/Z.
	Variance float64
	// ESS is the effective sample size of the weights w = π/q as a fraction of Samples,
	// (Σw)²/(n Σw²). The weights of a poor model have heavy tails: one weight may carry
	// most of the sum. A small ESS is therefore uncertain, and usually too large.
	ESS float64
	// LogZ is ln⟨π/q⟩, which tends to ln Z with the number of samples. LogZErr is its
	// standard error. It includes the bias of the logarithm and the effect of weights
	// larger than any seen so far. LogZErr is +Inf if the samples do not determine it: if
	// TailIndex is above min(0.7, 1 − 1/log₁₀ Samples), or if the error would be above
	// 0.2. In training TailIndex is not known. LogZErr then does not include larger
	// weights, and it is +Inf for an ESS below 0.1.
	LogZ, LogZErr float64
	// TailIndex is the index k of the tail of the weights: their moments below 1/k are
	// finite. It is the Pareto k̂ of Vehtari et al., JMLR 25, 72 (2024). Below ½ the error
	// of LogZ falls as one over the root of the number of samples. Above 0.7 no practical
	// number of samples is enough. TailIndex is 0 if it is not known: in training, and
	// for fewer than 50 samples.
	TailIndex float64
	// AcceptRate is the acceptance of independence Metropolis in equilibrium, the mean of
	// min(1, w'/w) over w at samples of π/Z and w' at samples of the model. It is 0 if it is
	// not known, in training and after resampling.
	AcceptRate float64
	// OutOfSupport is the number of samples at which π is zero. Their weight is
	// zero in ESS and LogZ.
	OutOfSupport int
	// Dropped is the number of samples that training left out, because ln q or ln π of
	// their batch could not be computed. Samples does not count them. If there are any,
	// Loss is no bound, and LogZ is that of the other samples.
	Dropped int
	// Forward judges the model by configurations of the target. It is nil without
	// EvaluateSettings.Data.
	Forward *Forward
}

// EvaluateSettings configures Evaluate. A zero field means its default.
type EvaluateSettings struct {
	Samples int // 10 000 by default
	Batch   int // samples drawn at a time, 500 by default
	// Images is the number of group elements averaged per sample, as in Settings; all by
	// default. For every number of images the mean of ln(q/π) is an upper bound of −ln Z, and the
	// mean of the weights π/q is Z. With all images the bound is closest and the weights
	// vary least. With few images a mode may be missing from LogZ, if the bijector alone
	// does not propose it.
	Images int
	Src    rand.Source // draws latent variables and images; required
	// Data are configurations of the target; none by default. They must be independent of
	// each other and of those that the model was trained on. Estimate.Forward then judges
	// the model by them.
	Data DataSource
	// DataSamples is the number of configurations taken from Data: all rows of a *DataRows,
	// else Samples by default.
	DataSamples int
}

// Evaluate estimates loss, effective sample size and ln Z from fresh samples of m and,
// if s.Data is set, from configurations of the target. A sample with ln π = −Inf has
// weight zero; Estimate.OutOfSupport counts it.
//
// It fails with
//   - ErrSettings for a nil context, model, target or source, and for numbers out of range;
//   - ErrShape if the dimensions differ;
//   - ErrSymmetry if m is symmetrised and t does not have the symmetry;
//   - ErrNotFinite, naming the sample, if ln q or ln π is NaN or infinite in another way,
//     and if the variance overflows;
//   - the errors of the target, the data and the context.
func Evaluate(ctx context.Context, m *Model, t target.Density, s *EvaluateSettings) (*Estimate, error) {
	if ctx == nil || s == nil || missing(s.Src) {
		return nil, fmt.Errorf("flow: Evaluate: %w: nil source or context", ErrSettings)
	}
	if err := match(m, t); err != nil {
		return nil, err
	}
	full, err := s.defaults(m)
	if err != nil {
		return nil, fmt.Errorf("flow: Evaluate: %w", err)
	}
	e, err := newEvaluator(m, t, full)
	if err != nil {
		return nil, fmt.Errorf("flow: Evaluate: %w", err)
	}
	estimate, err := e.estimate(ctx)
	if err != nil {
		return nil, fmt.Errorf("flow: Evaluate: %w", err)
	}
	return estimate, nil
}

// defaults returns the settings for a model with their defaults.
func (s EvaluateSettings) defaults(m *Model) (*EvaluateSettings, error) {
	if s.Samples < 0 || s.Batch < 0 {
		return nil, fmt.Errorf("%w: %d samples in batches of %d", ErrSettings, s.Samples, s.Batch)
	}
	if s.Samples == 0 {
		s.Samples = 10000
	}
	if s.Batch == 0 {
		s.Batch = 500
	}
	if err := s.dataDefaults(); err != nil {
		return nil, err
	}
	return &s, checkBatch(min(s.Batch, max(s.Samples, s.DataSamples)), m)
}

// evaluator evaluates a model, any number of times.
type evaluator struct {
	m       *Model
	s       *EvaluateSettings
	rnd     *rand.Rand
	images  *drawer
	program *graph.Program // z to ln q and ln π
	data    *graph.Program // x to ln q and ln π
}

func newEvaluator(m *Model, t target.Density, s *EvaluateSettings) (*evaluator, error) {
	images, err := newImages(m, s.Images)
	if err != nil {
		return nil, err
	}
	e := &evaluator{m: m, s: s, rnd: rand.New(s.Src), images: images.drawer()}
	input := func(name string) []graph.Input {
		return append([]graph.Input{{Name: name, Cols: m.Dim()}}, images.inputs()...)
	}
	out := []string{"ln q", "ln π"}
	e.program = graph.NewProgram(m.dtype, input("z"), out, func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
		_, logq, logpi, err := m.distill(in[0], t, images.among(in))
		return []*gorgonia.Node{logq, logpi}, err
	})
	e.data = graph.NewProgram(m.dtype, input("x"), out, func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
		logq, err := m.logProb(in[0], images.among(in))
		if err != nil {
			return nil, err
		}
		logpi, err := graph.LogProb(t, in[0])
		return []*gorgonia.Node{logq, logpi}, err
	})
	return e, nil
}

// estimate draws fresh samples and takes fresh data.
func (e *evaluator) estimate(ctx context.Context) (*Estimate, error) {
	sum, largest := newMoments(), newTail(e.s.Samples)
	weights := make([]float64, 0, e.s.Samples)
	for sum.samples() < e.s.Samples {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("after %d samples: %w", sum.samples(), err)
		}
		rows := min(e.s.Batch, e.s.Samples-sum.samples())
		z, logq, logpi := make([]float64, rows*e.m.Dim()), make([]float64, rows), make([]float64, rows)
		e.m.draw(z, e.rnd)
		in := e.images.draw(rows, e.rnd, [][]float64{z})
		if err := e.program.Run(rows, in, [][]float64{logq, logpi}); err != nil {
			return nil, err
		}
		if err := sum.addRows(logq, logpi); err != nil {
			return nil, fmt.Errorf("samples from %d: %w", sum.samples(), err)
		}
		largest.addRatios(logpi, logq)
		for r, v := range logpi {
			weights = append(weights, v-logq[r])
		}
	}
	if !sum.finite() {
		return nil, fmt.Errorf("mean and variance of ln(q/π): %w: %g, %g", ErrNotFinite, sum.mean, sum.m2)
	}
	estimate := sum.estimate(largest)
	estimate.AcceptRate = acceptRate(weights)
	if e.s.Data == nil {
		return &estimate, nil
	}
	var err error
	if estimate.Forward, err = e.forward(ctx); err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	estimate.Forward.compare(&estimate, e.m.dtype)
	return &estimate, nil
}
