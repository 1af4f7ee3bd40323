package main

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// displacement moves one particle by a random vector, in the latent space of a flow that
// begins with bijector.Angles: the latent variables z stand for angles π erf(z/√2), which are
// uniform if z is standard normal. A step on the circle that is as likely as its reverse
// leaves the uniform density invariant, so that displacement is a hmc.Proposal.
type displacement struct {
	axes int     // coordinates of a particle, which are consecutive
	size float64 // largest step of an angle, up to π
}

// Check fails if the coordinates are not those of whole particles.
func (d displacement) Check(dim int) error {
	if d.axes < 1 || dim%d.axes != 0 || !(d.size > 0 && d.size <= math.Pi) {
		return fmt.Errorf("displacement of %d axes by %g in %d dimensions", d.axes, d.size, dim)
	}
	return nil
}

// Propose moves a random particle.
func (d displacement) Propose(to, from []float64, rnd *rand.Rand) {
	copy(to, from)
	first := d.axes * rnd.IntN(len(from)/d.axes)
	for a := range d.axes {
		z := &to[first+a]
		half := 0.5*math.Erf(*z/math.Sqrt2) + 0.5*d.size/math.Pi*(2*rnd.Float64()-1)
		*z = math.Sqrt2 * math.Erfinv(2*(half-math.RoundToEven(half)))
		*z = min(max(*z, -8.2), 8.2) // where erf is ±1
	}
}
