package flow

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/target"
)

// numberedData draws configurations that depend on how often it was asked alone,
// and can be told how often that was.
type numberedData struct{ calls int }

func (d *numberedData) Sample(x *mat.Dense) error {
	d.calls++
	x.Copy(randn(uint64(d.calls), x.RawMatrix().Rows, x.RawMatrix().Cols))
	return nil
}

// fussy is a normal density that is NaN where a coordinate is large: whether a
// batch fails depends on the batch alone.
func fussy(n int, bound float64) target.Density {
	return target.Func(n, func(grad, x []float64) float64 {
		sum := 0.0
		for i, v := range x {
			sum -= 0.5 * v * v
			if grad != nil {
				grad[i] = -v
			}
		}
		if math.Abs(x[0]) > bound {
			return math.NaN()
		}
		return sum
	})
}

// resumeCase is a kind of training. A trainer of it has faults if faults is true.
type resumeCase struct {
	s         Settings
	symmetric bool
	target    target.Density
	faults    bool
}

// Whatever the settings are, a trainer that is restored goes on as if it had
// never stopped: with path gradients, with data, with the penalty, after faults.
func TestResumeLaw(t *testing.T) {
	for name, c := range map[string]resumeCase{
		"path gradient": {Settings{Objective: ReverseKL{PathGradient: true}}, true, ising(t, 4), false},
		"data": {Settings{Data: &DataSettings{Source: &numberedData{}, Weight: 0.3}}, true,
			ising(t, 4), false},
		"path gradient and data": {Settings{Objective: ReverseKL{PathGradient: true},
			Data: &DataSettings{Source: &numberedData{}}}, true, ising(t, 4), false},
		"soap": {Settings{Optimizer: OptimizerSettings{Method: Soap, Average: 0.8}}, true, ising(t, 4), false},
		"soap and faults": {Settings{Optimizer: OptimizerSettings{Method: Soap},
			Faults: FaultSettings{Policy: FaultShrink}}, false, fussy(16, 1.8), true},
		"penalty": {Settings{Objective: ReverseKL{InversionKL: 0.7}}, false, ising(t, 4), false},
		"images":  {Settings{Images: 3}, true, ising(t, 4), false},
		"images along the path": {Settings{Images: 5, Objective: ReverseKL{PathGradient: true},
			Data: &DataSettings{Source: &numberedData{}}}, true, ising(t, 4), false},
		"images and faults": {Settings{Images: 2, Faults: FaultSettings{Policy: FaultSkip}}, true,
			fussy(16, 1.8), true},
		"shrinking": {Settings{Faults: FaultSettings{Policy: FaultShrink}}, true, fussy(16, 1.8),
			true},
		"skipping, with everything": {Settings{Faults: FaultSettings{Policy: FaultSkip},
			Objective: ReverseKL{PathGradient: true}, Optimizer: OptimizerSettings{ClipNorm: 5, MaxScale: 0.9}}, false,
			fussy(16, 1.8), true},
		"shrinking, with the penalty": {Settings{Faults: FaultSettings{Policy: FaultShrink},
			Objective: ReverseKL{InversionKL: 0.2}, Optimizer: OptimizerSettings{ClipNorm: 5}},
			false, fussy(16, 1.8), true},
		"plateau": {Settings{Optimizer: OptimizerSettings{Plateau: &Plateau{Patience: 2, MinImprovement: 1e9}}},
			true, ising(t, 4), false},
		"average": {Settings{Optimizer: OptimizerSettings{Average: 0.9}}, true, ising(t, 4), false},
		"evaluation": {Settings{Evaluation: &EvaluationSettings{
			EvaluateSettings: EvaluateSettings{Samples: 21, Batch: 8}, Every: 3}}, false, ising(t, 4), false},
		"all of them, shrinking": {Settings{
			Optimizer: OptimizerSettings{Plateau: &Plateau{Patience: 1, MinImprovement: 0.3, Factor: 0.7}, Average: 0.8,
				ClipNorm: 5, MaxScale: 0.9},
			Anneal:     Ramp(0.5, 3),
			Faults:     FaultSettings{Policy: FaultShrink},
			Evaluation: &EvaluationSettings{EvaluateSettings: EvaluateSettings{Samples: 30}, Every: 2},
		}, false, fussy(16, 1.8), true},
	} {
		t.Run(name, func(t *testing.T) { c.check(t) })
	}
}

