package flow

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/target"
)

// The element has its weight, and z is that of the image: for the inversion,
// translations and rotations, on randomised weights.
func TestPosteriorWeights(t *testing.T) {
	const L, rows = 2, 4000
	plain := mera(t, L, 3)
	n := plain.Dim()
	for name, g := range map[string][]Symmetry{
		"none":                  nil,
		"inversion":             {Inversion(n)},
		"inversion, translated": {Inversion(n), translation(L, 0, 1), rotation(L)},
	} {
		m := symmetrize(t, plain, g...)
		group := m.Symmetries()
		one := randn(5, 1, n)
		weights := make([]float64, len(group))
		images := mat.NewDense(len(group), n, nil)
		for k, g := range group {
			g.apply(images.RawRowView(k), one.RawRowView(0))
		}
		logq := logProbs(t, plain, images)
		for k, l := range logq {
			weights[k] = math.Exp(l - slices.Max(logq))
		}
		total := 0.0
		for _, w := range weights {
			total += w
		}
		x, z, element := mat.NewDense(rows, n, nil), mat.NewDense(rows, n, nil), make([]int, rows)
		for r := range rows {
			x.SetRow(r, one.RawRowView(0))
		}
		if err := m.Posterior(z, element, x, rand.NewPCG(1, 2)); err != nil {
			t.Fatal(err)
		}
		counts := make([]float64, len(group))
		for _, k := range element {
			counts[k]++
		}
		for k, c := range counts {
			p := weights[k] / total
			if sigma := math.Sqrt(rows*p*(1-p)) + 1e-9; math.Abs(c-rows*p) > 4*sigma {
				t.Errorf("%s: element %d drawn %g times, want %.1f ± %.1f", name, k, c, rows*p, sigma)
			}
		}
		if err := m.Decode(x, nil, z); err != nil {
			t.Fatal(err)
		}
		for r, k := range element {
			wantClose(t, name+": image", x.RawRowView(r), images.RawRowView(k), 1e-9)
		}
	}
}

// The posterior of samples of q_sym is the prior; for π it is the density of
// Latent, the ratio of whose values is eq. D.6.
func TestPosteriorOfSamples(t *testing.T) {
	m := symmetrize(t, mera(t, 4, 8), Inversion(16), translation(4, 0, 1))
	x, _ := sample(t, m, 20000, 3)
	z := mat.NewDense(20000, 16, nil)
	if err := m.Posterior(z, nil, x, rand.NewPCG(1, 2)); err != nil {
		t.Fatal(err)
	}
	for j := range 16 {
		c := mat.Col(nil, j, z)
		mean, variance := stat.MeanVariance(c, nil)
		if math.Abs(mean) > 4.5/math.Sqrt(20000) || math.Abs(variance-1) > 4.5*math.Sqrt(2./20000) {
			t.Errorf("latent variable %d: mean %.4f, variance %.4f", j, mean, variance)
		}
	}
	pi := ising(t, 4)
	z = randn(4, 50, 16)
	x = mat.NewDense(50, 16, nil)
	if err := m.Decode(x, nil, z); err != nil {
		t.Fatal(err)
	}
	latent, logpi, logp := make([]float64, 50), make([]float64, 50), make([]float64, 50)
	for _, c := range []struct {
		d  target.Density
		at *mat.Dense
		to []float64
	}{{Latent(m, pi), z, latent}, {pi, x, logpi}, {m.Prior(), z, logp}} {
		if err := target.NewEvaluator(c.d).LogProbs(c.to, c.at); err != nil {
			t.Fatal(err)
		}
	}
	for r, q := range logProbs(t, m, x) {
		wantClose(t, "eq. D.6", latent[r:r+1], []float64{logp[r] + logpi[r] - q}, 1e-9)
	}
}

// A float32 model draws as a float64 model does: its weights are float64.
func TestPosteriorPrecision(t *testing.T) {
	m := symmetrize(t, mera(t, 4, 8), Inversion(16))
	x, _ := sample(t, m, 500, 3)
	draw := func(m *Model) (*mat.Dense, []int) {
		z, element := mat.NewDense(500, 16, nil), make([]int, 500)
		if err := m.Posterior(z, element, x, rand.NewPCG(1, 2)); err != nil {
			t.Fatal(err)
		}
		return z, element
	}
	z, element := draw(m)
	z32, element32 := draw(m.Float32())
	if !mat.Equal(z, z32) || !slices.Equal(element, element32) {
		t.Error("float32 and float64 draw differently")
	}
}

