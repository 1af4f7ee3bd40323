package flow

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/target"
)

// failing is a normal density of one value per batch of one: call k, from 1, is
// NaN if fails says so.
func failing(fails func(call int) bool) target.Density {
	calls := 0
	return target.Func(2, func(grad, x []float64) float64 {
		calls++
		for i := range grad {
			grad[i] = -x[i]
		}
		if fails(calls) {
			return math.NaN()
		}
		return -0.5 * (x[0]*x[0] + x[1]*x[1])
	})
}

// FaultShrink halves the learning rate at every fault, and every good step after
// brings it back by 1 %, up to what it was and no further; it does not fall below
// a millionth. FaultSkip leaves it alone. The parameters move at the rate that is
// reported, and a trainer that is restored on the way goes on with it.
func TestFaultShrinkRates(t *testing.T) {
	const rate, steps = 0.01, 460
	// Faults before a step is made.
	faults := map[int]int{3: 1, 4: 2, 230: 1, 231: 1, 450: 25}
	for _, policy := range []FaultPolicy{FaultSkip, FaultShrink} {
		bad, call := map[int]bool{}, 0
		for step := 1; step <= steps; step++ {
			for range faults[step] {
				call++
				bad[call] = true
			}
			call++
		}
		newTrainer := func() (*Model, *Trainer, *[]Report) {
			m := model(t, must(bijector.NewActNorm(2)))
			var reports []Report
			tr := must(NewTrainer(m, failing(func(call int) bool { return bad[call] }), &Settings{
				Batch:     1,
				Optimizer: OptimizerSettings{LearnRate: rate},
				Faults:    FaultSettings{Policy: policy},
				Recorder:  keep(&reports),
				Src:       rand.NewPCG(1, 1),
			}))
			return m, tr, &reports
		}
		_, tr, reports := newTrainer()
		if err := tr.Run(t.Context(), steps); err != nil {
			t.Fatal(err)
		}
		factor, made, lowest, whole := 1.0, 0, 1.0, 0
		for k, r := range *reports {
			for range faults[k+1] {
				made++
				if policy == FaultShrink {
					factor = max(factor/2, 1e-6)
				}
			}
			if math.Abs(r.LearnRate-rate*factor) > 1e-14*rate || r.Faults != made {
				t.Fatalf("policy %d, step %d: learning rate %g after %d faults, want %g after %d", policy, k+1,
					r.LearnRate, r.Faults, rate*factor, made)
			}
			lowest = min(lowest, factor)
			if factor == 1 {
				whole++
			}
			factor = min(1, 1.01*factor)
		}
		if policy == FaultShrink && (lowest != 1e-6 || whole < 10) {
			t.Errorf("lowest factor %g, %d steps at the whole rate: the test shows too little", lowest, whole)
		}
	}
}

// A trainer that is saved after faults and restored goes on at its lowered rate
// with its count of faults.
func TestResumeAfterShrinking(t *testing.T) {
	newTrainer := func(fails func(call int) bool) *Trainer {
		return must(NewTrainer(model(t, must(bijector.NewActNorm(2))), failing(fails), &Settings{
			Batch:  1,
			Faults: FaultSettings{Policy: FaultShrink},
			Src:    rand.NewPCG(1, 1),
		}))
	}
	tr, again := newTrainer(func(call int) bool { return call < 4 }), newTrainer(func(int) bool { return false })
	var b bytes.Buffer
	if err := errors.Join(tr.Run(t.Context(), 2), tr.Save(&b), again.Restore(&b)); err != nil {
		t.Fatal(err)
	}
	r, err := again.Step()
	if err != nil || r.Faults != 3 || math.Abs(r.LearnRate-1e-3*1.01*1.01/8) > 1e-16 {
		t.Errorf("learning rate %g after %d faults, want %g after 3; error %v", r.LearnRate, r.Faults, 1e-3*1.01*1.01/8,
			err)
	}
}

