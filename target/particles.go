package target

import (
	"fmt"
	"math"
	"slices"
	"sync"

	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/graph"
	"github.com/neuralrg/neuralrg/internal/num"
)

// Particles is the configurational density of N classical particles of one kind in d = 1, 2
// or 3 dimensions at temperature T,
//
//	ln π = −U/T,  U = Σ_{i<j} u(|x_i − x_j|) + ½ Σ_i Σ_a k_a x_{ia}².
//
// NewParticles puts them into a periodic box, without a trap: k = 0. Distances are those of
// the nearest images. NewTrappedParticles puts them into open space with a harmonic trap.
// Lengths and energies are in the units of the pair potential u, with k_B = 1; logarithms
// are in nats.
//
// # Coordinates
//
// A row has the coordinates of particle 0, then those of particle 1, and so on. In a
// periodic box they are angles in (−π, π], θ = 2πx/L for the edge L of the axis, so that
// target.UniformAngles, bijector.Angles and bijector.CircularSpline fit. ln π is periodic
// in each. In open space they are lengths.
//
// The density is invariant under translations in a periodic box. With Pinned, particle 0 is
// fixed at the origin and not part of the row, which has d(N−1) values: translations are
// removed exactly. Configurations of the other kind are those with a random translation of
// all particles.
//
// # Partition functions
//
// Particles are labelled: Z is the integral over all values of the row. In a box of volume V
// the configuration integral Q = ∫ dx_1 … dx_N exp(−U/T) is that of an ideal gas, Vᴺ, times
//
//	Q/Vᴺ = Z/(2π)^Dim,
//
// with and without Pinned: pinning takes out the factor V exactly. In a trap Q = Z. LogUnits
// returns ln Q − ln Z. The density is symmetric under permutations of particles (with Pinned,
// of the others), so that no order of the particles is needed and none is imposed. Divide
// Q by N! and by Λ^(dN), with the thermal wavelength Λ, for the partition function of identical
// particles.
//
// A Particles is safe for concurrent use.
type Particles struct {
	n, axes           int
	box               []float64 // edges, nil in open space
	trap              []float64 // spring constants, nil in a box
	pinned            bool
	pair              PairPotential
	cut2              float64
	temperature, beta float64   // T and 1/T
	scale             []float64 // lengths per coordinate, by axis
	work              sync.Pool // *particlesWork
}

// particlesWork is the scratch space of one goroutine. x are the positions in units of
// length and grad is ∂U/∂x, axis after axis. delta and r2 are those of method before.
type particlesWork struct{ x, grad, delta, r2 []float64 }

// ParticlesSettings are the parameters of Particles. A zero field means its default, and nil
// settings mean all defaults.
type ParticlesSettings struct {
	// Pair is the potential of two particles, NewWCA(nil) by default.
	Pair PairPotential
	// Temperature is T in units of energy, 1 by default, from 1e-50 to 1e50.
	Temperature float64
	// Pinned fixes particle 0 at the origin of a periodic box.
	Pinned bool
}

// mostParticles limits the time of one evaluation.
const mostParticles = 1 << 14

// NewParticles returns the density of n particles in a periodic box with the given edges,
// one for each axis.
//
// It fails with ErrShape unless there are 1 to 3 edges and from 1 to 2¹⁴ particles, or 2
// with Pinned. It fails with ErrSettings if an edge is not from 1e-50 to 1e50, if the cut-off
// of the potential is not positive or exceeds half of the shortest edge, where a particle
// would meet two images of another one, or for a temperature out of range.
func NewParticles(n int, box []float64, s *ParticlesSettings) (*Particles, error) {
	p, err := newParticles(n, box, "edge", s)
	if err != nil {
		return nil, fmt.Errorf("target: Particles: %w", err)
	}
	p.box = slices.Clone(box)
	for _, edge := range box {
		p.scale = append(p.scale, edge/(2*math.Pi))
	}
	if cut := p.pair.Cutoff(); !(cut <= slices.Min(box)/2) {
		const text = "target: Particles: %w: the cut-off is at %g, want at most half of the shortest edge, %g"
		return nil, fmt.Errorf(text, ErrSettings, cut, slices.Min(box)/2)
	}
	if p.pinned && n < 2 {
		return nil, fmt.Errorf("target: Particles: %w: one particle, pinned, want two or more", ErrShape)
	}
	return p, nil
}

// NewTrappedParticles returns the density of n particles in open space in a harmonic trap
// with the given spring constants k, one for each axis.
//
// It fails with ErrShape unless there are 1 to 3 constants and from 1 to 2¹⁴ particles. It
// fails with ErrSettings if a constant is not from 1e-50 to 1e50, if the cut-off of the
// potential is not positive, for a temperature out of range, and with Pinned.
func NewTrappedParticles(n int, trap []float64, s *ParticlesSettings) (*Particles, error) {
	p, err := newParticles(n, trap, "spring constant", s)
	if err != nil {
		return nil, fmt.Errorf("target: TrappedParticles: %w", err)
	}
	if p.pinned {
		const text = "target: TrappedParticles: %w: Pinned in a trap, which is not invariant under translations"
		return nil, fmt.Errorf(text, ErrSettings)
	}
	p.trap = slices.Clone(trap)
	p.scale = slices.Repeat([]float64{1}, len(trap))
	return p, nil
}

