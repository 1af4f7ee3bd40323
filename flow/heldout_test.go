package flow

import (
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/neuralrg/neuralrg/target"
)

// Every EvaluateEvery-th report has what Evaluate says of the model as the step
// left it, with the same source; the others have none. Reports survive JSON.
func TestHeldOut(t *testing.T) {
	const every, steps = 3, 10
	pi := ising(t, 4)
	for name, m := range variants(t, 4) {
		var reports []Report
		src := rand.NewPCG(5, 6)
		tr, err := NewTrainer(m, pi, &Settings{
			Batch:     16,
			Optimizer: OptimizerSettings{LearnRate: 0.01, Schedule: Cosine(12, 2)},
			Src:       rand.NewPCG(1, 2),
			Recorder:  keep(&reports),
			Evaluation: &EvaluationSettings{EvaluateSettings: EvaluateSettings{Samples: 50, Batch: 20,
				Src: rand.NewPCG(5, 6)}, Every: every},
		})
		if err != nil {
			t.Fatal(err)
		}
		evaluations := 0
		for k := range steps {
			r, err := tr.Step()
			if err != nil || *r != reports[k] {
				t.Fatalf("%s: report %+v, error %v", name, r, err)
			}
			if rate := 0.01 * Cosine(12, 2)(k+1); math.Abs(r.LearnRate-rate) > 1e-17 {
				t.Errorf("%s: step %d: learning rate %g, want %g", name, k+1, r.LearnRate, rate)
			}
			if (r.Evaluation != nil) != (r.Step%every == 0) {
				t.Fatalf("%s: step %d: evaluation %v", name, r.Step, r.Evaluation)
			}
			text, err := json.Marshal(r)
			var back Report
			if err == nil {
				err = json.Unmarshal(text, &back)
			}
			if err != nil || !reflect.DeepEqual(back, *r) {
				t.Errorf("%s: %+v comes back as %+v, error %v", name, *r, back, err)
			}
			if r.Evaluation == nil {
				continue
			}
			evaluations++
			want, err := Evaluate(t.Context(), m, pi, &EvaluateSettings{Samples: 50, Batch: 20, Src: src})
			if err != nil || *r.Evaluation != *want {
				t.Errorf("%s: step %d: %+v, want %+v, error %v", name, r.Step, r.Evaluation, want, err)
			}
		}
		if evaluations != steps/every {
			t.Errorf("%d evaluations", evaluations)
		}
	}
}

// Training does not know that it is watched: evaluation, averaging and a plateau
// that is never reached change nothing, to the bit.
func TestWatchedTrainingIsTheSame(t *testing.T) {
	for name := range variants(t, 4) {
		run := func(watched, path bool) ([]float64, []Report) {
			m := variants(t, 4)[name]
			var reports []Report
			s := &Settings{Steps: 20, Batch: 16, Objective: ReverseKL{PathGradient: path}, Src: rand.NewPCG(1, 2),
				Recorder: keep(&reports)}
			if watched {
				s.Evaluation = &EvaluationSettings{EvaluateSettings: EvaluateSettings{Samples: 16,
					Src: rand.NewPCG(5, 6)}, Every: 1}
				s.Optimizer.Plateau, s.Optimizer.Average = &Plateau{Patience: 30}, 0.9
			}
			tr, err := NewTrainer(m, ising(t, 4), s)
			if err == nil {
				err = tr.Run(t.Context(), 20)
			}
			if err != nil {
				t.Fatal(err)
			}
			for k := range reports {
				if (reports[k].Evaluation != nil) != watched {
					t.Fatal("watched, or not")
				}
				reports[k].Evaluation = nil
			}
			return params(m), reports
		}
		for _, path := range []bool{false, true} {
			want, plain := run(false, path)
			got, reports := run(true, path)
			wantSame(t, name, got, want)
			for k := range plain {
				if reports[k] != plain[k] {
					t.Errorf("%s: report %+v, want %+v", name, reports[k], plain[k])
				}
			}
		}
	}
}

