package bijector_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/bijector"
)

// Equal sources give equal blocks, other sources other blocks.
func TestSameSourceSameBlock(t *testing.T) {
	x := normal(3*5, 1, rand.New(rand.NewPCG(1, 1)))
	newBlock := func(seed uint64) (bijector.Bijector, []float64, string) {
		b := block(5, seed, bijector.RealNVPSettings{})
		parts := ""
		for _, c := range b.Couplings() {
			parts += fmt.Sprint(c.Keep, c.Move)
		}
		return b, b.Params()[0].Value().Float64s(), parts
	}
	one, w1, parts1 := newBlock(1)
	two, w2, parts2 := newBlock(1)
	other, w3, parts3 := newBlock(2)
	if !slices.Equal(w1, w2) || parts1 != parts2 {
		t.Error("two blocks from equal sources differ")
	}
	for _, dt := range []tensor.Dtype{tensor.Float64, tensor.Float32} {
		for _, inverse := range []bool{false, true} {
			y1, d1 := image(t, one, dt, inverse, x)
			y2, d2 := image(t, two, dt, inverse, x)
			y3, d3 := image(t, other, dt, inverse, x)
			if !slices.Equal(y1, y2) || !slices.Equal(d1, d2) {
				t.Errorf("%v %s: images under equal blocks differ", dt, direction(inverse))
			}
			if slices.Equal(y1, y3) || slices.Equal(d1, d3) {
				t.Errorf("%v %s: images under blocks from different sources agree", dt, direction(inverse))
			}
		}
	}
	if slices.Equal(w1, w3) || parts1 == parts3 {
		t.Error("two blocks from different sources agree")
	}

	weights := func(seed uint64) (w []float64) {
		for _, p := range must(bijector.NewMLP(2, []int{4}, 3, rand.NewPCG(seed, 0))).Params() {
			w = append(w, p.Value().Float64s()...)
		}
		return w
	}
	if !slices.Equal(weights(1), weights(1)) || slices.Equal(weights(1), weights(2)) {
		t.Error("MLP: weights do not follow the source")
	}
}

// By default a block has ten couplings of which every second one complements
// the one before, and keeps half of the positions, rounded up.
func TestDefaultBipartitions(t *testing.T) {
	for dim := 2; dim <= 7; dim++ {
		cs := block(dim, 3, bijector.RealNVPSettings{}).Couplings()
		if len(cs) != 10 {
			t.Fatalf("%d couplings", len(cs))
		}
		for k, c := range cs {
			if len(c.S) != 4 || len(c.T) != 4 {
				t.Errorf("coupling %d: %d and %d layers, want 3 hidden ones and the last", k, len(c.S), len(c.T))
			}
			if k%2 == 0 && len(c.Keep) != (dim+1)/2 {
				t.Errorf("coupling %d keeps %v of %d", k, c.Keep, dim)
			}
			if k%2 == 1 && (!slices.Equal(c.Keep, cs[k-1].Move) || !slices.Equal(c.Move, cs[k-1].Keep)) {
				t.Errorf("coupling %d keeps %v after %v", k, c.Keep, cs[k-1].Keep)
			}
		}
	}
}

// Weights and biases are drawn as documented: uniform within ±1/√inputs, a
// tenth of that in the last layer; scales are one. Four standard errors of
// the mean and of the variance of a uniform distribution, 0.58/√n and
// 0.30/√n of the bound, are allowed.
func TestInitialWeights(t *testing.T) {
	check := func(what string, w []float64, bound float64) {
		t.Helper()
		n := float64(len(w))
		mean, square := 0.0, 0.0
		for _, v := range w {
			if math.Abs(v) > bound {
				t.Errorf("%s: %g is beyond %g", what, v, bound)
			}
			mean += v / bound / n
			square += v / bound * v / bound / n
		}
		if !(math.Abs(mean) < 4*0.58/math.Sqrt(n)) || !(math.Abs(square-1./3) < 4*0.30/math.Sqrt(n)) {
			t.Errorf("%s: mean %g and variance %g of the bound, want 0 and 1/3", what, mean, square)
		}
	}
	hidden := []int{40, 50}
	bounds := []float64{1 / math.Sqrt(20), 1 / math.Sqrt(40), 0.1 / math.Sqrt(50)}
	c := block(40, 1, bijector.RealNVPSettings{Couplings: 1, Hidden: hidden}).Couplings()[0]
	for name, net := range map[string][]bijector.Dense{"S": c.S, "T": c.T} {
		for k, d := range net {
			check(fmt.Sprintf("%s, weights of layer %d", name, k), d.W.RawMatrix().Data, bounds[k])
			check(fmt.Sprintf("%s, biases of layer %d", name, k), d.B.RawVector().Data, bounds[k])
		}
	}
	agree(t, "scales", c.Scale.RawVector().Data, slices.Repeat([]float64{1}, 20), 0)
	for i, p := range must(bijector.NewMLP(20, hidden, 20, rand.NewPCG(1, 1))).Params() {
		if p.Name() == "scale" {
			agree(t, "scales", p.Value().Float64s(), slices.Repeat([]float64{1}, 20), 0)
			continue
		}
		check("MLP, "+p.Name(), p.Value().Float64s(), bounds[i/2%3])
	}
}

// A new block starts near the identity, but not at it: training could not
// tell the last layers apart. Over these 20 seeds the root mean square
// displacement of a normal configuration is 0.02 to 0.1, the log-determinant
// 0.015 to 0.18.
func TestStartsNearIdentity(t *testing.T) {
	const dim, rows = 4, 200
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		z := normal(dim*rows, 1, rnd)
		b := block(dim, seed, bijector.RealNVPSettings{})
		c := coupling(dim, []int{1, 2}, seed)
		for name, b := range map[string]bijector.Bijector{"RealNVP": b, "Coupling": c} {
			x, d := image(t, b, tensor.Float64, false, z)
			moved := 0.0
			for i := range z {
				moved += (x[i] - z[i]) * (x[i] - z[i])
			}
			moved = math.Sqrt(moved / float64(len(z)))
			spread := 0.0
			for _, v := range d {
				if v == 0 {
					t.Errorf("%s, seed %d: a log-determinant is exactly zero", name, seed)
				}
				spread += v * v
			}
			spread = math.Sqrt(spread / rows)
			if !(moved > 0.005 && moved < 0.2) || !(spread > 0.001 && spread < 0.4) {
				t.Errorf("%s, seed %d: displacement %g, log-determinants %g", name, seed, moved, spread)
			}
		}
	}
}
