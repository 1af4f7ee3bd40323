package mi

import (
	"errors"
	"math"
	"testing"

	"gonum.org/v1/gonum/mat"
)

func TestGaussian(t *testing.T) {
	const rho = 0.37
	sigma := mat.NewSymDense(2, []float64{4, 2 * 3 * rho, 0, 9})
	want := -0.5 * math.Log(1-rho*rho)
	if v, err := Gaussian(sigma); err != nil || math.Abs(v-want) > 1e-14 {
		t.Errorf("%v, %v, want %v", v, err, want)
	}
	// The chain rule: the total correlation of three variables is that of the first
	// two plus their mutual information with the third.
	s := mat.NewSymDense(3, []float64{2, 0.5, 0.3, 0, 1, -0.4, 0, 0, 3})
	whole, _ := Gaussian(s)
	part, err := GaussianGroups(s, []int{2}, []int{0, 1})
	if err != nil {
		t.Fatal(err)
	}
	pair, _ := Gaussian(s.SliceSym(0, 2))
	if math.Abs(whole-part-pair) > 1e-14 {
		t.Errorf("%v, want %v + %v", whole, part, pair)
	}
	for name, f := range map[string]func() error{
		"nil":        func() error { _, err := Gaussian(nil); return err },
		"empty":      func() error { _, err := GaussianGroups(s, nil, []int{1}); return err },
		"twice":      func() error { _, err := GaussianGroups(s, []int{1}, []int{1}); return err },
		"range":      func() error { _, err := GaussianGroups(s, []int{1}, []int{3}); return err },
		"infinite":   func() error { _, err := Gaussian(mat.NewSymDense(1, []float64{math.Inf(1)})); return err },
		"indefinite": func() error { _, err := Gaussian(mat.NewSymDense(2, []float64{1, 2, 2, 1})); return err },
	} {
		want := ErrShape
		switch name {
		case "indefinite":
			want = ErrDegenerate
		case "infinite":
			want = ErrNotFinite
		}
		if err := f(); !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The result is exact to rounding for weak and for strong correlations.
func TestGaussianPrecise(t *testing.T) {
	for _, rho := range []float64{1e-300, 1e-30, 1e-9, 1e-4, 0.3, -0.7, 0.999, 1 - 1e-12, -(1 - 1e-15)} {
		sigma := mat.NewSymDense(2, []float64{1, rho, 0, 1})
		want := -0.5 * (math.Log1p(-rho) + math.Log1p(rho))
		if math.Abs(rho) < 1e-2 { // the terms of the sum cancel
			want = rho * rho / 2 * (1 + rho*rho/2)
		}
		whole, err := Gaussian(sigma)
		if err != nil || math.Abs(whole-want) > 1e-14*want {
			t.Errorf("ρ = %g: %g, %v, want %g", rho, whole, err, want)
		}
		groups, err := GaussianGroups(sigma, []int{1}, []int{0})
		if err != nil || math.Abs(groups-want) > 1e-14*want {
			t.Errorf("ρ = %g, groups: %g, %v, want %g", rho, groups, err, want)
		}
	}
	// Two groups of strongly correlated variables, with scales that differ a lot. One
	// weak correlation r couples them: the result is r² (Σ_a⁻¹)₀₀ (Σ_b⁻¹)₀₀ / 2.
	const r, within, scale = 1e-9, 0.99, 1e120
	sigma := mat.NewSymDense(4, nil)
	sizes := []float64{1, scale, 1 / scale, 3}
	for i := range 4 {
		for j := range i + 1 {
			v := 0.0
			switch {
			case i == j:
				v = 1
			case i-j == 1 && i != 2:
				v = within
			case i == 2 && j == 0:
				v = r
			}
			sigma.SetSym(i, j, v*sizes[i]*sizes[j])
		}
	}
	inverse := 1 / (1 - within*within)
	want := r * inverse * r * inverse / 2
	if v, err := GaussianGroups(sigma, []int{0, 1}, []int{3, 2}); err != nil || math.Abs(v-want) > 1e-12*want {
		t.Errorf("%g, %v, want %g", v, err, want)
	}
}
