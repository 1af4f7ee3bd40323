package hmc

import (
	"context"
	"encoding"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"
)

// Sampler moves independent chains over one density. In a sweep it allocates no
// memory of its own. A Sampler is not safe for concurrent use, and nothing else may draw
// from its source in the meantime.
type Sampler struct {
	density  LogDensity
	force    LogDensity // density, or Settings.Force
	settings Settings
	rnd      *rand.Rand

	now     state       // of the chains
	trial   *trajectory // which moves the chains if it is accepted
	kinetic []float64   // kinetic energies at the start of the trajectory
	x       *mat.Dense  // what X returns
	logp    []float64   // what LogProb returns

	sweeps int
	counts counts

	failed int    // sweeps in a row in which the density failed
	mark   []byte // state of the source before the sweep
}

// New makes a sampler of d. Its chains start at the rows of x0, (chains, Dim),
// which is copied. New evaluates d once, and Settings.Force once if it is set.
//
// The error wraps
//   - ErrSettings for a nil density, settings that are nil or out of range, or a
//     source that is nil or a *rand.Rand;
//   - ErrShape if x0 is nil, has no rows or not d.Dim() columns, or if
//     Settings.Force has another dimension;
//   - ErrNotFinite if a position, a log-density or a gradient at the start is not
//     finite;
//   - the error of the density, if it returns one.
func New(d LogDensity, x0 *mat.Dense, s *Settings) (*Sampler, error) {
	settings, err := s.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := checkShape(d, settings.Force, x0); err != nil {
		return nil, err
	}
	force := d
	if settings.Force != nil {
		force = settings.Force
	}
	now := newState(x0)
	if err := now.start(d, settings.Force); err != nil {
		return nil, fmt.Errorf("hmc: at the start: %w", err)
	}
	return &Sampler{
		density:  d,
		force:    force,
		settings: settings,
		rnd:      rand.New(settings.Src),
		now:      now,
		trial:    newTrajectory(now),
		kinetic:  make([]float64, len(now.logp)),
		x:        mat.DenseCopyOf(x0),
		logp:     make([]float64, len(now.logp)),
		counts:   counts{chains: make([]int64, len(now.logp))},
	}, nil
}

// Sweep runs one trajectory of every chain and accepts or rejects each chain's
// on its own. It calls LogProbGrad of the density once per leapfrog step. If
// Settings.Force is set it calls that of the force instead, and that of the
// density once at the end, without a gradient.
//
// An error or a panic of the density becomes an error that names the sweep and
// the leapfrog step, or a rejection of all trajectories if Settings.MaxFaults
// allows it. After an error the chains are where the last complete sweep left
// them. So is the source, if it is an encoding.BinaryAppender and
// BinaryUnmarshaler as those of math/rand/v2 are.
func (s *Sampler) Sweep() error { return s.sweep(context.Background()) }

// Run makes n sweeps. After each it calls visit, unless that is nil, with the
// number of the sweep in this run, from 0 to n−1.
//
// Run stops at the first error of a sweep, of visit, or of ctx, which is checked
// before every leapfrog step. The error wraps its cause. The sampler is then as
// after the last complete sweep (see Sweep): a run that ctx stopped and a later
// call of Run finishes has the same result as one that was not stopped. A
// negative n or a nil ctx is ErrSettings.
func (s *Sampler) Run(ctx context.Context, n int, visit func(sweep int) error) error {
	if ctx == nil {
		return fmt.Errorf("hmc: %w: nil context", ErrSettings)
	}
	if n < 0 {
		return fmt.Errorf("hmc: %w: run of %d sweeps", ErrSettings, n)
	}
	for k := range n {
		if err := s.sweep(ctx); err != nil {
			return err
		}
		if visit == nil {
			continue
		}
		if err := visit(k); err != nil {
			return fmt.Errorf("hmc: visit after sweep %d: %w", s.sweeps-1, err)
		}
	}
	return nil
}

// X returns a copy of the positions, (chains, Dim). The next call of X
// overwrites it. Changing it does not move the chains.
func (s *Sampler) X() *mat.Dense {
	s.x.Copy(s.now.x)
	return s.x
}

// LogProb returns the log-density of every chain at its position, (chains), in
// nats, as the density gave it. It is a copy, which the next call overwrites.
func (s *Sampler) LogProb() []float64 {
	copy(s.logp, s.now.logp)
	return s.logp
}

// Chains returns the number of chains.
func (s *Sampler) Chains() int { return len(s.now.logp) }

// Sweeps returns the number of complete sweeps since New.
func (s *Sampler) Sweeps() int { return s.sweeps }

