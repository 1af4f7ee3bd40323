package flow

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/target"
)

// pieces are bijectors that are nil, or made of what is, and one that is sound.
func pieces() []bijector.Bijector {
	return []bijector.Bijector{
		nil, bijector.Invert(nil), bijector.Invert((*bijector.RealNVP)(nil)), (*bijector.RealNVP)(nil),
		(*bijector.Spline)(nil), (*bijector.Chain)(nil),
		&bijector.Chain{}, &bijector.RealNVP{}, (*bijector.Hierarchy)(nil), &bijector.Hierarchy{},
		(*bijector.Permutation)(nil), shift{nil}, idle{nil, nil}, newShift(2),
	}
}

// priors are what may pass for a prior.
func priors() []target.Prior {
	return []target.Prior{nil, (*target.Normal)(nil), target.NewNormal(3), box{nil}, target.NewNormal(2)}
}

// densities are what may pass for a target.
func densities() []target.Density {
	return []target.Density{
		nil, (*target.Ising)(nil), Latent(nil, nil), (*Model)(nil), &Model{}, (*target.FreeField)(nil), gaussian(2, 1),
	}
}

// A nil where there must be none is an error of its kind, and no panic.
func TestNilPieces(t *testing.T) {
	for i, b := range pieces() {
		for j, p := range priors() {
			m, err := New(p, b)
			if sound := i == len(pieces())-1 && j == len(priors())-1; sound != (err == nil) || sound != (m != nil) {
				t.Errorf("prior %d, bijector %d: %v", j, i, err)
			}
			if err != nil && !errors.Is(err, ErrSettings) && !errors.Is(err, ErrShape) {
				t.Errorf("prior %d, bijector %d: %v", j, i, err)
			}
		}
	}
	src := rand.NewPCG(1, 1)
	for i, d := range densities() {
		for j, m := range []*Model{nil, {}, model(t, newShift(2))} {
			_, evaluated := Evaluate(t.Context(), m, d, &EvaluateSettings{Samples: 3, Src: src})
			_, trained := Train(t.Context(), m, d, &Settings{Steps: 1, Batch: 3, Src: src})
			for _, err := range []error{evaluated, trained} {
				if sound := i == len(densities())-1 && j == 2; sound != (err == nil) ||
					!sound && !errors.Is(err, ErrSettings) && !errors.Is(err, ErrShape) {
					t.Errorf("target %d, model %d: %v", i, j, err)
				}
			}
		}
	}
	for _, m := range []*Model{nil, {}} {
		_, err := Symmetrize(m, Symmetry{})
		wantError(t, "Symmetrize", err, ErrSettings)
	}
	_, err := NewTrainer(model(t, newShift(2)), gaussian(2, 1), &Settings{Src: (*rand.PCG)(nil)})
	wantError(t, "source", err, ErrSettings)
	// Sizes are checked before anything is allocated.
	for _, batch := range []int{maxBatch, 1 << 40, math.MaxInt} {
		_, err := NewTrainer(model(t, newShift(2)), gaussian(2, 1), &Settings{Batch: batch, Src: src})
		wantError(t, "NewTrainer", err, ErrSettings, "a batch of")
		_, err = Evaluate(t.Context(), model(t, newShift(2)), gaussian(2, 1),
			&EvaluateSettings{Samples: batch, Batch: batch, Src: src})
		wantError(t, "Evaluate", err, ErrSettings, "a batch of")
	}
}

// fuzzed are the numbers of one input of FuzzConstructors.
type fuzzed struct {
	a, b, c int
	u, v    float64
}

// pick maps any number to 0 … of−1.
func pick(n, of int) int { return ((n % of) + of) % of }

