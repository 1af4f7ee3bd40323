package target

import (
	"fmt"
	"math"
	"testing"

	"github.com/neuralrg/neuralrg/internal/lattice"
)

// fields checks Phi4 and Local for the arguments h: m² and λ are h.mass2 and h.T, the
// number of components comes from h.dim and h.rows.
func (h *hostile) fields(t *testing.T) {
	t.Helper()
	for _, n := range []int{0, h.rows, h.dim} {
		if sites, err := lattice.Size(h.shape); err == nil && n > 0 && n <= lattice.MaxSites && sites*n > 1<<10 {
			continue // legal, and too slow
		}
		what := fmt.Sprintf("lattice %v, %d components, m² = %g, λ = %g", h.shape, n, h.mass2, h.T)
		p, err := NewPhi4(h.shape, &Phi4Settings{Mass2: h.mass2, Lambda: h.T, Components: n})
		h.phi4(t, what, p, err)
		s, err := Phi4Hopping(len(h.shape), h.T, h.alpha)
		known(t, what, err)
		if err == nil {
			p, err = NewPhi4(h.shape, s)
			h.phi4(t, what, p, err)
		}
		l, err := NewLocal(h.shape, &LocalSettings{
			Components: n, Coupling: h.couplings(), Mass2: h.mass2,
			Potential: func(site int, grad, phi []float64) float64 {
				sum := 0.0
				for a, v := range phi {
					if site%3 != 1 || !h.has(7) {
						grad[a] = math.Sinh(v)
					}
					sum += math.Cosh(v)
				}
				return sum
			},
		})
		known(t, what, err)
		if err == nil {
			allFinite(t, what+": spectrum", l.Spectrum()...)
			h.density(t, l)
		}
	}
}

// couplings returns couplings for the axes, or a wrong number of them.
func (h *hostile) couplings() []float64 {
	if h.has(4) {
		return nil
	}
	all := make([]float64, len(h.shape))
	for axis := range all {
		all[axis] = []float64{h.value, -1, h.alpha}[axis%3]
	}
	if h.has(5) {
		return append(all, 1)
	}
	return all
}

func (h *hostile) phi4(t *testing.T, what string, p *Phi4, err error) {
	t.Helper()
	if err != nil {
		known(t, what, err)
		return
	}
	spectrum := p.Spectrum()
	allFinite(t, what+": spectrum", spectrum...)
	for _, v := range spectrum {
		if !(v > 0) {
			t.Errorf("%s: eigenvalue %g", what, v)
		}
	}
	if len(h.shape) == 1 && p.Dim() <= 4 { // quick
		if logZ, ok := p.ExactLogZ(); !ok && logZ != 0 || math.IsNaN(logZ) || math.IsInf(logZ, 0) {
			t.Errorf("%s: ln Z is %g, %t", what, logZ, ok)
		}
	}
	phi := normalRows(3, p.Dim())
	p.Magnetization(make([]float64, p.Components()), phi)
	p.Correlator(make([]float64, h.shape[0]), phi, 0)
	h.density(t, p)
}

// For random bits as settings, NewPhi4 fails with an error of the package, or ln Z of two
// sites lies above the bound of the Gaussian of Spectrum.
func FuzzPhi4(f *testing.F) {
	minimizeBriefly()
	f.Add(-4.0, 6.975, uint8(4), uint8(4))
	f.Add(0.0, 1e-100, uint8(2), uint8(1))
	f.Add(1e100, 1e100, uint8(3), uint8(2))
	f.Add(-1e100, 1e-100, uint8(2), uint8(2))
	f.Fuzz(func(t *testing.T, mass2, lambda float64, rows, cols uint8) {
		shape := []int{2 + int(rows%3)}
		if cols%3 != 0 {
			shape = append(shape, 1+int(cols%3))
		}
		p, err := NewPhi4(shape, &Phi4Settings{Mass2: mass2, Lambda: lambda})
		if err != nil {
			known(t, fmt.Sprint(shape, mass2, lambda), err)
			return
		}
		logZ, ok := p.ExactLogZ()
		if !ok {
			return
		}
		bound := variationalBound(p)
		if !(logZ >= bound-1e-6-1e-9*math.Abs(bound)) {
			t.Errorf("%v, m² = %g, λ = %g: ln Z is %g, its lower bound %g", shape, mass2, lambda, logZ, bound)
		}
	})
}
