package flow

import (
	"bytes"
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/target"
)

// quarticLattice is a φ⁴ theory with a = 0 and coupling 2 on l × l sites.
func quarticLattice(l int, lambda float64) target.Density {
	n := l * l
	return target.Func(n, func(grad, phi []float64) float64 {
		s := 0.0
		for i, v := range phi {
			row, col := i/l*l, i%l
			near := phi[row+(col+1)%l] + phi[row+(col+l-1)%l] + phi[(i+l)%n] + phi[(i+n-l)%n]
			s += lambda*v*v*v*v - v*near
			if grad != nil {
				grad[i] = 2*near - 4*lambda*v*v*v
			}
		}
		return -s
	})
}

// exactRecipe is small.
func exactRecipe(lambda float64) *Recipe {
	r := FastRecipe()
	r.Exact = &QuarticAction{Quartic: lambda, Coupling: 2}
	r.Couplings, r.Hidden, r.Network.EvenRepeat = 2, []int{4}, 2
	return r
}

// A model with exact sites is saved and loaded to the bit, and computes the same in
// float32 to its precision.
func TestExactRecipeSaves(t *testing.T) {
	const l = 4
	m := must(exactRecipe(3).Model([]int{l, l}, nil, rand.NewPCG(1, 2)))
	scramble(m, 7, 0.3)
	var file bytes.Buffer
	if err := m.Save(&file); err != nil {
		t.Fatal(err)
	}
	back, err := Load(&file)
	if err != nil {
		t.Fatal(err)
	}
	x := mat.NewDense(5, l*l, nil)
	rnd := rand.New(rand.NewPCG(3, 3))
	for i := range x.RawMatrix().Data {
		x.RawMatrix().Data[i] = 0.5 * rnd.NormFloat64()
	}
	values := func(m *Model) []float64 {
		v := make([]float64, 5)
		if err := m.LogProbs(v, x); err != nil {
			t.Fatal(err)
		}
		return v
	}
	want := values(m)
	for i, v := range values(back) {
		if v != want[i] {
			t.Errorf("row %d: ln q is %g, was %g", i, v, want[i])
		}
	}
	for i, v := range values(m.Float32()) {
		if !(math.Abs(v-want[i]) < 1e-3*(1+math.Abs(want[i]))) {
			t.Errorf("row %d: ln q is %g in float32, want %g", i, v, want[i])
		}
	}
}

// With half of the sites exact, a model is good after a few steps.
func TestExactRecipeTrains(t *testing.T) {
	if testing.Short() {
		t.Skip("trains")
	}
	const l, lambda = 4, 6.975
	src := rand.NewPCG(1, 2)
	r := exactRecipe(lambda)
	r.Hidden = nil
	m := symmetrize(t, must(r.Model([]int{l, l}, nil, src)), Inversion(l*l))
	s := r.Settings(60, src)
	s.Batch = 128
	d := quarticLattice(l, lambda)
	if _, err := Train(context.Background(), m.Float32(), d, s); err != nil {
		t.Fatal(err)
	}
	e, err := Evaluate(context.Background(), m, d, &EvaluateSettings{Samples: 2000, Src: src})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("gap %.3f, ESS %.2f", e.Loss+e.LogZ, e.ESS)
	if !(e.ESS > 0.5) {
		t.Errorf("ESS %.2f after 60 steps", e.ESS)
	}
}

// What does not go together is refused.
func TestExactRecipeErrors(t *testing.T) {
	src := rand.NewPCG(1, 2)
	r := exactRecipe(1)
	_, err := r.Model([]int{2, 2}, []float64{1, 1, 1, 1}, src)
	wantError(t, "whitened", err, ErrSettings, "Whiten")
	_, err = r.Model([]int{3, 4}, nil, src)
	wantError(t, "odd extent", err, bijector.ErrTiles, "[3 4]")
	m := must(r.Model([]int{2, 2}, nil, src))
	_, err = r.Grow(m, []int{4, 4}, nil)
	wantError(t, "grown", err, ErrSettings, "Exact")
	r.Exact.Quartic = 0
	_, err = r.Model([]int{4, 4}, nil, src)
	wantError(t, "no quartic term", err, ErrSettings, "λ = 0")
}
