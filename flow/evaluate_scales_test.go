package flow

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/target"
)

// anisotropic is a product of normal densities of zero mean, one variance for each site.
type anisotropic []float64

func (v anisotropic) density() target.Density {
	return target.Func(len(v), func(grad, x []float64) (logp float64) {
		for i, e := range x {
			logp -= e * e / (2 * v[i])
			if grad != nil {
				grad[i] = -e / v[i]
			}
		}
		return logp
	})
}

// At the start every latent variable is a site of its own, so that the gap of a level is the
// divergence of N(0, 1) from the target's variances at its sites: ½ Σ (1/v − 1 + ln v).
func TestScaleGapsOfNormals(t *testing.T) {
	identity := func(sites int) (bijector.Bijector, error) {
		return bijector.NewRealNVP(sites, &bijector.RealNVPSettings{Hidden: []int{2}, Src: rand.NewPCG(1, 1)})
	}
	h := must(bijector.NewMERA([]int{4, 4}, identity, nil))
	for _, p := range h.Params() {
		clear(p.Value().Float64s())
	}
	levels := []float64{1.3, 0.8, 1.5}
	want, v := make([]float64, h.Levels()), make(anisotropic, 16)
	for i := range v {
		k := h.Level(i)
		v[i] = levels[k]
		want[k] += 0.5 * (1/v[i] - 1 + math.Log(v[i]))
	}
	m := must(New(target.NewNormal(16), h))
	for _, m := range []*Model{m, m.Float32()} {
		s := &ScaleSettings{Samples: 256, Src: rand.NewPCG(2, 3)}
		gaps, err := ScaleGaps(context.Background(), m, v.density(), s)
		if err != nil {
			t.Fatal(err)
		}
		for k, g := range gaps {
			t.Logf("level %d: %.4f ± %.4f, exact %.4f", k, g.Gap, g.StdErr, want[k])
			if g.Level != k || g.Latents != len(h.Latents(k)) {
				t.Errorf("level %d of %d latents, want %d of %d", g.Level, g.Latents, k, len(h.Latents(k)))
			}
			if math.Abs(g.Gap-want[k]) > 4*g.StdErr || g.StdErr > 0.1*want[k] {
				t.Errorf("level %d: %g ± %g, want %g", k, g.Gap, g.StdErr, want[k])
			}
		}
	}
}

// The gaps of the levels sum up to the gap of the model, with symmetries too.
func TestScaleGapsSum(t *testing.T) {
	pi := ising(t, 4)
	recipe := FastRecipe()
	recipe.Hidden = []int{6}
	m := must(recipe.Model([]int{4, 4}, pi.Spectrum(), rand.NewPCG(5, 2)))
	m = must(Symmetrize(m, Inversion(16)))
	settings := recipe.Settings(200, rand.NewPCG(6, 2))
	settings.Batch = 64
	must(Train(context.Background(), m, pi, settings))
	e := must(Evaluate(context.Background(), m, pi, &EvaluateSettings{Src: rand.NewPCG(7, 2)}))
	gaps := must(ScaleGaps(context.Background(), m, pi, &ScaleSettings{Samples: 128, Src: rand.NewPCG(8, 2)}))
	sum, variance := 0.0, 0.0
	for _, g := range gaps {
		t.Logf("level %d, %d latents: %.4f ± %.4f", g.Level, g.Latents, g.Gap, g.StdErr)
		sum, variance = sum+g.Gap, variance+g.StdErr*g.StdErr
	}
	if gap, tol := e.Loss+pi.LogZ(), 4*math.Hypot(e.StdErr, math.Sqrt(variance)); math.Abs(sum-gap) > tol {
		t.Errorf("the levels have %g nats, the model %g; tolerance %g", sum, gap, tol)
	}
}

