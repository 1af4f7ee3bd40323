package flow

import (
	"math"
	"math/rand/v2"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/internal/graph"
)

// unscored is a bijector that takes no score along.
type unscored struct{ bijector.Bijector }

func (u unscored) Forward(z *gorgonia.Node) (x, logDet *gorgonia.Node, err error) {
	if z, err = graph.Combine(0, []float64{1}, z); err != nil {
		return nil, nil, err
	}
	return u.Bijector.Forward(z)
}

func (u unscored) Inverse(x *gorgonia.Node) (z, logDet *gorgonia.Node, err error) {
	return u.Bijector.Inverse(x)
}

// scoredCases are bijectors of 16 sites that take a score along.
func scoredCases(t *testing.T) map[string]bijector.Bijector {
	rnd := rand.NewPCG(5, 5)
	affine := must(bijector.NewMERA([]int{4, 4}, blocks(4, 5, 3), nil))
	splines := must(FastRecipe().Model([]int{4, 4}, ising(t, 4).Spectrum(), rnd)).b
	board := must(BestRecipe().Model([]int{4, 4}, nil, rnd)).b
	perm := must(bijector.NewPermutation([]int{3, 2, 1, 0, 4, 5, 6, 7, 15, 9, 10, 11, 12, 13, 14, 8}))
	norm := must(bijector.NewActNorm(16))
	chain := must(bijector.NewChain(norm, affine, perm, must(bijector.NewChain(splines, bijector.Invert(board)))))
	white := must(bijector.NewSpectral([]int{4, 4}, ising(t, 4).Spectrum()))
	rational := must(bijector.NewMERA([]int{4, 4}, func(int) (bijector.Bijector, error) {
		return bijector.NewSpline(4, &bijector.SplineSettings{Couplings: 2, Hidden: []int{4}, Bins: 4, Src: rnd})
	}, nil))
	linear := must(bijector.NewChain(must(bijector.NewLinear(16, rnd)), rational, bijector.Invert(white), white,
		must(bijector.NewOrthogonal(16, rnd))))
	return map[string]bijector.Bijector{
		"affine": affine, "fast": splines, "best": board, "chain": chain, "rational and linear": linear,
	}
}

// pathGradient returns the path gradient of a batch, and whether it took scores along.
func pathGradient(t *testing.T, m *Model) (gradient []float64, scored bool) {
	t.Helper()
	z := gorgonia.NewMatrix(gorgonia.NewGraph(), m.dtype, gorgonia.WithShape(2, 16), gorgonia.WithName("z"))
	x, _, err := m.scored(z)
	if err != nil {
		t.Fatal(err)
	}
	s := Settings{Batch: 70, Objective: ReverseKL{PathGradient: true}}
	return gradientsOf(t, m, ising(t, 4), s, 2)[1], graph.ScoreOf(x) != nil
}

// The path gradient with scores that are taken along is that with scores from an inverse pass.
func TestScoresTakenAlong(t *testing.T) {
	for name, b := range scoredCases(t) {
		scramble(model(t, b), 3, 0.2)
		for _, symmetric := range []bool{false, true} {
			for dt, tol := range map[tensor.Dtype]float64{tensor.Float64: 1e-9, tensor.Float32: 2e-3} {
				of := func(b bijector.Bijector) ([]float64, bool) {
					m := model(t, b)
					if symmetric {
						m = symmetrize(t, m, Inversion(16))
					}
					if dt == tensor.Float32 {
						m = m.Float32()
					}
					return pathGradient(t, m)
				}
				got, scored := of(b)
				want, inferred := of(unscored{b})
				if !scored || inferred {
					t.Fatalf("%s: scored %v, without %v", name, scored, inferred)
				}
				worst, size := 0.0, 0.0
				for i, v := range want {
					worst, size = max(worst, math.Abs(got[i]-v)), max(size, math.Abs(v))
				}
				if !(worst <= tol*size) {
					t.Errorf("%s, symmetric %v, %v: gradients differ by %g of %g", name, symmetric, dt, worst, size)
				}
			}
		}
	}
}
