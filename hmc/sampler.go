package hmc

import (
	"context"
	"encoding"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/neuralrg/neuralrg/internal/num"
	"gonum.org/v1/gonum/mat"
)

// Sampler moves independent chains over one density. In a sweep it allocates no
// memory of its own. A Sampler is not safe for concurrent use, and nothing else may draw
// from its source in the meantime.
type Sampler struct {
	density  LogDensity
	settings Settings
	rnd      *rand.Rand
	kernels  []mover   // of the mix, or one
	weights  []float64 // of the mix; nil: one kernel

	now    state       // of the chains
	gradOf int         // the number of the force (forceOf) whose gradient now has, or −1
	trial  *trajectory // which moves the chains if it is accepted
	rise   []float64   // −ln of the Metropolis ratio: ΔH of HMC
	energy []float64   // H at the start of the trajectories; NaN: a kernel without
	x      *mat.Dense  // what X returns
	logp   []float64   // what LogProb returns

	sweeps int
	counts counts
	kernel int // the number of the kernel of this sweep
	last   Moves
	tuning bool // WarmUp is running
	tuned  bool // WarmUp has changed the kernels

	failed int    // sweeps in a row in which the density failed
	mark   []byte // state of the source before the sweep
}

// New makes a sampler of d. Its chains start at the rows of x0, (chains, Dim),
// which is copied. New evaluates d once, with its gradient if the kernel is or
// contains HMC, and HMC.Force once if it is set.
//
// The error wraps
//   - ErrSettings for a nil density, settings that are nil or out of range, or a
//     source that is nil or a *rand.Rand;
//   - ErrShape if x0 is nil, has no rows or not d.Dim() columns, or if
//     HMC.Force or HMC.InverseMass has another dimension;
//   - ErrNotFinite if a position, a log-density or a gradient at the start is not
//     finite;
//   - the error of the density, if it returns one.
func New(d LogDensity, x0 *mat.Dense, settings *Settings) (*Sampler, error) {
	if err := settings.check(); err != nil {
		return nil, err
	}
	if err := checkShape(d, x0); err != nil {
		return nil, err
	}
	chains, dim := x0.Dims()
	c, err := settings.withDefaults(dim)
	if err != nil {
		return nil, err
	}
	s := &Sampler{
		density:  d,
		settings: c,
		rnd:      rand.New(c.Src),
		gradOf:   -1,
		rise:     make([]float64, chains),
		energy:   make([]float64, chains),
		x:        mat.DenseCopyOf(x0),
		logp:     make([]float64, chains),
		last:     newMoves(chains),
	}
	s.kernels, s.weights = movers(c.Kernel)
	var force LogDensity
	for k := len(s.kernels) - 1; k >= 0; k-- {
		f := s.kernels[k].force(d)
		if f == nil {
			continue
		}
		if err := checkForce(f, dim); err != nil {
			return nil, err
		}
		force, s.gradOf = f, s.forceOf(k)
	}
	s.now = newState(x0, force != nil)
	s.trial = newTrajectory(s.now)
	if err := s.now.start(d, force, s.gradOf > 0); err != nil {
		return nil, fmt.Errorf("hmc: at the start: %w", err)
	}
	s.ResetCounts()
	return s, nil
}

// Sweep moves every chain once by the kernel, and accepts or rejects each chain's
// proposal on its own. HMC calls LogProbGrad of the density once per leapfrog step. If
// HMC.Force is set it calls that of the force instead, and that of the
// density once at the end, without a gradient. After a kernel without gradients HMC
// calls it once more, at the start. All other kernels call that of the density once,
// without a gradient.
//
// An error or a panic of the density becomes an error that names the sweep and
// the leapfrog step, or a rejection of all proposals if Settings.MaxFaults
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

// Kernel returns the kernel as plain data, with the defaults and what WarmUp tuned.
// A sampler that is made with it goes on with the tuned kernel.
func (s *Sampler) Kernel() Kernel {
	if s.weights == nil {
		return s.kernels[0].kernel()
	}
	mix := make(Mix, len(s.kernels))
	for i, m := range s.kernels {
		mix[i] = Weighted{m.kernel(), s.weights[i]}
	}
	return mix
}

