package target

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/neuralrg/neuralrg/internal/lattice"
)

// The measurements agree with their definitions as sums over pairs of sites.
func TestFieldMeasurements(t *testing.T) {
	for i, c := range fieldCases {
		f, err := NewField(c.shape, c.components)
		if err != nil {
			t.Fatal(err)
		}
		phi := normalRows(uint64(i), f.Dim())
		n := c.components
		sites := f.Dim() / n
		if !slices.Equal(f.Shape(), c.shape) || f.Components() != n {
			t.Errorf("%v: %v, %d", c, f.Shape(), f.Components())
		}
		m := slices.Repeat([]float64{math.NaN()}, n)
		f.Magnetization(m, phi)
		for a := range n {
			sum := 0.0
			for s := range sites {
				sum += phi[s*n+a]
			}
			if math.Abs(m[a]-sum/float64(sites)) > 1e-14 {
				t.Errorf("%v: component %d of m is %g, want %g", c, a, m[a], sum/float64(sites))
			}
		}
		for axis, extent := range c.shape {
			want, total := make([]float64, extent), 0.0
			for x, at := range lattice.Points(c.shape) {
				from := at[axis]
				for y, to := range lattice.Points(c.shape) {
					for a := range n {
						want[(to[axis]-from+extent)%extent] += phi[x*n+a] * phi[y*n+a] / float64(sites)
					}
				}
			}
			got := slices.Repeat([]float64{math.NaN()}, extent)
			f.Correlator(got, phi, axis)
			for s, v := range got {
				total += v
				if math.Abs(v-want[s]) > 1e-12 {
					t.Errorf("%v: two-point function along axis %d at %d is %g, want %g", c, axis, s, v, want[s])
				}
			}
			if v := f.Susceptibility(phi); math.Abs(total-v) > 1e-12*(1+v) {
				t.Errorf("%v: χ is %g, want %g", c, v, total)
			}
		}
	}
}

// The formula for ξ in the comment of Correlator gives 1/m for a free field: χ = 1/m² and
// F = 1/(m² + 4 sin²(π/L)).
func TestFieldSecondMomentLength(t *testing.T) {
	const L, mass2 = 12, 0.3
	free, err := NewFreeField([]int{L, 5}, mass2)
	if err != nil {
		t.Fatal(err)
	}
	var chi, F float64
	for x, v := range free.Correlator() {
		chi += v
		F += v * math.Cos(2*math.Pi*float64(x/5)/L)
	}
	checkRelative(t, "ξ", math.Sqrt(chi/F-1)/(2*math.Sin(math.Pi/L)), 1/math.Sqrt(mass2), 1e-12)
}

func TestFieldErrors(t *testing.T) {
	for _, c := range []struct {
		shape      []int
		components int
		is         error
		text       string
	}{
		{nil, 1, ErrShape, "without extents"}, {[]int{1}, 1, ErrShape, "[1]"}, {[]int{4, -2}, 1, ErrShape, "[4 -2]"},
		{[]int{4}, 0, ErrSettings, "0 components"}, {[]int{4}, -7, ErrSettings, "-7 components"},
		{[]int{1 << 13, 1 << 13}, 2, ErrShape, "2 components"}, {[]int{2}, math.MaxInt, ErrShape, "components"},
	} {
		f, err := NewField(c.shape, c.components)
		if f != nil {
			t.Errorf("%v: a field in spite of the error", c)
		}
		checkError(t, fmt.Sprint(c), err, c.is, "target: field: ", c.text)
	}
	f, err := NewField([]int{2, 3}, 2)
	if err != nil {
		t.Fatal(err)
	}
	for what, call := range map[string]func(){
		"configuration": func() { f.Susceptibility(make([]float64, 6)) },
		"m":             func() { f.Magnetization(make([]float64, 1), make([]float64, 12)) },
		"axis 2":        func() { f.Correlator(make([]float64, 2), make([]float64, 12), 2) },
		"axis -1":       func() { f.Correlator(make([]float64, 2), make([]float64, 12), -1) },
		"distances":     func() { f.Correlator(make([]float64, 2), make([]float64, 12), 1) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", what)
				}
			}()
			call()
		}()
	}
}
