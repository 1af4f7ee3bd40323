package target

import (
	"fmt"
	"math"
	"sync"

	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/graph"
	"github.com/neuralrg/neuralrg/internal/num"
)

// Dimer is a dimer with two stable lengths in a dense solvent, in two dimensions: the test
// system of F. Noé, S. Olsson, J. Köhler and H. Wu, Science 365, eaaw1147 (2019). ln π = −U/T
// with
//
//	U = s u − a u² + b u⁴ + k [(x_0 + x_1)² + y_0² + y_1²]
//	  + Σ ε (σ/r_ij)¹² + 2K Σ_i [max(0, |x_i| − h)² + max(0, |y_i| − h)²],
//	u = 2 (r − r_m),  r = r_01.
//
// Particles 0 and 1 are the dimer. The sum over pairs i < j contains all but the dimer
// itself. The term with k keeps the dimer near the origin and along the x axis, and the last
// one is the walls of a square box. The numbers are those of the authors' program, whose
// walls have the factor 2 that stands here.
//
// Below the distance Core the repulsion grows linearly, so that overlaps have a finite
// energy. An umbrella adds ½ Stiffness (r − Center)² to U.
//
// Rows have 2(Solvent + 2) values, x_0, y_0, x_1, y_1, … in units of length. Energies are in
// units of ε with k_B = 1, and logarithms in nats. A Dimer is safe for concurrent use.
type Dimer struct {
	s             DimerSettings
	n             int
	core2, sigma2 float64
	atCore, slope float64   // of the repulsion
	work          sync.Pool // *[]float64, a gradient
}

// DimerSettings are the parameters of Dimer. A zero field means its default. Numbers are at
// most 1e10 in magnitude, and those that must be positive are at least 1e-10.
type DimerSettings struct {
	Solvent     int     // number of other particles, 36 by default, at most 4096
	Temperature float64 // T, 1 by default
	Sigma       float64 // σ, 1.1 by default
	Epsilon     float64 // ε, 1 by default
	Slope       float64 // s, −0.5 by default; NoSlope means 0
	Quadratic   float64 // a, 25 by default, positive
	Quartic     float64 // b, 10 by default, positive
	Middle      float64 // r_m, 1.5 by default, positive
	Restraint   float64 // k, 20 by default, positive
	HalfBox     float64 // h, 3 by default, positive
	Wall        float64 // K, 100 by default, positive
	Core        float64 // 0.65 σ by default, where the repulsion is 176 ε; from 0.1 σ to σ
	NoSlope     bool    // s = 0

	Center    float64 // of the umbrella
	Stiffness float64 // of the umbrella, none by default, not negative
}

// NewDimer returns the density. A nil s means all defaults. It fails with ErrSettings for
// parameters out of range.
func NewDimer(s *DimerSettings) (*Dimer, error) {
	if s == nil {
		s = &DimerSettings{}
	}
	full, err := s.complete()
	if err != nil {
		return nil, fmt.Errorf("target: Dimer: %w", err)
	}
	d := &Dimer{s: *full, n: full.Solvent + 2}
	d.core2, d.sigma2 = d.s.Core*d.s.Core, d.s.Sigma*d.s.Sigma
	d.atCore = d.s.Epsilon * math.Pow(d.s.Sigma/d.s.Core, 12)
	d.slope = 12 * d.atCore / d.s.Core
	d.work.New = func() any { g := make([]float64, 2*d.n); return &g }
	return d, nil
}

// complete returns the settings with their defaults.
func (s DimerSettings) complete() (*DimerSettings, error) {
	if s.Solvent == 0 {
		s.Solvent = 36
	}
	if s.Slope == 0 && !s.NoSlope {
		s.Slope = -0.5
	}
	for _, v := range []struct {
		name  string
		value *float64
		def   float64
	}{
		{"Temperature", &s.Temperature, 1}, {"Sigma", &s.Sigma, 1.1}, {"Epsilon", &s.Epsilon, 1},
		{"Quadratic", &s.Quadratic, 25}, {"Quartic", &s.Quartic, 10}, {"Middle", &s.Middle, 1.5},
		{"Restraint", &s.Restraint, 20}, {"HalfBox", &s.HalfBox, 3}, {"Wall", &s.Wall, 100},
	} {
		if *v.value == 0 {
			*v.value = v.def
		}
		if !(*v.value >= 1e-10 && *v.value <= 1e10) {
			return nil, fmt.Errorf("%w: %s is %g, want a number from 1e-10 to 1e10", ErrSettings, v.name, *v.value)
		}
	}
	if s.Core == 0 {
		s.Core = 0.65 * s.Sigma
	}
	switch {
	case s.Solvent < 0 || s.Solvent > 4096:
		return nil, fmt.Errorf("%w: %d particles of solvent, want 1 to 4096", ErrSettings, s.Solvent)
	case s.NoSlope && s.Slope != 0:
		return nil, fmt.Errorf("%w: a slope of %g and NoSlope", ErrSettings, s.Slope)
	case !(math.Abs(s.Slope) <= 1e10 && math.Abs(s.Center) <= 1e10 && s.Stiffness >= 0 && s.Stiffness <= 1e10):
		return nil, fmt.Errorf("%w: slope %g and an umbrella at %g of stiffness %g, want at most 1e10",
			ErrSettings, s.Slope, s.Center, s.Stiffness)
	case !(s.Core >= 0.1*s.Sigma && s.Core <= s.Sigma):
		return nil, fmt.Errorf("%w: a core of %g, want 0.1 σ = %g to σ", ErrSettings, s.Core, 0.1*s.Sigma)
	}
	return &s, nil
}