// An evaluation that fails ends training under FaultStop, after its step, of
// which the recorder is told; else it is a fault that is counted.
func TestHeldOutFaults(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		policy FaultPolicy
		panics bool
		also   error // of the recorder
	}{{FaultStop, false, nil}, {FaultStop, true, nil}, {FaultStop, false, broken}, {FaultSkip, false, nil},
		{FaultShrink, true, nil}} {
		quadratic, recorded := gaussianFunc(1.3), 0
		d := target.Func(3, func(grad, x []float64) float64 {
			if grad == nil { // an evaluation
				if c.panics {
					panic("no such site")
				}
				return math.NaN()
			}
			return quadratic(grad, x)
		})
		m := model(t, newShift(3)).Float32()
		tr, err := NewTrainer(m, d, &Settings{
			Batch:  8,
			Faults: FaultSettings{Policy: c.policy},
			Src:    rand.NewPCG(1, 1),
			Evaluation: &EvaluationSettings{EvaluateSettings: EvaluateSettings{Samples: 8, Src: rand.NewPCG(2, 2)},
				Every: 2},
			Recorder: RecorderFunc(func(r *Report) error {
				if recorded++; recorded == 2 {
					return c.also
				}
				return nil
			}),
		})
		if err != nil {
			t.Fatal(err)
		}
		err = tr.Run(t.Context(), 4)
		if c.policy == FaultStop {
			is := ErrNotFinite
			if c.panics {
				is = nil
			}
			wantError(t, "evaluation", err, is, "flow: step 2: evaluation: ")
			if c.also != nil {
				wantError(t, "recorder", err, c.also, "step 2: recorder: broken")
			}
			if tr.Result().Steps != 2 || recorded != 2 || tr.Result().Faults != 0 {
				t.Errorf("%+v, %d of %d recorded", c, recorded, tr.Result().Steps)
			}
			err = tr.Run(t.Context(), 1) // on with the next
		}
		if res := tr.Result(); err != nil || c.policy != FaultStop &&
			(res.Steps != 4 || res.Faults != 2 || tr.shrink != 1) {
			t.Errorf("%+v: %+v, error %v", c, res, err)
		}
	}
}

func TestHeldOutSettings(t *testing.T) {
	m, pi, src := variants(t, 8)["float64"], ising(t, 4), rand.NewPCG(1, 1)
	own := func() rand.Source { return rand.NewPCG(2, 2) }
	wrapped := struct{ rand.Source }{src}
	for name, c := range map[string]struct {
		e     *EvaluateSettings
		every int
		src   rand.Source
	}{
		"no source":              {&EvaluateSettings{}, 0, src},
		"the source of training": {&EvaluateSettings{Src: src}, 5, src},
		"the same, in a struct":  {&EvaluateSettings{Src: wrapped}, 5, wrapped},
		"one sample":             {&EvaluateSettings{Samples: 1, Src: own()}, 5, src},
		"negative samples":       {&EvaluateSettings{Samples: -1, Src: own()}, 5, src},
		"negative batch":         {&EvaluateSettings{Batch: -1, Src: own()}, 5, src},
		"negative interval":      {&EvaluateSettings{Src: own()}, -5, src},
		"interval alone":         {&EvaluateSettings{}, 5, src},
	} {
		_, err := NewTrainer(m, pi, &Settings{Evaluation: &EvaluationSettings{EvaluateSettings: *c.e, Every: c.every},
			Src: c.src})
		wantError(t, name, err, ErrSettings, "flow: Evaluation: ")
	}
	e := &EvaluateSettings{Src: slicedSource{own(), nil}} // of a type without ==
	tr, err := NewTrainer(m, pi, &Settings{Evaluation: &EvaluationSettings{EvaluateSettings: *e},
		Src: slicedSource{src, nil}})
	if err != nil {
		t.Fatal(err)
	}
	if e.Samples != 0 || tr.s.Evaluation.Samples != 10000 || tr.s.Evaluation.Batch != 500 ||
		tr.s.Evaluation.Every != 100 {
		t.Errorf("defaults %+v every %d steps", tr.s.Evaluation, tr.s.Evaluation.Every)
	}
}

type slicedSource struct {
	rand.Source
	_ []int
}