// Errors cover: over 40 seeds, the mean square of (estimate − exact)/error is that of 3 levels
// of 31 degrees of freedom, 1.07, within four of its own errors of √(2/120).
func TestScaleGapsCover(t *testing.T) {
	h := must(bijector.NewMERA([]int{4, 4}, func(sites int) (bijector.Bijector, error) {
		return bijector.NewActNorm(sites) // the identity
	}, nil))
	m, v, want := must(New(target.NewNormal(16), h)), make(anisotropic, 16), make([]float64, h.Levels())
	for i := range v {
		k := h.Level(i)
		v[i] = []float64{1.3, 0.8, 1.5}[k]
		want[k] += 0.5 * (1/v[i] - 1 + math.Log(v[i]))
	}
	var square float64
	const seeds = 40
	for seed := range uint64(seeds) {
		s := &ScaleSettings{Samples: 32, Redraws: 64, Src: rand.NewPCG(seed, 5)}
		for k, g := range must(ScaleGaps(context.Background(), m, v.density(), s)) {
			square += math.Pow((g.Gap-want[k])/g.StdErr, 2) / float64(seeds*h.Levels())
		}
	}
	if t.Logf("mean square %.2f", square); math.Abs(square-1.07) > 4*math.Sqrt(2.0/120) {
		t.Errorf("mean square of deviations in errors: %g", square)
	}
}

// The divergence of log-normal weights of standard deviation 1 is ½. With 16 weights the plain
// mean of their logarithm is .05 off; the jackknife leaves .01. 20 000 trials have an error of .003.
func TestDivergence(t *testing.T) {
	rnd := rand.New(rand.NewPCG(4, 5))
	const trials = 20000
	var sum float64
	for range trials {
		logw := make([]float64, 16)
		for i := range logw {
			logw[i] = rnd.NormFloat64()
		}
		gap, _ := divergence(logw)
		sum += gap / trials
	}
	if t.Logf("divergence %.4f", sum); math.Abs(sum-0.5) > 0.02 {
		t.Errorf("divergence %g, want .5", sum)
	}
}

// A flow far from its target gets no error bar.
func TestScaleGapsCannotTell(t *testing.T) {
	pi, recipe := ising(t, 8), PaperRecipe()
	m := must(recipe.Model([]int{8, 8}, nil, rand.NewPCG(5, 2)))
	gaps := must(ScaleGaps(context.Background(), m, pi, &ScaleSettings{Samples: 4, Src: rand.NewPCG(8, 2)}))
	if last := gaps[len(gaps)-1]; !math.IsInf(last.StdErr, 1) {
		t.Errorf("%g ± %g", last.Gap, last.StdErr)
	}
}

func TestScaleGapsErrors(t *testing.T) {
	pi := ising(t, 4)
	m := must(PaperRecipe().Model([]int{4, 4}, nil, rand.NewPCG(5, 2)))
	flat := must(New(target.NewNormal(16), must(bijector.NewActNorm(16))))
	ctx, src := context.Background(), rand.NewPCG(1, 2)
	stopped, cancel := context.WithCancel(ctx)
	cancel()
	walls := target.Func(16, func(grad, x []float64) float64 {
		clear(grad)
		if x[0] > 0 {
			return math.Inf(-1)
		}
		return 0
	})
	for name, c := range map[string]struct {
		ctx  context.Context
		m    *Model
		t    target.Density
		s    *ScaleSettings
		want error
	}{
		"no context":   {nil, m, pi, &ScaleSettings{Src: src}, ErrSettings},
		"no settings":  {ctx, m, pi, nil, ErrSettings},
		"no source":    {ctx, m, pi, &ScaleSettings{}, ErrSettings},
		"one sample":   {ctx, m, pi, &ScaleSettings{Samples: 1, Src: src}, ErrSettings},
		"few redraws":  {ctx, m, pi, &ScaleSettings{Redraws: 15, Src: src}, ErrSettings},
		"no hierarchy": {ctx, flat, pi, &ScaleSettings{Src: src}, ErrSettings},
		"no model":     {ctx, nil, pi, &ScaleSettings{Src: src}, ErrSettings},
		"other target": {ctx, m, ising(t, 8), &ScaleSettings{Src: src}, ErrShape},
		"stopped":      {stopped, m, pi, &ScaleSettings{Src: src}, context.Canceled},
		"walls":        {ctx, m, walls, &ScaleSettings{Src: src}, ErrNotFinite},
	} {
		if _, err := ScaleGaps(c.ctx, c.m, c.t, c.s); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
