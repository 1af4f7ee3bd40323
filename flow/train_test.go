package flow

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/bijector/bijectortest"
	"github.com/neuralrg/neuralrg/internal/graph"
	"github.com/neuralrg/neuralrg/target"
)

// keep records all reports.
func keep(reports *[]Report) Recorder {
	return RecorderFunc(func(r *Report) error { *reports = append(*reports, *r); return nil })
}

func train(t testing.TB, m *Model, d target.Density, s *Settings) *Result {
	t.Helper()
	res, err := Train(context.Background(), m, d, s)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// variants are a small model on 4×4 as training meets it, built anew.
func variants(t testing.TB, seed uint64) map[string]*Model {
	t.Helper()
	fresh := func() *Model { return model(t, must(bijector.NewMERA([]int{4, 4}, blocks(4, seed, 6, 6), nil))) }
	return map[string]*Model{
		"float64":              fresh(),
		"float32":              fresh().Float32(),
		"float64, symmetrised": symmetrize(t, fresh(), Inversion(16)),
		"float32, symmetrised": symmetrize(t, fresh().Float32(), Inversion(16)),
	}
}

// The loss is above −ln Z before, during and after training, and training
// lowers it.
func TestVariationalBound(t *testing.T) {
	pi := ising(t, 4)
	bound := func(what string, e Estimate) {
		t.Helper()
		if !(e.Loss >= -pi.LogZ()-4*e.StdErr) {
			t.Errorf("%s: loss %.4f ± %.4f is below −ln Z = %.4f", what, e.Loss, e.StdErr, -pi.LogZ())
		}
	}
	for name, m := range variants(t, 1) {
		t.Run(name, func(t *testing.T) {
			before := evaluate(t, m, pi, 2000, 1)
			bound("untrained", *before)
			res := train(t, m, pi, &Settings{Steps: 120, Batch: 128, Optimizer: OptimizerSettings{LearnRate: 1e-2},
				Src:      rand.NewPCG(2, 3),
				Recorder: RecorderFunc(func(r *Report) error { bound("training", r.Running); return nil })})
			after := evaluate(t, m, pi, 4000, 1)
			bound("trained", *after)
			t.Logf("gap %.2f before, %.3f after, %.3f ± %.3f over the last steps",
				before.Loss+pi.LogZ(), after.Loss+pi.LogZ(), res.Loss+pi.LogZ(), res.StdErr)
			if after.Loss+pi.LogZ() > 0.5*(before.Loss+pi.LogZ()) {
				t.Error("training does not lower the loss")
			}
		})
	}
	for seed := range uint64(3) {
		bound("scrambled", *evaluate(t, mera(t, 4, seed), pi, 2000, seed))
	}
}

// A correlated normal density can be learnt to the end: the loss comes to −ln Z, the
// variance to 0 and the effective sample size to 1.
func TestTrainGaussian(t *testing.T) {
	a := mat.NewSymDense(4, []float64{
		2, 0.8, 0, 0.3,
		0.8, 1.5, -0.5, 0,
		0, -0.5, 1, 0.4,
		0.3, 0, 0.4, 0.7,
	})
	d := target.Func(4, func(grad, x []float64) float64 {
		sum := 0.0
		for i := range x {
			ax := 0.0
			for j, v := range x {
				ax += a.At(i, j) * v
			}
			sum -= x[i] * ax / 2
			if grad != nil {
				grad[i] = -ax
			}
		}
		return sum
	})
	logDet, sign := mat.LogDet(a)
	if sign <= 0 {
		t.Fatal("no density")
	}
	lnZ := 2*math.Log(2*math.Pi) - logDet/2
	for _, dt := range []tensor.Dtype{tensor.Float64, tensor.Float32} {
		b := must(bijector.NewRealNVP(4, &bijector.RealNVPSettings{Couplings: 6, Hidden: []int{8},
			Src: rand.NewPCG(1, 1)}))
		m := model(t, b).as(dt)
		for _, rate := range []float64{1e-2, 2e-3} {
			train(t, m, d, &Settings{Steps: 400, Batch: 256, Optimizer: OptimizerSettings{LearnRate: rate},
				Src: rand.NewPCG(2, 2)})
		}
		e := evaluate(t, m, d, 5000, 3)
		t.Logf("%v: gap %.5f ± %.5f, ln Z off by %.1e, ESS %.4f", dt, e.Loss+lnZ, e.StdErr, e.LogZ-lnZ, e.ESS)
		if gap := e.Loss + lnZ; gap > 0.01 || gap < -4*e.StdErr {
			t.Errorf("%v: gap %.5f ± %.5f", dt, gap, e.StdErr)
		}
		if e.ESS < 0.98 || e.Variance > 0.02 {
			t.Errorf("%v: effective sample size %g, variance %g", dt, e.ESS, e.Variance)
		}
		if stdErr := math.Sqrt((1/e.ESS - 1) / float64(e.Samples)); math.Abs(e.LogZ-lnZ) > 4*stdErr {
			t.Errorf("%v: ln Z %g ± %g, want %g", dt, e.LogZ, stdErr, lnZ)
		}
	}
}

// A step goes down the gradient of the loss: with one small step the loss of
// the same batch falls by rate·Σ|∂loss/∂θ|, Adam's first step being rate·sign.
func TestFirstStepGoesDownhill(t *testing.T) {
	pi := ising(t, 4)
	for name, m := range variants(t, 3) {
		if m.dtype != tensor.Float64 {
			continue
		}
		const rate, rows = 1e-7, 64
		loss := func() (float64, float64) {
			logq, logpi := make([]float64, rows), make([]float64, rows)
			z := make([]float64, rows*16)
			m.draw(z, rand.New(rand.NewPCG(4, 4)))
			out := [][]float64{logq, logpi}
			for _, p := range m.Params() {
				out = append(out, make([]float64, p.Value().Shape().TotalSize()))
			}
			if err := stepProgram(m, pi, ReverseKL{}, nil).Run(rows, [][]float64{z, {1}}, out); err != nil {
				t.Fatal(err)
			}
			mean, norm := 0.0, 0.0
			for r := range logq {
				mean += (logq[r] - logpi[r]) / rows
			}
			for _, g := range out[2:] {
				for _, v := range g {
					norm += math.Abs(v)
				}
			}
			return mean, norm
		}
		before, slope := loss()
		tr, err := NewTrainer(m, pi, &Settings{Batch: rows, Optimizer: OptimizerSettings{LearnRate: rate},
			Src: rand.NewPCG(4, 4)})
		if err != nil {
			t.Fatal(err)
		}
		r, err := tr.Step()
		if err != nil {
			t.Fatal(err)
		}
		wantClose(t, name+": loss of the step", []float64{r.Loss}, []float64{before}, 1e-13)
		after, _ := loss()
		if fall := before - after; math.Abs(fall/(rate*slope)-1) > 0.01 {
			t.Errorf("%s: the loss falls by %g, want %g", name, fall, rate*slope)
		}
	}
}

// The same seed gives the same bits, run after run and whatever the number of
// processors.
func TestTrainSameBits(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	pi := ising(t, 4)
	for name := range variants(t, 5) {
		t.Run(name, func(t *testing.T) {
			run := func(procs int, seed uint64) (losses, weights []float64) {
				runtime.GOMAXPROCS(procs)
				m := variants(t, 5)[name]
				train(t, m, pi, &Settings{Steps: 50, Batch: 64, Src: rand.NewPCG(seed, 6),
					Recorder: RecorderFunc(func(r *Report) error {
						losses = append(losses, r.Loss, r.Variance, r.ESS, r.Running.Loss)
						return nil
					})})
				return losses, params(m)
			}
			losses, weights := run(1, 5)
			for _, procs := range []int{1, 2, 7} {
				l, w := run(procs, 5)
				wantSame(t, "losses", l, losses)
				wantSame(t, "parameters", w, weights)
			}
			if _, w := run(2, 6); slices.Equal(w, weights) {
				t.Error("another seed gives the same parameters")
			}
		})
	}
}

// Training in parts is training in one go, and training a model trains those
// that share its parameters.
func TestTrainerRun(t *testing.T) {
	pi := ising(t, 4)
	settings := func() *Settings { return &Settings{Steps: 12, Batch: 32, Window: 5, Src: rand.NewPCG(7, 7)} }
	whole := variants(t, 6)["float64"]
	want := train(t, whole, pi, settings())

	m := variants(t, 6)["float64"]
	single, sym := m.Float32(), symmetrize(t, m, Inversion(16))
	x := randn(1, 3, 16)
	before := append(logProbs(t, single, x), logProbs(t, sym, x)...)
	tr, err := NewTrainer(m, pi, settings())
	if err != nil {
		t.Fatal(err)
	}
	if r := tr.Result(); r.Steps != 0 || r.Samples != 0 || !math.IsNaN(r.Loss) {
		t.Errorf("before the first step: %+v", r)
	}
	for _, steps := range []int{5, 0, 7} {
		if err := tr.Run(context.Background(), steps); err != nil {
			t.Fatal(err)
		}
	}
	wantSame(t, "parameters", params(m), params(whole))
	if got := tr.Result(); *got != *want {
		t.Errorf("result %+v, want %+v", got, want)
	}
	after := append(logProbs(t, single, x), logProbs(t, sym, x)...)
	for i := range after {
		if after[i] == before[i] {
			t.Errorf("ln q %d of a model that shares parameters did not change", i)
		}
	}
	wantClose(t, "float32", logProbs(t, single, x), logProbs(t, m, x), 1e-5)
}

// Every step is reported, in order, with the estimate of its batch; Running
// is the estimate of the last Window batches together.
func TestRecorder(t *testing.T) {
	const steps, batch = 17, 20
	for _, window := range []int{1, 4, 17, 50} {
		var reports []Report
		m := variants(t, 7)["float64"]
		var samples []float64 // ln(q/π), all of them
		last := []float64(nil)
		pi := target.Func(16, func(grad, x []float64) float64 {
			sum := 0.0
			for i, v := range x {
				sum -= v * v
				if grad != nil {
					grad[i] = -2 * v
				}
			}
			last = append(last, sum)
			return sum
		})
		tr, err := NewTrainer(m, pi, &Settings{Batch: batch, Window: window, Src: rand.NewPCG(8, 8),
			Recorder: keep(&reports)})
		if err != nil {
			t.Fatal(err)
		}
		for k := range steps {
			last = nil
			r, err := tr.Step()
			if err != nil {
				t.Fatal(err)
			}
			if len(reports) != k+1 || *r != reports[k] || r.Step != k+1 {
				t.Fatalf("step %d: %d reports, the last %+v", k+1, len(reports), r)
			}
			for i, v := range tr.logq {
				samples = append(samples, v-last[i])
			}
			wantEstimate(t, "of the step", r.Estimate, direct(samples[k*batch:]), 1e-10)
			wantEstimate(t, "running", r.Running, direct(samples[max(0, k+1-window)*batch:]), 1e-10)
		}
		if res := tr.Result(); res.Steps != steps || res.Estimate != reports[steps-1].Running {
			t.Errorf("result %+v, last report %+v", res, reports[steps-1])
		}
	}
}

func TestTrainSettings(t *testing.T) {
	m, pi, src := variants(t, 8)["float64"], ising(t, 4), rand.NewPCG(1, 2)
	ctx := context.Background()
	for _, c := range []struct {
		name  string
		m     *Model
		d     target.Density
		s     *Settings
		is    error
		texts []string
	}{
		{"nil settings", m, pi, nil, ErrSettings, []string{"source"}},
		{"nil source", m, pi, &Settings{Steps: 1}, ErrSettings, []string{"source"}},
		{"no steps", m, pi, &Settings{Src: src}, ErrSettings, []string{"0 steps"}},
		{"negative steps", m, pi, &Settings{Steps: -2, Src: src}, ErrSettings, []string{"-2 steps"}},
		{"negative batch", m, pi, &Settings{Steps: 1, Batch: -5, Src: src}, ErrSettings, []string{"batch of -5"}},
		{"negative rate", m, pi, &Settings{Steps: 1, Optimizer: OptimizerSettings{LearnRate: -1e-3}, Src: src},
			ErrSettings,
			[]string{"learning rate -0.001"}},
		{"NaN rate", m, pi, &Settings{Steps: 1, Optimizer: OptimizerSettings{LearnRate: math.NaN()}, Src: src},
			ErrSettings,
			[]string{"learning rate NaN"}},
		{"infinite rate", m, pi, &Settings{Steps: 1, Optimizer: OptimizerSettings{LearnRate: math.Inf(1)}, Src: src},
			ErrSettings,
			[]string{"learning rate +Inf"}},
		{"negative window", m, pi, &Settings{Steps: 1, Window: -1, Src: src}, ErrSettings, []string{"window of -1"}},
		{"nil model", nil, pi, &Settings{Steps: 1, Src: src}, ErrSettings, nil},
		{"nil target", m, nil, &Settings{Steps: 1, Src: src}, ErrSettings, nil},
		{"dimensions differ", m, target.NewNormal(15), &Settings{Steps: 1, Src: src}, ErrShape,
			[]string{"model of dimension 16", "target of dimension 15"}},
	} {
		before := params(m)
		res, err := Train(ctx, c.m, c.d, c.s)
		wantError(t, c.name, err, c.is, append(c.texts, "flow: ")...)
		if res != nil {
			t.Errorf("%s: a result beside the error", c.name)
		}
		wantSame(t, c.name+": parameters", params(m), before)
		if tr, err := NewTrainer(c.m, c.d, c.s); (err == nil) != (c.name == "no steps" || c.name == "negative steps") ||
			(err == nil) != (tr != nil) {
			t.Errorf("%s: NewTrainer gives error %v", c.name, err)
		}
	}
	tr, err := NewTrainer(m, pi, &Settings{Src: src})
	if err != nil {
		t.Fatal(err)
	}
	if s := tr.s; s.Batch != 512 || s.Optimizer.LearnRate != 1e-3 || s.Window != 100 {
		t.Errorf("defaults %+v", s)
	}
}

// Whatever goes wrong at step k, training stops there, says so, and leaves the
// parameters of step k−1 bit for bit.
func TestTrainStops(t *testing.T) {
	const batch, failing, steps = 16, 4, 9
	broken := errors.New("broken")
	for _, c := range []struct {
		name  string
		value func(grad []float64, value float64) float64 // of one row of the failing step
		is    error
		texts []string
	}{
		{"NaN", func(_ []float64, _ float64) float64 { return math.NaN() }, ErrNotFinite,
			[]string{"row 7", "ln π is NaN"}},
		{"+∞", func(_ []float64, _ float64) float64 { return math.Inf(1) }, ErrNotFinite,
			[]string{"row 7", "ln π is +Inf"}},
		{"−∞", func(_ []float64, _ float64) float64 { return math.Inf(-1) }, ErrNotFinite,
			[]string{"row 7", "ln π is -Inf"}},
		{"NaN gradient", func(grad []float64, v float64) float64 { grad[3] = math.NaN(); return v }, ErrNotFinite,
			[]string{"gradient"}},
		{"infinite gradient", func(grad []float64, v float64) float64 { grad[0] = math.Inf(1); return v }, ErrNotFinite,
			[]string{"gradient"}},
		{"panic", func([]float64, float64) float64 { panic("no such site") }, nil, []string{"no such site"}},
		{"panic with an error", func([]float64, float64) float64 { panic(broken) }, nil, []string{"broken"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, variant := range []string{"float64", "float32, symmetrised"} {
				calls := 0
				quadratic := gaussianFunc(1.3)
				d := target.Func(16, func(grad, x []float64) float64 {
					v := quadratic(grad, x)
					if grad == nil { // not a training step
						return v
					}
					if calls++; calls == (failing-1)*batch+8 {
						return c.value(grad, v)
					}
					return v
				})
				settings := func(steps int) *Settings {
					return &Settings{Steps: steps, Batch: batch,
						Src: rand.NewPCG(9, 9)}
				}
				m, twin := variants(t, 9)[variant], variants(t, 9)[variant]
				res, err := Train(context.Background(), m, d, settings(steps))
				wantError(t, variant, err, c.is, append(c.texts, "flow: step 4:")...)
				want := train(t, twin, target.Func(16, quadratic), settings(failing-1))
				if res == nil || *res != *want {
					t.Errorf("%s: result %+v, want %+v", variant, res, want)
				}
				wantSame(t, variant+": parameters", params(m), params(twin))
			}
		})
	}
}

// A trainer can go on after a bad batch.
func TestTrainerGoesOn(t *testing.T) {
	calls, bad := 0, true
	quadratic := gaussianFunc(1.3)
	d := target.Func(16, func(grad, x []float64) float64 {
		if calls++; calls > 30 && bad {
			return math.NaN()
		}
		return quadratic(grad, x)
	})
	tr, err := NewTrainer(variants(t, 9)["float64"], d, &Settings{Batch: 10, Src: rand.NewPCG(1, 1)})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	wantError(t, "first", tr.Run(ctx, 5), ErrNotFinite, "step 4")
	wantError(t, "again", tr.Run(ctx, 5), ErrNotFinite, "step 4")
	bad = false
	if err := tr.Run(ctx, 2); err != nil || tr.Result().Steps != 5 || tr.Result().Samples != 50 {
		t.Errorf("error %v, result %+v", err, tr.Result())
	}
}

func TestTrainStoppedFromOutside(t *testing.T) {
	pi := ising(t, 4)
	enough := errors.New("enough")
	ctx, cancel := context.WithCancel(context.Background())
	at := func(step int, f func() error) Recorder {
		return RecorderFunc(func(r *Report) error {
			if r.Step == step {
				return f()
			}
			return nil
		})
	}
	done, cancelled := context.WithCancel(context.Background())
	cancelled()
	for _, c := range []struct {
		name  string
		ctx   context.Context
		r     Recorder
		steps int
		is    error
		text  string
	}{
		{"recorder", context.Background(), at(3, func() error { return enough }), 3, enough,
			"flow: step 3: recorder: enough"},
		{"cancelled", ctx, at(5, func() error { cancel(); return nil }), 5, context.Canceled,
			"flow: training stopped after step 5"},
		{"cancelled before", done, nil, 0, context.Canceled, "after step 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, twin := variants(t, 10)["float64"], variants(t, 10)["float64"]
			settings := Settings{Steps: 8, Batch: 16, Src: rand.NewPCG(3, 3), Recorder: c.r}
			res, err := Train(c.ctx, m, pi, &settings)
			wantError(t, "Train", err, c.is, c.text)
			if (res != nil) != (c.steps > 0) {
				t.Fatalf("result %v, want %d steps", res, c.steps)
			}
			if c.steps > 0 {
				if res.Steps != c.steps || res.Samples != 16*c.steps {
					t.Errorf("result %v, want %d steps", res, c.steps)
				}
				train(t, twin, pi, &Settings{Steps: c.steps, Batch: 16, Src: rand.NewPCG(3, 3)})
			}
			wantSame(t, "parameters", params(m), params(twin))
		})
	}
}

