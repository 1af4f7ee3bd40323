package target

import (
	"fmt"
	"math"
	"sync"

	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/graph"
)

// Phi4 is the φ⁴ theory, or its O(n) form, on a periodic lattice of d dimensions, with
// ln π(φ) = −S(φ) and the action of M. S. Albergo, G. Kanwar and P. E. Shanahan, Phys.
// Rev. D 100, 034515 (2019),
//
//	S(φ) = Σ_x [ φ_x·(2d φ_x − Σ_μ (φ_{x+μ} + φ_{x−μ})) + m² φ_x² + λ (φ_x²)² ]
//	     = Σ_bonds (φ_x − φ_y)² + Σ_x [ m² φ_x² + λ (φ_x²)² ].
//
// φ_x has n components, and φ_x² is the sum of their squares. The kinetic term has no
// factor ½, so that the covariance of the free field, λ = 0, is half of that of FreeField
// with the same m². Lengths are in units of the lattice spacing, and logarithms in nats.
//
// The action is invariant under rotations and reflections of the n components together,
// for n = 1 under φ → −φ. It is also invariant under translations and reflections of the
// lattice and under exchanges of axes of equal extents.
//
// Field says how values are arranged. A Phi4 is safe for concurrent use.
type Phi4 struct {
	*Field
	mass2, lambda float64
	walk          walk
	work          sync.Pool // *[]float64, room for a gradient that nobody wants
}

// Phi4Settings are the parameters of Phi4.
type Phi4Settings struct {
	Mass2      float64 // m², at most 1e100 in magnitude; it may be negative
	Lambda     float64 // λ, from 1e-100 to 1e100; 0 is an error
	Components int     // n of O(n); 0 means 1
}

// The action, its gradient and the spectrum neither overflow nor underflow at couplings
// within these limits.
const (
	mostMass2   = 1e100
	leastLambda = 1e-100
	mostLambda  = 1e100
)

// NewPhi4 returns the theory on a periodic lattice. shape has an extent for each of the d
// dimensions. Each extent is at least 2; along an extent of 2, neighbours share two bonds.
//
// NewPhi4 fails with ErrShape for other shapes and for more than 2²⁶ values, and with
// ErrSettings if s is nil or a parameter is outside its range.
func NewPhi4(shape []int, s *Phi4Settings) (*Phi4, error) {
	if s == nil {
		return nil, fmt.Errorf("target: Phi4: %w: nil settings", ErrSettings)
	}
	components := s.Components
	if components == 0 {
		components = 1
	}
	field, err := newField(shape, components)
	if err != nil {
		return nil, fmt.Errorf("target: Phi4: %w", err)
	}
	if !(math.Abs(s.Mass2) <= mostMass2) {
		return nil, fmt.Errorf("target: Phi4: %w: m² is %g, want at most %g in magnitude",
			ErrSettings, s.Mass2, mostMass2)
	}
	if !(s.Lambda >= leastLambda && s.Lambda <= mostLambda) {
		return nil, fmt.Errorf("target: Phi4: %w: λ is %g, want a number from %g to %g",
			ErrSettings, s.Lambda, leastLambda, mostLambda)
	}
	p := &Phi4{Field: field, mass2: s.Mass2, lambda: s.Lambda, walk: newWalk(shape, components, nil)}
	p.work.New = func() any { g := make([]float64, p.dim); return &g }
	return p, nil
}

// Phi4Hopping returns the settings of Phi4 in d dimensions for the action
//
//	S'(ψ) = Σ_x [ −2κ Σ_μ ψ_x·ψ_{x+μ} + ψ_x² + λ' (ψ_x² − 1)² ],
//
// given the hopping parameter κ > 0 and λ' > 0. The fields are φ = √κ ψ, and
//
//	m² = (1 − 2λ')/κ − 2d, λ = λ'/κ².
//
// On N sites with n components, S'(ψ) = S(φ) + λ'N and ln Z' = ln Z − ½nN ln κ − λ'N.
//
// Phi4Hopping fails with ErrShape if d is below 1 and with ErrSettings unless κ, λ' and the
// results are within their ranges.
func Phi4Hopping(d int, kappa, lambda float64) (*Phi4Settings, error) {
	if d < 1 {
		return nil, fmt.Errorf("target: Phi4Hopping: %w: %d dimensions", ErrShape, d)
	}
	s := &Phi4Settings{Mass2: (1-2*lambda)/kappa - 2*float64(d), Lambda: lambda / kappa / kappa}
	inRange := math.Abs(s.Mass2) <= mostMass2 && s.Lambda >= leastLambda && s.Lambda <= mostLambda
	if !(kappa > 0 && lambda > 0 && inRange) {
		return nil, fmt.Errorf("target: Phi4Hopping: %w: κ = %g, λ' = %g, which means m² = %g, λ = %g",
			ErrSettings, kappa, lambda, s.Mass2, s.Lambda)
	}
	return s, nil
}

// Mass2 returns m².
func (p *Phi4) Mass2() float64 { return p.mass2 }

// Lambda returns λ.
func (p *Phi4) Lambda() float64 { return p.lambda }

// LogProb returns the node ln π(φ) = −S(φ) in nats, of shape (rows), for phi of shape
// (rows, Dim). It fails with ErrShape for other shapes. A finite φ so large that the action
// overflows has ln π = −Inf.
func (p *Phi4) LogProb(phi *gorgonia.Node) (*gorgonia.Node, error) {
	return graph.PerRow("target: Phi4", phi, p.dim, func() graph.RowsFunc {
		return graph.InParallel(p.dim, p.logProb)
	})
}

func (p *Phi4) logProb(val, grad, phi []float64) {
	work := p.work.Get().(*[]float64)
	defer p.work.Put(work)
	for r := range val {
		g, x := *work, phi[r*p.dim:(r+1)*p.dim]
		if grad != nil {
			g = grad[r*p.dim : (r+1)*p.dim]
		}
		p.walk.neighbours(g, x)
		if p.components == 1 {
			val[r] = p.sites(g, x)
		} else {
			val[r] = p.vectorSites(g, x)
		}
	}
}

// sites returns ln π of one configuration x of one component. It finds in g the sum h over
// the neighbours of every site and replaces it by the gradient. With c = 2d + m²,
//
//	ln π = Σ φh − Σ φ²(c + λφ²), ∂ ln π/∂φ = 2[h − φ(c + 2λφ²)].
func (p *Phi4) sites(g, x []float64) float64 {
	g = g[:len(x)]
	c := 2*float64(len(p.shape)) + p.mass2
	var bonds, potential float64
	for i, v := range x {
		square, h := v*v, g[i]
		t := p.lambda * square
		bonds += v * h
		potential += square * (c + t)
		g[i] = 2 * (h - v*(c+2*t))
	}
	return difference(bonds, potential)
}

// vectorSites is sites for any number of components.
func (p *Phi4) vectorSites(g, x []float64) float64 {
	c := 2*float64(len(p.shape)) + p.mass2
	var bonds, potential float64
	for i := 0; i < len(x); i += p.components {
		site, h := x[i:i+p.components], g[i:i+p.components]
		square := 0.0
		for a, v := range site {
			square += v * v
			bonds += v * h[a]
		}
		t := p.lambda * square
		potential += square * (c + t)
		for a, v := range site {
			h[a] = 2 * (h[a] - v*(c+2*t))
		}
	}
	return difference(bonds, potential)
}

// difference returns bonds − potential, and −Inf if the potential is +Inf, also where both
// have overflowed.
func difference(bonds, potential float64) float64 {
	if math.IsInf(potential, 1) {
		return math.Inf(-1)
	}
	return bonds - potential
}
