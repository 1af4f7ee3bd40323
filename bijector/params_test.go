package bijector_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/bijector"
)

// Couplings returns views of all parameters, not copies. The test sets a few weights through
// the views and all others to zero. The block is then a known map.
func TestCouplingsAreViews(t *testing.T) {
	b := block(3, 1, bijector.RealNVPSettings{Keep: [][]int{{2, 0}, {1}}, Hidden: []int{}})
	w := b.Params()[0].Value().Float64s()
	clear(w)
	c := b.Couplings()
	set := 0
	for _, c := range c {
		for _, d := range slices.Concat(c.S, c.T) {
			r, k := d.W.Dims()
			set += r*k + d.B.Len()
		}
		set += c.Scale.Len()
	}
	if set != len(w) {
		t.Errorf("views of %d of %d parameters", set, len(w))
	}
	// x_1 = z_1 exp(0.5 tanh(z_2 + 0.3)) + 2 z_0 − 1, then x_0 += 3 x_1.
	c[0].S[0].W.Set(0, 0, 1)
	c[0].S[0].B.SetVec(0, 0.3)
	c[0].Scale.SetVec(0, 0.5)
	c[0].T[0].W.Set(0, 1, 2)
	c[0].T[0].B.SetVec(0, -1)
	c[1].T[0].W.Set(0, 0, 3)

	z := []float64{0.7, -1.1, 0.4}
	s := 0.5 * math.Tanh(z[2]+0.3)
	x1 := z[1]*math.Exp(s) + 2*z[0] - 1
	x, d := image(t, b, tensor.Float64, false, z)
	agree(t, "image", x, []float64{z[0] + 3*x1, x1, z[2]}, 1e-14)
	agree(t, "log-determinant", d, []float64{s}, 1e-14)

	// What is handed out as positions is no view.
	c[0].Keep[0], c[0].Move[0] = 1, 2
	if again := b.Couplings()[0]; !slices.Equal(again.Keep, []int{2, 0}) || !slices.Equal(again.Move, []int{1}) {
		t.Errorf("positions %v and %v changed from outside", again.Keep, again.Move)
	}
}

func TestParamsListedOnce(t *testing.T) {
	b := block(4, 1, bijector.RealNVPSettings{Couplings: 2})
	m := must(bijector.NewMLP(2, []int{3}, 2, rand.NewPCG(1, 1)))
	one, two := must(bijector.NewCoupling(4, []int{0, 1}, m)), must(bijector.NewCoupling(4, []int{2, 3}, m))
	layer := must(must(bijector.Disentangler(b, [][]int{{0, 1, 2, 3}})).On(4))
	c := must(bijector.NewChain(b, one, bijector.Invert(b), two, must(bijector.NewChain(layer, b))))
	want := append(slices.Clone(b.Params()), m.Params()...)
	if !slices.Equal(c.Params(), want) {
		t.Errorf("%d parameters, want %d in the order of first use", len(c.Params()), len(want))
	}
	// The second use matters: the gradient is not that of either use alone.
	x, w := normal(8, 1, rand.New(rand.NewPCG(1, 2))), normal(10, 1, rand.New(rand.NewPCG(1, 3)))
	twice := must(bijector.NewChain(b, b))
	_, g := gradients(t, oneWay{twice, tensor.Float64, false}, x, w)
	const h = 1e-5
	v := b.Params()[0].Value().Float64s()
	cost := func() (s float64) {
		y, d := image(t, twice, tensor.Float64, false, x)
		for i, v := range append(y, d...) {
			s += w[i] * v
		}
		return s
	}
	for i := 0; i < len(v); i += len(v)/7 + 1 {
		at := v[i]
		v[i] = at + h
		up := cost()
		v[i] = at - h
		down := cost()
		v[i] = at
		agree(t, fmt.Sprintf("gradient of weight %d", i), g[0][i:i+1], []float64{(up - down) / (2 * h)}, 1e-8)
	}
}