// idle is a bijector with one parameter more, which takes no part.
type idle struct {
	bijector.Bijector
	extra *bijector.Param
}

func (b idle) Params() []*bijector.Param {
	return append([]*bijector.Param{b.extra}, b.Bijector.Params()...)
}

func TestTrainUnusedParameter(t *testing.T) {
	pi := ising(t, 4)
	for _, dt := range []tensor.Dtype{tensor.Float64, tensor.Float32} {
		m, twin := variants(t, 11)["float64"], variants(t, 11)["float64"]
		extra := must(bijector.NewParam("extra", []float64{1, 2, 3}, 3))
		with := model(t, idle{m.Bijector(), extra}).as(dt)
		train(t, with, pi, &Settings{Steps: 5, Batch: 16, Src: rand.NewPCG(1, 1)})
		train(t, twin.as(dt), pi, &Settings{Steps: 5, Batch: 16, Src: rand.NewPCG(1, 1)})
		wantSame(t, "unused parameter", extra.Value().Float64s(), []float64{1, 2, 3})
		wantSame(t, "parameters", params(m), params(twin))
	}
}

// shift is a user's bijector, x = z + by, built from Gorgonia's own nodes.
type shift struct{ by *bijector.Param }

func newShift(dim int) shift {
	return shift{must(bijector.NewParam("by", make([]float64, dim), dim))}
}

