package bijector_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/internal/graph"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// must returns v and panics with err.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// block is a Real NVP block.
func block(dim int, seed uint64, s bijector.RealNVPSettings) *bijector.RealNVP {
	s.Src = rand.NewPCG(seed, 1)
	return must(bijector.NewRealNVP(dim, &s))
}

// coupling is a coupling built from nodes, with a perceptron.
func coupling(dim int, keep []int, seed uint64) *bijector.Coupling {
	mlp := must(bijector.NewMLP(len(keep), []int{5, 4}, dim-len(keep), rand.NewPCG(seed, 2)))
	return must(bijector.NewCoupling(dim, keep, mlp))
}

// layerOn is a layer of disentanglers on a lattice of n sites.
func layerOn(b bijector.Bijector, tiles [][]int, n int) bijector.Bijector {
	return must(must(bijector.Disentangler(b, tiles)).On(n))
}

// manyPairs returns 33 tiles of two of 66 sites.
func manyPairs() (tiles [][]int) {
	for i := range 33 {
		tiles = append(tiles, []int{65 - i, i})
	}
	return tiles
}

// apply builds one direction of b.
func apply(b bijector.Bijector, x *gorgonia.Node, inverse bool) (y, logDet *gorgonia.Node, err error) {
	if inverse {
		return b.Inverse(x)
	}
	return b.Forward(x)
}

// direction names a direction.
func direction(inverse bool) string {
	if inverse {
		return "Inverse"
	}
	return "Forward"
}

// imageOf is a program for the image and the log-determinants.
func imageOf(b bijector.Bijector, dt tensor.Dtype, inverse bool) *graph.Program {
	return graph.NewProgram(dt, []int{b.Dim()}, func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
		y, d, err := apply(b, in[0], inverse)
		return []*gorgonia.Node{y, d}, err
	})
}

// eval runs a program of imageOf on the rows of x.
func eval(t testing.TB, p *graph.Program, dim int, x []float64) (y, logDet []float64) {
	t.Helper()
	rows := len(x) / dim
	y, logDet = make([]float64, len(x)), make([]float64, rows)
	if err := p.Run(rows, [][]float64{x}, [][]float64{y, logDet}); err != nil {
		t.Fatal(err)
	}
	return y, logDet
}

// image returns the image of the rows of x and the log-determinants.
func image(t testing.TB, b bijector.Bijector, dt tensor.Dtype, inverse bool, x []float64) (y, logDet []float64) {
	t.Helper()
	return eval(t, imageOf(b, dt, inverse), b.Dim(), x)
}

// gradients returns the gradients of Σ w_i y_i + v_r logDet_r with respect to x and to
// each parameter. w holds the weights of the image, then those of the
// log-determinants.
func gradients(t testing.TB, b bijector.Bijector, way way, x, w []float64) (dx []float64, params [][]float64) {
	t.Helper()
	dx, params, err := tryGradients(b, way, x, w)
	if err != nil {
		t.Fatal(err)
	}
	return dx, params
}

// way is a precision and a direction.
type way struct {
	dt      tensor.Dtype
	inverse bool
}

// tryGradients is gradients with an error instead of a failed test.
func tryGradients(b bijector.Bijector, way way, x, w []float64) (dx []float64, params [][]float64, err error) {
	p := graph.NewProgram(way.dt, []int{b.Dim()}, func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
		y, d, err := apply(b, in[0], way.inverse)
		if err != nil {
			return nil, err
		}
		if y, err = graph.Flatten(y); err != nil {
			return nil, err
		}
		fromY, err := graph.Dot(y, w[:len(x)])
		if err != nil {
			return nil, err
		}
		fromD, err := graph.Dot(d, w[len(x):])
		if err != nil {
			return nil, err
		}
		cost, err := graph.Combine(0, []float64{1, 1}, fromY, fromD)
		if err != nil {
			return nil, err
		}
		wrt := []graph.Noder{input{in[0]}}
		for _, p := range b.Params() {
			wrt = append(wrt, p)
		}
		return graph.ParamGrad(cost, in[0], wrt)
	})
	dx = make([]float64, len(x))
	out := [][]float64{dx}
	for _, p := range b.Params() {
		out = append(out, make([]float64, len(p.Value().Float64s())))
	}
	err = p.Run(len(x)/b.Dim(), [][]float64{x}, out)
	return dx, out[1:], err
}

// input is an input of a graph as a graph.Noder.
type input struct{ n *gorgonia.Node }

func (i input) Node(*gorgonia.Node) *gorgonia.Node { return i.n }

// normal returns n normal deviates of the given size.
func normal(n int, size float64, rnd *rand.Rand) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = size * rnd.NormFloat64()
	}
	return x
}

// randomise replaces all parameters by normal deviates of the given size.
func randomise(b bijector.Bijector, size float64, rnd *rand.Rand) {
	for _, p := range b.Params() {
		v := p.Value().Float64s()
		copy(v, normal(len(v), size, rnd))
	}
}

// agree reports the first value of got that differs from want by more than
// tol·(1 + |want|).
func agree(t testing.TB, what string, got, want []float64, tol float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d values, want %d", what, len(got), len(want))
		return
	}
	for i, v := range got {
		if !(math.Abs(v-want[i]) <= tol*(1+math.Abs(want[i]))) { // also for NaN
			t.Errorf("%s [%d] is %v, want %v (off by %.2g)", what, i, v, want[i], v-want[i])
			return
		}
	}
}

// everyKind returns a bijector of each kind on rows of four values.
func everyKind() map[string]bijector.Bijector {
	b := block(4, 1, bijector.RealNVPSettings{Couplings: 2, Hidden: []int{3}})
	pair := coupling(2, []int{0}, 3)
	chain := must(bijector.NewChain(b, coupling(4, []int{0, 1}, 2), b))
	splines := bijector.SplineSettings{Couplings: 2, Hidden: []int{3}, Bins: 3, Src: rand.NewPCG(5, 7)}
	given := block(2, 1, bijector.RealNVPSettings{Keep: [][]int{{0}}})
	return map[string]bijector.Bijector{
		"RealNVP":             b,
		"Coupling":            coupling(4, []int{1}, 4),
		"Chain":               chain,
		"Chain, nodes":        must(bijector.NewChain(coupling(4, []int{0, 1}, 2), chain)),
		"Invert":              bijector.Invert(b),
		"Permutation":         must(bijector.NewPermutation([]int{3, 1, 0, 2})),
		"ActNorm":             must(bijector.NewActNorm(4)),
		"Linear":              must(bijector.NewLinear(4, rand.NewPCG(5, 5))),
		"Orthogonal":          must(bijector.NewOrthogonal(4, rand.NewPCG(5, 6))),
		"Spline":              must(bijector.NewSpline(4, &splines)),
		"Disentangler":        layerOn(b, [][]int{{2, 1, 0, 3}}, 4),
		"Conditional":         must(must(bijector.ConditionalDecimator(given, [][]int{{1, 0}, {1, 3}}, 0)).On(4)),
		"Disentangler, nodes": layerOn(pair, [][]int{{2, 1}}, 4),
	}
}
