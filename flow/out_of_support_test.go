package flow

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/target"
)

// walls is the normal density of four variables, cut by hard walls at ±.8;
// −ln Z is 2.2046.
var walls = target.Func(4, func(grad, x []float64) float64 {
	sum := -2 * math.Log(2*math.Pi)
	for i, v := range x {
		if sum -= v * v / 2; math.Abs(v) > 0.8 {
			sum = math.Inf(-1)
		}
		if grad != nil {
			grad[i] = -v
		}
	}
	return sum
})

var wallsLogZ = 4 * math.Log(math.Erf(0.8/math.Sqrt2))

// Samples behind hard walls have weight zero: they count in ESS and ln Z, and the
// loss is infinite.
func TestEvaluateBehindWalls(t *testing.T) {
	for _, batch := range []int{1, 7, 2000} {
		e, err := Evaluate(t.Context(), model(t, newShift(4)), walls,
			&EvaluateSettings{Samples: 2000, Batch: batch, Src: rand.NewPCG(1, 1)})
		if err != nil {
			t.Fatal(err)
		}
		inside := math.Exp(wallsLogZ)
		err2 := math.Sqrt(inside * (1 - inside) / 2000)
		if !(math.Abs(e.LogZ-wallsLogZ) < 4*e.LogZErr && math.Abs(e.LogZErr-err2/inside) < 0.02) || e.Samples != 2000 {
			t.Errorf("ln Z %g ± %g, want %g ± %g", e.LogZ, e.LogZErr, wallsLogZ, err2/inside)
		}
		if got := 1 - float64(e.OutOfSupport)/2000; math.Abs(got-inside) > 4*err2 || math.Abs(e.ESS-got) > 1e-9 {
			t.Errorf("%g inside, ESS %g, want %g", got, e.ESS, inside)
		}
		if !math.IsInf(e.Loss, 1) || !math.IsNaN(e.StdErr) || !math.IsNaN(e.Variance) {
			t.Errorf("loss %g ± %g, variance %g: no bound is known", e.Loss, e.StdErr, e.Variance)
		}
		if s := e.String(); !strings.Contains(s, "outside the support") || !strings.Contains(s, "+Inf") {
			t.Errorf("no word of the walls:\n%s", s)
		}
	}
	// Nothing but walls.
	nowhere := target.Func(4, func(_, _ []float64) float64 { return math.Inf(-1) })
	e := evaluate(t, model(t, newShift(4)), nowhere, 60, 1)
	if e.OutOfSupport != 60 || e.ESS != 0 || !math.IsInf(e.LogZ, -1) || !math.IsInf(e.LogZErr, 1) ||
		!math.IsInf(e.Loss, 1) {
		t.Errorf("%v", e)
	}
}

// Training on what is inside the walls claims no bound, and its ln Z counts what
// is behind them; from file to file as well.
func TestTrainBehindWalls(t *testing.T) {
	_, err := Train(t.Context(), model(t, newShift(4)), walls, &Settings{Steps: 5, Batch: 64, Src: rand.NewPCG(1, 1)})
	wantError(t, "stop", err, ErrNotFinite, "step 1", "outside the support of the target")

	for _, policy := range []FaultPolicy{FaultSkip, FaultShrink} {
		trainer := func(seed uint64) *Trainer {
			return must(NewTrainer(model(t, newShift(4)), walls, &Settings{
				Batch:     1,
				Optimizer: OptimizerSettings{LearnRate: 1e-9},
				Window:    60,
				Faults:    FaultSettings{Policy: policy, Max: 1000},
				Src:       rand.NewPCG(seed, 1),
			}))
		}
		tr := trainer(1)
		if err := tr.Run(t.Context(), 80); err != nil {
			t.Fatal(err)
		}
		res := tr.Result()
		// Every step ends with its first sample inside: the number of samples for 60
		// of them has a relative error of 1/√60.
		if !math.IsInf(res.Loss, 1) || res.OutOfSupport == 0 || res.Samples != res.OutOfSupport+60 ||
			math.Abs(res.LogZ-wallsLogZ) > 4/math.Sqrt(60) {
			t.Errorf("%v", res)
		}
		if math.Abs(res.ESS-math.Exp(res.LogZ)) > 1e-9 {
			t.Errorf("ESS %g, want %g", res.ESS, math.Exp(res.LogZ))
		}
		var file bytes.Buffer
		if err := tr.Save(&file); err != nil {
			t.Fatal(err)
		}
		other := trainer(2)
		if err := other.Restore(&file); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(other.window, tr.window) {
			t.Error("another window")
		}
		a, errA := tr.Step()
		b, errB := other.Step()
		if errA != nil || errB != nil || a.Running.Samples != b.Running.Samples || a.Running.LogZ != b.Running.LogZ {
			t.Errorf("%v, %v, then %v, %v", a, errA, b, errB)
		}
	}
}

