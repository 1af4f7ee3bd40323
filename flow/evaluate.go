package flow

import (
	"context"
	"fmt"
	"math/rand/v2"

	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/graph"
	"github.com/neuralrg/neuralrg/target"
)

// Estimate is what samples x ∼ q of a model say about a target π, from their
// ln(q/π). Fields are NaN where there are too few samples.
//
// A model can only be judged where it has been: if q leaves out a mode of the
// target, its own samples do not show it, the loss is still a bound, and ESS,
// LogZ and LogZErr are those of the modes that it has. Configurations of the target
// show it: see EvaluateSettings.Data and Forward.
type Estimate struct {
	Samples int // that Loss, ESS and LogZ are of
	// Loss is the mean of ln(q/π), in nats, an upper bound of −ln Z (eq. 4),
	// and StdErr its standard error. If a sample is OutOfSupport, Loss is +Inf, and
	// StdErr and Variance are NaN.
	Loss, StdErr float64
	// Variance is the variance of ln(q/π): zero if and only if q = π/Z.
	Variance float64
	// ESS is the effective sample size of the weights π/q as a fraction of
	// Samples, (Σw)²/(n Σw²). The weights of a poor model have heavy tails: a
	// single one may carry most of the sum, so that a small ESS is uncertain and
	// optimistic.
	ESS float64
	// LogZ is ln⟨π/q⟩, which tends to ln Z with the number of samples, and
	// LogZErr its standard error. LogZErr allows for weights larger than any so
	// far and for the bias of the logarithm. It is +Inf where the samples cannot tell:
	// where TailIndex is above .7, or above 1 − 1/log₁₀(Samples) if that is less,
	// and where it would be above .2. In training, where TailIndex is not
	// known, it does not allow for larger weights and is +Inf for an ESS below .1.
	LogZ, LogZErr float64
	// TailIndex is the index k of the tail of the weights, of which moments
	// below 1/k are finite (the Pareto k̂ of Vehtari et al., JMLR 25, 72 (2024)).
	// Below ½ the error of LogZ falls as one over the root of the number of
	// samples, above .7 no practical number suffices. It is 0 where it is not known: in
	// training and for less than 50 samples.
	TailIndex float64
	// OutOfSupport is the number of samples at which π is zero. Their weight is
	// zero in ESS and LogZ.
	OutOfSupport int
	// Dropped is the number of samples of batches that training left out because
	// ln q or ln π could not be computed. They are not in Samples. If there
	// are any, Loss is no bound, and LogZ is of the other samples.
	Dropped int
	// Forward is what configurations of the target say, nil without
	// EvaluateSettings.Data.
	Forward *Forward
}

// EvaluateSettings configures Evaluate. A zero field means its default.
type EvaluateSettings struct {
	Samples int // 10 000 by default
	Batch   int // samples drawn at a time, 500 by default
	// Images is the number of elements of the symmetry group over which the
	// density of a sample is the mean, as in Settings; all by default. With any
	// number of them the mean loss is a bound of −ln Z and that of the weights π/q
	// is Z; the bound is closest and the weights vary least with all. With few,
	// a mode that the bijector leaves to the symmetry may be missing from LogZ.
	Images int
	Src    rand.Source // draws latent variables and images; required
	// Data are configurations of the target, independent of each other and of
	// those that the model was trained on; none by default. With them the model
	// is judged from the side of the target as well, see Forward.
	Data DataSource
	// DataSamples is the number of configurations taken from Data; all rows of
	// DataRows, else Samples by default.
	DataSamples int
}

// Evaluate estimates loss, effective sample size and ln Z from fresh samples
// of m, and with s.Data from configurations of the target. A sample with ln π = −Inf
// has weight zero, see Estimate.OutOfSupport.
//
// It fails with ErrSettings for a nil source or numbers out of range, with
// ErrShape if the dimensions differ, with ErrSymmetry if m is symmetrised and t
// is not symmetric, with ErrNotFinite, naming the sample, if ln q or ln π is NaN
// or infinite otherwise, or if the variance overflows, and with the errors of the target, the data and the
// context.
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

// evaluator judges a model again and again.
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
	}
	if !sum.finite() {
		return nil, fmt.Errorf("mean and variance of ln(q/π): %w: %g, %g", ErrNotFinite, sum.mean, sum.m2)
	}
	estimate := sum.estimate(largest)
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