// newTrainer makes a trainer of the case, whose reports go to w in JSON. Only the
// parameters and the sources depend on the seed.
func (c *resumeCase) newTrainer(t *testing.T, seed uint64, w io.Writer) (*Model, *Trainer) {
	t.Helper()
	m := model(t, must(bijector.NewMERA([]int{4, 4}, blocks(4, 3, 5, 4), nil)))
	scramble(m, seed, 0.1)
	if c.s.Images > 0 {
		m = symmetrize(t, m, Inversion(16), translation(4, 0, 1))
	} else if c.symmetric {
		m = symmetrize(t, m, Inversion(16))
	}
	s := c.s
	s.Batch, s.Optimizer.LearnRate, s.Window, s.Src = 8, 3e-3, 5, rand.NewPCG(seed, 4)
	if s.Data != nil {
		s.Data = &DataSettings{Source: &numberedData{}, Weight: s.Data.Weight}
	}
	if s.Evaluation != nil {
		e := *s.Evaluation
		e.Src = rand.NewChaCha8([32]byte{byte(seed)})
		s.Evaluation = &e
	}
	s.Recorder = RecorderFunc(func(r *Report) error {
		r.Steps = 0 // of one call
		return json.NewEncoder(w).Encode(r)
	})
	tr, err := NewTrainer(m, c.target, &s)
	if err != nil {
		t.Fatal(err)
	}
	return m, tr
}

// finished is what a run of training has at its end.
type finished struct {
	params, averaged []float64
	result           Result
	file             []byte
}

// finish returns the end of a run.
func (c *resumeCase) finish(t *testing.T, m *Model, tr *Trainer) (end finished) {
	t.Helper()
	end.params, end.result = params(m), *tr.Result()
	var b bytes.Buffer
	if err := tr.Save(&b); err != nil {
		t.Fatal(err)
	}
	end.file = b.Bytes()
	if c.s.Optimizer.Average != 0 {
		if err := tr.UseAverage(); err != nil {
			t.Fatal(err)
		}
	}
	end.averaged = params(m)
	return end
}

// check saves a trainer before every step and compares its end with the ends of
// trainers that were restored on the way.
func (c *resumeCase) check(t *testing.T) {
	const steps = 12
	var reports bytes.Buffer // of one run, in JSON
	m, tr := c.newTrainer(t, 1, &reports)
	files, faults := map[int][]byte{}, map[int]int{}
	for k := range steps {
		var b bytes.Buffer
		if err := tr.Save(&b); err != nil {
			t.Fatal(err)
		}
		files[k], faults[k] = b.Bytes(), tr.Result().Faults
		if _, err := tr.Step(); err != nil {
			t.Fatal(err)
		}
	}
	lines := slices.Collect(strings.Lines(reports.String()))
	want := c.finish(t, m, tr)
	if c.s.Optimizer.Plateau != nil && tr.plateau.Factor == 1 {
		t.Error("no reduction")
	}
	if c.faults != (want.result.Faults > 0) || c.faults && faults[steps/2] == 0 {
		t.Errorf("%d faults, %d of them in the first half", want.result.Faults, faults[steps/2])
	}
	for _, k := range []int{0, 1, steps / 2, steps - 1} {
		m, tr := c.newTrainer(t, 2, &reports)
		if err := tr.Run(context.Background(), 2); err != nil {
			t.Fatal(err)
		}
		if err := tr.Restore(bytes.NewReader(files[k])); err != nil {
			t.Fatal(err)
		}
		if d := tr.s.Data; d != nil {
			d.Source.(*numberedData).calls = k
		}
		reports.Reset()
		if err := tr.Run(context.Background(), steps-k); err != nil {
			t.Fatal(err)
		}
		if got, want := reports.String(), strings.Join(lines[k:], ""); got != want {
			t.Errorf("from step %d: reports\n%s, want\n%s", k, got, want)
		}
		got := c.finish(t, m, tr)
		if !bytes.Equal(got.file, want.file) {
			t.Errorf("from step %d: another file at the end", k)
		}
		if !slices.Equal(got.params, want.params) || got.result != want.result {
			t.Errorf("from step %d: %+v, want %+v, or other parameters", k, got.result, want.result)
		}
		wantSame(t, "averaged", got.averaged, want.averaged)
	}
}

