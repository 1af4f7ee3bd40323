package flow

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/target"
)

// phi4 is ln π of a φ⁴ theory with a = 0 and coupling 2 on l × l sites.
func phi4(l int, lambda float64, phi []float64) float64 {
	s, n := 0.0, l*l
	for i, v := range phi {
		row, col := i/l*l, i%l
		near := phi[row+(col+1)%l] + phi[row+(col+l-1)%l] + phi[(i+l)%n] + phi[(i+n-l)%n]
		s += v*near - lambda*v*v*v*v
	}
	return s
}

// exactRecipes are small: a MERA and a checkerboard.
func exactRecipes(lambda float64) map[string]*Recipe {
	return map[string]*Recipe{"MERA": exactRecipe(lambda), "checkerboard": boardRecipe(lambda)}
}

// exactRecipe is small, with a MERA.
func exactRecipe(lambda float64) *Recipe {
	r := FastRecipe()
	r.Exact = &QuarticAction{Quartic: lambda, Coupling: 2}
	r.Couplings, r.Hidden, r.Network.EvenRepeat = 2, []int{4}, 2
	return r
}

// A model with exact sites is saved and loaded to the bit, and computes the same in
// float32 to its precision.
func TestExactRecipeSaves(t *testing.T) {
	for name, r := range exactRecipes(3) {
		t.Run(name, func(t *testing.T) { exactSaves(t, r) })
	}
}

func exactSaves(t *testing.T, r *Recipe) {
	const l = 4
	m := must(r.Model([]int{l, l}, nil, rand.NewPCG(1, 2)))
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

// Whatever the parameters are, the weights π/q of samples do not depend on the latent
// variables of the odd sites.
func TestExactRecipeWeights(t *testing.T) {
	const lambda = 3
	for name, r := range exactRecipes(lambda) {
		t.Run(name, func(t *testing.T) { exactWeights(t, r, lambda) })
	}
}

func exactWeights(t *testing.T, r *Recipe, lambda float64) {
	const l, rows = 4, 8
	m := must(r.Model([]int{l, l}, nil, rand.NewPCG(1, 2)))
	scramble(m, 7, 0.3)
	odd := hierarchyOf(t, m).Latents(0)
	if len(odd) != l*l/2 {
		t.Fatalf("odd sites %v", odd)
	}
	rnd := rand.New(rand.NewPCG(3, 3))
	z, x, logDet := mat.NewDense(rows, l*l, nil), mat.NewDense(rows, l*l, nil), make([]float64, rows)
	for r := range rows {
		for i := range l * l {
			if z.Set(r, i, rnd.NormFloat64()); !slices.Contains(odd, i) {
				z.Set(r, i, z.At(0, i))
			}
		}
	}
	if err := m.Decode(x, logDet, z); err != nil {
		t.Fatal(err)
	}
	var first float64
	for r := range rows {
		w := phi4(l, lambda, x.RawRowView(r)) + floats.Dot(z.RawRowView(r), z.RawRowView(r))/2 + logDet[r]
		if r == 0 {
			first = w
		}
		if !(math.Abs(w-first) < 1e-8) {
			t.Errorf("row %d: ln π − ln q is %g, in the first row %g", r, w, first)
		}
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

// The action of a φ⁴ theory is that of the target, in two and in three dimensions.
func TestNewQuarticAction(t *testing.T) {
	for _, shape := range [][]int{{4, 2}, {2, 4, 2}} {
		pi := must(target.NewPhi4(shape, &target.Phi4Settings{Mass2: -1.5, Lambda: 2.5}))
		a := must(NewQuarticAction(pi))
		phi := randn(3, 1, pi.Dim())
		want := make([]float64, 1)
		if err := target.NewEvaluator(pi).LogProbs(want, phi); err != nil {
			t.Fatal(err)
		}
		got := 0.0
		for x, v := range phi.RawRowView(0) {
			got -= a.Quadratic*v*v + a.Quartic*v*v*v*v
			for _, y := range neighbours(shape, x) {
				got += a.Coupling / 2 * v * phi.At(0, y)
			}
		}
		if math.Abs(got-want[0]) > 1e-12*(1+math.Abs(got)) {
			t.Errorf("%v: ln π %g by the action, %g by the target", shape, got, want[0])
		}
	}
	if _, err := NewQuarticAction(nil); !errors.Is(err, ErrSettings) {
		t.Errorf("nil: %v", err)
	}
	o2 := must(target.NewPhi4([]int{4, 4}, &target.Phi4Settings{Mass2: 1, Lambda: 1, Components: 2}))
	if _, err := NewQuarticAction(o2); !errors.Is(err, ErrSettings) {
		t.Errorf("two components: %v", err)
	}
}

// neighbours returns the sites next to a site, row-major, two for every axis.
func neighbours(shape []int, site int) (near []int) {
	stride := 1
	for a := len(shape) - 1; a >= 0; a-- {
		at := site / stride % shape[a]
		for _, to := range []int{(at + 1) % shape[a], (at + shape[a] - 1) % shape[a]} {
			near = append(near, site+(to-at)*stride)
		}
		stride *= shape[a]
	}
	return near
}
