package target

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
)

func boxOf(t testing.TB, n int, box []float64, s *ParticlesSettings) *Particles {
	t.Helper()
	p, err := NewParticles(n, box, s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func trapOf(t testing.TB, n int, trap []float64, s *ParticlesSettings) *Particles {
	t.Helper()
	p, err := NewTrappedParticles(n, trap, s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func pairOf(t testing.TB, wca bool, s *LennardJonesSettings) *LennardJones {
	t.Helper()
	f := NewLennardJones
	if wca {
		f = NewWCA
	}
	p, err := f(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// someParticles are densities of all kinds.
func someParticles(t testing.TB) map[string]*Particles {
	lj := pairOf(t, false, &LennardJonesSettings{Sigma: 1.1, Epsilon: 0.7, Cutoff: 2, Core: 0.9})
	return map[string]*Particles{
		"WCA, 1-D":      boxOf(t, 3, []float64{4}, nil),
		"WCA, 2-D":      boxOf(t, 5, []float64{3, 3.7}, &ParticlesSettings{Temperature: 1.3}),
		"WCA, pinned":   boxOf(t, 4, []float64{3, 3}, &ParticlesSettings{Pinned: true}),
		"LJ, 3-D":       boxOf(t, 7, []float64{4, 4.2, 5}, &ParticlesSettings{Pair: lj, Temperature: 2, Pinned: true}),
		"LJ, trap":      trapOf(t, 4, []float64{1, 2}, &ParticlesSettings{Pair: lj}),
		"one, trap":     trapOf(t, 1, []float64{1, 2, 3}, nil),
		"one, box":      boxOf(t, 1, []float64{3}, nil),
		"LJ, trap, 3-D": trapOf(t, 6, []float64{1, 2, 0.5}, &ParticlesSettings{Pair: lj, Temperature: 0.5}),
	}
}

func TestParticlesLaws(t *testing.T) {
	for name, p := range someParticles(t) {
		checkLaws(t, name, p, angles(2, 19, p.Dim()), 1e-5)
	}
}

// ln π is that of the definition: a sum over all pairs, of the nearest of all images.
func TestParticlesDefinition(t *testing.T) {
	for name, p := range someParticles(t) {
		x, logp := angles(3, 9, p.Dim()), make([]float64, 9)
		if err := NewEvaluator(p).LogProbs(logp, x); err != nil {
			t.Fatal(err)
		}
		for r := range logp {
			want := p.definition(x.RawRowView(r))
			if !(math.Abs(logp[r]+want/p.Temperature()) <= 1e-10*math.Max(1, math.Abs(want))) {
				t.Errorf("%s: ln π is %.12g, want %.12g", name, logp[r], -want/p.Temperature())
			}
			if u := p.Energy(x.RawRowView(r)); !(math.Abs(u-want) <= 1e-10*math.Max(1, math.Abs(want))) {
				t.Errorf("%s: U is %.12g, want %.12g", name, u, want)
			}
		}
	}
}

// definition is U, slowly.
func (p *Particles) definition(row []float64) (u float64) {
	d := p.axes
	x := make([]float64, p.n*d)
	for i, v := range row {
		x[len(x)-len(row)+i] = v * p.scale[i%d]
	}
	for i := range p.n {
		for a, k := range p.trap {
			u += k * x[i*d+a] * x[i*d+a] / 2
		}
		for j := range i {
			r2 := 0.0
			for a := range d {
				v := x[i*d+a] - x[j*d+a]
				if p.box != nil {
					best := math.Inf(1)
					for image := -8.0; image <= 8; image++ {
						best = min(best, math.Abs(v+image*p.box[a]))
					}
					v = best
				}
				r2 += v * v
			}
			if r2 < p.pair.Cutoff()*p.pair.Cutoff() {
				v, _ := p.pair.Pair(r2)
				u += v
			}
		}
	}
	return u
}

// ln π is the same after a permutation of particles, after a translation of all of them and
// after turns of 2π, but not after the translation of one.
func TestParticlesSymmetry(t *testing.T) {
	for name, p := range someParticles(t) {
		n, d := p.Dim(), p.axes
		x := angles(4, 5, n)
		for i := range n {
			v := x.At(0, i)
			x.Set(1, (i+d)%n, v) // a cyclic permutation
			shifted, turned := v, v
			if !p.pinned && p.box != nil {
				shifted += 1 + float64(i%d)
			}
			if p.box != nil {
				turned += 2 * math.Pi * float64(i%3-1)
			}
			x.Set(2, i, shifted)
			x.Set(3, i, turned)
			x.Set(4, i, -v) // inversion
		}
		logp := make([]float64, 5)
		if err := NewEvaluator(p).LogProbs(logp, x); err != nil {
			t.Fatal(err)
		}
		for r, what := range []string{"", "permutation", "translation", "2π", "inversion"} {
			if !(math.Abs(logp[r]-logp[0]) <= 1e-9*math.Max(1, math.Abs(logp[0]))) {
				t.Errorf("%s, %s: ln π is %.15g, was %.15g", name, what, logp[r], logp[0])
			}
		}
	}
}

// shell is d^(d−1) times the surface of the unit sphere in d dimensions.
func shell(d int, r float64) float64 {
	return []float64{2, 2 * math.Pi * r, 4 * math.Pi * r * r}[d-1]
}

// radial integrates f over all distances from 0 to most in d dimensions.
func radial(d int, most float64, f func(r float64) float64) float64 {
	const points = 200_000
	sum := 0.0
	for k := range points {
		r := most * (float64(k) + 0.5) / points
		sum += shell(d, r) * f(r) * most / points
	}
	return sum
}

// Z of two particles in a box is that of the second virial coefficient,
// Q/V² = 1 − 2B₂/V, with and without Pinned, by quadrature over a grid of angles.
func TestParticlesPair(t *testing.T) {
	lj := pairOf(t, false, &LennardJonesSettings{Cutoff: 1.9})
	for _, c := range []struct {
		box    []float64
		points int
		pair   PairPotential
		T, tol float64
	}{
		{[]float64{4}, 4000, nil, 1, 1e-6}, {[]float64{3, 4}, 800, nil, 0.7, 1e-5},
		{[]float64{4, 4}, 800, lj, 1, 1e-4}, {[]float64{3, 4, 3.5}, 100, nil, 1, 1e-4},
	} {
		d := len(c.box)
		p := boxOf(t, 2, c.box, &ParticlesSettings{Pair: c.pair, Temperature: c.T, Pinned: true})
		cut := p.pair.Cutoff()
		want := math.Log1p(radial(d, cut, func(r float64) float64 {
			u, _ := p.pair.Pair(r * r)
			return math.Expm1(-u / c.T)
		}) / p.Volume())
		states := int(math.Pow(float64(c.points), float64(d)))
		sum, val, row := 0.0, make([]float64, 1), make([]float64, d)
		for s := range states {
			for a, rest := 0, s; a < d; a, rest = a+1, rest/c.points {
				row[a] = 2*math.Pi*(float64(rest%c.points)+0.5)/float64(c.points) - math.Pi
			}
			p.logProb(val, nil, row)
			sum += math.Exp(val[0])
		}
		if got := math.Log(sum / float64(states)); !(math.Abs(got-want) < c.tol) {
			t.Errorf("%v: ln Q/V² is %.8f, want %.8f", c.box, got, want)
		}
		logZ := want + float64(p.Dim())*math.Log(2*math.Pi)
		if q := logZ + p.LogUnits(); !(math.Abs(q-want-2*math.Log(p.Volume())) < 1e-12) {
			t.Errorf("%v: ln Q is %.12g, want %.12g", c.box, q, want+2*math.Log(p.Volume()))
		}
		free := boxOf(t, 2, c.box, &ParticlesSettings{Pair: c.pair, Temperature: c.T})
		if got, want := p.LogUnits()-free.LogUnits(), float64(d)*math.Log(2*math.Pi); !(math.Abs(got-want) < 1e-12) {
			t.Errorf("%v: units of a pinned row differ by %g, want %g", c.box, got, want)
		}
	}
}

// Two particles in a trap on a line: the quadrature over both agrees with that over centre
// and separation.
func TestParticlesTrapPair(t *testing.T) {
	const k, T, points, most = 2.0, 0.8, 1500, 6.0
	p := trapOf(t, 2, []float64{k}, &ParticlesSettings{Temperature: T})
	want := math.Sqrt(math.Pi*T/k) * radial(1, 12, func(r float64) float64 {
		u, _ := p.pair.Pair(r * r)
		return math.Exp(-(k*r*r/4 + u) / T)
	})
	sum, val, h := 0.0, make([]float64, 1), 2*most/points
	for i := range points {
		for j := range points {
			p.logProb(val, nil, []float64{(float64(i)+0.5)*h - most, (float64(j)+0.5)*h - most})
			sum += math.Exp(val[0]) * h * h
		}
	}
	if !(math.Abs(sum/want-1) < 1e-4) {
		t.Errorf("Z is %.8g, want %.8g", sum, want)
	}
	if p.LogUnits() != 0 || !math.IsInf(p.Volume(), 1) {
		t.Errorf("units %g, volume %g", p.LogUnits(), p.Volume())
	}
}

// ideal is a potential without any energy.
type ideal struct{}

func (ideal) Pair(float64) (u, w float64) { return 0, 0 }
func (ideal) Cutoff() float64             { return 1 }

// Z of an ideal gas is Vᴺ, and that of one particle in a trap is Gaussian.
func TestParticlesIdeal(t *testing.T) {
	p := boxOf(t, 6, []float64{3, 4}, &ParticlesSettings{Pair: ideal{}})
	val, grad := make([]float64, 1), make([]float64, 12)
	p.logProb(val, grad, normalRows(1, 12))
	if val[0] != 0 || grad[3] != 0 {
		t.Errorf("ln π is %g, gradient %g", val[0], grad)
	}
	if q := 12*math.Log(2*math.Pi) + p.LogUnits(); !(math.Abs(q-6*math.Log(12)) < 1e-12) {
		t.Errorf("ln Q is %g, want %g", q, 6*math.Log(12))
	}
}

// The virial is the response of the energy to a change of all lengths.
func TestParticlesVirial(t *testing.T) {
	const h = 1e-6
	energy := func(scale float64, row []float64) float64 {
		return boxOf(t, 5, []float64{3 * scale, 3 * scale}, nil).Energy(row)
	}
	p, x := boxOf(t, 5, []float64{3, 3}, nil), angles(5, 10, 10)
	for r := range 10 {
		row := x.RawRowView(r)
		want := -(energy(1+h, row) - energy(1-h, row)) / (2 * h)
		if got := p.Virial(row); !(math.Abs(got-want) <= 1e-5*math.Max(1, math.Abs(want))) {
			t.Errorf("virial %g, want %g", got, want)
		}
	}
}

// A coordinate that is NaN or infinite makes ln π NaN, also behind the cut-off, and the whole
// gradient is written.
func TestParticlesNotFinite(t *testing.T) {
	for name, d := range map[string]interface {
		logProb(val, grad, x []float64)
		Dim() int
	}{"box": boxOf(t, 3, []float64{9, 9}, nil), "trap": trapOf(t, 3, []float64{1}, nil), "dimer": dimerOf(t, nil)} {
		for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
			x, val, grad := make([]float64, d.Dim()), make([]float64, 1), make([]float64, d.Dim())
			x[1], grad[0] = bad, 7
			if d.logProb(val, grad, x); !math.IsNaN(val[0]) || grad[0] == 7 {
				t.Errorf("%s: ln π at %g is %g, gradient %g", name, bad, val[0], grad)
			}
		}
	}
}

// Positions and distances agree with each other and with the row.
func TestParticlesDistances(t *testing.T) {
	p := boxOf(t, 4, []float64{3, 5}, &ParticlesSettings{Pinned: true})
	row := angles(6, 1, 6).RawRowView(0)
	x, r := make([]float64, 8), make([]float64, 6)
	p.Positions(x, row)
	p.Distances(r, row)
	if x[0] != 0 || x[1] != 0 {
		t.Errorf("the pinned particle is at %v", x[:2])
	}
	for i, v := range row {
		L := p.box[i%2]
		if got := x[2+i]; !(math.Abs(got) <= L/2) || math.Abs(math.Remainder(got-v*L/(2*math.Pi), L)) > 1e-12 {
			t.Errorf("coordinate %d is at %g, angle %g", i, got, v)
		}
	}
	k := 0
	for i := range 4 {
		for j := range i {
			dx, dy := math.Remainder(x[2*i]-x[2*j], 3), math.Remainder(x[2*i+1]-x[2*j+1], 5)
			if want := math.Hypot(dx, dy); !(math.Abs(r[k]-want) < 1e-12) {
				t.Errorf("distance of %d and %d is %g, want %g", i, j, r[k], want)
			}
			k++
		}
	}
}

func TestParticlesReject(t *testing.T) {
	long := pairOf(t, false, nil)
	for _, c := range []struct {
		n    int
		box  []float64
		s    *ParticlesSettings
		is   error
		text string
	}{
		{8, nil, nil, ErrShape, "0 axes"},
		{8, []float64{1, 2, 3, 4}, nil, ErrShape, "4 axes"},
		{0, []float64{4, 4}, nil, ErrShape, "0 particles"},
		{1 << 40, []float64{4, 4}, nil, ErrShape, "particles"},
		{1, []float64{4, 4}, &ParticlesSettings{Pinned: true}, ErrShape, "pinned"},
		{8, []float64{4, -4}, nil, ErrSettings, "edge 1 is -4"},
		{8, []float64{math.NaN()}, nil, ErrSettings, "edge 0 is NaN"},
		{8, []float64{4, math.Inf(1)}, nil, ErrSettings, "edge 1 is +Inf"},
		{8, []float64{4, 2}, nil, ErrSettings, "half of the shortest edge, 1"},
		{8, []float64{4, 4}, &ParticlesSettings{Pair: long}, ErrSettings, "cut-off is at 2.5"},
		{8, []float64{4, 4}, &ParticlesSettings{Temperature: -1}, ErrSettings, "temperature is -1"},
		{8, []float64{4, 4}, &ParticlesSettings{Temperature: math.NaN()}, ErrSettings, "temperature is NaN"},
	} {
		p, err := NewParticles(c.n, c.box, c.s)
		if p != nil || !errors.Is(err, c.is) || !strings.Contains(fmt.Sprint(err), c.text) {
			t.Errorf("%d, %v: %v, want an error with %q", c.n, c.box, err, c.text)
		}
	}
	for _, c := range []struct {
		trap []float64
		s    *ParticlesSettings
		text string
	}{
		{[]float64{0}, nil, "spring constant 0 is 0"},
		{[]float64{1}, &ParticlesSettings{Pinned: true}, "Pinned"},
	} {
		p, err := NewTrappedParticles(3, c.trap, c.s)
		if p != nil || !errors.Is(err, ErrSettings) || !strings.Contains(fmt.Sprint(err), c.text) {
			t.Errorf("%v: %v, want an error with %q", c.trap, err, c.text)
		}
	}
	p := boxOf(t, 3, []float64{3, 3}, nil)
	for k, f := range []func(){
		func() { p.Energy(nil) }, func() { p.Virial(make([]float64, 5)) },
		func() { p.Positions(make([]float64, 5), make([]float64, 6)) },
		func() { p.Distances(make([]float64, 2), make([]float64, 6)) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("no panic in case %d", k)
				}
			}()
			f()
		}()
	}
}
