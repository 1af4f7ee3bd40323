package flow

import (
	"context"
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/internal/graph"
)

// Forward judges a model q by configurations x ∼ π/Z of the target. They show what q
// leaves out. If a mode is missing, Bound is far above LogZ, ESS is near zero, or the two
// estimates of ln Z disagree (Nicoli et al., PRD 108, 114501 (2023)).
//
// The errors hold for independent configurations. Successive configurations of a chain
// are correlated: take one in every few autocorrelation times. A chain that stays in one
// mode does not show the other modes.
type Forward struct {
	Samples int // number of configurations
	// Bound is the mean of ln(π/q), in nats: ln Z + KL(π/Z ‖ q), an upper bound of ln Z.
	// StdErr is its standard error. Bound is +Inf if a configuration is OutOfSupport.
	Bound, StdErr float64
	// ESS is 1/(⟨π/q⟩⟨q/π⟩). It tends to the same limit as Estimate.ESS, but is near zero
	// if q leaves out a part of the target.
	ESS float64
	// LogZ is −ln⟨q/π⟩, which tends to ln Z. LogZErr is its standard error, as in
	// Estimate. TailIndex is that of the weights q/π.
	LogZ, LogZErr, TailIndex float64
	// OutOfSupport is the number of configurations at which q is zero.
	OutOfSupport int
	// Deviation is the difference Estimate.LogZ − Forward.LogZ in units of its standard
	// error. It is NaN if that error is not known. Above 3 in magnitude, the estimates
	// disagree.
	Deviation float64
}

// dataDefaults sets the default of DataSamples.
func (s *EvaluateSettings) dataDefaults() error {
	rows := math.MaxInt
	if d, ok := s.Data.(*DataRows); ok && d != nil && d.X != nil {
		rows, _ = d.X.Dims()
		if s.DataSamples == 0 {
			s.DataSamples = rows
		}
	}
	switch {
	case s.Data == nil && s.DataSamples != 0:
		return fmt.Errorf("%w: DataSamples %d without Data", ErrSettings, s.DataSamples)
	case s.DataSamples < 0 || s.DataSamples > rows:
		return fmt.Errorf("%w: DataSamples %d, want one to the number of configurations", ErrSettings, s.DataSamples)
	case s.Data != nil && s.DataSamples == 0:
		s.DataSamples = s.Samples
	}
	return nil
}

// forward takes fresh configurations. If the images are drawn, every configuration is
// first replaced by a random image of it, as in likelihood. The mean of q/π is then 1/Z,
// and the mean of ln(π/q) is a bound.
func (e *evaluator) forward(ctx context.Context) (*Forward, error) {
	// As for samples of the model, with q and π exchanged.
	sum, largest := newMoments(), newTail(e.s.DataSamples)
	lw := math.Inf(-1) // ln Σ π/q
	row := make([]float64, e.m.Dim())
	for sum.samples() < e.s.DataSamples {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("after %d configurations: %w", sum.samples(), err)
		}
		rows := min(e.s.Batch, e.s.DataSamples-sum.samples())
		x, logq, logpi := mat.NewDense(rows, e.m.Dim(), nil), make([]float64, rows), make([]float64, rows)
		if err := next(e.s.Data, x); err != nil {
			return nil, fmt.Errorf("configurations from %d: %w", sum.samples(), err)
		}
		if e.images.random() {
			e.m.randomImages(x, row, e.rnd)
		}
		in := e.images.draw(rows, e.rnd, [][]float64{x.RawMatrix().Data})
		if err := e.data.Run(rows, in, [][]float64{logq, logpi}); err != nil {
			return nil, err
		}
		for r, v := range logpi {
			if d := v - logq[r]; math.IsNaN(d) || math.IsInf(v, 0) || math.IsInf(d, -1) {
				return nil, fmt.Errorf("configuration %d: %w: ln q is %g, ln π is %g",
					sum.samples()+r, ErrNotFinite, logq[r], v)
			}
			lw = graph.LogAddExpOf(lw, v-logq[r])
		}
		if err := sum.addRows(logpi, logq); err != nil {
			return nil, err
		}
		largest.addRatios(logq, logpi)
	}
	if !sum.finite() {
		return nil, fmt.Errorf("mean and variance of ln(π/q): %w: %g, %g", ErrNotFinite, sum.mean, sum.m2)
	}
	mirror := sum.estimate(largest)
	ess := 0.0
	if sum.n > 0 {
		ess = math.Exp(2*math.Log(float64(mirror.Samples)) - lw - sum.lw)
	}
	return &Forward{
		Samples: mirror.Samples, Bound: mirror.Loss, StdErr: mirror.StdErr,
		ESS: ess, LogZ: -mirror.LogZ, LogZErr: mirror.LogZErr, TailIndex: mirror.TailIndex,
		OutOfSupport: mirror.OutOfSupport,
	}, nil
}

// compare sets the deviation from the estimate by samples of the model. The standard
// error is at least the rounding of the arithmetic.
func (f *Forward) compare(e *Estimate, dt tensor.Dtype) {
	rounding := 1e-12
	if dt == tensor.Float32 {
		rounding = 1e-5
	}
	err := math.Hypot(math.Hypot(e.LogZErr, f.LogZErr), rounding*(1+math.Abs(f.LogZ)))
	f.Deviation = (e.LogZ - f.LogZ) / err
	if math.IsInf(err, 0) || math.IsInf(f.Deviation, 0) {
		f.Deviation = math.NaN()
	}
}
