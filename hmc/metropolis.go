package hmc

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/neuralrg/neuralrg/internal/num"
)

// RandomWalk is the random-walk Metropolis algorithm: it proposes
//
//	x' = x + Scale·ξ,    ξ ~ N(0, 1),
//
// and accepts with probability min(1, π(x')/π(x)). A sweep evaluates the density once,
// without its gradient. WarmUp tunes Scale.
type RandomWalk struct {
	// Scale is the size of a step in every coordinate. The default is 0.1.
	Scale float64

	// TargetAccept is the acceptance to which WarmUp tunes Scale, above 0 and
	// below 1. The default is 0.4.
	TargetAccept float64
}

func (w RandomWalk) withDefaults(int) (Kernel, error) {
	setDefault(&w.Scale, 0.1)
	setDefault(&w.TargetAccept, 0.4)
	if !(w.Scale > 0) || !num.Finite(w.Scale) {
		return nil, fmt.Errorf("%w: RandomWalk with Scale %v, want a positive, finite number", ErrSettings, w.Scale)
	}
	return w, checkTarget("RandomWalk", w.TargetAccept)
}

func (w RandomWalk) mover() mover { return &metropolis{Kernel: w, propose: w.propose} }

func (w RandomWalk) propose(to, from []float64, rnd *rand.Rand) {
	for i, v := range from {
		to[i] = v + w.Scale*rnd.NormFloat64()
	}
}

func (p Independence) withDefaults(int) (Kernel, error) { return p, nil }

func (p Independence) mover() mover {
	return &metropolis{Kernel: p, propose: p.Propose, reference: true}
}

func (w Windows) withDefaults(dim int) (Kernel, error) {
	if err := w.check(dim); err != nil {
		return nil, err
	}
	return w.clone(), nil
}

func (w Windows) mover() mover { return &metropolis{Kernel: w, propose: w.Propose, reference: true} }

func (c CrankNicolson) withDefaults(int) (Kernel, error) {
	setDefault(&c.Beta, 0.3)
	setDefault(&c.TargetAccept, 0.4)
	if err := c.check(); err != nil {
		return nil, err
	}
	return c, checkTarget("CrankNicolson", c.TargetAccept)
}

func (c CrankNicolson) mover() mover {
	return &metropolis{Kernel: c, propose: c.Propose, reference: true}
}

// metropolis moves chains by a proposal that is reversible with respect to N(0, 1), the
// reference, or to a flat density.
type metropolis struct {
	Kernel
	propose   func(to, from []float64, rnd *rand.Rand)
	reference bool
}

func (m *metropolis) kernel() Kernel {
	if w, ok := m.Kernel.(Windows); ok {
		return w.clone()
	}
	return m.Kernel
}

func (m *metropolis) set(k Kernel) { *m = *k.mover().(*metropolis) }

func (m *metropolis) limit() float64 { return math.Inf(1) }

func (m *metropolis) force(LogDensity) LogDensity { return nil }

// move evaluates one proposal of every chain. A position outside the support is
// rejected. One that is not finite, or whose log-density is NaN or +Inf, is divergent.
func (m *metropolis) move(ctx context.Context, s *Sampler) error {
	t := s.trial
	for i := range t.alive {
		to, from := t.x.RawRowView(i), s.now.x.RawRowView(i)
		m.propose(to, from, s.rnd)
		t.alive[i] = firstNotFinite(to) < 0
		s.rise[i] = 0
		switch {
		case !t.alive[i]:
			copy(to, from)
		case m.reference:
			s.rise[i] = -squares(to, from) / 2
		}
		s.energy[i] = math.NaN()
	}
	if err := t.ask(s.density, nil); err != nil {
		return fmt.Errorf("%s: %w", kernelName(m.Kernel), err)
	}
	for i, logp := range t.logp {
		s.rise[i] += s.now.logp[i] - logp
		if math.IsNaN(logp) || math.IsInf(logp, 1) {
			t.alive[i] = false
		}
	}
	return nil
}

// squares is aᵀa − bᵀb. Coordinates that are equal contribute nothing.
func squares(a, b []float64) float64 {
	var sum float64
	for j, v := range a {
		sum += (v - b[j]) * (v + b[j])
	}
	return sum
}