// observed is a trainer with all that watches training and its learning rate.
func observed(t testing.TB, seed uint64) (*Model, *Trainer) {
	t.Helper()
	return trainer(t, seed, Settings{
		Optimizer: OptimizerSettings{Plateau: &Plateau{Patience: 2, MinImprovement: 1e9}, Average: 0.9},
		Evaluation: &EvaluationSettings{EvaluateSettings: EvaluateSettings{Samples: 20,
			Src: rand.NewChaCha8([32]byte{byte(seed)})}, Every: 2},
	})
}

// Averaged parameters are part of a trainer's file as any others are, and so is
// what comes after.
func TestResumeFromAverage(t *testing.T) {
	m, tr := observed(t, 1)
	var b bytes.Buffer
	if err := errors.Join(tr.Run(t.Context(), 4), tr.UseAverage(), tr.Save(&b), tr.Run(t.Context(), 3),
		tr.UseAverage()); err != nil {
		t.Fatal(err)
	}
	m2, tr2 := observed(t, 2)
	if err := errors.Join(tr2.Restore(&b), tr2.Run(t.Context(), 3), tr2.UseAverage()); err != nil {
		t.Fatal(err)
	}
	wantSame(t, "parameters", params(m2), params(m))
}

// trainer is a small one, of everything that a checkpoint must remember.
func trainer(t testing.TB, seed uint64, s Settings) (*Model, *Trainer) {
	t.Helper()
	m := symmetrize(t, mera(t, 4, 3), Inversion(16))
	s.Batch, s.Optimizer.LearnRate, s.Optimizer.Schedule, s.Window, s.Src = 32, 3e-3, Cosine(40, 5), 7,
		rand.NewPCG(seed, 1)
	tr, err := NewTrainer(m, ising(t, 4), &s)
	if err != nil {
		t.Fatal(err)
	}
	return m, tr
}

// A trainer that is restored goes on as if it had never stopped.
func TestResume(t *testing.T) {
	ctx := context.Background()
	m, tr := trainer(t, 1, Settings{Optimizer: OptimizerSettings{ClipNorm: 20, MaxScale: 2}})
	files := map[int][]byte{}
	for step := range 21 {
		var b bytes.Buffer
		if err := tr.Save(&b); err != nil {
			t.Fatal(err)
		}
		files[step] = b.Bytes()
		if _, err := tr.Step(); err != nil {
			t.Fatal(err)
		}
	}
	want, result := params(m), *tr.Result()
	for _, step := range []int{0, 1, 6, 7, 8, 20} {
		m, tr := trainer(t, 99, Settings{Optimizer: OptimizerSettings{ClipNorm: 20, MaxScale: 2}})
		if err := tr.Run(ctx, 3); err != nil { // whatever it was before
			t.Fatal(err)
		}
		if err := tr.Restore(bytes.NewReader(files[step])); err != nil {
			t.Fatal(err)
		}
		if err := tr.Run(ctx, 21-step); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(params(m), want) || *tr.Result() != result {
			t.Errorf("from step %d: %+v, want %+v, or other parameters", step, *tr.Result(), result)
		}
		var b bytes.Buffer
		if err := tr.Save(&b); err != nil {
			t.Fatal(err)
		}
		l, err := Load(&b)
		if err != nil || !slices.Equal(params(l), want) {
			t.Errorf("model of a trainer's file: %v, or other parameters", err)
		}
	}
}