// Settings returns the parameters with their defaults.
func (d *Dimer) Settings() DimerSettings { return d.s }

// Dim returns the number of values of a row, 2(Solvent + 2).
func (d *Dimer) Dim() int { return 2 * d.n }

// LogProb returns the node ln π = −U/T in nats, of shape (rows), for x of shape (rows, Dim).
// It fails with ErrShape for other shapes. Where the energy overflows, ln π is −Inf.
func (d *Dimer) LogProb(x *gorgonia.Node) (*gorgonia.Node, error) {
	return graph.PerRow("target: Dimer", x, d.Dim(), func() graph.RowsFunc {
		return graph.InParallel(d.Dim(), d.logProb)
	})
}

func (d *Dimer) logProb(val, grad, x []float64) {
	work := d.work.Get().(*[]float64)
	defer d.work.Put(work)
	for r := range val {
		row, g := x[2*d.n*r:2*d.n*(r+1)], *work
		if grad != nil {
			g = grad[2*d.n*r : 2*d.n*(r+1)]
		}
		if !num.Finite(row...) {
			val[r] = math.NaN()
			clear(g)
			continue
		}
		if val[r] = -d.energy(g, row) / d.s.Temperature; math.IsNaN(val[r]) {
			val[r] = math.Inf(-1) // terms of both signs have overflowed
		}
		for i := range g {
			g[i] *= -1 / d.s.Temperature
		}
	}
}

// energy returns U and sets g to its gradient.
func (d *Dimer) energy(g, x []float64) float64 {
	clear(g)
	sum := d.dimer(g, x)
	for i, v := range x {
		if out := math.Abs(v) - d.s.HalfBox; out > 0 {
			sum += 2 * d.s.Wall * out * out
			g[i] += math.Copysign(4*d.s.Wall*out, v)
		}
	}
	for i := 2; i < d.n; i++ {
		xi, yi := x[2*i], x[2*i+1]
		for j := range i {
			dx, dy := xi-x[2*j], yi-x[2*j+1]
			u, w := d.repulsion(dx*dx + dy*dy)
			sum += u
			g[2*i] -= w * dx
			g[2*i+1] -= w * dy
			g[2*j] += w * dx
			g[2*j+1] += w * dy
		}
	}
	return sum
}

// repulsion returns u and −u'/r of two particles.
func (d *Dimer) repulsion(r2 float64) (u, w float64) {
	if r2 >= d.core2 {
		s2 := d.sigma2 / r2
		s6 := s2 * s2 * s2
		u = d.s.Epsilon * s6 * s6
		return u, 12 * u / r2
	}
	r := math.Sqrt(r2)
	if r > 0 {
		w = d.slope / r
	}
	return d.atCore + d.slope*(d.s.Core-r), w
}

// dimer is the energy of the dimer alone. It adds to the gradient.
func (d *Dimer) dimer(g, x []float64) float64 {
	s := &d.s
	dx, dy, middle := x[0]-x[2], x[1]-x[3], x[0]+x[2]
	r := math.Hypot(dx, dy)
	u, off := 2*(r-s.Middle), r-s.Center
	square := u * u
	well := u*(s.Slope+u*(s.Quartic*square-s.Quadratic)) + 0.5*s.Stiffness*off*off
	slope := 2*(s.Slope+u*(4*s.Quartic*square-2*s.Quadratic)) + s.Stiffness*off
	if r > 0 {
		slope /= r
	}
	g[0] += slope*dx + 2*s.Restraint*middle
	g[1] += slope*dy + 2*s.Restraint*x[1]
	g[2] += -slope*dx + 2*s.Restraint*middle
	g[3] += -slope*dy + 2*s.Restraint*x[3]
	return well + s.Restraint*(middle*middle+x[1]*x[1]+x[3]*x[3])
}

// Distance returns r, the length of the dimer. It panics if x does not have length Dim.
func (d *Dimer) Distance(x []float64) float64 {
	d.check(x)
	return math.Hypot(x[0]-x[2], x[1]-x[3])
}

// Energy returns U of one configuration. It panics if x does not have length Dim.
func (d *Dimer) Energy(x []float64) float64 {
	d.check(x)
	return d.energy(make([]float64, len(x)), x)
}

// Start stores a configuration in dst, of length Dim, from which chains may start: the dimer
// with a length of r, and the solvent on a square grid around it. It panics if dst does not
// have length Dim.
func (d *Dimer) Start(dst []float64, r float64) {
	d.check(dst)
	dst[0], dst[1], dst[2], dst[3] = -r/2, 0, r/2, 0
	side := int(math.Ceil(math.Sqrt(float64(d.s.Solvent))))
	step := 2 * (d.s.HalfBox + d.s.Sigma/2) / float64(side)
	for k := range d.s.Solvent {
		dst[4+2*k] = step * (float64(k/side) - float64(side-1)/2)
		dst[5+2*k] = step * (float64(k%side) - float64(side-1)/2)
	}
}

func (d *Dimer) check(x []float64) {
	if len(x) != d.Dim() {
		panic(fmt.Sprintf("target: Dimer: %d values, want %d", len(x), d.Dim()))
	}
}