// A layer shares one parameter over its tiles: the gradient is the sum of
// those of layers on single tiles.
func TestLayerGradientIsSumOverTiles(t *testing.T) {
	rnd := rand.New(rand.NewPCG(21, 22))
	tiles := must(bijector.Tiles([]int{4, 4}, 2, 1, 1))
	fused := block(4, 5, bijector.RealNVPSettings{Couplings: 3, Hidden: []int{5}})
	nodes := coupling(4, []int{0, 3}, 6)
	randomise(fused, 0.5, rnd)
	randomise(nodes, 0.5, rnd)
	x, w := normal(3*16, 1, rnd), normal(3*17, 1, rnd)
	for name, b := range map[string]bijector.Bijector{"fused": fused, "nodes": nodes} {
		for _, inverse := range []bool{false, true} {
			all := must(must(bijector.Disentangler(b, tiles)).On(16))
			if !slices.Equal(all.Params(), b.Params()) {
				t.Fatalf("%s: the layer has other parameters than its block", name)
			}
			_, got := gradients(t, oneWay{all, tensor.Float64, inverse}, x, w)
			want := make([][]float64, len(got))
			for i := range want {
				want[i] = make([]float64, len(got[i]))
			}
			for _, tile := range tiles {
				one := must(must(bijector.Disentangler(b, [][]int{tile})).On(16))
				_, g := gradients(t, oneWay{one, tensor.Float64, inverse}, x, w)
				for i := range g {
					for k, v := range g[i] {
						want[i][k] += v
					}
				}
			}
			for i := range got {
				agree(t, fmt.Sprintf("%s %s: gradient of %s", name, direction(inverse), b.Params()[i].Name()),
					got[i], want[i], 1e-12)
			}
		}
	}
}

// Every compiled program sees a change of a parameter, in both precisions.
func TestProgramsSeeParameterChanges(t *testing.T) {
	for name, b := range everyKind() {
		rnd := rand.New(rand.NewPCG(31, 32))
		x := normal(3*4, 1, rnd)
		randomise(b, 0.3, rnd)
		f64, f32 := imageOf(b, tensor.Float64, false), imageOf(b, tensor.Float32, false)
		before, _ := eval(t, f64, 4, x)
		eval(t, f32, 4, x)
		randomise(b, 0.3, rnd)
		after, d64 := eval(t, f64, 4, x)
		single, d32 := eval(t, f32, 4, x)
		if len(b.Params()) > 0 && slices.Equal(before, after) {
			t.Errorf("%s: the change is not seen", name)
		}
		agree(t, name+": float32 image", single, after, 1e-4)
		agree(t, name+": float32 log-determinant", d32, d64, 1e-4)
		fresh, _ := image(t, b, tensor.Float64, false, x)
		if !slices.Equal(fresh, after) {
			t.Errorf("%s: a new program differs from one compiled before the change", name)
		}
	}
}

// Bijectors are safe for concurrent use: programs that share one give the
// same bits as a program alone.
func TestConcurrentPrograms(t *testing.T) {
	rnd := rand.New(rand.NewPCG(51, 52))
	fused := block(4, 7, bijector.RealNVPSettings{Couplings: 3, Hidden: []int{6}})
	tiles := must(bijector.Tiles([]int{4, 4}, 2, 1, 1))
	b := must(bijector.NewChain(
		must(must(bijector.Disentangler(fused, tiles)).On(16)),
		must(must(bijector.Disentangler(coupling(4, []int{0, 3}, 8), tiles)).On(16)),
		must(must(bijector.Decimator(fused, tiles, 0)).On(16))))
	randomise(b, 0.3, rnd)
	const rows = 9
	x, w := normal(rows*16, 1, rnd), normal(rows*17, 1, rnd)
	wantY, wantD := image(t, b, tensor.Float64, true, x)
	wantX, wantP := gradients(t, oneWay{b, tensor.Float64, true}, x, w)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			y, d := make([]float64, len(x)), make([]float64, rows)
			for range 2 {
				if err := imageOf(b, tensor.Float64, true).Run(rows, [][]float64{x}, [][]float64{y, d}); err != nil {
					t.Error(err)
				}
				if !slices.Equal(y, wantY) || !slices.Equal(d, wantD) {
					t.Error("another image")
				}
			}
		})
		wg.Go(func() {
			dx, dp, err := slopes(oneWay{b, tensor.Float64, true}, x, w)
			if err != nil {
				t.Error(err)
				return
			}
			if !slices.Equal(dx, wantX) || !slices.EqualFunc(dp, wantP, slices.Equal[[]float64]) {
				t.Error("another gradient")
			}
		})
	}
	wg.Wait()
}

// The name of a parameter is not empty and is valid UTF-8, so that a file can hold it.
func TestParamNames(t *testing.T) {
	for _, name := range []string{"", "\xff", "\xfe", "a\xc3", "\xed\xa0\x80"} {
		_, err := bijector.NewParam(name, []float64{1}, 1)
		expect(t, err, bijector.ErrSettings, "name")
	}
	for _, name := range []string{"w", "s.0.weight", "ü", "\x00\n\u2028", "\ufffd", " "} {
		if p, err := bijector.NewParam(name, []float64{1}, 1); err != nil || p.Name() != name {
			t.Errorf("%q: %v", name, err)
		}
	}
}
