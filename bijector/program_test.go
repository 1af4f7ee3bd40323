package bijector_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/internal/graph"
)

func apply(b bijector.Bijector, x *gorgonia.Node, inverse bool) (y, logDet *gorgonia.Node, err error) {
	if inverse {
		return b.Inverse(x)
	}
	return b.Forward(x)
}

func direction(inverse bool) string {
	if inverse {
		return "Inverse"
	}
	return "Forward"
}

// imageOf returns the program of the image and the log-determinants.
func imageOf(b bijector.Bijector, dt tensor.Dtype, inverse bool) *graph.Program {
	inputs := []graph.Input{{Name: "x", Cols: b.Dim()}}
	return graph.NewProgram(dt, inputs, nil, func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
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

func image(t testing.TB, b bijector.Bijector, dt tensor.Dtype, inverse bool, x []float64) (y, logDet []float64) {
	t.Helper()
	return eval(t, imageOf(b, dt, inverse), b.Dim(), x)
}

// oneWay is one direction of a bijector in one precision.
type oneWay struct {
	b       bijector.Bijector
	dt      tensor.Dtype
	inverse bool
}

// gradients returns the gradients of slopes. It fails the test for an error.
func gradients(t testing.TB, m oneWay, x, w []float64) (dx []float64, params [][]float64) {
	t.Helper()
	dx, params, err := slopes(m, x, w)
	if err != nil {
		t.Fatal(err)
	}
	return dx, params
}

// slopes returns the gradients of Σ w_i y_i + v_r logDet_r, where w holds
// first the weights of the image, then those of the log-determinants, with
// respect to x and to each parameter.
func slopes(m oneWay, x, w []float64) (dx []float64, params [][]float64, err error) {
	b := m.b
	inputs := []graph.Input{{Name: "x", Cols: b.Dim()}}
	p := graph.NewProgram(m.dt, inputs, nil, func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
		y, d, err := apply(b, in[0], m.inverse)
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
		wrt := []graph.Noder{self{in[0]}}
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

// self makes an input a graph.Noder.
type self struct{ n *gorgonia.Node }

func (s self) Node(*gorgonia.Node) *gorgonia.Node { return s.n }

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

// notFinite reports whether v is NaN or infinite.
func notFinite(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }

// agree reports the first value of got that differs from that of want by more than
// tol·(1 + |want|).
func agree(t testing.TB, what string, got, want []float64, tol float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d values, want %d", what, len(got), len(want))
		return
	}
	for i, v := range got {
		if !(math.Abs(v-want[i]) <= tol*(1+math.Abs(want[i]))) { // true for NaN
			t.Errorf("%s [%d] is %v, want %v (off by %.2g)", what, i, v, want[i], v-want[i])
			return
		}
	}
}
