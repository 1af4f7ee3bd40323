package hmc

import (
	"fmt"
	"math/rand/v2"
	"reflect"

	"github.com/neuralrg/neuralrg/internal/errs"
	"github.com/neuralrg/neuralrg/internal/num"
)

// Errors are wrapped with what was wrong and where. They are the same values as
// in the other packages of the module.
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
)

// Settings are the parameters of a sampler. A zero field means its default; Src
// has none.
type Settings struct {
	// StepSize is the leapfrog step ε, in the units of x, as the mass is one.
	// The default is 0.1.
	StepSize float64

	// Leapfrog is the number of leapfrog steps of a trajectory. A sweep costs as
	// many gradients per chain. The default is 10.
	Leapfrog int

	// Jitter below 1 makes the step size of each trajectory
	// StepSize·(1+Jitter·u), with u uniform in [−1, 1) and the same for all
	// chains. Without jitter a trajectory whose length is near a period of the
	// motion ends where it began, in every sweep (P. B. Mackenzie, Phys. Lett. B
	// 226, 369 (1989)). The default is 0.2; a negative number means no jitter.
	Jitter float64

	// MaxEnergyError is the |ΔH| in nats above which a trajectory is divergent and
	// rejected. A large fall of H is rejected like a large rise: detailed balance
	// forbids a move whose reverse is never made. A chain may start at an H so
	// high that every trajectory falls by more than this and is rejected. It needs
	// a smaller step or a larger bound. The default is 1000.
	MaxEnergyError float64

	// Force, if not nil, is a density whose gradient drives the trajectories. The
	// sampled density is then evaluated once per sweep, without its gradient. Any
	// force that depends on the position alone leaves the leapfrog reversible and
	// volume-preserving, so sampling stays exact. A force that is close, such as
	// the same density in float32, costs less and is accepted about as often. A
	// trajectory on which the log-density of Force is NaN or infinite is divergent.
	// The default is the sampled density itself.
	Force LogDensity

	// MaxFaults is the number of sweeps in a row in which the density may fail,
	// by an error or a panic. All trajectories of such a sweep are rejected and
	// count as divergent. Detailed balance holds if the failure is by chance, or if
	// a given configuration always fails. With the default 0 the first failure
	// ends the run.
	MaxFaults int

	// Src is the source of all randomness. It is required. In every sweep the
	// sampler draws one uniform for the step size, the velocities chain by chain,
	// and one uniform per chain for acceptance; the number of draws depends neither
	// on Jitter nor on what is accepted. Save and a sweep that fails need the state
	// of the source: pass a *rand.PCG or *rand.ChaCha8 itself. A *rand.Rand hides
	// the state of its source and is refused.
	Src rand.Source
}

// withDefaults returns a copy with every zero field filled in.
func (s *Settings) withDefaults() (Settings, error) {
	if s == nil {
		return Settings{}, fmt.Errorf("hmc: %w: nil settings, a source is required", ErrSettings)
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
	case !(c.StepSize > 0) || !num.Finite(c.StepSize):
		return c, fmt.Errorf("hmc: %w: step size %v is not positive and finite", ErrSettings, c.StepSize)
	case c.Leapfrog < 0:
		return c, fmt.Errorf("hmc: %w: %d leapfrog steps", ErrSettings, c.Leapfrog)
	case !(c.Jitter < 1):
		return c, fmt.Errorf("hmc: %w: jitter %v is not below 1", ErrSettings, c.Jitter)
	case !(c.MaxEnergyError > 0) || !num.Finite(c.MaxEnergyError):
		return c, fmt.Errorf("hmc: %w: maximal energy error %v is not positive and finite",
			ErrSettings, c.MaxEnergyError)
	case c.MaxFaults < 0:
		return c, fmt.Errorf("hmc: %w: %d sweeps that may fail", ErrSettings, c.MaxFaults)
	case isNil(c.Src):
		return c, fmt.Errorf("hmc: %w: nil source", ErrSettings)
	}
	if _, ok := c.Src.(*rand.Rand); ok {
		return c, fmt.Errorf("hmc: %w: the source is a *rand.Rand, whose state cannot be saved: "+
			"pass the *rand.PCG or *rand.ChaCha8 it was made of", ErrSettings)
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