func newParticles(n int, axes []float64, what string, s *ParticlesSettings) (*Particles, error) {
	if s == nil {
		s = &ParticlesSettings{}
	}
	p := &Particles{n: n, axes: len(axes), pinned: s.Pinned, pair: s.Pair}
	if p.axes < 1 || p.axes > 3 {
		return nil, fmt.Errorf("%w: %d axes, want 1 to 3", ErrShape, p.axes)
	}
	if n < 1 || n > mostParticles {
		return nil, fmt.Errorf("%w: %d particles, want 1 to %d", ErrShape, n, mostParticles)
	}
	for a, v := range axes {
		if !(v >= 1e-50 && v <= 1e50) {
			return nil, fmt.Errorf("%w: %s %d is %g, want a number from 1e-50 to 1e50", ErrSettings, what, a, v)
		}
	}
	T := s.Temperature
	if T == 0 {
		T = 1
	}
	if !(T >= 1e-50 && T <= 1e50) {
		return nil, fmt.Errorf("%w: the temperature is %g, want a number from 1e-50 to 1e50", ErrSettings, T)
	}
	p.temperature, p.beta = T, 1/T
	if p.pair == nil {
		wca, err := NewWCA(nil)
		if err != nil {
			return nil, err
		}
		p.pair = wca
	}
	cut := p.pair.Cutoff()
	if !(cut > 0) {
		return nil, fmt.Errorf("%w: the cut-off is at %g, want a positive number", ErrSettings, cut)
	}
	p.cut2 = cut * cut
	size := n * p.axes
	p.work.New = func() any {
		room := func(n int) []float64 { return make([]float64, n) }
		return &particlesWork{x: room(size), grad: room(size), delta: room(size), r2: room(n)}
	}
	return p, nil
}

// Dim returns the number of coordinates of a row: dN, or d(N−1) with Pinned.
func (p *Particles) Dim() int { return p.axes * (p.n - p.first()) }

// first is the number of the first particle in a row.
func (p *Particles) first() int {
	if p.pinned {
		return 1
	}
	return 0
}

// LogProb returns the node ln π = −U/T in nats, of shape (rows), for theta of shape (rows,
// Dim). It fails with ErrShape for other shapes. Where the energy overflows, ln π is −Inf,
// and where a coordinate is not finite, it is NaN.
// The gradient at two particles in one place, where a softened core has none, is 0.
func (p *Particles) LogProb(theta *gorgonia.Node) (*gorgonia.Node, error) {
	return graph.PerRow("target: Particles", theta, p.Dim(), func() graph.RowsFunc {
		return graph.InParallel(p.Dim(), p.logProb)
	})
}

func (p *Particles) logProb(val, grad, theta []float64) {
	w := p.work.Get().(*particlesWork)
	defer p.work.Put(w)
	dim := p.Dim()
	for r := range val {
		row := theta[r*dim : (r+1)*dim]
		if !num.Finite(row...) {
			val[r] = math.NaN()
			if grad != nil {
				clear(grad[r*dim : (r+1)*dim])
			}
			continue
		}
		p.place(w.x, row)
		if grad == nil {
			val[r] = -p.beta * p.energy(w, nil)
			continue
		}
		val[r] = -p.beta * p.energy(w, w.grad)
		out := grad[r*dim : (r+1)*dim]
		for a, scale := range p.scale {
			for i, v := range w.grad[a*p.n+p.first() : (a+1)*p.n] {
				out[i*p.axes+a] = -p.beta * scale * v
			}
		}
	}
}

// place sets the positions of all particles, in a box within half an edge of the origin.
func (p *Particles) place(x, row []float64) {
	for a, scale := range p.scale {
		axis := x[a*p.n : (a+1)*p.n]
		axis[0] = 0
		for i := range axis[p.first():] {
			v := row[i*p.axes+a]
			if p.box != nil && !(v >= -math.Pi && v <= math.Pi) {
				v = math.Remainder(v, 2*math.Pi)
			}
			axis[p.first()+i] = v * scale
		}
	}
}

// energy returns U. Unless grad is nil, it sets grad to ∂U/∂x.
func (p *Particles) energy(w *particlesWork, grad []float64) float64 {
	clear(grad)
	sum := 0.0
	for i, v := range w.x {
		if p.trap == nil {
			break
		}
		k := p.trap[i/p.n]
		sum += 0.5 * k * v * v
		if grad != nil {
			grad[i] = k * v
		}
	}
	for i := 1; i < p.n; i++ {
		for j, r2 := range p.before(w, i) {
			if !(r2 < p.cut2) {
				continue
			}
			u, f := p.pair.Pair(r2)
			sum += u
			for a := 0; a < p.axes && grad != nil; a++ {
				force := f * w.delta[a*p.n+j]
				grad[a*p.n+i] -= force
				grad[a*p.n+j] += force
			}
		}
	}
	return sum
}

// before returns the squared distances of particle i and all particles j before it, and
// sets delta to x_i − x_j, of the nearest images in a box. Positions in a box are within half
// an edge of the origin.
func (p *Particles) before(w *particlesWork, i int) []float64 {
	r2 := w.r2[:i]
	clear(r2)
	for a := range p.axes {
		x, delta := w.x[a*p.n:a*p.n+i], w.delta[a*p.n:a*p.n+i]
		at := w.x[a*p.n+i]
		if p.box == nil {
			for j, v := range x {
				delta[j] = at - v
				r2[j] += delta[j] * delta[j]
			}
			continue
		}
		edge, inverse := p.box[a], 1/p.box[a]
		for j, v := range x {
			d := at - v
			d -= edge * math.RoundToEven(d*inverse)
			delta[j] = d
			r2[j] += d * d
		}
	}
	return r2
}
