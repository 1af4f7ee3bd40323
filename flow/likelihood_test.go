package flow

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/target"
)

// dataFunc is a DataSource of one function.
type dataFunc func(x *mat.Dense) error

func (f dataFunc) Sample(x *mat.Dense) error { return f(x) }

// The gradient of the likelihood is that of differences, and mixes with the
// other as it should.
func TestLikelihoodGradient(t *testing.T) {
	m := symmetrize(t, model(t, must(bijector.NewMERA([]int{2, 2}, blocks(4, 5, 3), nil))), Inversion(4))
	scramble(m, 3, 0.3)
	x := randn(4, 6, 4)
	mean := func() float64 {
		sum := 0.0
		for _, v := range logProbs(t, m, x) {
			sum += v / 6
		}
		return sum
	}
	data := dataFunc(func(y *mat.Dense) error { y.Copy(x); return nil })
	gradient := func(weight float64) []float64 {
		s := &Settings{Batch: 6, Src: rand.NewPCG(1, 1)}
		if weight > 0 {
			s.Data = &DataSettings{Source: data, Weight: weight}
		}
		tr, err := NewTrainer(m, target.NewNormal(4), s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tr.gradients(); err != nil {
			t.Fatal(err)
		}
		if weight > 0 && math.Abs(tr.data.mean-mean()) > 1e-12 {
			t.Errorf("mean of ln q %g, want %g", tr.data.mean, mean())
		}
		return slices.Clone(tr.gradient)
	}
	alone, none, half := gradient(1), gradient(0), gradient(0.5)
	at := 0
	for _, p := range m.Params() {
		v := p.Value().Float64s()
		for i := range v {
			const h = 1e-5
			old := v[i]
			v[i] = old + h
			up := mean()
			v[i] = old - h
			down := mean()
			v[i] = old
			if want := -(up - down) / (2 * h); math.Abs(alone[at]-want) > 1e-6*(1+math.Abs(want)) {
				t.Errorf("component %d is %g, by differences %g", at, alone[at], want)
			}
			if want := 0.5*alone[at] + 0.5*none[at]; math.Abs(half[at]-want) > 1e-12*(1+math.Abs(want)) {
				t.Errorf("component %d of the mixture is %g, want %g", at, half[at], want)
			}
			at++
		}
	}
}

// Two far wells: training on the energy finds one of them, with data it has
// both, and the estimate of ln Z is right.
func TestDataFindsWhatIsMissed(t *testing.T) {
	const far = 4.0
	wells := target.Func(2, func(grad, x []float64) float64 {
		a, b := -0.5*(x[0]-far)*(x[0]-far), -0.5*(x[0]+far)*(x[0]+far)
		top := math.Max(a, b)
		sum := math.Exp(a-top) + math.Exp(b-top)
		if grad != nil {
			grad[0] = -((x[0]-far)*math.Exp(a-top) + (x[0]+far)*math.Exp(b-top)) / sum
			grad[1] = -x[1]
		}
		return top + math.Log(sum) - 0.5*x[1]*x[1]
	})
	logZ := math.Log(2 * 2 * math.Pi)
	rnd := rand.New(rand.NewPCG(4, 4))
	data := dataFunc(func(x *mat.Dense) error {
		rows, _ := x.Dims()
		for r := range rows {
			x.SetRow(r, []float64{far*float64(2*rnd.IntN(2)-1) + rnd.NormFloat64(), rnd.NormFloat64()})
		}
		return nil
	})
	train := func(data DataSource) *Estimate {
		m := model(t, must(bijector.NewSpline(2, &bijector.SplineSettings{Couplings: 2, Bound: 8,
			Src: rand.NewPCG(1, 1)})))
		// Off centre, so that one well is nearer.
		b := m.Bijector().(*bijector.Spline).Couplings()
		for _, c := range b {
			c.Affine.T[len(c.Affine.T)-1].B.SetVec(0, 2)
		}
		s := &Settings{
			Steps: 500, Batch: 128, Src: rand.NewPCG(1, 1),
			Optimizer: OptimizerSettings{LearnRate: 5e-3, Schedule: Cosine(500, 20)},
		}
		if data != nil {
			s.Data = &DataSettings{Source: data}
		}
		if _, err := Train(context.Background(), m, wells, s); err != nil {
			t.Fatal(err)
		}
		e, err := Evaluate(context.Background(), m, wells, &EvaluateSettings{Samples: 4000, Src: rand.NewPCG(2, 2)})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	with := train(data)
	if gap := with.Loss + logZ; !(gap < 0.1 && with.ESS > 0.8 && math.Abs(with.LogZ-logZ) < 4*with.LogZErr+0.01) {
		t.Errorf("with data: gap %g, ESS %g, ln Z %g ± %g, exact %g", gap, with.ESS, with.LogZ, with.LogZErr, logZ)
	}
	without := train(nil)
	t.Logf("gap %.3f with data, %.3f without", with.Loss+logZ, without.Loss+logZ)
	if !(without.Loss+logZ > 0.5) {
		t.Error("without data it has both as well: the test shows nothing")
	}
}

func TestDataSettings(t *testing.T) {
	m := mera(t, 4, 1)
	src := rand.NewPCG(1, 1)
	none := dataFunc(func(*mat.Dense) error { return nil })
	for name, s := range map[string]*Settings{
		"weight without data": {Data: &DataSettings{Weight: 0.5}, Src: src},
		"negative weight":     {Data: &DataSettings{Source: none, Weight: -0.1}, Src: src},
		"weight above one":    {Data: &DataSettings{Source: none, Weight: 1.1}, Src: src},
		"weight NaN":          {Data: &DataSettings{Source: none, Weight: math.NaN()}, Src: src},
	} {
		if _, err := NewTrainer(m, ising(t, 4), s); !errors.Is(err, ErrSettings) {
			t.Errorf("%s: %v", name, err)
		}
	}
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		f    dataFunc
		want error
	}{
		"error": {func(*mat.Dense) error { return broken }, broken},
		"panic": {func(*mat.Dense) error { panic(broken) }, broken},
		"NaN":   {func(x *mat.Dense) error { x.Set(1, 2, math.NaN()); return nil }, ErrNotFinite},
	} {
		before := params(m)
		tr, err := NewTrainer(m, ising(t, 4), &Settings{Batch: 4, Data: &DataSettings{Source: c.f}, Src: src})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tr.Step(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if !slices.Equal(before, params(m)) {
			t.Errorf("%s: parameters have changed", name)
		}
	}
}
