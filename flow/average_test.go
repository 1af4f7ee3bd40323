package flow

import (
	"bytes"
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/target"
)

var decays = []float64{math.SmallestNonzeroFloat64, 1e-9, 0.3, 0.9, 0.999, 1 - 1e-12, math.Nextafter(1, 0)}

// The average of what does not change is it, to the bit, at every step.
func TestAverageOfConstant(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	p := [][]float64{{0, math.Copysign(0, -1), math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, 1. / 3},
		make([]float64, 20)}
	for i := range p[1] {
		p[1][i] = rnd.NormFloat64()
	}
	for _, a := range decays {
		means := [][]float64{make([]float64, len(p[0])), make([]float64, len(p[1]))}
		for step := 1; step < 200; step++ {
			average(means, p, a, step)
			for k := range p {
				if !slices.Equal(means[k], p[k]) {
					t.Fatalf("a = %g, step %d: %v, want %v", a, step, means[k], p[k])
				}
			}
		}
	}
}

// The average is Σ a^(t−s) θ_s / Σ a^(t−s), of two numbers for a start their
// mean with weights a and 1, and never leaves the range of what it is of.
func TestAverageClosedForm(t *testing.T) {
	rnd := rand.New(rand.NewPCG(2, 2))
	for _, a := range decays {
		means := [][]float64{{0}}
		var all []float64
		for step := 1; step <= 100; step++ {
			all = append(all, 3+rnd.NormFloat64())
			average(means, [][]float64{all[step-1:]}, a, step)
			sum, weights := 0.0, 0.0
			for s, v := range all {
				w := math.Pow(a, float64(step-1-s))
				sum, weights = sum+w*v, weights+w
			}
			// Of a near 1, 1−a and 1−a^t have few digits, and the ratio a few per cent.
			tol := 1e-13
			if 1-a < 1e-6 {
				tol = 1e-17 / (1 - a)
			}
			if got := means[0][0]; math.Abs(got-sum/weights) > max(tol, 1e-13) || got < slices.Min(all) ||
				got > slices.Max(all) {
				t.Errorf("a = %g, step %d: %.15g, want %.15g", a, step, got, sum/weights)
			}
		}
	}
	// The geometric course θ_t = b^t has the closed form below.
	a, b := 0.7, 0.95
	means := [][]float64{{0}}
	for n := 1; n < 60; n++ {
		t1 := float64(n)
		average(means, [][]float64{{math.Pow(b, t1)}}, a, n)
		want := b * (1 - a) * (math.Pow(b, t1) - math.Pow(a, t1)) / ((b - a) * (1 - math.Pow(a, t1)))
		wantClose(t, "geometric", means[0], []float64{want}, 1e-14)
	}
	// No number that is not finite arises of numbers that are.
	for _, a := range decays {
		means := [][]float64{{0}}
		for step := 1; step < 50; step++ {
			average(means, [][]float64{{math.MaxFloat64 * float64(1-2*(step%2))}}, a, step)
			if v := means[0][0]; math.IsNaN(v) || math.IsInf(v, 0) {
				t.Fatalf("a = %g, step %d: %g", a, step, v)
			}
		}
	}
}

// What UseAverage puts into the model is the average of its parameters after every step,
// and training knows nothing of it until then. It goes on from there.
func TestUseAverage(t *testing.T) {
	const a, steps = 0.8, 15
	for name := range variants(t, 1) {
		t.Run(name, func(t *testing.T) {
			var course [][]float64
			m, plain := variants(t, 1)[name], variants(t, 1)[name]
			start := func(m *Model, a float64) *Trainer {
				scramble(m, 2, 0.1)
				adam := OptimizerSettings{LearnRate: 1e-2, Average: a, MaxScale: 0.2}
				return must(NewTrainer(m, ising(t, 4), &Settings{Batch: 16, Optimizer: adam, Src: rand.NewPCG(1, 1)}))
			}
			tr, without := start(m, a), start(plain, 0)
			if without.averages != nil {
				t.Error("averages that nobody asked for")
			}
			wantError(t, "without Average", without.UseAverage(), ErrSettings, "Average 0")
			wantError(t, "too early", tr.UseAverage(), ErrSettings, "0 steps")
			step := func() {
				t.Helper()
				must(tr.Step())
				course = append(course, params(m))
			}
			for range steps {
				step()
				must(without.Step())
				wantSame(t, "training", params(m), params(plain))
			}
			if err := tr.UseAverage(); err != nil {
				t.Fatal(err)
			}
			averaged := params(m)
			wantClose(t, "average", averaged, averageOf(course, a), 1e-13)
			if slices.Equal(averaged, params(plain)) {
				t.Error("the average is the last")
			}
			if err := tr.UseAverage(); err != nil {
				t.Fatal(err)
			}
			wantSame(t, "used twice", params(m), averaged)
			// On from the average, with the optimiser as it was.
			setParams(plain, averaged)
			step()
			if _, err := without.Step(); err != nil {
				t.Fatal(err)
			}
			wantSame(t, "going on", params(m), params(plain))
			if err := tr.UseAverage(); err != nil {
				t.Fatal(err)
			}
			wantClose(t, "average that goes on", params(m), averageOf(course, a), 1e-13)
			for _, s := range tr.scales {
				for i := range s.Len() {
					if math.Abs(s.AtVec(i)) > 0.2 {
						t.Errorf("scale %g", s.AtVec(i))
					}
				}
			}
		})
	}
}