// sweep is Sweep, unless ctx is done.
func (s *Sampler) sweep(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("hmc: sweep %d: %w", s.sweeps, err)
	}
	if err := s.markSource(); err != nil {
		return fmt.Errorf("hmc: sweep %d: state of the source: %w", s.sweeps, err)
	}
	s.kernel = choose(s.weights, s.rnd)
	err := s.kernels[s.kernel].move(ctx, s)
	if err != nil && (ctx.Err() != nil || s.failed >= s.settings.MaxFaults) {
		return fmt.Errorf("hmc: sweep %d, %w", s.sweeps, errors.Join(err, s.rewind()))
	}
	if err != nil {
		s.failed++
	} else {
		s.failed = 0
	}
	s.last.Kernel = s.kernel
	for i := range s.rise {
		if err != nil {
			s.trial.alive[i], s.energy[i] = false, math.NaN()
		}
		s.settle(i, s.rnd.Float64())
	}
	s.sweeps++
	s.counts.kernels[s.kernel].sweeps++
	return nil
}

// settle accepts or rejects the proposal of chain i given u, uniform in [0, 1).
func (s *Sampler) settle(i int, u float64) {
	rise := s.rise[i]
	if !s.trial.alive[i] {
		rise = math.NaN()
	}
	s.last.EnergyErrors[i], s.last.Energies[i] = rise, s.energy[i]
	// The negation makes a NaN divergent, too.
	s.last.Divergent[i] = !(math.Abs(rise) <= s.kernels[s.kernel].limit())
	s.last.Accepted[i] = !s.last.Divergent[i] && u < math.Exp(-rise)
	if s.last.Divergent[i] {
		s.counts.diverge(s.kernel)
	}
	if s.last.Accepted[i] {
		gradient := s.kernels[s.kernel].force(s.density) != nil
		s.now.copyChain(i, &s.trial.state, gradient)
		if !gradient {
			s.gradOf = -1
		}
		s.counts.accept(s.kernel, i)
	}
}

// forceOf is the number of the force of kernel k: 0 for the gradient of the density,
// 1 + k for HMC.Force.
func (s *Sampler) forceOf(k int) int {
	if h, ok := s.kernels[k].(*hmcMover); ok && h.Force != nil {
		return 1 + k
	}
	return 0
}

// refresh computes the gradient at the positions of the chains if another kernel has
// moved them. The trial has begun there.
func (s *Sampler) refresh() error {
	of := s.forceOf(s.kernel)
	if s.gradOf == of {
		return nil
	}
	t := s.trial
	if err := t.evaluate(s.kernels[s.kernel].force(s.density)); err != nil {
		return err
	}
	s.now.grad.Copy(t.grad)
	for i, logp := range t.logp {
		if num.Finite(logp) {
			continue
		}
		// No trajectory of this force ends here, so none may begin here. NaN kills it
		// in the first step.
		for _, grad := range []*mat.Dense{t.grad, s.now.grad} {
			g := grad.RawRowView(i)
			for j := range g {
				g[j] = math.NaN()
			}
		}
	}
	s.gradOf = of
	return nil
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

// start evaluates the density at x, with the gradient of force unless that is
// nil, and checks that all is finite. other says that force is not the density.
func (s *state) start(d, force LogDensity, other bool) error {
	for i := range s.logp {
		if j := firstNotFinite(s.x.RawRowView(i)); j >= 0 {
			return fmt.Errorf("%w: chain %d: coordinate %d is %v", ErrNotFinite, i, j, s.x.At(i, j))
		}
	}
	if force != nil {
		if err := s.evaluate(force); err != nil {
			return err
		}
	}
	if i := firstNotFinite(s.logp); other && i >= 0 {
		return fmt.Errorf("%w: chain %d: log-density of the force is %v", ErrNotFinite, i, s.logp[i])
	}
	if force == nil || other {
		if err := s.ask(d, nil); err != nil {
			return err
		}
	}
	for i, logp := range s.logp {
		if !num.Finite(logp) {
			return fmt.Errorf("%w: chain %d: log-density is %v", ErrNotFinite, i, logp)
		}
		if s.grad == nil {
			continue
		}
		if j := firstNotFinite(s.grad.RawRowView(i)); j >= 0 {
			return fmt.Errorf("%w: chain %d: gradient in coordinate %d is %v", ErrNotFinite, i, j, s.grad.At(i, j))
		}
	}
	return nil
}

// checkShape checks the dimensions of density and start.
func checkShape(d LogDensity, x0 *mat.Dense) error {
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
	return nil
}

// checkForce checks the dimension of the force.
func checkForce(force LogDensity, dim int) error {
	other, err := dimension(force)
	if err != nil {
		return fmt.Errorf("hmc: dimension of the force: %w", err)
	}
	if other != dim {
		return fmt.Errorf("hmc: %w: the force has dimension %d, the density %d", ErrShape, other, dim)
	}
	return nil
}