func TestPosteriorErrors(t *testing.T) {
	m := mera(t, 2, 1)
	x, src := randn(1, 3, 4), rand.NewPCG(1, 1)
	z := mat.NewDense(3, 4, nil)
	wantError(t, "nil source", m.Posterior(z, nil, x, nil), ErrSettings, "source")
	wantError(t, "rows", m.Posterior(mat.NewDense(2, 4, nil), nil, x, src), ErrShape)
	wantError(t, "elements", m.Posterior(z, make([]int, 2), x, src), ErrShape)
	x.Set(1, 2, math.NaN())
	wantError(t, "NaN", m.Posterior(z, nil, x, src), ErrNotFinite, "row 1")
	// A view with a stride is filled as any other matrix, and x may be z.
	x.Set(1, 2, 0)
	wide := mat.NewDense(3, 9, nil)
	view := wide.Slice(0, 3, 2, 6).(*mat.Dense)
	view.Copy(x)
	if err := m.Posterior(view, nil, view, src); err != nil {
		t.Fatal(err)
	}
	if err := m.Encode(z, nil, x); err != nil {
		t.Fatal(err)
	}
	wantClose(t, "in place", mat.DenseCopyOf(view).RawMatrix().Data, z.RawMatrix().Data, 1e-12)
	if wide.At(0, 1) != 0 || wide.At(2, 6) != 0 {
		t.Error("wrote beside the view")
	}
}

