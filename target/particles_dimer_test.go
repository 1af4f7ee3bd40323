package target

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"
)

func dimerOf(t testing.TB, s *DimerSettings) *Dimer {
	t.Helper()
	d, err := NewDimer(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

var dimers = []*DimerSettings{
	nil, {Solvent: 1, NoSlope: true}, {Solvent: 5, Temperature: 2, Core: 1, HalfBox: 1, Center: 1.2, Stiffness: 30},
}

func TestDimerLaws(t *testing.T) {
	for k, s := range dimers {
		d := dimerOf(t, s)
		x := angles(uint64(k), 9, d.Dim())
		d.Start(x.RawRowView(0), 1.3)
		checkLaws(t, fmt.Sprint("dimer ", k), d, x, 1e-5)
	}
}

// U is that of the definition, and symmetric under permutations of the solvent, under
// reflections at both axes and an exchange of the dimer's particles with one at the y axis.
func TestDimerDefinition(t *testing.T) {
	for k, s := range dimers {
		d := dimerOf(t, s)
		n, p := d.Dim()/2, d.Settings()
		x := angles(uint64(k), 1, d.Dim()).RawRowView(0)
		r := math.Hypot(x[0]-x[2], x[1]-x[3])
		u := 2 * (r - p.Middle)
		want := p.Slope*u - p.Quadratic*u*u + p.Quartic*u*u*u*u + p.Stiffness/2*math.Pow(r-p.Center, 2) +
			p.Restraint*(math.Pow(x[0]+x[2], 2)+x[1]*x[1]+x[3]*x[3])
		for i := range n {
			for a := range 2 {
				want += 2 * p.Wall * math.Pow(max(0, math.Abs(x[2*i+a])-p.HalfBox), 2)
			}
			for j := 2; j < n; j++ {
				if j > i {
					r := math.Hypot(x[2*i]-x[2*j], x[2*i+1]-x[2*j+1])
					soft := max(r, p.Core)
					v := p.Epsilon * math.Pow(p.Sigma/soft, 12)
					want += v + 12*v/p.Core*(soft-r)
				}
			}
		}
		near := func(what string, got float64) {
			t.Helper()
			if !(math.Abs(got-want) <= 1e-9*math.Abs(want)) {
				t.Errorf("dimer %d, %s: U is %.12g, want %.12g", k, what, got, want)
			}
		}
		near("as it is", d.Energy(x))
		y := append([]float64(nil), x...)
		for i := range y {
			if i%2 == 1 {
				y[i] = -y[i]
			}
		}
		near("y reflected", d.Energy(y))
		last := len(y) - 2
		y[4], y[5], y[last], y[last+1] = y[last], y[last+1], y[4], y[5]
		near("solvent permuted", d.Energy(y))
		y[0], y[1], y[2], y[3] = y[2], y[3], y[0], y[1]
		near("dimer turned", d.Energy(y))
		if got := d.Distance(x); got != r {
			t.Errorf("distance %g, want %g", got, r)
		}
	}
}

// The two wells of the dimer alone: near r_m ± ½√(a/2b), with a barrier of a²/4b.
func TestDimerWells(t *testing.T) {
	d := dimerOf(t, &DimerSettings{Solvent: 1, NoSlope: true})
	x := make([]float64, d.Dim())
	energy := func(r float64) float64 {
		x[0], x[2], x[4] = -r/2, r/2, 100 // the solvent far away, at its wall
		return d.Energy(x)
	}
	at := math.Sqrt(25./20) / 2
	barrier := 625. / 40
	for _, r := range []float64{1.5 - at, 1.5 + at} {
		if got := energy(1.5) - energy(r); !(math.Abs(got-barrier) < 1e-6) {
			t.Errorf("the barrier above %g is %g, want %g", r, got, barrier)
		}
	}
}

func TestDimerRejects(t *testing.T) {
	for _, c := range []struct {
		s    DimerSettings
		text string
	}{
		{DimerSettings{Solvent: -1}, "-1 particles"},
		{DimerSettings{Solvent: 1 << 50}, "particles"},
		{DimerSettings{Temperature: -1}, "Temperature is -1"},
		{DimerSettings{Quartic: math.NaN()}, "Quartic is NaN"},
		{DimerSettings{Slope: 1, NoSlope: true}, "NoSlope"},
		{DimerSettings{Slope: math.Inf(1)}, "slope +Inf"},
		{DimerSettings{Stiffness: -1}, "stiffness -1"},
		{DimerSettings{Core: 2}, "core of 2"},
	} {
		d, err := NewDimer(&c.s)
		if d != nil || !errors.Is(err, ErrSettings) || !strings.Contains(fmt.Sprint(err), c.text) {
			t.Errorf("%+v: %v, want an error with %q", c.s, err, c.text)
		}
	}
	d := dimerOf(t, nil)
	for k, f := range []func(){
		func() { d.Energy(nil) }, func() { d.Distance(nil) }, func() { d.Start(nil, 1) },
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

// For any arguments nothing panics: an error of the package, or energies that are numbers.
func FuzzDimer(f *testing.F) {
	minimizeBriefly()
	f.Add(4, 1.0, 1.1, 1.0, -0.5, 0.0, 1.3, 10.0, 1.0, uint8(0))
	f.Add(2, 1e-10, 1e10, 1e10, 1e10, 1e9, -1e10, 1e10, 1e300, uint8(2))
	f.Add(-3, math.NaN(), math.NaN(), -1.0, math.Inf(1), 0.0, 0.0, -1.0, math.NaN(), uint8(0xff))
	f.Fuzz(func(t *testing.T, n int, T, sigma, quartic, slope, core, center, stiffness, value float64, flags uint8) {
		d, err := NewDimer(&DimerSettings{Solvent: min(n, 6), Temperature: T, Sigma: sigma, Quartic: quartic,
			Slope: slope, Core: core, Center: center, Stiffness: stiffness, NoSlope: flags&32 != 0})
		known(t, "Dimer", err)
		h := &hostile{rows: 2, value: value, flags: flags &^ 1}
		h.density(t, (*Dimer)(nil))
		if err == nil {
			h.density(t, d)
			x := mat.NewDense(1, d.Dim(), nil)
			d.Start(x.RawRowView(0), 1)
			allFinite(t, "start", x.RawRowView(0)...)
		}
	})
}
