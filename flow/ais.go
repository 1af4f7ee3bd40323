package flow

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/hmc"
	"github.com/neuralrg/neuralrg/internal/graph"
	"github.com/neuralrg/neuralrg/target"
)

// AISSettings configures AIS. A zero field means its default.
type AISSettings struct {
	Samples int // 1000 by default
	// Batch is the number of samples that are evaluated at a time, 500 by default. The
	// results do not depend on it.
	Batch int
	// Betas are the rungs of the path, rising from 0 to 1, those of a pilot run by default.
	// {0, 1} is importance sampling.
	Betas []float64
	// Rungs is the number of steps from β = 0 to 1 into which the pilot run divides the
	// path, as many as the path is long by default, see AIS. A rung costs Steps evaluations
	// of a sample, and the first one, which draws it, one.
	Rungs int
	// Steps is the number of moves at every rung but the last, 1 by default.
	Steps int
	// Moves are made in turn, each accepted or rejected by itself. Those of all latent
	// variables and of half the lattice by default: hmc.Independence and hmc.Windows of half
	// the lattice, which are Hierarchy.Cells. The bijector must be a bijector.Hierarchy
	// for the latter, or a chain that begins with one; other models have
	// hmc.CrankNicolson of Beta 0.3 in their place. If AcceptRates are small, take smaller
	// windows or a smaller Beta.
	Moves []hmc.Proposal
	// Resample is the effective fraction of the samples, from 0 to 1, below which they are
	// resampled (sequential Monte Carlo), never by default.
	Resample float64
	// Src draws latent variables, moves and images; required. Every sample has a source
	// of its own, made of two numbers from Src.
	Src rand.Source
	// Progress, if not nil, is told after every batch how many of all evaluations are
	// done, without those of the pilot run. An error stops AIS.
	Progress func(done, all int) error
}

// AISResult is the outcome of AIS. Its text and its JSON are those of the Estimate.
type AISResult struct {
	// Estimate is that of the weights w of the path, in place of π/q: Loss is the mean
	// of −ln w, an upper bound of −ln Z, and LogZ is ln⟨w⟩. After resampling the
	// descendants of one initial sample are not independent. They count as one
	// sample, of the sum of their weights: in ESS, a lower bound then, in LogZErr and in
	// TailIndex. Loss, StdErr and Variance are NaN then.
	Estimate
	// X are the samples, (Samples, Dim), of the weights exp(LogWeights). The mean of
	// the weights is an estimate of Z.
	X          *mat.Dense
	LogWeights []float64
	// Betas are the rungs, from 0 to 1.
	Betas []float64
	// AcceptRates are the accepted fractions of every move, averaged over samples and
	// rungs; NaN for one that was not made.
	AcceptRates []float64
	// Resampled is the number of rungs at which samples were resampled.
	Resampled int
}

// AIS samples the target by annealed importance sampling from the model (R. M. Neal,
// Stat. Comput. 11, 125 (2001)). It begins with latent variables of the prior p and
// follows the densities
//
//	p_β(z) ∝ p(z) exp[β W(z)],  W(z) = ln π(g(z)) − ln q(g(z)),
//
// from β = 0 to β = 1, which is Latent. At every rung, ln w of a sample grows by
// (β_k − β_(k−1)) W(z), and then z moves by a transition that leaves p_(β_k) invariant. It needs
// no gradients. The mean of w is Z and weighted means are those of π/Z, however short the
// moves are. With more rungs the weights vary less. At best the variance of ln w is Λ²/Rungs,
// Λ being the integral of the standard deviation of W under p_β over β.
//
// Unless Betas are given, a pilot run of a few samples measures Λ, and the rungs are set so
// that the increments of ln w have the same variance at each. By default it makes
// 300·Λ² rungs, from 10 to 1000. The pilot's samples are thrown away and the rungs are
// fixed before the others are drawn: rungs that follow the samples themselves
// would bias Z.
//
// With Resample it is sequential Monte Carlo (P. Del Moral, A. Doucet and A. Jasra, J. R.
// Stat. Soc. B 68, 411 (2006)): where (Σw)²/(n Σw²) is below it, samples are resampled
// systematically, and go on with the mean weight. The mean of w stays Z. Resampling saves
// samples where moves reach equilibrium at every rung. Otherwise independent samples are better.
//
// For a symmetrised model q is the mean over the whole group, as in Latent, and X are random
// images. Energies are in float64, whatever the precision of m. Memory is X and what a
// batch takes. Samples at which π is zero keep the weight zero.
//
// The results do not depend on Batch nor on GOMAXPROCS.
//
// When ctx is done or Progress fails, AIS returns the error and, without Resample, the
// result of the samples that are finished, nil if there are none. It fails with
// ErrSettings for a nil source or context, for rungs, numbers or moves out of range,
// naming them, and for the prior target.UniformAngles (see bijector.Angles). It fails with
// ErrNotFinite, naming sample and rung, where W is NaN or +Inf, and otherwise as Evaluate
// does.
func AIS(ctx context.Context, m *Model, t target.Density, s *AISSettings) (*AISResult, error) {
	if ctx == nil || s == nil || missing(s.Src) {
		return nil, fmt.Errorf("flow: AIS: %w: nil source or context", ErrSettings)
	}
	if err := match(m, t); err != nil {
		return nil, err
	}
	full, err := s.defaults(m)
	if err != nil {
		return nil, fmt.Errorf("flow: AIS: %w", err)
	}
	a := newAnnealer(ctx, m, t, full)
	if full.Rungs == 1 {
		full.Betas = []float64{0, 1}
	}
	if full.Betas == nil {
		if full.Betas, err = a.pilot(); err != nil {
			return nil, fmt.Errorf("flow: AIS: pilot run: %w", err)
		}
	}
	r, err := a.run()
	if err != nil {
		err = fmt.Errorf("flow: AIS: %w", err)
	}
	return r, err
}

// run anneals all samples, those of a batch or, where they are coupled, all together.
func (a *annealer) run() (*AISResult, error) {
	n, dim := a.s.Samples, a.m.Dim()
	x := mat.NewDense(n, dim, nil)
	group := min(a.s.Batch, n)
	if a.s.Resample > 0 {
		group = n
	}
	a.all = n * (len(a.s.Betas) - 1)
	r := &AISResult{Betas: a.s.Betas}
	for from := 0; from < n; from += group {
		to := min(from+group, n)
		p := a.particles(from, x.RawMatrix().Data[from*dim:to*dim])
		err := graph.Guard(func() error { return a.anneal(p) })
		if err != nil && (from == 0 || !a.stopped(err)) {
			return nil, err
		}
		if err != nil {
			return a.finish(r, x.Slice(0, from, 0, dim).(*mat.Dense)), fmt.Errorf("after %d samples: %w", from, err)
		}
		a.collect(r, p)
	}
	return a.finish(r, x), nil
}

// errStop wraps an error of Progress.
var errStop = errors.New("stopped")

// stopped tells whether an error is that of the context or of Progress.
func (a *annealer) stopped(err error) bool {
	return errors.Is(err, errStop) || a.ctx.Err() != nil && errors.Is(err, a.ctx.Err())
}
