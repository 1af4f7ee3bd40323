package hmc

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/neuralrg/neuralrg/internal/num"
)

// HMC is hybrid (Hamiltonian) Monte Carlo with the leapfrog: see the comment of the
// package. A zero field means its default. WarmUp tunes StepSize, Steps and
// InverseMass.
//
// In every sweep the sampler draws one uniform for the step size, the velocities chain
// by chain, and one uniform per chain for acceptance.
type HMC struct {
	// StepSize is the leapfrog step ε, in the units of x if the mass is one. The
	// default is 0.1.
	StepSize float64

	// Steps is the number of leapfrog steps of a trajectory. A sweep costs as many
	// gradients per chain. The default is 10.
	Steps int

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

	// Rotate splits off the standard normal distribution N(0, 1), the reference. A
	// step is half a kick by the force of the rest, ∇(ln π + xᵀx/2), an exact
	// rotation of x and v, and another half kick:
	//
	//	x ← x cos ε + v sin ε,    v ← v cos ε − x sin ε.
	//
	// The energy error then is due to the difference of π and N(0, 1) alone. It
	// serves the latent space of a flow.
	Rotate bool

	// InverseMass is the diagonal of the inverse of the mass matrix, one positive
	// number per coordinate: the variance of each coordinate is a good choice.
	// The default is one everywhere.
	InverseMass []float64

	// TargetAccept is the acceptance to which WarmUp tunes the step size, above 0
	// and below 1. The default is 0.8.
	TargetAccept float64
}

func (h HMC) withDefaults(dim int) (Kernel, error) {
	setDefault(&h.StepSize, 0.1)
	setDefault(&h.Jitter, 0.2)
	setDefault(&h.MaxEnergyError, 1000)
	setDefault(&h.TargetAccept, 0.8)
	if h.Steps == 0 {
		h.Steps = 10
	}
	switch {
	case !(h.StepSize > 0) || !num.Finite(h.StepSize):
		return nil, fmt.Errorf("%w: HMC with StepSize %v, want a positive, finite number", ErrSettings, h.StepSize)
	case h.Steps < 0:
		return nil, fmt.Errorf("%w: HMC with Steps %d, want a positive number", ErrSettings, h.Steps)
	case !(h.Jitter < 1):
		return nil, fmt.Errorf("%w: HMC with Jitter %v, want a number below 1", ErrSettings, h.Jitter)
	case !(h.MaxEnergyError > 0) || !num.Finite(h.MaxEnergyError):
		return nil, fmt.Errorf("%w: HMC with MaxEnergyError %v, want a positive, finite number",
			ErrSettings, h.MaxEnergyError)
	case h.InverseMass != nil && len(h.InverseMass) != dim:
		return nil, fmt.Errorf("%w: HMC with InverseMass of %d coordinates, the density has %d",
			ErrShape, len(h.InverseMass), dim)
	}
	for i, m := range h.InverseMass {
		if !(m > 0) || !num.Finite(m) {
			return nil, fmt.Errorf("%w: HMC with InverseMass %v in coordinate %d, want a positive, finite number",
				ErrSettings, m, i)
		}
	}
	h.InverseMass = slices.Clone(h.InverseMass)
	return h, checkTarget("HMC", h.TargetAccept)
}

func (h HMC) mover() mover {
	m := &hmcMover{}
	m.set(h)
	return m
}

// setDefault sets a field that is zero.
func setDefault(field *float64, value float64) {
	if *field == 0 {
		*field = value
	}
}

// checkTarget fails if a kernel cannot be tuned to the acceptance.
func checkTarget(name string, accept float64) error {
	if !(accept > 0 && accept < 1) {
		return fmt.Errorf("%w: %s with TargetAccept %v, want a number above 0 and below 1", ErrSettings, name, accept)
	}
	return nil
}

// hmcMover moves chains by HMC.
type hmcMover struct {
	HMC
	scale   []float64 // √InverseMass; nil: ones
	turn    rotation
	kinetic []float64 // kinetic energies at the start of the trajectory
	length  float64   // of the last trajectory
}

func (m *hmcMover) kernel() Kernel {
	h := m.HMC
	h.InverseMass = slices.Clone(h.InverseMass)
	return h
}

func (m *hmcMover) set(k Kernel) {
	m.HMC = k.(HMC)
	m.scale = nil
	if m.InverseMass != nil {
		m.scale = make([]float64, len(m.InverseMass))
		for i, v := range m.InverseMass {
			m.scale[i] = math.Sqrt(v)
		}
	}
}

func (m *hmcMover) limit() float64 { return m.MaxEnergyError }

func (m *hmcMover) force(d LogDensity) LogDensity {
	if m.Force != nil {
		return m.Force
	}
	return d
}

// move runs one trajectory of every chain.
func (m *hmcMover) move(ctx context.Context, s *Sampler) error {
	eps := m.StepSize * (1 + max(m.Jitter, 0)*(2*s.rnd.Float64()-1))
	m.length = eps * float64(m.Steps)
	t := s.trial
	t.begin(&s.now)
	t.scale, t.turn = m.scale, nil
	if m.Rotate {
		m.turn.set(eps, m.scale)
		t.turn = &m.turn
	}
	if m.kinetic == nil {
		m.kinetic = make([]float64, s.Chains())
	}
	for i := range m.kinetic {
		v := t.v.RawRowView(i)
		for j := range v {
			v[j] = s.rnd.NormFloat64()
		}
		m.kinetic[i] = t.kinetic(i)
		s.energy[i] = m.kinetic[i] - s.now.logp[i]
	}
	if err := s.refresh(); err != nil {
		return fmt.Errorf("gradient at the start of the trajectory: %w", err)
	}
	force := m.force(s.density)
	for step := range m.Steps {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("leapfrog step %d: %w", step, err)
		}
		err := t.leapfrog(force, eps, &s.now)
		if err == nil && m.Force != nil && step == m.Steps-1 {
			err = t.ask(s.density, nil)
		}
		if err != nil {
			return fmt.Errorf("leapfrog step %d: %w", step, err)
		}
	}
	for i := range s.rise {
		// Differences are taken first, so that a large constant in the log-density
		// does not matter. Only the end point is tested. A test of the points
		// between would give another answer for the reversed trajectory and so
		// break detailed balance.
		s.rise[i] = (t.kinetic(i) - m.kinetic[i]) + (s.now.logp[i] - t.logp[i])
	}
	return nil
}
