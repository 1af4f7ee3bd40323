package hmc

import (
	"fmt"
	"math/rand/v2"
	"reflect"

	"github.com/neuralrg/neuralrg/internal/errs"
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
	// Kernel moves the chains. The default is HMC{}.
	Kernel Kernel

	// MaxFaults is the number of sweeps in a row in which the density may fail,
	// by an error or a panic. All proposals of such a sweep are rejected and
	// count as divergent. Detailed balance holds if the failure is by chance, or if
	// a given configuration always fails. With the default 0 the first failure
	// ends the run.
	MaxFaults int

	// Src is the source of all randomness. It is required. The number of draws of a
	// sweep depends neither on the positions nor on what is accepted, except in
	// Gibbs. Save and a sweep that fails need the state of the source: pass a
	// *rand.PCG or *rand.ChaCha8 itself. A *rand.Rand hides the state of its source
	// and is refused.
	Src rand.Source
}

// withDefaults returns a copy with every zero field filled in, for positions of dim
// coordinates.
func (s *Settings) withDefaults(dim int) (Settings, error) {
	c := *s
	if c.Kernel == nil {
		c.Kernel = HMC{}
	}
	if isNil(c.Kernel) {
		return c, fmt.Errorf("hmc: %w: nil pointer to a kernel", ErrSettings)
	}
	k, err := c.Kernel.withDefaults(dim)
	if err != nil {
		return c, fmt.Errorf("hmc: %w", err)
	}
	c.Kernel = k
	return c, nil
}

// check tests all but the kernel.
func (s *Settings) check() error {
	switch {
	case s == nil:
		return fmt.Errorf("hmc: %w: nil settings, a source is required", ErrSettings)
	case s.MaxFaults < 0:
		return fmt.Errorf("hmc: %w: MaxFaults %d, want 0 or more", ErrSettings, s.MaxFaults)
	case isNil(s.Src):
		return fmt.Errorf("hmc: %w: nil source", ErrSettings)
	}
	if _, ok := s.Src.(*rand.Rand); ok {
		return fmt.Errorf("hmc: %w: the source is a *rand.Rand, whose state cannot be saved: "+
			"pass the *rand.PCG or *rand.ChaCha8 it was made of", ErrSettings)
	}
	return nil
}

// isNil reports whether v is nil or holds a nil pointer.
func isNil(v any) bool {
	if v == nil {
		return true
	}
	r := reflect.ValueOf(v)
	return r.Kind() == reflect.Pointer && r.IsNil()
}
