package flow

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/target"
)

// smoothModel is a small model of the Ising model whose blocks, conditional decimators
// included, are smooth splines, or rational ones.
func smoothModel(t testing.TB, rational bool) *Model {
	t.Helper()
	src := rand.NewPCG(3, 1)
	block := func(dim int, s bijector.SplineSettings) (bijector.Bijector, error) {
		s.Hidden, s.Src = []int{6}, src
		if rational {
			return bijector.NewSpline(dim, &s)
		}
		return bijector.NewSmoothSpline(dim, &s)
	}
	given := func(context, moved int) (bijector.Bijector, error) {
		keep := slices.Repeat([][]int{indices(context)}, 2)
		return block(context+moved, bijector.SplineSettings{Keep: keep})
	}
	h := must(bijector.NewMERA([]int{4, 4}, func(sites int) (bijector.Bijector, error) {
		return block(sites, bijector.SplineSettings{Couplings: 2})
	}, &bijector.NetworkSettings{Depth: 1, ContextBlock: given}))
	white := must(bijector.NewSpectral([]int{4, 4}, ising(t, 4).Spectrum()))
	m := symmetrize(t, model(t, must(bijector.NewChain(h, white))), Inversion(16))
	scramble(m, 5, 0.2)
	return m
}

// A model of smooth splines comes back from a file, and is written in the same way again.
func TestSmoothSplineCheckpoint(t *testing.T) {
	m := smoothModel(t, false)
	data := save(t, m)
	again := must(Load(bytes.NewReader(data)))
	x := randn(1, 3, m.Dim())
	wantClose(t, "ln q", logProbs(t, again, x), logProbs(t, m, x), 0)
	if !bytes.Equal(save(t, again), data) {
		t.Error("written differently")
	}
	blocks := 0
	h := again.Bijector().(*bijector.Chain).Bijectors()[0].(*bijector.Hierarchy)
	for _, l := range h.Layers() {
		if l.Block().(*bijector.Spline).Describe().Kind == "smoothspline" {
			blocks++
		}
	}
	if blocks != len(h.Layers()) {
		t.Errorf("%d blocks of smooth splines, want %d", blocks, len(h.Layers()))
	}
}

// The energy error of latent trajectories of length 1 falls as the square of the step with
// smooth splines, and so it does with every recipe. With rational splines it falls more
// slowly, as their forces jump.
func TestSmoothSplineEnergyError(t *testing.T) {
	recipe := func(r *Recipe) *Model {
		m := must(r.Model([]int{4, 4}, ising(t, 4).Spectrum(), rand.NewPCG(3, 1)))
		scramble(m, 5, 0.1)
		return m
	}
	steps := []int{16, 32, 64, 128}
	for _, c := range []struct {
		name     string
		m        *Model
		from, to float64 // the order
	}{
		{"smooth", smoothModel(t, false), 1.8, 2.3},
		{"rational", smoothModel(t, true), 0.5, 1.6},
		{"paper", recipe(PaperRecipe()), 1.8, 2.3},
		{"fast", recipe(FastRecipe()), 1.8, 2.3},
		{"best", recipe(BestRecipe()), 1.8, 2.3},
	} {
		var x, y []float64
		for _, n := range steps {
			x, y = append(x, -math.Log(float64(n))), append(y, math.Log(energyError(t, c.m, n)))
		}
		order := slope(x, y)
		t.Logf("%s: order %.2f, errors e^%.2f", c.name, order, y)
		if !(order > c.from && order < c.to) {
			t.Errorf("%s: the energy error is of order %.2f, want %g to %g", c.name, order, c.from, c.to)
		}
	}
}

// slope is that of the line of least squares.
func slope(x, y []float64) float64 {
	var mean, sum, norm float64
	for _, v := range x {
		mean += v / float64(len(x))
	}
	for i, v := range x {
		sum += (v - mean) * y[i]
		norm += (v - mean) * (v - mean)
	}
	return sum / norm
}

// energyError is the median over 64 chains of the absolute energy error of a latent
// trajectory of length 1 in n leapfrog steps, from the prior.
func energyError(t *testing.T, m *Model, n int) float64 {
	t.Helper()
	const chains = 64
	e := target.NewEvaluator(Latent(m, ising(t, 4)))
	z, v := randn(8, chains, m.Dim()), randn(9, chains, m.Dim())
	logp, grad := make([]float64, chains), mat.NewDense(chains, m.Dim(), nil)
	var scaled mat.Dense
	move := func(x, by *mat.Dense, step float64) {
		scaled.Scale(step, by)
		x.Add(x, &scaled)
	}
	energies := func() []float64 {
		h := make([]float64, chains)
		for c := range h {
			h[c] = mat.Dot(v.RowView(c), v.RowView(c))/2 - logp[c]
		}
		return h
	}
	force := func() {
		if err := e.LogProbGrad(logp, grad, z); err != nil {
			t.Fatal(err)
		}
	}
	force()
	before, step := energies(), 1/float64(n)
	for range n {
		move(v, grad, step/2)
		move(z, v, step)
		force()
		move(v, grad, step/2)
	}
	errors := energies()
	for c := range errors {
		errors[c] = math.Abs(errors[c] - before[c])
	}
	slices.Sort(errors)
	return errors[chains/2]
}