func TestFaultPolicies(t *testing.T) {
	for _, c := range []struct {
		policy FaultPolicy
		rate   float64
	}{{FaultStop, 1}, {FaultSkip, 0.3}, {FaultShrink, 0.3}, {FaultSkip, 1}, {FaultShrink, 1}} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			m := mera(t, 2, 1)
			f := &flaky{Density: target.NewNormal(4), rnd: rand.New(rand.NewPCG(8, 8)), rate: c.rate}
			tr, err := NewTrainer(m, f, &Settings{Batch: 8, Faults: FaultSettings{Policy: c.policy, Max: 9},
				Src: rand.NewPCG(1, 1)})
			if err != nil {
				t.Fatal(err)
			}
			before := params(m)
			err = tr.Run(context.Background(), 50)
			res := tr.Result()
			for i, v := range params(m) {
				if math.IsNaN(v) || math.IsInf(v, 0) {
					t.Fatalf("parameter %d is %g", i, v)
				}
			}
			switch {
			case c.rate == 1 && c.policy == FaultStop:
				if err == nil || res.Steps != 0 || res.Faults != 0 {
					t.Errorf("%v after %d steps, %d faults", err, res.Steps, res.Faults)
				}
			case c.rate == 1:
				if err == nil || !strings.Contains(err.Error(), "10 batches in a row") || res.Steps != 0 ||
					res.Faults != 9 {
					t.Errorf("%v after %d steps, %d faults", err, res.Steps, res.Faults)
				}
			default:
				if err != nil || res.Steps != 50 || res.Faults < 5 || res.Faults != f.calls-50 {
					t.Errorf("%v after %d steps, %d faults in %d calls", err, res.Steps, res.Faults, f.calls)
				}
			}
			if c.rate == 1 && !slices.Equal(before, params(m)) {
				t.Error("parameters have changed")
			}
			if c.policy == FaultShrink && c.rate < 1 && !(tr.shrink < 1) {
				t.Errorf("learning rate factor %g", tr.shrink)
			}
		})
	}
}

// Policies cost nothing where nothing fails.
func TestPolicyWithoutFaults(t *testing.T) {
	m, tr := trainer(t, 1, Settings{})
	m2, tr2 := trainer(t, 1, Settings{Faults: FaultSettings{Policy: FaultShrink},
		Optimizer: OptimizerSettings{ClipNorm: 1e9}})
	for _, tr := range []*Trainer{tr, tr2} {
		if err := tr.Run(context.Background(), 5); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(params(m), params(m2)) {
		t.Error("other parameters")
	}
}

// An error names the layer and the coupling where numbers cease to be finite.
func TestFaultIsLocated(t *testing.T) {
	const layer, coupling = 2, 1
	affine := func(b bijector.Bijector) bijector.AffineCoupling {
		if s, ok := b.(*bijector.Spline); ok {
			return *s.Couplings()[coupling].Affine
		}
		return b.(*bijector.RealNVP).Couplings()[coupling]
	}
	three := func(context, moved int) (bijector.Bijector, error) {
		keep := slices.Repeat([][]int{indices(context)}, 3)
		return bijector.NewRealNVP(context+moved,
			&bijector.RealNVPSettings{Keep: keep, Hidden: []int{5}, Src: rand.NewPCG(1, 1)})
	}
	for name, c := range map[string]struct {
		block bijector.BlockFunc
		s     *bijector.NetworkSettings
	}{
		"affine":      {blocks(4, 1, 5, 4), nil},
		"conditional": {blocks(4, 1, 5, 4), &bijector.NetworkSettings{ContextBlock: three}}, // layer 2
		"spline": {func(int) (bijector.Bijector, error) {
			return bijector.NewSpline(4,
				&bijector.SplineSettings{Couplings: 3, Hidden: []int{5}, Src: rand.NewPCG(1, 1)})
		}, nil},
	} {
		m := model(t, must(bijector.NewMERA([]int{4, 4}, c.block, c.s)))
		h := m.Bijector().(*bijector.Hierarchy)
		// A gradient's component belongs to a parameter.
		at := 0
		for _, p := range m.Params() {
			if p == h.Layers()[1].Block().Params()[0] {
				break
			}
			at += p.Value().DataSize()
		}
		first := h.Layers()[1].Block().(bijector.Stepper).Steps()[0].Map.Params()[0].Value().DataSize()
		if s := m.owner(at + first); !strings.Contains(s, "coupling 1") || !strings.Contains(s, "layer 1") {
			t.Errorf("%s: owner %q", name, s)
		}
		if s := m.owner(at + first - 1); !strings.Contains(s, "coupling 0") {
			t.Errorf("%s: owner %q", name, s)
		}
		bad := affine(h.Layers()[layer].Block())
		bad.S[len(bad.S)-1].B.SetVec(0, 20)
		bad.Scale.SetVec(0, 1e4)
		tr, err := NewTrainer(m, target.NewNormal(16), &Settings{Batch: 8, Src: rand.NewPCG(1, 1)})
		if err != nil {
			t.Fatal(err)
		}
		_, err = tr.Step()
		where := fmt.Sprintf("layer %d, coupling %d", layer, coupling)
		if !errors.Is(err, ErrNotFinite) || !strings.Contains(err.Error(), where) ||
			!strings.Contains(err.Error(), "step 1") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
