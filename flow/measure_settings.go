package flow

import (
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/hmc"
	"github.com/neuralrg/neuralrg/target"
)

const (
	defaultChains = 32
	leastChains   = 2 // of a rank by default
)

// MeasureSettings configures Measure. A zero field means its default.
type MeasureSettings struct {
	// Chains is the number of chains, 32 by default. With more chains a warm-up sweep takes
	// longer. With Comm it is the number of all chains, and a multiple of the number of
	// ranks. By default it is then the least multiple that is at least 32 and gives every
	// rank two chains or more.
	Chains int
	// RelErr is the relative standard error at which Measure stops, 0.01 by default. For
	// every observable it is relative to the mean or the standard deviation, whichever is
	// larger.
	RelErr float64
	// MaxSweeps is the largest number of sweeps, without the warm-up; 10 000 by default.
	MaxSweeps int
	// WarmUp is the number of sweeps before the first measurement, 200 by default.
	WarmUp int
	// Kernel moves the chains in latent space. Only hmc.HMC needs gradients. It is chosen in
	// the warm-up by default, see Measure.
	Kernel hmc.Kernel
	// PhysicalSteps is the largest number of leapfrog steps of a trajectory in the space of
	// configurations, 250 by default. Negative: no such trajectories. A step costs one
	// gradient of the target, without the model.
	PhysicalSteps int
	// Start has a configuration x in each row. Chain k of all starts from row k; if there are fewer
	// rows than chains, the rows are used again. It is samples of the model by default. Good
	// starts are configurations of modes that the model may lack: if the chains then do not
	// mix, there is a warning.
	Start *mat.Dense
	// Src is the source of all randomness; required. With Comm every rank takes two numbers
	// from it and mixes in the number of the rank. The ranks may have equal sources.
	Src rand.Source
	// Progress receives the results so far, from time to time; nil: none. If it returns an
	// error, Measure stops. With Comm each rank calls its own, with equal results.
	Progress func(*Measurement) error
	// Comm connects the ranks of one measurement; nil: one process. Every rank moves an equal
	// part of the chains, see Measure.
	Comm Comm
}

// defaults returns the settings with their defaults; Kernel stays nil if the warm-up is to
// choose it.
func (s MeasureSettings) defaults(m *Model, observables []Observable) (*MeasureSettings, error) {
	switch {
	case s.Chains < 0 || s.MaxSweeps < 0 || s.WarmUp < 0:
		return nil, fmt.Errorf("%w: %d chains, %d sweeps, %d of warm-up", ErrSettings, s.Chains, s.MaxSweeps, s.WarmUp)
	case !(s.RelErr >= 0) || math.IsInf(s.RelErr, 1):
		return nil, fmt.Errorf("%w: RelErr %g, want a positive number", ErrSettings, s.RelErr)
	case len(observables) == 0:
		return nil, fmt.Errorf("%w: no observables", ErrSettings)
	}
	for k, o := range observables {
		if o.Func == nil {
			return nil, fmt.Errorf("%w: observable %d, %q, has no Func", ErrSettings, k, o.Name)
		}
	}
	if _, ok := m.prior.(*target.Normal); !ok {
		return nil, fmt.Errorf("%w: the prior is a %T, want a normal one (for angles: begin with bijector.Angles)",
			ErrSettings, m.prior)
	}
	chains, err := s.chains()
	if err != nil {
		return nil, err
	}
	if s.RelErr == 0 {
		s.RelErr = 0.01
	}
	if s.MaxSweeps == 0 {
		s.MaxSweeps = 10000
	}
	if s.WarmUp == 0 {
		s.WarmUp = 200
	}
	if s.PhysicalSteps == 0 {
		s.PhysicalSteps = 250
	}
	if s.Start != nil {
		if _, err := m.rows("Measure", nil, s.Start); err != nil {
			return nil, fmt.Errorf("rows of Start: %w", err)
		}
	}
	return &s, checkBatch(chains, m)
}

// chains sets the default of Chains. It returns the number of chains of a rank.
func (s *MeasureSettings) chains() (int, error) {
	r, err := newRanks(s.Comm)
	if err != nil {
		return 0, err
	}
	if s.Chains == 0 {
		s.Chains = defaultChains
		if !r.alone() {
			s.Chains = r.size * max(leastChains, (defaultChains+r.size-1)/r.size)
		}
	}
	if s.Chains%r.size != 0 {
		return 0, fmt.Errorf("%w: %d Chains on %d ranks, want a multiple of the number of ranks", ErrSettings, s.Chains,
			r.size)
	}
	return s.Chains / r.size, nil
}
