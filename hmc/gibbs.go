package hmc

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"
)

// Gibbs moves the chains by a function that leaves the density exactly invariant, such
// as a draw of some coordinates from their distribution given the others. Every move
// is accepted. The sampler evaluates the density after it, once and without a
// gradient. That the update is exact is the caller's promise: no test can tell.
type Gibbs struct {
	// Update changes the rows of x, (chains, Dim), one chain per row, with random
	// numbers of rnd. It must not keep x or rnd. If it fails, the sweep fails. It is
	// required.
	Update func(x *mat.Dense, rnd *rand.Rand) error
}

func (g Gibbs) withDefaults(int) (Kernel, error) {
	if g.Update == nil {
		return nil, fmt.Errorf("%w: Gibbs with a nil Update", ErrSettings)
	}
	return g, nil
}

func (g Gibbs) mover() mover { return &gibbsMover{Gibbs: g} }

type gibbsMover struct {
	Gibbs
	arg mat.Dense
}

func (m *gibbsMover) kernel() Kernel { return m.Gibbs }

func (m *gibbsMover) set(k Kernel) { m.Gibbs = k.(Gibbs) }

func (m *gibbsMover) limit() float64 { return math.Inf(1) }

func (m *gibbsMover) force(LogDensity) LogDensity { return nil }

// move runs the update. A result that is not finite is an error: a rejection would
// bias the chain.
func (m *gibbsMover) move(_ context.Context, s *Sampler) error {
	t := s.trial
	t.x.Copy(s.now.x)
	m.arg = *t.x
	if err := m.update(s.rnd); err != nil {
		return fmt.Errorf("Gibbs: %w", err)
	}
	for i := range t.alive {
		t.alive[i], s.rise[i], s.energy[i] = true, 0, math.NaN()
		if j := firstNotFinite(t.x.RawRowView(i)); j >= 0 {
			return fmt.Errorf("Gibbs: %w: Update set coordinate %d of chain %d to %v", ErrNotFinite, j, i, t.x.At(i, j))
		}
	}
	if err := t.ask(s.density, nil); err != nil {
		return fmt.Errorf("Gibbs: %w", err)
	}
	if i := firstNotFinite(t.logp); i >= 0 {
		return fmt.Errorf("Gibbs: %w: log-density of chain %d after Update is %v", ErrNotFinite, i, t.logp[i])
	}
	return nil
}

// update calls the function. A panic becomes an error.
func (m *gibbsMover) update(rnd *rand.Rand) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the update panicked: %v", r)
		}
	}()
	return m.Update(&m.arg, rnd)
}
