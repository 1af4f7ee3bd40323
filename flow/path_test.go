package flow

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/internal/graph"
	"github.com/neuralrg/neuralrg/target"
)

// gradientsOf draws batches and returns the gradient of each, all parameters
// end to end.
func gradientsOf(t *testing.T, m *Model, d target.Density, s Settings, batches int) [][]float64 {
	t.Helper()
	s.Src = rand.NewPCG(8, 8)
	tr, err := NewTrainer(m, d, &s)
	if err != nil {
		t.Fatal(err)
	}
	var all [][]float64
	for range batches {
		if _, err := tr.gradients(); err != nil {
			t.Fatal(err)
		}
		all = append(all, slices.Clone(tr.gradient))
	}
	return all
}

// On average over 10⁵ samples the path gradient is the gradient, for plain and
// for symmetrised models.
func TestPathGradientIsTheGradient(t *testing.T) {
	batches := 200
	if testing.Short() {
		batches = 20
	}
	plain := model(t, must(bijector.NewMERA([]int{2, 2}, blocks(4, 5, 3), nil)))
	scramble(plain, 3, 0.3)
	spline := model(t, must(bijector.NewSpline(4, &bijector.SplineSettings{Couplings: 1, Hidden: []int{3}, Bins: 3,
		Src: rand.NewPCG(1, 1)})))
	scramble(spline, 3, 0.3)
	for name, m := range map[string]*Model{
		"plain": plain, "symmetric": symmetrize(t, plain, Inversion(4), must(Translations([]int{2, 2}))[0]),
		"spline": symmetrize(t, spline, Inversion(4)),
	} {
		d := ising(t, 2)
		path := Settings{Batch: 500, Objective: ReverseKL{PathGradient: true}}
		with, without := gradientsOf(t, m, d, path, batches), gradientsOf(t, m, d, Settings{Batch: 500}, batches)
		far, wider := 0, 0
		n := len(with[0])
		for i := range n {
			var a, b []float64
			for k := range with {
				a, b = append(a, with[k][i]), append(b, without[k][i])
			}
			ma, va := stat.MeanVariance(a, nil)
			mb, vb := stat.MeanVariance(b, nil)
			if err := math.Sqrt((va + vb) / float64(batches)); math.Abs(ma-mb) > 3*err && err > 0 {
				far++
			}
			if va > vb {
				wider++
			}
		}
		// Three errors are passed by three in a thousand; the samples are the
		// same, which makes it fewer.
		if far > max(2, n/50) {
			t.Errorf("%s: %d of %d components differ by more than three errors", name, far, n)
		}
		t.Logf("%s: %d of %d components differ by more than 3 errors, %d vary more", name, far, n, wider)
	}
}

// A flow that is exact feels no force at all, from any sample; neither does a
// symmetrised one, of one mode or of two.
func TestPathGradientVanishes(t *testing.T) {
	// x = W·z + c of a normal z is a Gaussian, and this its density.
	w := mat.NewDense(3, 3, []float64{1, 0.5, 0, -0.2, 2, 0.3, 0.7, 0, 0.5})
	var inverse, precision mat.Dense
	if err := inverse.Inverse(w); err != nil {
		t.Fatal(err)
	}
	precision.Mul(inverse.T(), &inverse)
	gauss := func(grad, x, c []float64) float64 {
		var d, pd mat.VecDense
		d.SubVec(mat.NewVecDense(3, x), mat.NewVecDense(3, c))
		pd.MulVec(&precision, &d)
		for i := range grad {
			grad[i] = -pd.AtVec(i)
		}
		return -0.5 * mat.Dot(&d, &pd)
	}
	zero, center, opposite := []float64{0, 0, 0}, []float64{0.8, -1, 0.4}, []float64{-0.8, 1, -0.4}
	one := target.Func(3, func(grad, x []float64) float64 { return gauss(grad, x, zero) })
	off := target.Func(3, func(grad, x []float64) float64 { return gauss(grad, x, center) })
	two := target.Func(3, func(grad, x []float64) float64 {
		g, h := make([]float64, 3), make([]float64, 3)
		a, b := gauss(g, x, center), gauss(h, x, opposite)
		both := graph.LogAddExpOf(a, b)
		for i := range grad {
			grad[i] = math.Exp(a-both)*g[i] + math.Exp(b-both)*h[i]
		}
		return both
	})
	linear := must(bijector.LinearFrom(w))
	shift := must(bijector.NewActNorm(3))
	copy(shift.Params()[0].Value().Float64s()[3:], center)
	shifted := model(t, must(bijector.NewChain(linear, shift)))
	for _, c := range []struct {
		name string
		q    *Model
		pi   target.Density
	}{
		{"centred", model(t, linear), one},
		{"centred, symmetric", symmetrize(t, model(t, linear), Inversion(3)), one},
		{"off centre", shifted, off},
		{"two modes, symmetric", symmetrize(t, shifted, Inversion(3)), two},
	} {
		largest := func(path bool) float64 {
			v := 0.0
			s := Settings{Batch: 10, Objective: ReverseKL{PathGradient: path}}
			for _, g := range slices.Concat(gradientsOf(t, c.q, c.pi, s, 3)...) {
				v = math.Max(v, math.Abs(g))
			}
			return v
		}
		if v := largest(true); !(v < 1e-13) {
			t.Errorf("%s: path gradient %g", c.name, v)
		}
		if v := largest(false); !(v > 0.1) {
			t.Errorf("%s: gradient %g: the test shows nothing", c.name, v)
		}
	}
}

// Training along the path gets where training does, and is reproducible.
func TestTrainAlongPath(t *testing.T) {
	var first []float64
	for range 2 {
		m := symmetrize(t, mera(t, 4, 3), Inversion(16)).Float32()
		res, err := Train(context.Background(), m, ising(t, 4),
			&Settings{Steps: 60, Batch: 64, Optimizer: OptimizerSettings{LearnRate: 5e-3},
				Objective: ReverseKL{PathGradient: true}, Src: rand.NewPCG(1, 1)})
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = params(m)
		} else if !slices.Equal(first, params(m)) {
			t.Error("other parameters")
		}
		if gap := res.Loss + ising(t, 4).LogZ(); !(gap > 0 && gap < 60) {
			t.Errorf("gap %g", gap)
		}
	}
	if _, err := NewTrainer(mera(t, 4, 3), ising(t, 4),
		&Settings{Objective: ReverseKL{PathGradient: true, InversionKL: 1}, Src: rand.NewPCG(1, 1)}); !errors.Is(err,
		ErrSettings) {
		t.Errorf("with a penalty: %v", err)
	}
}
