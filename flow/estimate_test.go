package flow

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/target"
)

func evaluate(t testing.TB, m *Model, d target.Density, samples int, seed uint64) *Estimate {
	t.Helper()
	e, err := Evaluate(context.Background(), m, d, &EvaluateSettings{Samples: samples, Src: rand.NewPCG(seed, 3)})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// direct is the estimate by its definition, of values that do not overflow.
func direct(v []float64) Estimate {
	n := float64(len(v))
	var w, w2 float64
	for _, x := range v {
		w += math.Exp(-x)
		w2 += math.Exp(-2 * x)
	}
	mean, variance := stat.MeanVariance(v, nil)
	// Of ⟨w⟩, relative; ln⟨w⟩ has half of it as a bias.
	relative := (w2/n/(w*w/(n*n)) - 1) / (n - 1)
	e := Estimate{
		Samples: len(v), Loss: mean, StdErr: math.Sqrt(variance / n), Variance: variance,
		ESS: w * w / (n * w2), LogZ: math.Log(w / n), LogZErr: math.Hypot(math.Sqrt(relative), relative/2),
	}
	if e.ESS < 0.1 || relative > 1./25 {
		e.LogZErr = math.Inf(1)
	}
	return e
}

func wantEstimate(t testing.TB, what string, got, want Estimate, tol float64) {
	t.Helper()
	if got.Samples != want.Samples {
		t.Errorf("%s: %d samples, want %d", what, got.Samples, want.Samples)
	}
	if math.IsInf(want.LogZErr, 1) && math.IsInf(got.LogZErr, 1) {
		want.LogZErr, got.LogZErr = 0, 0
	}
	wantClose(t, what+": loss, error, variance, ESS, ln Z, its error",
		[]float64{got.Loss, got.StdErr, got.Variance, got.ESS, got.LogZ, got.LogZErr},
		[]float64{want.Loss, want.StdErr, want.Variance, want.ESS, want.LogZ, want.LogZErr}, tol)
}

// However samples are split and in whatever order the parts are merged, the
// estimate is that of all of them.
func TestMoments(t *testing.T) {
	for _, sigma := range []float64{0.5, 2} { // of a good model and of a poor one
		testMoments(t, sigma)
	}
}

func testMoments(t *testing.T, sigma float64) {
	rnd := rand.New(rand.NewPCG(1, 1))
	v := make([]float64, 100)
	for i := range v {
		v[i] = -3 + sigma*rnd.NormFloat64()
	}
	want := direct(v)
	if math.IsInf(want.LogZErr, 1) != (sigma == 2) {
		t.Errorf("σ = %g: the error of ln Z is %g", sigma, want.LogZErr)
	}
	for _, cuts := range [][]int{{0, 100}, {0, 1, 2, 50, 100}, {0, 0, 99, 99, 100}, {0, 30, 100}} {
		whole, backwards := newMoments(), newMoments()
		var parts []moments
		for k := range len(cuts) - 1 {
			part := newMoments()
			for _, x := range v[cuts[k]:cuts[k+1]] {
				part.add(x)
			}
			parts = append(parts, part)
			whole.merge(part)
		}
		for k := range parts {
			backwards.merge(parts[len(parts)-1-k])
		}
		wantEstimate(t, "merged", whole.estimate(nil), want, 1e-12)
		wantEstimate(t, "merged backwards", backwards.estimate(nil), want, 1e-12)
	}

	// Values far from zero: exp overflows, and squares lose all digits.
	for _, shift := range []float64{1e4, -1e4, 1e7} {
		far := newMoments()
		for _, x := range v {
			far.add(x + shift)
		}
		moved := want
		moved.Loss += shift
		moved.LogZ -= shift
		wantEstimate(t, "far from zero", far.estimate(nil), moved, 1e-7)
	}
}

// Too few samples say nothing.
func TestMomentsOfFewSamples(t *testing.T) {
	s := newMoments()
	for _, v := range func(e Estimate) []float64 {
		return []float64{e.Loss, e.StdErr, e.Variance, e.ESS, e.LogZ, e.LogZErr}
	}(s.estimate(nil)) {
		if !math.IsNaN(v) {
			t.Errorf("no samples: %+v", s.estimate(nil))
			break
		}
	}
	s.add(2)
	if e := s.estimate(nil); e.Samples != 1 || e.Loss != 2 || e.LogZ != -2 || e.ESS != 1 || !math.IsNaN(e.StdErr) ||
		!math.IsNaN(e.Variance) || !math.IsNaN(e.LogZErr) {
		t.Errorf("one sample: %+v", e)
	}
}

// The estimate is made of ln q and ln π of samples.
func TestEvaluate(t *testing.T) {
	for name, m := range models(t) {
		t.Run(name, func(t *testing.T) {
			d := gaussian(16, 1.5) // has every symmetry: Sample may turn x
			const samples = 130
			want := evaluate(t, m, d, samples, 1)
			for _, batch := range []int{samples, 50, 1, 1000} {
				e, err := Evaluate(context.Background(), m, d,
					&EvaluateSettings{Samples: samples, Batch: batch, Src: rand.NewPCG(1, 3)})
				if err != nil {
					t.Fatal(err)
				}
				wantEstimate(t, "in batches", *e, *want, 1e-10)
			}
			x, v := sample(t, m, samples, 1)
			floats.Sub(v, logProb(t, d, x))
			plain, wide := direct(v), *want
			if !(wide.LogZErr >= plain.LogZErr*(1-1e-9)) {
				t.Errorf("error %g of ln Z, below %g by the weights alone", wide.LogZErr, plain.LogZErr)
			}
			wide.LogZErr = plain.LogZErr // allows for more
			wantEstimate(t, "by its definition", wide, plain, 1e-9)
		})
	}
	if e, err := Evaluate(context.Background(), mera(t, 4, 1), ising(t, 4),
		&EvaluateSettings{Src: rand.NewPCG(1, 2)}); err != nil || e.Samples != 10000 {
		t.Errorf("by default: %v, error %v, want 10000 samples", e, err)
	}
}

// Samples of q = π/Z all have the weight Z.
func TestEvaluateOfItself(t *testing.T) {
	for name, m := range models(t) {
		e := evaluate(t, m, shifted{m, 5.25}, 600, 2)
		wantClose(t, name+": loss, ln Z, ESS", []float64{e.Loss, e.LogZ, e.ESS}, []float64{-5.25, 5.25, 1}, 1e-12)
		if e.Variance > 1e-20 || e.StdErr > 1e-11 {
			t.Errorf("%s: variance %g, error %g", name, e.Variance, e.StdErr)
		}
	}
}

// ln⟨π/q⟩ is ln Z and the loss is above −ln Z, by half the variance where q is
// near π.
func TestEvaluateLogZ(t *testing.T) {
	m := model(t, must(bijector.NewTree([]int{4, 4}, blocks(4, 1, 5), nil)))
	for _, m := range []*Model{m, symmetrize(t, m, Inversion(16)), m.Float32()} {
		const sigma = 0.85
		e := evaluate(t, m, gaussian(16, sigma), 4000, 3)
		lnZ := gaussianLogZ(16, sigma)
		stdErr := math.Sqrt((1/e.ESS - 1) / float64(e.Samples))
		t.Logf("loss %.4f ± %.4f, ln Z %.4f ± %.4f, exact %.4f, ESS %.3f", e.Loss, e.StdErr, e.LogZ, stdErr, lnZ, e.ESS)
		if e.ESS < 0.3 || e.ESS > 0.99 || math.Abs(e.LogZ-lnZ) > 4*stdErr {
			t.Errorf("ln Z %.4f ± %.4f, want %.4f", e.LogZ, stdErr, lnZ)
		}
		if gap := e.Loss + lnZ; gap < 4*e.StdErr {
			t.Errorf("loss %.4f ± %.4f is not above −ln Z = %.4f", e.Loss, e.StdErr, -lnZ)
		}
	}
}

func TestEvaluateErrors(t *testing.T) {
	m, src := mera(t, 4, 1), rand.NewPCG(1, 2)
	ctx := context.Background()
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	calls := 0
	failing := func(value float64) target.Density {
		return target.Func(16, func(_, x []float64) float64 {
			if calls++; calls == 25 {
				return value
			}
			return 0
		})
	}
	later, stop := context.WithCancel(ctx)
	stopping := target.Func(16, func(_, x []float64) float64 {
		if calls++; calls == 25 {
			stop()
		}
		return 0
	})
	for _, c := range []struct {
		name  string
		ctx   context.Context
		m     *Model
		d     target.Density
		s     *EvaluateSettings
		is    error
		texts []string
	}{
		{"nil settings", ctx, m, ising(t, 4), nil, ErrSettings, []string{"nil source"}},
		{"nil source", ctx, m, ising(t, 4), &EvaluateSettings{}, ErrSettings, []string{"nil source"}},
		{"negative samples", ctx, m, ising(t, 4), &EvaluateSettings{Samples: -1, Src: src}, ErrSettings,
			[]string{"-1 samples"}},
		{"negative batch", ctx, m, ising(t, 4), &EvaluateSettings{Batch: -3, Src: src}, ErrSettings,
			[]string{"batches of -3"}},
		{"nil model", ctx, nil, ising(t, 4), &EvaluateSettings{Src: src}, ErrSettings, nil},
		{"nil target", ctx, m, nil, &EvaluateSettings{Src: src}, ErrSettings, nil},
		{"dimensions differ", ctx, m, target.NewNormal(15), &EvaluateSettings{Src: src}, ErrShape,
			[]string{"model of dimension 16", "target of dimension 15"}},
		{"NaN", ctx, m, failing(math.NaN()), &EvaluateSettings{Batch: 10, Src: src}, ErrNotFinite,
			[]string{"samples from 20: row 4", "ln π is NaN"}},
		{"+∞", ctx, m, failing(math.Inf(1)), &EvaluateSettings{Batch: 10, Src: src}, ErrNotFinite,
			[]string{"samples from 20: row 4", "ln π is +Inf"}},
		{"cancelled", cancelled, m, ising(t, 4), &EvaluateSettings{Src: src}, context.Canceled,
			[]string{"after 0 samples"}},
		{"cancelled later", later, m, stopping, &EvaluateSettings{Batch: 10, Src: src}, context.Canceled,
			[]string{"after 30 samples"}},
		{"panic", ctx, m, target.Func(16, func(_, _ []float64) float64 { panic("no such site") }),
			&EvaluateSettings{Src: src}, nil, []string{"no such site"}},
	} {
		calls = 0
		e, err := Evaluate(c.ctx, c.m, c.d, c.s)
		wantError(t, c.name, err, c.is, append(c.texts, "flow: ")...)
		if e != nil {
			t.Errorf("%s: an estimate beside the error", c.name)
		}
	}
}