// fuzzedSettings makes settings of training from numbers.
func fuzzedSettings(n fuzzed, data DataSource, steps Recorder, src rand.Source) *Settings {
	a, b, c, u, v := n.a, n.b, n.c, n.u, n.v
	s := &Settings{
		Steps: c,
		Batch: a,
		Optimizer: OptimizerSettings{LearnRate: u, Average: v, ClipNorm: u, MaxScale: v, Schedule: Ramp(u, b),
			Plateau: &Plateau{Factor: u, Patience: a, MinImprovement: v, MinFactor: u}},
		Objective: ReverseKL{InversionKL: v, PathGradient: a%2 == 0},
		Images:    b,
		Faults:    FaultSettings{Policy: FaultPolicy(pick(b, 5) - 1), Max: pick(c, 7) - 1},
		Window:    c,
		Data:      &DataSettings{Source: data, Weight: u},
		Recorder:  steps,
		Src:       src,
		Anneal:    Cosine(a, c),
	}
	// One at a time, or some setting is out of range nearly always.
	switch pick(b, 8) {
	case 0:
		s = &Settings{Steps: c, Batch: a, Recorder: steps, Src: src}
	case 1:
		s = &Settings{Steps: 1, Batch: 4, Optimizer: OptimizerSettings{LearnRate: u, ClipNorm: v}, Window: c,
			Src: src}
	case 2:
		s = &Settings{Steps: 1, Batch: 4,
			Optimizer: OptimizerSettings{Plateau: s.Optimizer.Plateau, Schedule: s.Optimizer.Schedule},
			Anneal:    s.Anneal, Src: src}
	case 3:
		s = &Settings{Steps: 1, Batch: 4, Data: &DataSettings{Source: data}, Faults: s.Faults, Images: b,
			Src: src}
	case 4:
		s = &Settings{Steps: 1, Batch: 4,
			Evaluation: &EvaluationSettings{
				EvaluateSettings: EvaluateSettings{Samples: pick(a, 1000), Batch: b, Data: data,
					Src: rand.NewPCG(1, 1)}, Every: c}, Src: src}
	}
	if s.Batch > 1000 && s.Batch <= maxBatch {
		s.Batch = 1000 // memory, no more
	}
	return s
}

// wantKnown requires that an error is nil or one that the package documents.
func wantKnown(t *testing.T, what string, err error) {
	t.Helper()
	for _, is := range []error{
		nil, ErrSettings, ErrShape, ErrSymmetry, ErrNotFinite, context.DeadlineExceeded, context.Canceled,
	} {
		if errors.Is(err, is) {
			return
		}
	}
	t.Errorf("%s: %v", what, err)
}

// Constructors take any numbers, nil and NaN. They build, or they fail with an error of
// the package.
func FuzzConstructors(f *testing.F) {
	minimizeBriefly()
	f.Add(uint8(0), 0, 0, 0, 0.0, 0.0)
	f.Add(uint8(1), 1<<62, -1, math.MinInt, math.NaN(), 1e300)
	f.Add(uint8(2), 2, 3, 1, 0.5, 1.0)
	f.Add(uint8(3), 5, math.MaxInt, 0, math.Inf(1), -0.5)
	f.Add(uint8(4), 4, -7, 2, 1e-300, 1e3)
	f.Add(uint8(5), 13, 4, 6, 0.1, 0.2)
	f.Fuzz(func(t *testing.T, kind uint8, a, b, c int, u, v float64) {
		ctx, cancel := context.WithCancel(t.Context())
		steps := RecorderFunc(func(*Report) error { cancel(); return nil })
		m := must(New(target.NewNormal(2), newShift(2)))
		src := rand.Source(rand.NewPCG(uint64(a), uint64(b)))
		n := fuzzed{a, b, c, u, v}
		var data DataSource
		if pick(a, 3) == 1 {
			data = &DataRows{X: mat.NewDense(3, 2, []float64{u, v, 1, 2, u, 0}), Next: pick(b, 5) - 1}
		}
		switch kind % 6 {
		case 0:
			_, err := New(priors()[pick(a, len(priors()))], pieces()[pick(b, len(pieces()))])
			wantKnown(t, "New", err)
		case 1, 2:
			s := &EvaluateSettings{Samples: a, Batch: b, Images: c, Data: data, DataSamples: pick(c, 9) - 2, Src: src}
			if s.Samples > 1000 { // it would take as long
				s.Samples = min(s.Samples, 1000)
			}
			_, err := Evaluate(ctx, m, densities()[pick(c, len(densities()))], s)
			wantKnown(t, "Evaluate", err)
		case 3, 4:
			s := fuzzedSettings(n, data, steps, src)
			res, err := Train(ctx, m, densities()[pick(c, len(densities()))], s)
			wantKnown(t, "Train", err)
			if res != nil && (res.Steps < 1 || math.IsNaN(res.Loss)) {
				t.Errorf("a result of nothing: %v", res)
			}
			for _, step := range []int{1, a, b} {
				if w := Cosine(a, c)(max(1, step)); !(w >= 0 && w <= 1) {
					t.Errorf("Cosine(%d, %d) is %g at step %d", a, c, w, step)
				}
			}
		case 5:
			g := Symmetry{Perm: []int{pick(a, 3), b}, Sign: []float64{u, v}}
			if a%2 == 0 {
				g.Sign = []float64{1, -1}
			}
			if b%2 == 0 {
				g.Perm = nil
			}
			_, err := Symmetrize(m, g, Symmetry{Sign: make([]float64, pick(c, 4))})
			wantKnown(t, "Symmetrize", err)
			_, err = Symmetrize(m, g)
			wantKnown(t, "Symmetrize", err)
		}
	})
}
