package flow

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/bijector/bijectortest"
)

// scaleRecipes are small recipes of every network, with and without exact sites.
func scaleRecipes(scale float64) map[string]*Recipe {
	all := map[string]*Recipe{"MERA": FastRecipe(), "checkerboard": BestRecipe()}
	for name, r := range exactRecipes(3) {
		all["exact "+name] = r
	}
	for _, r := range all {
		r.Scale, r.Couplings, r.Hidden, r.Network.Repeat = scale, 2, []int{4}, 1
	}
	return all
}

// rms is the root of the mean square of the values at some sites, at all for nil.
func rms(x *mat.Dense, sites []int) float64 {
	sum, n := 0.0, 0.0
	rows, cols := x.Dims()
	for r := range rows {
		for c := range cols {
			if sites == nil || slices.Contains(sites, c) {
				sum, n = sum+x.At(r, c)*x.At(r, c), n+1
			}
		}
	}
	return math.Sqrt(sum / n)
}

// A field begins with the standard deviation Scale, with Exact on the even sites. The model
// is a bijector with the right Jacobian, and the network behind the factor is that without it.
func TestScale(t *testing.T) {
	shape := []int{4, 4}
	even := []int{0, 2, 5, 7, 8, 10, 13, 15}
	for name, r := range scaleRecipes(0.01) {
		m := must(r.Model(shape, nil, rand.NewPCG(1, 2)))
		x, _ := sample(t, m, 4000, 1)
		var sites []int
		if r.Exact != nil {
			sites = even
		}
		one := *r
		one.Scale = 1
		y, _ := sample(t, must(one.Model(shape, nil, rand.NewPCG(1, 2))), 4000, 1)
		if got, want := rms(x, sites), 0.01*rms(y, sites); math.Abs(got-want) > 1e-9*want {
			t.Errorf("%s: the field begins with %g, want %g", name, got, want)
		}
		if got := rms(x, sites); !(math.Abs(got-0.01) < 0.001) {
			t.Errorf("%s: the field begins with %g, want about 0.01", name, got)
		}
		scramble(m, 3, 0.2)
		x, logq := sample(t, m, 10, 5)
		wantClose(t, name, logProbs(t, m, x), logq, 1e-7) // there and back
		small := must(r.Model([]int{2, 2}, nil, rand.NewPCG(1, 2)))
		scramble(small, 3, 0.2)
		t.Run(name, func(t *testing.T) { bijectortest.Check(t, small.Bijector()) })
		var file bytes.Buffer
		if err := m.Save(&file); err != nil {
			t.Fatal(err)
		}
		back := must(Load(&file))
		wantSame(t, name+": a loaded model", logProbs(t, back, x), logProbs(t, m, x))
	}
}

// The exact sites see the field behind the factor: they stay exact.
func TestScaleExact(t *testing.T) {
	const lambda = 3
	for name, r := range exactRecipes(lambda) {
		r.Scale = 0.3
		t.Run(name, func(t *testing.T) { exactWeights(t, r, lambda) })
	}
}

// Scale 0 and 1 and a whitened field have no factor.
func TestScaleOne(t *testing.T) {
	white := slices.Repeat([]float64{2}, 16)
	for name, r := range scaleRecipes(0) {
		want := must(r.Model([]int{4, 4}, nil, rand.NewPCG(1, 2)))
		r.Scale = 1
		got := must(r.Model([]int{4, 4}, nil, rand.NewPCG(1, 2)))
		if len(got.Params()) != len(want.Params()) {
			t.Errorf("%s: Scale 1 adds parameters", name)
		}
		if r.Exact != nil {
			continue
		}
		r.Scale, r.Whiten = 0.1, true
		got = must(r.Model([]int{4, 4}, white, rand.NewPCG(1, 2)))
		if len(got.Params()) != len(want.Params()) {
			t.Errorf("%s: Scale adds parameters to a whitened field", name)
		}
	}
}

// A grown model keeps the factor of the smaller one, as training left it.
func TestScaleGrows(t *testing.T) {
	for name, r := range scaleRecipes(0.2) {
		if name == "exact MERA" {
			continue // does not grow
		}
		small := must(r.Model([]int{8, 8}, nil, rand.NewPCG(1, 2)))
		h := hierarchyOf(t, small)
		old := r.factorOf(h).Params()[0].Value().Float64s()
		old[0], old[1] = -1.5, 0.25
		big, err := r.Grow(small, []int{16, 16}, nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		p := r.factorOf(hierarchyOf(t, big)).Params()[0]
		wantSame(t, name, p.Value().Float64s(), []float64{-1.5, 0.25})
		if p == r.factorOf(h).Params()[0] {
			t.Errorf("%s: the factor is shared", name)
		}
		one := *r
		one.Scale = 1
		if _, err := one.Grow(small, []int{16, 16}, nil); !errors.Is(err, bijector.ErrHierarchy) {
			t.Errorf("%s: grown by a recipe without a factor: %v", name, err)
		}
		plain := must(one.Model([]int{8, 8}, nil, rand.NewPCG(1, 2)))
		if _, err := r.Grow(plain, []int{16, 16}, nil); !errors.Is(err, bijector.ErrHierarchy) {
			t.Errorf("%s: a model without a factor: %v", name, err)
		}
	}
}

func TestScaleErrors(t *testing.T) {
	small := must(FastRecipe().Model([]int{4}, nil, rand.NewPCG(1, 2)))
	for _, scale := range []float64{-1, 1e-200, 1e200, math.Inf(1), math.NaN()} {
		r := FastRecipe()
		r.Scale = scale
		_, err := r.Model([]int{4}, nil, rand.NewPCG(1, 2))
		wantError(t, "a bad scale", err, ErrSettings, "Scale")
		_, err = r.Grow(small, []int{8}, nil)
		wantError(t, "a bad scale", err, ErrSettings, "Scale")
	}
	two := &Recipe{Scale: 0.5, Network: bijector.NetworkSettings{Components: 2}}
	_, err := two.Model([]int{4}, nil, rand.NewPCG(1, 2))
	wantError(t, "two components", err, ErrSettings, "2 components")
}
