package flow

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

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
	// of its own, made of two numbers from Src. With Comm these are numbers of rank 0's Src.
	Src rand.Source
	// Progress, if not nil, is told after every batch how many of all evaluations are
	// done, without those of the pilot run. An error stops AIS. With Comm it is told of those
	// of its rank.
	Progress func(done, all int) error
	// Comm connects the ranks of one run; nil: one process. Every rank takes an equal part of
	// the samples, see AIS.
	Comm Comm
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
// batch takes, with Comm on every rank. Samples at which π is zero keep the weight zero.
//
// The results do not depend on Batch nor on GOMAXPROCS.
//
// With AISSettings.Comm the samples are spread over ranks. All ranks must call AIS, with the same
// model, target and settings. Rank 0 makes the pilot run and hands out the rungs and the random
// numbers. All ranks return the result of all samples, which on processors of one kind is that
// of one process, to the bit. An error on one rank, or a context that is done, ends AIS on all
// ranks after the batch; the other ranks get an error that wraps ErrRank. Ranks with other
// numbers in their settings than rank 0 are ErrSettings on all ranks. Equal models, targets and
// kinds of moves are not checked. Resample needs one process.
//
// When ctx is done or Progress fails, AIS returns the error and, without Resample, the
// result of the samples that are finished, nil if there are none. It fails with
// ErrSettings for a nil source or context, for rungs, numbers or moves out of range,
// naming them, and for the prior target.UniformAngles (see bijector.Angles). It fails with
// ErrNotFinite, naming sample and rung, where W is NaN or +Inf, and otherwise as Evaluate
// does.
func AIS(ctx context.Context, m *Model, t target.Density, s *AISSettings) (*AISResult, error) {
	var c Comm
	if s != nil {
		c = s.Comm
	}
	all, err := newRanks(c)
	if err != nil {
		return nil, fmt.Errorf("flow: AIS: %w", err)
	}
	a, own := s.start(ctx, m, t)
	if err = all.agree(own); err != nil && own == nil {
		err = fmt.Errorf("flow: AIS: %w", err)
	}
	if err != nil {
		return nil, err
	}
	a.ranks = all
	r, err := a.run()
	if err != nil {
		err = fmt.Errorf("flow: AIS: %w", err)
	}
	return r, err
}

// start checks everything.
func (s *AISSettings) start(ctx context.Context, m *Model, t target.Density) (*annealer, error) {
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
	return newAnnealer(ctx, m, t, full), nil
}

// run anneals the samples of this rank, those of a batch or, where they are coupled, all together.
// All ranks make as many batches and end with the samples of all.
func (a *annealer) run() (*AISResult, error) {
	if err := a.plan(); err != nil {
		return nil, err
	}
	first, end := a.piece(a.rank, a.s.Samples)
	n, dim := end-first, a.m.Dim()
	x := make([]float64, n*dim)
	most := (a.s.Samples + a.size - 1) / a.size // samples of a rank
	group := min(a.s.Batch, most)
	if a.s.Resample > 0 {
		group = n
	}
	a.all = n * (len(a.s.Betas) - 1)
	r := &AISResult{Betas: a.s.Betas}
	for from := 0; from < most; from += group {
		from, to := min(from, n), min(from+group, n)
		p := a.particles(first+from, x[from*dim:to*dim], a.words[2*(first+from):])
		err := a.ctx.Err() // also of a rank that has no samples left
		if err == nil {
			err = graph.Guard(func() error { return a.anneal(p) })
		}
		if err == nil {
			a.collect(r, p)
		}
		if err = a.agree(err); err != nil {
			return a.interrupted(r, x, err)
		}
	}
	x, err := a.merge(r, x)
	if err != nil {
		return nil, err
	}
	return a.finish(r, x), nil
}

// interrupted returns the result of the samples that are finished, unless the samples of some
// rank failed.
func (a *annealer) interrupted(r *AISResult, x []float64, err error) (*AISResult, error) {
	if errors.Is(err, errComm) {
		return nil, err
	}
	failed := make([]float64, a.size)
	if !a.stopped(err) && !errors.Is(err, ErrRank) {
		failed[a.rank] = 1
	}
	if fault := a.gather(failed); fault != nil {
		return nil, errors.Join(err, fault)
	}
	if slices.Max(failed) > 0 {
		return nil, err
	}
	x, fault := a.merge(r, x)
	if fault != nil {
		return nil, errors.Join(err, fault)
	}
	n := len(r.LogWeights)
	if n == 0 {
		return nil, err
	}
	return a.finish(r, x), fmt.Errorf("after %d samples: %w", n, err)
}

// errStop wraps an error of Progress.
var errStop = errors.New("stopped")

// stopped tells whether an error is that of the context or of Progress.
func (a *annealer) stopped(err error) bool {
	return errors.Is(err, errStop) || a.ctx.Err() != nil && errors.Is(err, a.ctx.Err())
}