// averageOf is the mean of the parameters of all steps, each with a times the weight
// of the next.
func averageOf(course [][]float64, a float64) []float64 {
	sum, weights := make([]float64, len(course[0])), 0.0
	for s, p := range course {
		w := math.Pow(a, float64(len(course)-1-s))
		weights += w
		for i, v := range p {
			sum[i] += w * v
		}
	}
	for i := range sum {
		sum[i] /= weights
	}
	return sum
}

// setParams sets the parameters of a model.
func setParams(m *Model, values []float64) {
	for _, p := range m.Params() {
		values = values[copy(p.Value().Float64s(), values):]
	}
}

// The average has less of the noise of training than its last step: at a
// learning rate that is too high for the end, the model is better.
func TestAverageIsBetter(t *testing.T) {
	d, lnZ := target.Func(3, func(grad, x []float64) float64 {
		sum := 0.0
		for i, v := range x {
			sum -= (v - 1) * (v - 1) / 2
			if grad != nil {
				grad[i] = 1 - v
			}
		}
		return sum
	}), 1.5*math.Log(2*math.Pi)
	var last, averaged float64 // of all seeds
	for seed := range uint64(8) {
		off := func(a float64) float64 {
			m := model(t, newShift(3))
			train(t, m, d, &Settings{Steps: 1000, Batch: 16, Optimizer: OptimizerSettings{LearnRate: 0.05, Average: a},
				Src: rand.NewPCG(seed, 1)})
			return evaluate(t, m, d, 4000, 9).Loss + lnZ
		}
		last, averaged = last+off(0)/8, averaged+off(0.99)/8
	}
	t.Logf("gap %.5f of the last step, %.5f of the average", last, averaged)
	if !(averaged < last/3) {
		t.Errorf("gap %g of the average, %g of the last step", averaged, last)
	}
}

// Train ends with the average, also when it is stopped.
func TestTrainAverages(t *testing.T) {
	run := func(stop int, through func(tr *Trainer)) []float64 {
		m := variants(t, 3)["float64"]
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s := &Settings{Steps: 6, Batch: 8, Optimizer: OptimizerSettings{Average: 0.5}, Src: rand.NewPCG(1, 1),
			Recorder: RecorderFunc(func(r *Report) error {
				if r.Step == stop {
					cancel()
				}
				return nil
			})}
		if through == nil {
			res, err := Train(ctx, m, ising(t, 4), s)
			if (err == nil) != (stop == 6) || res.Steps != stop {
				t.Errorf("%d steps, error %v", res.Steps, err)
			}
			return params(m)
		}
		tr, err := NewTrainer(m, ising(t, 4), s)
		if err != nil {
			t.Fatal(err)
		}
		through(tr)
		return params(m)
	}
	for _, stop := range []int{4, 6} {
		want := run(0, func(tr *Trainer) {
			if err := tr.Run(t.Context(), stop); err != nil {
				t.Fatal(err)
			}
			if err := tr.UseAverage(); err != nil {
				t.Fatal(err)
			}
		})
		wantSame(t, "parameters", run(stop, nil), want)
	}
	// Before the first step there is nothing to average.
	m := variants(t, 3)["float64"]
	before := params(m)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if res, err := Train(ctx, m, ising(t, 4), &Settings{Steps: 2, Optimizer: OptimizerSettings{Average: 0.5},
		Src: rand.NewPCG(1, 1)}); err == nil || res != nil {
		t.Errorf("%+v, error %v", res, err)
	}
	wantSame(t, "no step", params(m), before)
	// A model without parameters has an average, too.
	none := model(t, must(bijector.NewPermutation([]int{1, 0})))
	train(t, none, target.NewNormal(2), &Settings{Steps: 2, Batch: 4, Optimizer: OptimizerSettings{Average: 0.5},
		Src: rand.NewPCG(1, 1)})
}

func TestAverageSettings(t *testing.T) {
	for _, a := range []float64{-0.1, 1, 1.5, math.NaN(), math.Inf(1)} {
		_, err := NewTrainer(variants(t, 8)["float64"], ising(t, 4),
			&Settings{Optimizer: OptimizerSettings{Average: a}, Src: rand.NewPCG(1, 1)})
		wantError(t, "decay", err, ErrSettings, "Average")
	}
}

// MaxScale bounds the averaged model as it does the trained one, whatever the
// averages are that a file holds.
func TestUseAverageIsBounded(t *testing.T) {
	const bound = 0.2
	newTrainer := func() (*Model, *Trainer) {
		m := mera(t, 4, 3)
		return m, must(NewTrainer(m, ising(t, 4), &Settings{Batch: 8,
			Optimizer: OptimizerSettings{Average: 0.9, MaxScale: bound}, Src: rand.NewPCG(1, 1)}))
	}
	_, tr := newTrainer()
	if err := tr.Run(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	for k := range tr.averages {
		for i := range tr.averages[k] {
			tr.averages[k][i] = 3 * float64(1-2*(i%2))
		}
	}
	var b bytes.Buffer
	m, tr2 := newTrainer()
	if err := errors.Join(tr.Save(&b), tr2.Restore(&b), tr2.UseAverage()); err != nil {
		t.Fatal(err)
	}
	scales := 0
	for _, l := range m.Bijector().(*bijector.Hierarchy).Layers() {
		for _, c := range l.Block().(*bijector.RealNVP).Couplings() {
			for i := range c.Scale.Len() {
				if scales++; math.Abs(c.Scale.AtVec(i)) != bound {
					t.Fatalf("scale %g of an average of ±3, want ±%g", c.Scale.AtVec(i), bound)
				}
			}
			if v := c.S[0].B.AtVec(0); math.Abs(v) != 3 {
				t.Fatalf("a weight is %g, want its average, ±3", v)
			}
		}
	}
	if scales == 0 {
		t.Error("no scales")
	}
}
