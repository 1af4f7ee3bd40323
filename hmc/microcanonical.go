package hmc

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/floats"
)

// Microcanonical is the Metropolis-adjusted microcanonical sampler, MAMS (J. Robnik,
// R. Cohn-Gordon and U. Seljak, arXiv:2503.01707). The velocity u of a position x of d
// coordinates keeps its length, |u| = 1, and the force only turns it:
//
//	ẋ = u,    u̇ = (1 − u uᵀ) ∇ln π(x) / (d − 1).
//
// A trajectory draws a direction u, uniform on the sphere, and makes Steps steps of the
// leapfrog: half a kick, x ← x + εu, and half a kick. A kick of duration t is exact. With
// e = ∇ln π/|∇ln π|, c = e·u and δ = t|∇ln π|/(d − 1) it is
//
//	u ← (u + e (sinh δ + c (cosh δ − 1))) / (cosh δ + c sinh δ)
//
// (J. Robnik, G. B. De Luca, E. Silverstein and U. Seljak, arXiv:2212.08549). The chain
// moves to the end point with probability min(1, e^−W). The energy change W is
// ln π(start) − ln π(end) plus (d − 1) ln(cosh δ + c sinh δ) for every kick.
//
// A direction of length 1 stands where HMC has a velocity of length about √d, so steps
// are longer by √d. There must be two coordinates or more. A zero field means its
// default. WarmUp tunes StepSize, Steps and InverseMass. The draws are those of HMC.
type Microcanonical struct {
	// StepSize is the leapfrog step ε, in the units of x if the mass is one. The
	// default is 0.1·√d.
	StepSize float64

	// Steps is the number of leapfrog steps of a trajectory. A sweep costs as many
	// gradients per chain. The default is 10.
	Steps int

	// Jitter is that of HMC. The default is 0.2; a negative number means no jitter.
	Jitter float64

	// MaxEnergyError is the |W| in nats above which a trajectory is divergent and
	// rejected, as in HMC. The default is 1000.
	MaxEnergyError float64

	// Force, if not nil, is a density whose gradient drives the trajectories, as in
	// HMC. The default is the sampled density itself.
	Force LogDensity

	// InverseMass is one positive number per coordinate: the variance of each
	// coordinate is a good choice. The dynamics is that of x/√InverseMass. The
	// default is one everywhere.
	InverseMass []float64

	// TargetAccept is the acceptance to which WarmUp tunes the step size, above 0
	// and below 1. The default is 0.8.
	TargetAccept float64
}

// hmc returns the kernel as an HMC with the same fields, for the code that both share.
func (k Microcanonical) hmc() HMC {
	return HMC{
		StepSize: k.StepSize, Steps: k.Steps, Jitter: k.Jitter, MaxEnergyError: k.MaxEnergyError,
		Force: k.Force, InverseMass: k.InverseMass, TargetAccept: k.TargetAccept,
	}
}

// microcanonical is the inverse of hmc.
func microcanonical(h HMC) Microcanonical {
	return Microcanonical{
		StepSize: h.StepSize, Steps: h.Steps, Jitter: h.Jitter, MaxEnergyError: h.MaxEnergyError,
		Force: h.Force, InverseMass: h.InverseMass, TargetAccept: h.TargetAccept,
	}
}

func (k Microcanonical) withDefaults(dim int) (Kernel, error) {
	if dim < 2 {
		return nil, fmt.Errorf("%w: Microcanonical with %d coordinates, want 2 or more", ErrSettings, dim)
	}
	setDefault(&k.StepSize, 0.1*math.Sqrt(float64(dim)))
	setDefault(&k.TargetAccept, 0.8)
	h, err := k.hmc().complete("Microcanonical", dim)
	return microcanonical(h), err
}

func (k Microcanonical) mover() mover {
	m := &hmcMover{unit: true}
	m.set(k)
	return m
}

// direct makes the velocity of chain i one of length 1.
func (t *trajectory) direct(i int) {
	v := t.v.RawRowView(i)
	norm := floats.Norm(v, 2)
	for j := range v {
		v[j] /= norm
	}
}

// bend is kick for a velocity of length 1. It adds the change of energy to t.work.
func (t *trajectory) bend(i int, dt float64) {
	v, grad := t.v.RawRowView(i), t.grad.RawRowView(i)
	var gg, gv float64
	for j, g := range grad {
		if t.scale != nil {
			g *= t.scale[j]
		}
		gg += g * g
		gv += g * v[j]
	}
	if gg == 0 {
		return
	}
	norm, free := math.Sqrt(gg), float64(len(v)-1)
	c := math.Max(-1, math.Min(1, gv/norm))
	delta := dt * norm / free
	// The formula of Microcanonical times 2e^−δ/(cosh δ + c sinh δ): e^δ may overflow.
	z := math.Exp(-delta)
	along, keep := (1-z)*(1+z+c*(1-z))/norm, 2*z
	var vv float64
	for j, g := range grad {
		if t.scale != nil {
			g *= t.scale[j]
		}
		v[j] = keep*v[j] + along*g
		vv += v[j] * v[j]
	}
	// Division by the computed length keeps rounding errors from adding up.
	length := math.Sqrt(vv)
	for j := range v {
		v[j] /= length
	}
	t.work[i] += free * (delta + math.Log((1+c)/2+(1-c)/2*z*z))
}
