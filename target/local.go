package target

import (
	"fmt"
	"math"
	"slices"
	"sync"

	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/graph"
	"github.com/neuralrg/neuralrg/internal/kernel"
	"github.com/neuralrg/neuralrg/internal/num"
)

// Local is a field on a periodic lattice with an action of nearest neighbours,
//
//	ln π(φ) = −S(φ), S(φ) = Σ_x V_x(φ_x) − Σ_μ J_μ Σ_x φ_x·φ_{x+μ},
//
// given the potential V of a site and the coupling J_μ of each axis. φ_x has n components.
// The usual kinetic term is in it: ½ Σ_bonds (φ_x − φ_y)² is J = 1 and a potential of d φ_x²
// in d dimensions. Lengths are in units of the lattice spacing, and logarithms in nats.
//
// Field says how values are arranged. A Local is safe for concurrent use if the potential
// is.
type Local struct {
	*Field
	settings LocalSettings
	walk     walk
	work     sync.Pool // *[]float64, room for a gradient that nobody wants
}

// LocalSettings are the parameters of Local.
type LocalSettings struct {
	// Components is the number n of values of a site. 0 means 1.
	Components int

	// Potential returns V_x(φ), in nats, and stores its gradient ∂V_x/∂φ_a in grad[a], for
	// a field phi of n components at the given site x, 0 ≤ x < N, row-major. Both slices
	// have length n. It must set all of grad; it must not add to it. It must not change
	// phi.
	//
	// +Inf means weight zero, for instance beyond a hard wall. grad may then be anything.
	//
	// It is called for one site after another, on several goroutines at the same time, and
	// must allow for it. The evaluation fails if it panics. It fails with ErrGradient, naming
	// row and site, if V is finite and a component of grad is not set.
	Potential func(site int, grad, phi []float64) float64

	// Coupling is J_μ for each axis, at most 1e100 in magnitude. Equal neighbours are
	// favoured where it is positive. nil means 1 for every axis.
	Coupling []float64

	// Mass2 is a number for Spectrum, from 1e-100 to 1e100: the least eigenvalue of the
	// quadratic part of S. With V(φ) = ½ r φ² + … and no negative J_μ, it is r − 2 Σ_μ J_μ.
	// It does not change the density. 0 means that Spectrum returns nil.
	Mass2 float64
}

// Couplings and masses within these limits do not overflow.
const (
	leastMass2   = 1e-100
	mostCoupling = 1e100
)

// NewLocal returns the field on a periodic lattice. shape has an extent for each of the d
// dimensions. Each extent is at least 2; along an extent of 2, neighbours share two bonds.
//
// NewLocal fails with ErrShape for other shapes, for more than 2²⁶ values and for a number
// of couplings other than d, and with ErrSettings if s or its potential is nil or a number
// is outside its range.
func NewLocal(shape []int, s *LocalSettings) (*Local, error) {
	if s == nil || s.Potential == nil {
		return nil, fmt.Errorf("target: Local: %w: no potential", ErrSettings)
	}
	set := *s
	if set.Components == 0 {
		set.Components = 1
	}
	field, err := newField(shape, set.Components)
	if err != nil {
		return nil, fmt.Errorf("target: Local: %w", err)
	}
	if set.Coupling == nil {
		set.Coupling = slices.Repeat([]float64{1}, len(shape))
	}
	set.Coupling = slices.Clone(set.Coupling)
	if len(set.Coupling) != len(shape) {
		return nil, fmt.Errorf("target: Local: %w: %d couplings for lattice %v", ErrShape, len(set.Coupling), shape)
	}
	for axis, v := range set.Coupling {
		if !(math.Abs(v) <= mostCoupling) {
			return nil, fmt.Errorf("target: Local: %w: coupling %g of axis %d, want at most %g in magnitude",
				ErrSettings, v, axis, mostCoupling)
		}
	}
	if set.Mass2 != 0 && !(set.Mass2 >= leastMass2 && set.Mass2 <= mostMass2) {
		return nil, fmt.Errorf("target: Local: %w: Mass2 is %g, want 0 or a number from %g to %g",
			ErrSettings, set.Mass2, leastMass2, mostMass2)
	}
	l := &Local{Field: field, settings: set, walk: newWalk(shape, set.Components, set.Coupling)}
	l.work.New = func() any { g := make([]float64, l.dim+l.components); return &g }
	return l, nil
}

// Spectrum returns the N eigenvalues of the covariance of the quadratic part of S, for
// Mass2 = min_k (r − 2 Σ_μ J_μ cos k_μ),
//
//	1/(r − 2 Σ_μ J_μ cos k_μ), k_μ = 2πj_μ/L_μ,
//
// row-major in the wave numbers j and the same for each component. It returns nil if Mass2
// is 0. bijector.NewSpectral takes the eigenvalues in this order.
func (l *Local) Spectrum() []float64 {
	if l.settings.Mass2 == 0 {
		return nil
	}
	bonds := make([]float64, len(l.shape))
	for axis, v := range l.settings.Coupling {
		bonds[axis] = -v
	}
	spectrum := eigenvalues(l.shape, bonds, l.settings.Mass2)
	for k, v := range spectrum {
		spectrum[k] = 1 / v
	}
	return spectrum
}

// LogProb returns the node ln π(φ) = −S(φ) in nats, of shape (rows), for phi of shape
// (rows, Dim). It fails with ErrShape for other shapes. ln π is −Inf where the sum of the
// potentials is +Inf. The arithmetic is float64, whatever the precision of the graph.
func (l *Local) LogProb(phi *gorgonia.Node) (*gorgonia.Node, error) {
	return graph.PerRow("target: Local", phi, l.dim, func() graph.RowsFunc { return l.logProb })
}

func (l *Local) logProb(val, grad, phi []float64) error {
	var first firstFault
	kernel.Rows(len(val), func(from, to int) {
		work := l.work.Get().(*[]float64)
		defer l.work.Put(work)
		g, slope := (*work)[:l.dim], (*work)[l.dim:]
		for r := from; r < to; r++ {
			if grad != nil {
				g = grad[r*l.dim : (r+1)*l.dim]
			}
			x := phi[r*l.dim : (r+1)*l.dim : (r+1)*l.dim]
			l.walk.neighbours(g, x)
			v, site := l.sites(g, slope, x)
			val[r] = v
			if site >= 0 && num.Finite(v) {
				first.add(r, fmt.Errorf("row %d, site %d: %w: the potential must set every component of its gradient",
					r, site, ErrGradient))
			}
		}
	})
	return first.err
}

// sites returns ln π of one configuration x. It finds in g the sum h over the neighbours
// and replaces it by the gradient h − V'. slope is room for V' of a site. bad is a site
// whose V' is not set, or −1.
func (l *Local) sites(g, slope, x []float64) (logp float64, bad int) {
	var bonds, potential float64
	bad = -1
	n := l.components
	for site := range len(x) / n {
		phi, h := x[site*n:(site+1)*n:(site+1)*n], g[site*n:(site+1)*n]
		for a := range slope {
			slope[a] = math.Float64frombits(unset)
		}
		potential += l.settings.Potential(site, slope, phi)
		for a, v := range slope {
			if math.Float64bits(math.Abs(v)) == unset {
				bad = site
			}
			bonds += phi[a] * h[a]
			h[a] -= v
		}
	}
	return difference(bonds/2, potential), bad
}

// firstFault keeps the error of the first of all rows that have one.
type firstFault struct {
	mu  sync.Mutex
	row int
	err error
}

func (f *firstFault) add(row int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil || row < f.row {
		f.row, f.err = row, err
	}
}