// What failed is counted where nothing is known of it, and where all is known it
// is counted as what it is.
func TestDroppedIsCounted(t *testing.T) {
	const batch = 8
	quadratic := gaussianFunc(1)
	calls := 0
	d := target.Func(2, func(grad, x []float64) float64 {
		v := quadratic(grad, x)
		switch calls++; {
		case calls == 3 || calls == 2*batch+1:
			return math.NaN()
		case calls == 4*batch: // its value is known
			grad[0] = math.Inf(1)
		}
		return v
	})
	tr, err := NewTrainer(model(t, newShift(2)), d, &Settings{Batch: batch, Faults: FaultSettings{Policy: FaultSkip},
		Src: rand.NewPCG(1, 1)})
	if err != nil {
		t.Fatal(err)
	}
	var got [][3]int
	for range 3 {
		r, err := tr.Step()
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, [3]int{r.Samples, r.Dropped, r.Faults})
	}
	// NaN, good; NaN, infinite gradient, good; good.
	if want := [][3]int{{batch, batch, 1}, {2 * batch, batch, 3}, {batch, 0, 3}}; !reflect.DeepEqual(got, want) {
		t.Errorf("samples, dropped, faults %v, want %v", got, want)
	}
	res := tr.Result()
	if res.Dropped != 2*batch || !strings.Contains(res.String(), "no bound") ||
		!strings.Contains(res.String(), "16 more samples were dropped") {
		t.Errorf("%v", res)
	}
	var file bytes.Buffer
	if err := tr.Save(&file); err != nil {
		t.Fatal(err)
	}
	if err := tr.Restore(&file); err != nil || tr.Result().Dropped != 2*batch {
		t.Errorf("%v, error %v", tr.Result(), err)
	}
}

// Walls without the symmetry of the model are found.
func TestAsymmetricWalls(t *testing.T) {
	half := target.Func(4, func(_, x []float64) float64 {
		if x[0] < 0 {
			return math.Inf(-1)
		}
		return 0
	})
	m := symmetrize(t, model(t, newShift(4)), Inversion(4))
	_, err := Evaluate(t.Context(), m, half, &EvaluateSettings{Samples: 60, Src: rand.NewPCG(1, 1)})
	wantError(t, "half a space", err, ErrSymmetry, "-Inf")
	if _, err := Evaluate(t.Context(), m, walls, &EvaluateSettings{Samples: 60, Src: rand.NewPCG(1, 1)}); err != nil {
		t.Errorf("walls on both sides: %v", err)
	}
}

// Reports of what is not finite go into JSON and come back.
func TestReportsInJSON(t *testing.T) {
	inf := math.Inf(1)
	for _, r := range []Report{
		{Step: 3, Estimate: Estimate{Samples: 5, Loss: inf, LogZ: -inf, LogZErr: inf, OutOfSupport: 5}, LearnRate: 1e-3,
			Data: -inf},
		{Step: 4, Steps: 9, Running: Estimate{Samples: 5, LogZErr: inf, Dropped: 7},
			Evaluation: &Estimate{LogZErr: inf, TailIndex: inf, Forward: &Forward{
				Samples: 7, Bound: inf, StdErr: 1.5, ESS: 1e-300, LogZ: 2, LogZErr: 3, TailIndex: 0.25,
				OutOfSupport: 3, Deviation: 4,
			}}},
	} {
		text, err := json.Marshal(r)
		var back Report
		if err == nil {
			err = json.Unmarshal(text, &back)
		}
		if err != nil || !reflect.DeepEqual(back, r) {
			t.Errorf("%+v comes back as %+v, error %v", r, back, err)
		}
	}
	res := Result{Steps: 5, Faults: 2, Estimate: Estimate{Samples: 3, StdErr: math.NaN(), Loss: 1.25}}
	text, err := json.Marshal(&res)
	var back Result
	if err == nil {
		err = json.Unmarshal(text, &back)
	}
	if err != nil || back.Steps != 5 || back.Faults != 2 || !math.IsNaN(back.StdErr) || back.Loss != 1.25 ||
		back.Samples != 3 {
		t.Errorf("%s comes back as %+v, error %v", text, back, err)
	}
	if !strings.Contains(string(text), `"StdErr":"NaN"`) {
		t.Errorf("%s", text)
	}
}