// sweep is Sweep, unless ctx is done.
func (s *Sampler) sweep(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("hmc: sweep %d: %w", s.sweeps, err)
	}
	if err := s.markSource(); err != nil {
		return fmt.Errorf("hmc: sweep %d: state of the source: %w", s.sweeps, err)
	}
	eps := s.settings.StepSize * (1 + s.settings.Jitter*(2*s.rnd.Float64()-1))
	s.trial.begin(&s.now)
	for i := range s.kinetic {
		v := s.trial.v.RawRowView(i)
		for j := range v {
			v[j] = s.rnd.NormFloat64()
		}
		s.kinetic[i] = s.trial.kinetic(i)
	}
	failed := false
	for step := 0; step < s.settings.Leapfrog && !failed; step++ {
		if err := ctx.Err(); err != nil {
			return s.stop(step, err)
		}
		if err := s.advance(eps, step); err != nil {
			if s.failed >= s.settings.MaxFaults {
				return s.stop(step, err)
			}
			failed = true
		}
	}
	if failed {
		s.failed++
	} else {
		s.failed = 0
	}
	for i := range s.kinetic {
		u := s.rnd.Float64()
		if failed {
			s.counts.divergent++
			continue
		}
		s.settle(i, u)
	}
	s.sweeps++
	return nil
}

// stop ends a sweep by an error and returns the source to its state before.
func (s *Sampler) stop(step int, err error) error {
	return fmt.Errorf("hmc: sweep %d, leapfrog step %d: %w", s.sweeps, step, errors.Join(err, s.rewind()))
}

// advance makes one leapfrog step of all chains. With Settings.Force it also
// evaluates the density after the last step.
func (s *Sampler) advance(eps float64, step int) error {
	if err := s.trial.leapfrog(s.force, eps, &s.now); err != nil {
		return err
	}
	if s.settings.Force == nil || step < s.settings.Leapfrog-1 {
		return nil
	}
	return s.trial.ask(s.density, nil)
}

// markSource keeps the state of the source, if the source can give it.
func (s *Sampler) markSource() (err error) {
	if src, ok := s.settings.Src.(encoding.BinaryAppender); ok {
		s.mark, err = src.AppendBinary(s.mark[:0])
	}
	return err
}

// rewind returns the source to the state that markSource kept.
func (s *Sampler) rewind() error {
	if src, ok := s.settings.Src.(encoding.BinaryUnmarshaler); ok && s.mark != nil {
		return src.UnmarshalBinary(s.mark)
	}
	return nil
}

// settle accepts or rejects the trajectory of chain i given u, uniform in [0, 1).
func (s *Sampler) settle(i int, u float64) {
	if !s.trial.alive[i] {
		s.counts.divergent++
		return
	}
	// Differences are taken first, so that a large constant in the log-density
	// does not matter. rise is ΔH.
	rise := (s.trial.kinetic(i) - s.kinetic[i]) + (s.now.logp[i] - s.trial.logp[i])
	// The negation makes a NaN, from velocities that overflowed, divergent, too.
	// Only the end point is tested. A test of the points between would give another
	// answer for the reversed trajectory and so break detailed balance.
	if !(math.Abs(rise) <= s.settings.MaxEnergyError) {
		s.counts.divergent++
		return
	}
	if u < math.Exp(-rise) {
		s.now.copyChain(i, &s.trial.state)
		s.counts.accept(i)
	}
}

// start evaluates the density at x, with the gradient of the force unless that is
// nil, and checks that all is finite.
func (s *state) start(d, force LogDensity) error {
	for i := range s.logp {
		if j := firstNotFinite(s.x.RawRowView(i)); j >= 0 {
			return fmt.Errorf("%w: chain %d: coordinate %d is %v", ErrNotFinite, i, j, s.x.At(i, j))
		}
	}
	if force == nil {
		if err := s.evaluate(d); err != nil {
			return err
		}
	} else {
		if err := s.evaluate(force); err != nil {
			return err
		}
		if i := firstNotFinite(s.logp); i >= 0 {
			return fmt.Errorf("%w: chain %d: log-density of the force is %v", ErrNotFinite, i, s.logp[i])
		}
		if err := s.ask(d, nil); err != nil {
			return err
		}
	}
	for i, logp := range s.logp {
		if !finite(logp) {
			return fmt.Errorf("%w: chain %d: log-density is %v", ErrNotFinite, i, logp)
		}
		if j := firstNotFinite(s.grad.RawRowView(i)); j >= 0 {
			return fmt.Errorf("%w: chain %d: gradient in coordinate %d is %v", ErrNotFinite, i, j, s.grad.At(i, j))
		}
	}
	return nil
}

// checkShape checks the dimensions of density, force and start.
func checkShape(d, force LogDensity, x0 *mat.Dense) error {
	if d == nil {
		return fmt.Errorf("hmc: %w: nil density", ErrSettings)
	}
	if x0 == nil || x0.IsEmpty() {
		return fmt.Errorf("hmc: %w: the start has no rows, need one per chain", ErrShape)
	}
	dim, err := dimension(d)
	if err != nil {
		return fmt.Errorf("hmc: dimension of the density: %w", err)
	}
	if _, cols := x0.Dims(); cols != dim {
		return fmt.Errorf("hmc: %w: the start has %d columns, the density dimension %d", ErrShape, cols, dim)
	}
	if force == nil {
		return nil
	}
	other, err := dimension(force)
	if err != nil {
		return fmt.Errorf("hmc: dimension of the force: %w", err)
	}
	if other != dim {
		return fmt.Errorf("hmc: %w: the force has dimension %d, the density %d", ErrShape, other, dim)
	}
	return nil
}
