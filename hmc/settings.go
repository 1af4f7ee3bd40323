package hmc

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"

	"github.com/neuralrg/neuralrg/internal/errs"
)

// Errors are wrapped with what was wrong and where. All but ErrWindow are the
// same values as in the other packages of the module.
var (
	// ErrShape reports a matrix whose rows or columns do not fit.
	ErrShape = errs.ErrShape
	// ErrSettings reports an argument or a setting outside its range.
	ErrSettings = errs.ErrSettings
	// ErrNotFinite reports a number that is NaN or infinite.
	ErrNotFinite = errs.ErrNotFinite
	// ErrCheckpoint reports a file that is damaged, of another version, or that
	// does not fit the sampler.
	ErrCheckpoint = errs.ErrFormat
	// ErrWindow reports chains that are too short for an autocorrelation time.
	ErrWindow = errors.New("series too short")
)

// Settings are the parameters of a sampler. A zero field means its default; Src
// has none.
type Settings struct {
	// StepSize is the leapfrog step ε, in the units of x as the mass is one.
	// The default is 0.1.
	StepSize float64

	// Leapfrog is the number of leapfrog steps in a trajectory, the number of
	// gradients a sweep costs. The default is 10.
	Leapfrog int

	// Jitter below 1 makes the step size of each trajectory
	// StepSize·(1+Jitter·u) with u uniform in [−1, 1), the same for all chains.
	// Without it a trajectory whose length is near a period of the motion ends
	// where it began, sweep after sweep (P. B. Mackenzie, Phys. Lett. B 226, 369
	// (1989)). The default is 0.2; a negative number means no jitter.
	Jitter float64

	// MaxEnergyError is the |ΔH| in nats above which a trajectory counts as
	// divergent and is rejected. Large falls are rejected like large rises, for
	// detailed balance forbids a move whose reverse is never made; a chain that
	// starts so high that each trajectory sheds more than this cannot come down
	// and needs a smaller step or a larger bound. The default is 1000.
	MaxEnergyError float64

	// Force, if not nil, is a density whose gradient drives the trajectories in
	// place of that of the sampled density, which is then evaluated once per
	// sweep, without its gradient. Any force that depends on the position alone
	// leaves the leapfrog reversible and volume-preserving and so sampling exact;
	// one that is close, such as the same density in lower precision, accepts as
	// often and costs less. A trajectory that meets a log-density of Force that
	// is not finite is rejected as divergent. The default is the sampled
	// density itself.
	Force LogDensity

	// MaxFaults is the number of sweeps in a row in which the density may fail,
	// by an error or a panic. All trajectories of such a sweep are rejected and
	// count as divergent, which keeps detailed balance if the density fails by
	// chance or for a configuration always. The default 0 ends the run at the
	// first.
	MaxFaults int

	// Src is the source of all randomness, required. The sampler keeps it and
	// draws, in every sweep: one uniform for the step size (whatever Jitter
	// is), the velocities chain by chain, and one uniform per chain for
	// acceptance (whatever becomes of the chain). Save, and a sweep that fails,
	// need its state: pass a *rand.PCG or *rand.ChaCha8 itself. A *rand.Rand
	// hides the state of what it draws from and is refused.
	Src rand.Source
}

// withDefaults returns a copy with every zero field filled in.
func (s *Settings) withDefaults() (Settings, error) {
	if s == nil {
		return Settings{}, fmt.Errorf("hmc: nil settings, a source is required: %w", ErrSettings)
	}
	c := *s
	if c.StepSize == 0 {
		c.StepSize = 0.1
	}
	if c.Leapfrog == 0 {
		c.Leapfrog = 10
	}
	if c.Jitter == 0 {
		c.Jitter = 0.2
	}
	if c.MaxEnergyError == 0 {
		c.MaxEnergyError = 1000
	}
	switch {
	case !(c.StepSize > 0) || !finite(c.StepSize):
		return c, fmt.Errorf("hmc: step size %v is not positive and finite: %w", c.StepSize, ErrSettings)
	case c.Leapfrog < 0:
		return c, fmt.Errorf("hmc: %d leapfrog steps: %w", c.Leapfrog, ErrSettings)
	case !(c.Jitter < 1):
		return c, fmt.Errorf("hmc: jitter %v is not below 1: %w", c.Jitter, ErrSettings)
	case !(c.MaxEnergyError > 0) || !finite(c.MaxEnergyError):
		return c, fmt.Errorf("hmc: maximal energy error %v is not positive and finite: %w", c.MaxEnergyError, ErrSettings)
	case c.MaxFaults < 0:
		return c, fmt.Errorf("hmc: %d sweeps that may fail: %w", c.MaxFaults, ErrSettings)
	case isNil(c.Src):
		return c, fmt.Errorf("hmc: nil source: %w", ErrSettings)
	}
	if _, ok := c.Src.(*rand.Rand); ok {
		return c, fmt.Errorf("hmc: the source is a *rand.Rand, whose state cannot be saved: "+
			"pass the *rand.PCG or *rand.ChaCha8 it was made of: %w", ErrSettings)
	}
	c.Jitter = max(c.Jitter, 0)
	return c, nil
}

// isNil reports whether v is nil or holds a nil pointer.
func isNil(v any) bool {
	if v == nil {
		return true
	}
	r := reflect.ValueOf(v)
	return r.Kind() == reflect.Pointer && r.IsNil()
}
