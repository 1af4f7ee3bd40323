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

// Sampler moves a set of independent chains over one density. After New a sweep
// allocates nothing. A Sampler is not safe for concurrent use, and its source is
// not to be used elsewhere at the same time.
type Sampler struct {
	density  LogDensity
	force    LogDensity // density, or Settings.Force
	settings Settings
	rnd      *rand.Rand

	now     state       // where the chains are, energies and gradients cached
	trial   *trajectory // where they are trying to go
	kinetic []float64   // kinetic energies at the start of the trajectory
	x       *mat.Dense  // what X returns
	logp    []float64   // what LogProb returns

	sweeps int
	counts counts

	failed int    // sweeps in a row at which the density failed
	mark   []byte // state of the source before the sweep
}

// New makes a sampler of d whose chains start at the rows of x0, (chains, Dim),
// which it copies. It evaluates d, and Settings.Force if there is one, once.
//
// The error wraps ErrSettings for a nil density, nil or impossible settings, or
// a source that is nil or a *rand.Rand; ErrShape when x0 is nil, has no rows or not d.Dim() columns, or
// Settings.Force has another dimension;
// ErrNotFinite when a position, a log-density or a gradient at the start is not
// finite; and the density's own error, should it return one.
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
	for i := range now.logp {
		if j := firstNotFinite(now.x.RawRowView(i)); j >= 0 {
			return nil, fmt.Errorf("hmc: chain %d: coordinate %d is %v at the start: %w", i, j, now.x.At(i, j), ErrNotFinite)
		}
	}
	if err := now.evaluate(force); err != nil {
		return nil, fmt.Errorf("hmc: at the start: %w", err)
	}
	if settings.Force != nil {
		if i := firstNotFinite(now.logp); i >= 0 {
			return nil, fmt.Errorf("hmc: chain %d: log-density of the force is %v at the start: %w", i, now.logp[i], ErrNotFinite)
		}
		if err := now.ask(d, nil); err != nil {
			return nil, fmt.Errorf("hmc: at the start: %w", err)
		}
	}
	for i, logp := range now.logp {
		if !finite(logp) {
			return nil, fmt.Errorf("hmc: chain %d: log-density is %v at the start: %w", i, logp, ErrNotFinite)
		}
		if j := firstNotFinite(now.grad.RawRowView(i)); j >= 0 {
			return nil, fmt.Errorf("hmc: chain %d: gradient in coordinate %d is %v at the start: %w", i, j, now.grad.At(i, j), ErrNotFinite)
		}
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

// Sweep runs one trajectory of every chain and accepts or rejects each on its
// own. It calls LogProbGrad once per leapfrog step, of Settings.Force if there
// is one and then once of the density at the end.
//
// An error or a panic of the density is returned as an error that names the
// sweep and leapfrog step, unless Settings.MaxFaults makes it a rejection of all
// trajectories. After an error the chains are where the last complete sweep
// left them, and so is the source, if it is an encoding.BinaryAppender and
// BinaryUnmarshaler like those of math/rand/v2; any other has moved on.
func (s *Sampler) Sweep() error { return s.sweep(context.Background()) }

// Run makes n sweeps and calls visit, unless it is nil, after each with the
// number of the sweep in this run, from 0 to n−1.
//
// It stops at the first error: of a sweep, of visit, or of ctx, which is looked
// at before every leapfrog step. The error wraps its cause, and the sampler is
// as after the last complete sweep, as Sweep says: a run stopped by ctx and taken
// up again is the same run. A negative n or a nil ctx is ErrSettings.
func (s *Sampler) Run(ctx context.Context, n int, visit func(sweep int) error) error {
	if ctx == nil {
		return fmt.Errorf("hmc: nil context: %w", ErrSettings)
	}
	if n < 0 {
		return fmt.Errorf("hmc: run of %d sweeps: %w", n, ErrSettings)
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

// X returns the positions, (chains, Dim). It is a copy in a buffer of the
// sampler's: changing it does not move the chains, the next call of X
// overwrites it, and no call allocates.
func (s *Sampler) X() *mat.Dense {
	s.x.Copy(s.now.x)
	return s.x
}

// LogProb returns the log-density of each chain at its position, in nats, as the
// density gave it. Like X it returns a copy that the next call overwrites.
func (s *Sampler) LogProb() []float64 {
	copy(s.logp, s.now.logp)
	return s.logp
}

// Chains returns the number of chains.
func (s *Sampler) Chains() int { return len(s.now.logp) }

// Sweeps returns the number of complete sweeps so far.
func (s *Sampler) Sweeps() int { return s.sweeps }

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
		err := ctx.Err()
		if err == nil {
			if err = s.advance(eps, step); err == nil {
				continue
			}
			if s.failed < s.settings.MaxFaults {
				failed = true
				continue
			}
		}
		return fmt.Errorf("hmc: sweep %d, leapfrog step %d: %w", s.sweeps, step, errors.Join(err, s.rewind()))
	}
	s.failed++
	if !failed {
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

// advance makes one leapfrog step of all chains. Where the last one ends the
// density itself is evaluated, if it was not for its gradient.
func (s *Sampler) advance(eps float64, step int) error {
	if err := s.trial.leapfrog(s.force, eps, &s.now); err != nil {
		return err
	}
	if s.settings.Force == nil || step < s.settings.Leapfrog-1 {
		return nil
	}
	return s.trial.ask(s.density, nil)
}

// markSource remembers the state of the source, if that can be.
func (s *Sampler) markSource() (err error) {
	if src, ok := s.settings.Src.(encoding.BinaryAppender); ok {
		s.mark, err = src.AppendBinary(s.mark[:0])
	}
	return err
}

// rewind returns the source to where markSource found it.
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
	// Differences first: the log-density may have a constant that is large.
	rise := (s.trial.kinetic(i) - s.kinetic[i]) + (s.now.logp[i] - s.trial.logp[i])
	// Negated so that a NaN, from velocities that overflowed, is divergent too.
	// The test is on the end point alone: one on the points between would look
	// different from the other end and so break detailed balance.
	if !(math.Abs(rise) <= s.settings.MaxEnergyError) {
		s.counts.divergent++
		return
	}
	if u < math.Exp(-rise) {
		s.now.copyChain(i, &s.trial.state)
		s.counts.accept(i)
	}
}

func checkShape(d, force LogDensity, x0 *mat.Dense) error {
	if d == nil {
		return fmt.Errorf("hmc: nil density: %w", ErrSettings)
	}
	if x0 == nil || x0.IsEmpty() {
		return fmt.Errorf("hmc: the start has no rows, need one per chain: %w", ErrShape)
	}
	dim, err := dimension(d)
	if err != nil {
		return fmt.Errorf("hmc: dimension of the density: %w", err)
	}
	if _, cols := x0.Dims(); cols != dim {
		return fmt.Errorf("hmc: the start has %d columns, the density dimension %d: %w", cols, dim, ErrShape)
	}
	if force == nil {
		return nil
	}
	other, err := dimension(force)
	if err != nil {
		return fmt.Errorf("hmc: dimension of the force: %w", err)
	}
	if other != dim {
		return fmt.Errorf("hmc: the force has dimension %d, the density %d: %w", other, dim, ErrShape)
	}
	return nil
}
