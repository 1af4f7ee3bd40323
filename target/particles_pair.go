package target

import (
	"fmt"
	"math"
)

// PairPotential is the potential energy u(r) of two particles at a distance r, for
// Particles. An implementation must be safe for concurrent use.
type PairPotential interface {
	// Pair returns u(r) and w(r) = −u'(r)/r at the squared distance r2 = r², which is below
	// the square of the cut-off. The force on particle i is w(r)·(x_i − x_j). u may be +Inf;
	// ln π is −Inf then.
	Pair(r2 float64) (u, w float64)
	// Cutoff returns the distance at and beyond which u is zero.
	Cutoff() float64
}

// LennardJones is the Lennard-Jones potential, truncated and shifted so that it is
// continuous, with a softened core:
//
//	u(r) = 4ε [(σ/r)¹² − (σ/r)⁶] − c,  Core ≤ r < Cutoff,
//	u(r) = u(Core) + |u'(Core)| (Core − r),  r < Core,
//	u(r) = 0,  r ≥ Cutoff.
//
// c is the value of the first term at Cutoff. With the cut-off at the minimum, 2^(1/6) σ,
// it is the purely repulsive potential of J. D. Weeks, D. Chandler and H. C. Andersen, J.
// Chem. Phys. 54, 5237 (1971), WCA, whose force is continuous too. With another cut-off the
// force jumps at it.
//
// A softened core keeps the energy of overlapping particles finite, so that a flow can
// learn from random positions. The potential is that of Lennard-Jones at Core and beyond.
// A LennardJones is safe for concurrent use.
type LennardJones struct {
	settings            LennardJonesSettings
	core2, sigma2, four float64 // Core² (0 without a softened core), σ², 4ε
	shift               float64 // c
	atCore, slope       float64 // u(Core) and |u'(Core)|
}

// LennardJonesSettings are the parameters of LennardJones. A zero field means its default.
type LennardJonesSettings struct {
	Sigma   float64 // σ, 1 by default, from 1e-50 to 1e50
	Epsilon float64 // ε, 1 by default, from 1e-50 to 1e50
	// Cutoff is above Core and at most 1e60. The default is 2.5 σ.
	Cutoff float64
	// Core is the distance below which the energy grows linearly, up to 2^(1/6) σ. The
	// default is 0.75 σ. The energy there is 102.8 ε plus the shift c of at most 1 ε, so that
	// at temperatures of a few ε the softened core does not change averages. A negative
	// number means no softened core.
	Core float64
}

// minimum is the distance of the minimum of the potential in units of σ.
var minimum = math.Pow(2, 1.0/6)

// NewLennardJones returns the potential. A nil s means all defaults. It fails with
// ErrSettings for parameters that are out of range or that make the energy overflow.
func NewLennardJones(s *LennardJonesSettings) (*LennardJones, error) {
	return newLennardJones("LennardJones", 2.5, s)
}

// NewWCA returns the potential of Weeks, Chandler and Andersen: Cutoff is 2^(1/6) σ unless
// it is given. It fails as NewLennardJones does.
func NewWCA(s *LennardJonesSettings) (*LennardJones, error) {
	return newLennardJones("WCA", minimum, s)
}

func newLennardJones(name string, cutoff float64, s *LennardJonesSettings) (*LennardJones, error) {
	p := &LennardJones{}
	if s != nil {
		p.settings = *s
	}
	s = &p.settings
	for _, d := range []struct {
		value *float64
		def   func() float64
	}{
		{&s.Sigma, func() float64 { return 1 }},
		{&s.Epsilon, func() float64 { return 1 }},
		{&s.Cutoff, func() float64 { return cutoff * s.Sigma }},
		{&s.Core, func() float64 { return 0.75 * s.Sigma }},
	} {
		if *d.value == 0 {
			*d.value = d.def()
		}
	}
	if !(s.Sigma >= 1e-50 && s.Sigma <= 1e50 && s.Epsilon >= 1e-50 && s.Epsilon <= 1e50) {
		return nil, fmt.Errorf("target: %s: %w: σ = %g and ε = %g, want numbers from 1e-50 to 1e50",
			name, ErrSettings, s.Sigma, s.Epsilon)
	}
	if !(s.Core <= minimum*s.Sigma) {
		return nil, fmt.Errorf("target: %s: %w: a core of %g, want at most 2^(1/6) σ = %g",
			name, ErrSettings, s.Core, minimum*s.Sigma)
	}
	if !(s.Cutoff > 0 && s.Cutoff > s.Core && s.Cutoff <= 1e60) {
		return nil, fmt.Errorf("target: %s: %w: a cut-off at %g, want more than the core at %g and at most 1e60",
			name, ErrSettings, s.Cutoff, s.Core)
	}
	p.sigma2, p.four = s.Sigma*s.Sigma, 4*s.Epsilon
	p.shift, _ = p.bare(s.Cutoff * s.Cutoff)
	if s.Core > 0 {
		var w float64
		p.core2 = s.Core * s.Core
		p.atCore, w = p.bare(p.core2)
		p.atCore -= p.shift
		p.slope = max(0, w*s.Core)
	}
	if most := p.atCore + p.slope*s.Core; !(most <= 1e100 && math.Abs(p.shift) <= 1e100) {
		const text = "target: %s: %w: a core of %g and a cut-off at %g with energies up to %g, want at most 1e100"
		return nil, fmt.Errorf(text, name, ErrSettings, s.Core, s.Cutoff, max(most, math.Abs(p.shift)))
	}
	return p, nil
}

// bare returns u + c and w without the softened core.
func (p *LennardJones) bare(r2 float64) (u, w float64) {
	s2 := p.sigma2 / r2
	s6 := s2 * s2 * s2
	return p.four * s6 * (s6 - 1), 6 * p.four * s6 * (2*s6 - 1) / r2
}

// Pair returns u(r) and −u'(r)/r at r2 = r². At r = 0, where a softened core has no
// direction of the force, w is 0.
func (p *LennardJones) Pair(r2 float64) (u, w float64) {
	if r2 >= p.settings.Cutoff*p.settings.Cutoff {
		return 0, 0
	}
	if r2 < p.core2 {
		r := math.Sqrt(r2)
		if r == 0 {
			return p.atCore + p.slope*p.settings.Core, 0
		}
		return p.atCore + p.slope*(p.settings.Core-r), p.slope / r
	}
	u, w = p.bare(r2)
	return u - p.shift, w
}

// Cutoff returns the distance at and beyond which u is zero.
func (p *LennardJones) Cutoff() float64 { return p.settings.Cutoff }

// Settings returns the parameters, all of them set.
func (p *LennardJones) Settings() LennardJonesSettings { return p.settings }