func (b shift) Dim() int                  { return b.by.Value().Shape()[0] }
func (b shift) Params() []*bijector.Param { return []*bijector.Param{b.by} }

func (b shift) Forward(z *gorgonia.Node) (x, logDet *gorgonia.Node, err error) {
	if x, err = gorgonia.BroadcastAdd(z, b.by.Node(z), nil, []byte{0}); err != nil {
		return nil, nil, err
	}
	logDet, err = zeros(z)
	return x, logDet, err
}

func (b shift) Inverse(x *gorgonia.Node) (z, logDet *gorgonia.Node, err error) {
	if z, err = gorgonia.BroadcastSub(x, b.by.Node(x), nil, []byte{0}); err != nil {
		return nil, nil, err
	}
	logDet, err = zeros(x)
	return z, logDet, err
}

// zeros is a zero for every row.
func zeros(x *gorgonia.Node) (*gorgonia.Node, error) {
	sum, err := gorgonia.Sum(x, 1)
	if err != nil {
		return nil, err
	}
	return graph.Combine(0, []float64{0}, sum)
}

// A user's bijector trains as our own do: the shift becomes the mean of the
// target.
func TestTrainUserBijector(t *testing.T) {
	bijectortest.Check(t, newShift(3))
	quadratic := gaussianFunc(1)
	d := target.Func(3, func(grad, x []float64) float64 { // N((1, 2, 3), 1)
		return quadratic(grad, []float64{x[0] - 1, x[1] - 2, x[2] - 3})
	})
	for _, dt := range []tensor.Dtype{tensor.Float64, tensor.Float32} {
		m := model(t, newShift(3)).as(dt)
		for _, rate := range []float64{0.03, 0.001} {
			train(t, m, d, &Settings{Steps: 300, Batch: 64, Optimizer: OptimizerSettings{LearnRate: rate},
				Src: rand.NewPCG(1, 1)})
		}
		wantClose(t, "shift", params(m), []float64{1, 2, 3}, 0.02)
	}
}

// A gradient that is infinite but nowhere NaN stops training too.
func TestTrainInfiniteGradient(t *testing.T) {
	quadratic := gaussianFunc(1)
	d := target.Func(3, func(grad, x []float64) float64 {
		v := quadratic(grad, x)
		if grad != nil {
			grad[1] = math.Inf(1)
		}
		return v
	})
	m := model(t, newShift(3))
	_, err := Train(context.Background(), m, d, &Settings{Steps: 2, Batch: 8, Src: rand.NewPCG(1, 1)})
	wantError(t, "Train", err, ErrNotFinite, "flow: step 1: gradient component 1", "-Inf")
	wantSame(t, "parameters", params(m), make([]float64, 3))
}

// A model without parameters has nothing to learn but is judged all the same.
func TestTrainNoParameters(t *testing.T) {
	m := model(t, must(bijector.NewPermutation([]int{1, 2, 0})))
	res := train(t, m, target.NewNormal(3), &Settings{Steps: 3, Batch: 10, Src: rand.NewPCG(1, 1)})
	if res.Steps != 3 || math.Abs(res.Loss) > 1e-12 || res.Samples != 30 {
		t.Errorf("result %+v", res)
	}
}
