package target

import (
	"fmt"
	"math"
)

// Particles returns N.
func (p *Particles) Particles() int { return p.n }

// Temperature returns T.
func (p *Particles) Temperature() float64 { return p.temperature }

// Volume returns the volume of the periodic box (in two dimensions its area), and +Inf in
// open space.
func (p *Particles) Volume() float64 {
	if p.box == nil {
		return math.Inf(1)
	}
	v := 1.0
	for _, edge := range p.box {
		v *= edge
	}
	return v
}

// LogUnits returns ln Q − ln Z in nats: Q = ∫ dx_1 … dx_N exp(−U/T) is the configuration
// integral over positions in units of length, and Z the integral over the coordinates of a
// row. In a periodic box it is
//
//	ln Q − ln Z = N ln V − Dim ln 2π,
//
// with and without Pinned, and 0 in a trap.
func (p *Particles) LogUnits() float64 {
	if p.box == nil {
		return 0
	}
	sum := 0.0
	for _, edge := range p.box {
		sum += float64(p.n) * math.Log(edge)
	}
	return sum - float64(p.Dim())*math.Log(2*math.Pi)
}

// use calls f with the positions of one configuration. It panics if row does not have
// length Dim.
func (p *Particles) use(row []float64, f func(w *particlesWork)) {
	if len(row) != p.Dim() {
		panic(fmt.Sprintf("target: Particles: %d coordinates, want %d", len(row), p.Dim()))
	}
	w := p.work.Get().(*particlesWork)
	defer p.work.Put(w)
	p.place(w.x, row)
	f(w)
}

// Positions stores the positions of all N particles in units of length in dst, of length dN,
// particle after particle. In a box they are within half an edge of the origin. It panics if
// row does not have length Dim or dst not length dN.
func (p *Particles) Positions(dst, row []float64) {
	if len(dst) != p.n*p.axes {
		panic(fmt.Sprintf("target: Particles: room for %d coordinates, want %d", len(dst), p.n*p.axes))
	}
	p.use(row, func(w *particlesWork) {
		for k := range dst {
			dst[k] = w.x[k%p.axes*p.n+k/p.axes]
		}
	})
}

// Energy returns U of one configuration. It panics if row does not have length Dim.
func (p *Particles) Energy(row []float64) (u float64) {
	p.use(row, func(w *particlesWork) { u = p.energy(w, nil) })
	return u
}

// Distances stores the distances of all pairs of particles in dst, of length N(N−1)/2, those
// of nearest images in a periodic box. They give the radial distribution function
//
//	g(r) = ⟨number of pairs in a shell at r⟩ / (N(N−1)/2 · volume of the shell / V),
//
// which is valid up to half of the shortest edge. It panics if row does not have length Dim
// or dst not length N(N−1)/2.
func (p *Particles) Distances(dst, row []float64) {
	if len(dst) != p.n*(p.n-1)/2 {
		panic(fmt.Sprintf("target: Particles: room for %d distances, want %d", len(dst), p.n*(p.n-1)/2))
	}
	p.use(row, func(w *particlesWork) {
		k := 0
		for i := range p.n {
			for _, r2 := range p.before(w, i) {
				dst[k] = math.Sqrt(r2)
				k++
			}
		}
	})
}

// Virial returns the number whose mean over configurations in a periodic box gives the
// pressure,
//
//	P V = N T + ⟨W⟩/d,  W = −Σ_{i<j} r u'(r),
//
// in units of energy. It panics if row does not have length Dim.
func (p *Particles) Virial(row []float64) (sum float64) {
	p.use(row, func(w *particlesWork) {
		for i := range p.n {
			for _, r2 := range p.before(w, i) {
				if r2 < p.cut2 {
					_, f := p.pair.Pair(r2)
					sum += f * r2
				}
			}
		}
	})
	return sum
}