// The response is the mean of finite differences of Encode.
func TestResponse(t *testing.T) {
	const rows, n, h = 5, 16, 1e-5
	m := mera(t, 4, 6)
	x := randn(2, rows, n)
	latents := []int{7, 0}
	mean, stdErr, err := m.Response(context.Background(), x, latents)
	if err != nil {
		t.Fatal(err)
	}
	up, down := mat.NewDense(rows, n, nil), mat.NewDense(rows, n, nil)
	for j := range n {
		for s, z := range map[float64]*mat.Dense{h: up, -h: down} {
			y := mat.DenseCopyOf(x)
			for r := range rows {
				y.Set(r, j, y.At(r, j)+s)
			}
			if err := m.Encode(z, nil, y); err != nil {
				t.Fatal(err)
			}
		}
		for k, i := range latents {
			d := make([]float64, rows)
			for r := range d {
				d[r] = (up.At(r, i) - down.At(r, i)) / (2 * h)
			}
			want, std := stat.MeanStdDev(d, nil)
			wantClose(t, "mean", []float64{mean.At(k, j)}, []float64{want}, 1e-7)
			wantClose(t, "error", []float64{stdErr.At(k, j)}, []float64{std / math.Sqrt(rows)}, 1e-7)
		}
	}
	_, _, err = m.Response(context.Background(), x, []int{16})
	wantError(t, "latent 16", err, ErrShape, "16")
	_, _, err = m.Response(context.Background(), x, nil)
	wantError(t, "no latents", err, ErrShape)
	var none context.Context
	_, _, err = m.Response(none, x, latents)
	wantError(t, "nil context", err, ErrSettings, "nil context")
	// The program of the first call sees parameters as they are at the next.
	scramble(m, 7, 0.5)
	again, _, err := m.Response(context.Background(), x, latents)
	if err != nil {
		t.Fatal(err)
	}
	fresh, _, err := m.Float32().Response(context.Background(), x, latents)
	if err != nil || !mat.Equal(again, fresh) || mat.EqualApprox(again, mean, 1e-3) {
		t.Errorf("response after a change of parameters: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, _, err = m.Response(ctx, x, latents)
	wantError(t, "cancelled", err, context.Canceled)
}

// The penalty's part of the gradient is that of its value, by finite
// differences of α·(mean of ln q(x) − ln q(−x)) + loss.
func TestInversionKLGradient(t *testing.T) {
	const rows, alpha, h = 20, 0.7, 1e-5
	m, pi := mera(t, 2, 4), ising(t, 2)
	n := m.Dim()
	z := randn(9, rows, n)
	cost := func() float64 {
		x, y := mat.NewDense(rows, n, nil), mat.NewDense(rows, n, nil)
		if err := m.Decode(x, nil, z); err != nil {
			t.Fatal(err)
		}
		y.Scale(-1, x)
		logpi := make([]float64, rows)
		if err := target.NewEvaluator(pi).LogProbs(logpi, x); err != nil {
			t.Fatal(err)
		}
		here, there, sum := logProbs(t, m, x), logProbs(t, m, y), 0.0
		for r := range rows {
			sum += (here[r] - logpi[r] + alpha*(here[r]-there[r])) / rows
		}
		return sum
	}
	out := [][]float64{nil, nil}
	for _, p := range m.Params() {
		out = append(out, make([]float64, p.Value().DataSize()))
	}
	if err := stepProgram(m, pi, ReverseKL{InversionKL: alpha}, nil).Run(rows, [][]float64{z.RawMatrix().Data, {1}},
		out); err != nil {
		t.Fatal(err)
	}
	for k, p := range m.Params() {
		v := p.Value().Float64s()
		for i := 0; i < len(v); i += 7 {
			at := v[i]
			v[i] = at + h
			up := cost()
			v[i] = at - h
			down := cost()
			v[i] = at
			wantClose(t, fmt.Sprintf("parameter %d, value %d", k, i), out[2+k][i:i+1], []float64{(up - down) / (2 * h)},
				1e-6)
		}
	}
}

// A ferromagnet's model without symmetrisation chooses a side; the penalty
// brings it back.
func TestInversionKLTraining(t *testing.T) {
	divergence := func(alpha float64) float64 {
		h := must(bijector.NewMERA([]int{2, 2}, blocks(4, 1, 8), nil))
		m := model(t, h)
		scramble(m, 2, 0.3)
		pi := must(target.NewIsing([]int{2, 2}, 1.5))
		train(t, m, pi, &Settings{Steps: 200, Batch: 128, Optimizer: OptimizerSettings{LearnRate: 1e-2},
			Objective: ReverseKL{InversionKL: alpha}, Src: rand.NewPCG(1, 3)})
		x, logq := sample(t, m, 2000, 5)
		x.Scale(-1, x)
		kl := 0.0
		for r, l := range logProbs(t, m, x) {
			kl += (logq[r] - l) / 2000
		}
		return kl
	}
	without, with := divergence(0), divergence(2)
	t.Logf("KL(q(x) ‖ q(−x)) without the penalty %.3g, with it %.3g", without, with)
	if !(with < 0.3*without) {
		t.Error("the penalty does not lower the divergence")
	}
}

func TestInversionKLErrors(t *testing.T) {
	m, pi, src := mera(t, 2, 4), ising(t, 2), rand.NewPCG(1, 1)
	for _, alpha := range []float64{-1, math.NaN(), math.Inf(1)} {
		_, err := NewTrainer(m, pi, &Settings{Objective: ReverseKL{InversionKL: alpha}, Src: src})
		wantError(t, "factor", err, ErrSettings, "penalty")
	}
	_, err := NewTrainer(symmetrize(t, m, Inversion(4)), pi, &Settings{Objective: ReverseKL{InversionKL: 1}, Src: src})
	wantError(t, "symmetrised", err, ErrSettings, "symmetrised")
}

func ExampleModel_Posterior() {
	src := rand.NewPCG(1, 2)
	block := must(bijector.NewRealNVP(2, &bijector.RealNVPSettings{Src: src}))
	m := must(New(target.NewNormal(2), block))
	m = must(Symmetrize(m, Inversion(2)))
	x := mat.NewDense(3, 2, []float64{2, 1, -2, -1, 0.5, 0.1})
	z, element := mat.NewDense(3, 2, nil), make([]int, 3)
	if err := m.Posterior(z, element, x, src); err != nil {
		panic(err)
	}
	image := mat.NewDense(3, 2, nil)
	if err := m.Decode(image, nil, z); err != nil {
		panic(err)
	}
	for r, k := range element {
		fmt.Printf("%v is the image of %v under element %d\n", rounded(image.RawRowView(r)), x.RawRowView(r), k)
	}
	// Output:
	// [-2 -1] is the image of [2 1] under element 1
	// [2 1] is the image of [-2 -1] under element 1
	// [-0.5 -0.1] is the image of [0.5 0.1] under element 1
}

func rounded(x []float64) []float64 {
	for i, v := range x {
		x[i] = math.Round(v*1e9) / 1e9
	}
	return x
}
