package flow

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/graph"
	"github.com/neuralrg/neuralrg/target"
)

// Estimate is what samples x ∼ q of a model say about a target π, from their
// ln(q/π). Fields are NaN where there are too few samples.
type Estimate struct {
	Samples int // drawn
	// Loss is the mean of ln(q/π), in nats, an upper bound of −ln Z (eq. 4),
	// and StdErr its standard error.
	Loss, StdErr float64
	// Variance is the variance of ln(q/π): zero if and only if q = π/Z.
	Variance float64
	// ESS is the effective sample size of the weights π/q as a fraction of
	// Samples, (Σw)²/(n Σw²). The weights of a poor model have heavy tails: a
	// single one may carry most of the sum, and a region that q hardly ever
	// proposes does not show, so that a small ESS is uncertain and optimistic.
	ESS float64
	// LogZ is ln⟨π/q⟩, which tends to ln Z with the number of samples, and
	// LogZErr its standard error; both are as uncertain as ESS where that is
	// small.
	LogZ, LogZErr float64
}

// moments accumulates ln(q/π).
type moments struct {
	n        int
	mean, m2 float64 // of ln(q/π)
	lw, lw2  float64 // logarithms of Σw and Σw²
}

func newMoments() moments { return moments{lw: math.Inf(-1), lw2: math.Inf(-1)} }

func (s *moments) add(v float64) {
	s.merge(moments{1, v, 0, -v, -2 * v})
}

// merge adds the samples of t (Chan, Golub and LeVeque 1983).
func (s *moments) merge(t moments) {
	if t.n == 0 {
		return
	}
	n := float64(s.n + t.n)
	d := t.mean - s.mean
	s.m2 += t.m2 + d*d*float64(s.n)*float64(t.n)/n
	s.mean += d * float64(t.n) / n
	s.n += t.n
	s.lw, s.lw2 = graph.LogAddExpOf(s.lw, t.lw), graph.LogAddExpOf(s.lw2, t.lw2)
}

// estimate is NaN where there are too few samples.
func (s *moments) estimate() Estimate {
	if s.n == 0 {
		nan := math.NaN()
		return Estimate{0, nan, nan, nan, nan, nan, nan}
	}
	n := float64(s.n)
	v := s.m2 / (n - 1)
	ess := math.Exp(2*s.lw-s.lw2) / n
	return Estimate{
		Samples: s.n, Loss: s.mean, Variance: v, StdErr: math.Sqrt(v / n),
		ESS: ess, LogZ: s.lw - math.Log(n), LogZErr: math.Sqrt(max(0, 1/ess-1) / n),
	}
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
}

// Evaluate estimates loss, effective sample size and ln Z from fresh samples
// of m. It fails with ErrSettings for a nil source or numbers out of range, with
// ErrShape if the dimensions differ, with ErrSymmetry if m is symmetrised and t
// is not symmetric, with ErrNotFinite, naming the sample, if
// ln q or ln π is NaN or infinite, and with the context's error.
func Evaluate(ctx context.Context, m *Model, t target.Density, s *EvaluateSettings) (*Estimate, error) {
	if ctx == nil || s == nil || s.Src == nil {
		return nil, fmt.Errorf("flow: Evaluate: %w: nil source or context", ErrSettings)
	}
	full, err := s.defaults()
	if err != nil {
		return nil, fmt.Errorf("flow: Evaluate: %w", err)
	}
	if err := match(m, t); err != nil {
		return nil, err
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

// defaults returns the settings with their defaults.
func (s EvaluateSettings) defaults() (*EvaluateSettings, error) {
	if s.Samples < 0 || s.Batch < 0 {
		return nil, fmt.Errorf("%w: %d samples in batches of %d", ErrSettings, s.Samples, s.Batch)
	}
	if s.Samples == 0 {
		s.Samples = 10000
	}
	if s.Batch == 0 {
		s.Batch = 500
	}
	return &s, nil
}

// evaluator judges a model again and again.
type evaluator struct {
	m       *Model
	s       *EvaluateSettings
	rnd     *rand.Rand
	images  *images
	program *graph.Program // z to ln q and ln π
}

func newEvaluator(m *Model, t target.Density, s *EvaluateSettings) (*evaluator, error) {
	images, err := newImages(m, s.Images)
	if err != nil {
		return nil, err
	}
	return &evaluator{m, s, rand.New(s.Src), images, graph.NewProgram(m.dtype, []int{m.Dim()}, func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
		_, logq, logpi, err := m.distill(in[0], t, images)
		return []*gorgonia.Node{logq, logpi}, err
	})}, nil
}

// estimate draws fresh samples.
func (e *evaluator) estimate(ctx context.Context) (*Estimate, error) {
	sum := newMoments()
	for sum.n < e.s.Samples {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("after %d samples: %w", sum.n, err)
		}
		rows := min(e.s.Batch, e.s.Samples-sum.n)
		z, logq, logpi := make([]float64, rows*e.m.Dim()), make([]float64, rows), make([]float64, rows)
		e.m.draw(z, e.rnd)
		e.images.draw(rows, e.rnd)
		if err := e.program.Run(rows, [][]float64{z}, [][]float64{logq, logpi}); err != nil {
			return nil, err
		}
		if err := sum.addRows(logq, logpi); err != nil {
			return nil, fmt.Errorf("samples from %d: %w", sum.n, err)
		}
	}
	estimate := sum.estimate()
	return &estimate, nil
}

// judge is estimate for a trainer: to the end, and finite in every field.
func (e *evaluator) judge() (*Estimate, error) {
	r, err := e.estimate(context.Background())
	if err != nil {
		return nil, err
	}
	for _, v := range [...]float64{r.Loss, r.StdErr, r.Variance, r.ESS, r.LogZ, r.LogZErr} {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("%w: %+v", ErrNotFinite, *r)
		}
	}
	return r, nil
}

// finite tells whether none of the sums has overflowed.
func (s *moments) finite() bool {
	for _, v := range []float64{s.mean, s.m2, s.lw, s.lw2} {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return false
		}
	}
	return true
}

// addRows adds the samples of a batch, or none if one of them is not finite.
func (s *moments) addRows(logq, logpi []float64) error {
	batch := newMoments()
	for r := range logq {
		v := logq[r] - logpi[r]
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("row %d: %w: ln q is %g, ln π is %g", r, ErrNotFinite, logq[r], logpi[r])
		}
		batch.add(v)
	}
	s.merge(batch)
	return nil
}

// distill maps z to x = g(z), ln q, over some of the images or over all if s is
// nil, and ln π.
func (m *Model) distill(z *gorgonia.Node, t target.Density, s *images) (x, logq, logpi *gorgonia.Node, err error) {
	x, logq, err = m.generate(z, s)
	if err != nil {
		return nil, nil, nil, err
	}
	logpi, err = graph.LogProb(t, x)
	return x, logq, logpi, err
}

func match(m *Model, t target.Density) error {
	if m == nil || t == nil {
		return fmt.Errorf("flow: %w: needs a model and a target", ErrSettings)
	}
	if m.Dim() != t.Dim() {
		return fmt.Errorf("flow: %w: model of dimension %d, target of dimension %d", ErrShape, m.Dim(), t.Dim())
	}
	return checkSymmetry(m, t)
}
