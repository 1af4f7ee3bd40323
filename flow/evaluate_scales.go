package flow

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/stat"

	"github.com/neuralrg/neuralrg/target"
)

// ScaleGap is the part of the gap that the latent variables of one level of a hierarchy
// leave, in nats.
//
// Let z_k be the latent variables of level k, and z_>k all coarser ones. By the chain rule the
// gap, the Kullback–Leibler divergence of the model from the target, is a sum over levels of
//
//	⟨KL(p(z_k) ‖ ρ(z_k | z_>k))⟩ over z_>k.
//
// p is the prior, and ρ is the density of the latent variables that make exact samples of the
// target (Latent). A level with a small gap gives its part of the field, given the coarser
// field, as the target has it.
type ScaleGap struct {
	// Level is that of bijector.Hierarchy: 0 is the finest.
	Level int
	// Latents is the number of latent variables of the level.
	Latents int
	// Gap and StdErr are the estimate and its standard error, in nats. StdErr is +Inf if the
	// redrawn variables cannot tell: if the effective number of Redraws is below 10 on average.
	Gap, StdErr float64
}

// ScaleSettings configures ScaleGaps. A zero field means its default.
type ScaleSettings struct {
	// Samples is the number of coarse fields, 64 by default, at least 2.
	Samples int
	// Redraws is how many times the finer latent variables are drawn for each of them; 128 by
	// default, at least 16.
	Redraws int
	Src     rand.Source // required
}

// leastRedraws is the effective number of redrawn variables below which their mean weight is
// not known.
const leastRedraws = 10

// ScaleGaps tells which scales of a flow are good and which are not, the finest level first.
// The bijector of m must be a bijector.Hierarchy or a chain that begins with one. All
// elements of the symmetry group of m count. It takes Samples·Redraws evaluations for every
// level.
//
// For the coarse latent variables z_>k of each sample, the finer ones are drawn from the prior
// again and again. With the weights w = π/q of these, ln⟨w⟩ − ⟨ln w⟩ is the divergence of all
// levels up to k together, given z_>k. The jackknife takes out the bias of ln⟨w⟩ to first
// order. Differences of successive levels are the gaps of the levels. Noise can make a small
// one negative. The sum is the gap of the model.
//
// It fails with ErrSettings for a nil context or source, for numbers out of range and for a
// bijector without a hierarchy; for the target as Evaluate does; and with ErrNotFinite if ln q
// or ln π is not finite.
func ScaleGaps(ctx context.Context, m *Model, t target.Density, s *ScaleSettings) ([]ScaleGap, error) {
	if ctx == nil || s == nil || missing(s.Src) {
		return nil, fmt.Errorf("flow: ScaleGaps: %w: nil source or context", ErrSettings)
	}
	if err := match(m, t); err != nil {
		return nil, err
	}
	full, err := s.defaults(m)
	if err != nil {
		return nil, fmt.Errorf("flow: ScaleGaps: %w", err)
	}
	gaps, err := full.gaps(ctx, m, t)
	if err != nil {
		return nil, fmt.Errorf("flow: ScaleGaps: %w", err)
	}
	return gaps, nil
}

func (s ScaleSettings) defaults(m *Model) (*ScaleSettings, error) {
	if s.Samples == 0 {
		s.Samples = 64
	}
	if s.Redraws == 0 {
		s.Redraws = 128
	}
	if s.Samples < 2 || s.Redraws < 16 {
		return nil, fmt.Errorf("%w: %d samples with %d redraws each, want at least 2 and 16", ErrSettings, s.Samples,
			s.Redraws)
	}
	if hierarchyIn(m) == nil {
		return nil, fmt.Errorf("%w: the bijector has no hierarchy", ErrSettings)
	}
	return &s, checkBatch(s.Redraws, m)
}

// gaps estimates the gaps of all levels.
func (s *ScaleSettings) gaps(ctx context.Context, m *Model, t target.Density) ([]ScaleGap, error) {
	e, err := newEvaluator(m, t, &EvaluateSettings{Samples: s.Redraws, Batch: s.Redraws, Src: s.Src})
	if err != nil {
		return nil, err
	}
	h := hierarchyIn(m)
	gaps := make([]ScaleGap, h.Levels())
	parts := make([][]float64, h.Levels()) // [level][sample]
	told := make([]float64, h.Levels())    // sum over samples of the effective number of redraws
	fine := make([][]int, h.Levels())      // latent variables up to a level
	for k := range gaps {
		latents := h.Latents(k)
		gaps[k] = ScaleGap{Level: k, Latents: len(latents)}
		fine[k] = latents
		if k > 0 {
			fine[k] = append(append([]int{}, fine[k-1]...), latents...)
		}
	}
	coarse, drawn := make([]float64, m.Dim()), make([]float64, s.Redraws*m.Dim())
	for i := range s.Samples {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("after %d samples: %w", i, err)
		}
		e.m.draw(coarse, e.rnd)
		e.m.draw(drawn, e.rnd) // the same for all levels: what they have in common cancels
		before := 0.0
		for k := range gaps {
			logw, err := e.redraw(coarse, drawn, fine[k])
			if err != nil {
				return nil, fmt.Errorf("sample %d, level %d: %w", i, k, err)
			}
			gap, effective := divergence(logw)
			parts[k] = append(parts[k], gap-before)
			before = gap
			told[k] += effective
		}
	}
	for k := range gaps {
		var sd float64
		gaps[k].Gap, sd = stat.MeanStdDev(parts[k], nil)
		gaps[k].StdErr = sd / math.Sqrt(float64(s.Samples))
		if told[k] < leastRedraws*float64(s.Samples) {
			gaps[k].StdErr = math.Inf(1)
		}
	}
	return gaps, nil
}

// redraw returns ln(π/q) of samples whose latent variables are z, but for the fine ones, which
// are those of the rows of drawn.
func (e *evaluator) redraw(z, drawn []float64, fine []int) ([]float64, error) {
	rows, n := e.s.Samples, e.m.Dim()
	all := make([]float64, rows*n)
	for r := range rows {
		row := all[r*n : (r+1)*n]
		copy(row, z)
		for _, i := range fine {
			row[i] = drawn[r*n+i]
		}
	}
	logq, logpi := make([]float64, rows), make([]float64, rows)
	in := e.images.draw(rows, e.rnd, [][]float64{all})
	if err := e.program.Run(rows, in, [][]float64{logq, logpi}); err != nil {
		return nil, err
	}
	sum := newMoments()
	if err := sum.addRows(logq, logpi); err != nil {
		return nil, err
	}
	if sum.out > 0 {
		return nil, fmt.Errorf("%w: the target is zero at %d of %d samples, and the gap infinite", ErrNotFinite,
			sum.out, rows)
	}
	for r, v := range logq {
		logpi[r] -= v
	}
	return logpi, nil
}

// divergence is ln⟨w⟩ − ⟨ln w⟩ of weights, without the bias of first order, and their effective
// number.
func divergence(logw []float64) (gap, effective float64) {
	s := momentsOf(logw)
	n := float64(len(logw))
	mean := s.lw - math.Log(n)
	var others float64 // sum of the logarithms of the means without one weight
	for _, v := range logw {
		others += s.lw + math.Log1p(-math.Exp(v-s.lw)) - math.Log(n-1)
	}
	logMean := n*mean - (n-1)*others/n
	return logMean + s.mean, math.Exp(2*s.lw - s.lw2)
}