// An estimate is a few lines with errors, in nats.
func TestEstimatePrints(t *testing.T) {
	e := Estimate{
		Samples: 10000, Loss: -148.62104, StdErr: 0.00412, Variance: 0.17, ESS: 0.8712, LogZ: 148.7049, LogZErr: 0.0038,
		TailIndex: 0.123,
		Forward: &Forward{Samples: 500, Bound: 148.79, StdErr: 0.021, ESS: 0.86, LogZ: 148.71, LogZErr: 0.013,
			TailIndex: 0.1, Deviation: -0.4},
	}
	want := `loss    -148.6210 ± 0.0041 nats, an upper bound of -ln Z
ln Z    148.7049 ± 0.0038 nats, from 10000 samples of the model
ESS     0.871 of these, tail index of the weights 0.12
target  ln Z ≤ 148.790 ± 0.021 nats, from 500 configurations of the target
ln Z    148.710 ± 0.013 nats, from these
ESS     0.86 of these, tail index of the weights 0.10
note    both estimates of ln Z agree, within 0.4 of their error`
	if got := e.String(); got != want {
		t.Errorf("prints as\n%s\nwant\n%s", got, want)
	}
	if got := (&e).String(); got != want {
		t.Error("a pointer prints otherwise")
	}
	e.Forward = nil
	e.TailIndex, e.LogZErr = 0.83, math.Inf(1)
	for _, s := range []string{"error unknown", "index 0.83, above 0.70", "cannot show what it never proposes"} {
		if got := e.String(); !strings.Contains(got, s) {
			t.Errorf("%q is missing in\n%s", s, got)
		}
	}
	res := Result{Steps: 500, Faults: 2, Estimate: e}
	if got := res.String(); !strings.HasPrefix(got, "500 steps, 2 faults; ") ||
		!strings.Contains(got, "\nloss    -148.6210 ± 0.0041 nats") {
		t.Errorf("prints as\n%s", got)
	}
	r := Report{Step: 7, Steps: 90, Estimate: e, Running: e, LearnRate: 1e-3, Faults: 1, Evaluation: &e}
	want = "step 7 of 90: loss -148.6210 ± 0.0041 nats" +
		" (running -148.6210 ± 0.0041 nats), ESS 0.87, learning rate 0.001, 1 faults\n" +
		"  held out: loss -148.6210 ± 0.0041 nats, ln Z 148.705 nats (error unknown), ESS 0.87"
	if got := r.String(); got != want {
		t.Errorf("prints as\n%s\nwant\n%s", got, want)
	}
	var none moments
	if got := none.estimate(nil).String(); strings.Contains(got, "NaN ±") || !strings.Contains(got, "unknown") ||
		!strings.Contains(got, "no bound") {
		t.Errorf("no samples print as\n%s", got)
	}
}

// An evaluation whose sums overflow is an error, whichever of them does.
func TestHeldOutOverflow(t *testing.T) {
	for name, c := range map[string]struct {
		policy FaultPolicy
		value  func(x []float64) float64
	}{
		"variance": {FaultStop, func(x []float64) float64 { return 1e200 * x[0] }},
		"weights":  {FaultStop, func([]float64) float64 { return -1.5e308 }},
		"skipped":  {FaultSkip, func(x []float64) float64 { return 1e200 * x[0] }},
	} {
		quadratic := gaussianFunc(1)
		d := target.Func(2, func(grad, x []float64) float64 {
			if grad == nil { // an evaluation
				return c.value(x)
			}
			return quadratic(grad, x)
		})
		b := bijector.Bijector(newShift(2))
		tr, err := NewTrainer(model(t, b), d, &Settings{
			Batch:  8,
			Faults: FaultSettings{Policy: c.policy},
			Src:    rand.NewPCG(1, 1),
			Evaluation: &EvaluationSettings{EvaluateSettings: EvaluateSettings{Samples: 8, Src: rand.NewPCG(2, 2)},
				Every: 1},
		})
		if err != nil {
			t.Fatal(err)
		}
		r, err := tr.Step()
		if c.policy == FaultStop {
			wantError(t, name, err, ErrNotFinite, "step 1: evaluation: ")
			_, err = Evaluate(t.Context(), model(t, b), d, &EvaluateSettings{Samples: 8, Src: rand.NewPCG(2, 2)})
			wantError(t, name, err, ErrNotFinite, "flow: Evaluate: ")
		} else if err != nil || r.Faults != 1 || r.Evaluation != nil {
			t.Errorf("%s: %v, error %v", name, r, err)
		}
	}
}
