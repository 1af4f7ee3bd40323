package flow

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/target"
)

// lossOf trains a model that has nothing to learn on a target whose loss at
// step k is loss(k), to rounding, and returns the learning rates of all steps.
func lossOf(t *testing.T, steps int, loss func(step int) float64, s Settings) []float64 {
	t.Helper()
	step := 1
	d := target.Func(3, func(grad, x []float64) float64 {
		sum := -1.5 * math.Log(2*math.Pi)
		for i, v := range x {
			sum -= v * v / 2
			if grad != nil {
				grad[i] = -v
			}
		}
		return sum - loss(step)
	})
	var rates []float64
	var tr *Trainer
	s.Batch, s.Optimizer.LearnRate, s.Src = 4, 0.25, rand.NewPCG(1, 1)
	s.Recorder = RecorderFunc(func(r *Report) error {
		if math.Abs(r.Loss-loss(step)) > 1e-12*(1+math.Abs(loss(step))) {
			t.Fatalf("step %d: loss %g, want %g", step, r.Loss, loss(step))
		}
		if err := tr.plateau.check(tr.s.Optimizer.Plateau, tr.s.Window, step); err != nil {
			t.Fatalf("step %d: a file would be refused: %v", step, err)
		}
		rates = append(rates, r.LearnRate)
		step++
		return nil
	})
	m := model(t, must(bijector.NewPermutation([]int{1, 2, 0})))
	var err error
	if tr, err = NewTrainer(m, d, &s); err != nil {
		t.Fatal(err)
	}
	if err := tr.Run(t.Context(), steps); err != nil {
		t.Fatal(err)
	}
	return rates
}

// A loss that falls by more than MinImprovement from window to window never lowers the
// learning rate; one that does not is found after exactly Window + Patience
// steps, again and again, down to the floor.
func TestPlateauSteps(t *testing.T) {
	const steps = 60
	constant := func(factor float64, every int, floor float64) []float64 {
		var rates []float64
		for k := range steps {
			rates = append(rates, 0.25*max(floor, math.Pow(factor, float64(k/every))))
		}
		return rates
	}
	never := constant(1, 1, 0)
	for name, c := range map[string]struct {
		loss   func(step int) float64
		p      Plateau
		window int
		want   []float64
	}{
		"constant": {func(int) float64 { return 5 }, Plateau{Patience: 4, MinImprovement: 1e-9}, 3,
			constant(0.5, 7, 0)},
		"constant, at once": {func(int) float64 { return -5 },
			Plateau{Patience: 1, MinImprovement: 1e-9, Factor: 0.25}, 1, constant(0.25, 2, 1e-6)},
		"constant, by default": {func(int) float64 { return 5 }, Plateau{MinImprovement: 1e-9}, 5,
			constant(0.5, 10, 0)},
		"to the floor": {func(int) float64 { return 5 },
			Plateau{Patience: 4, MinImprovement: 1e-9, MinFactor: 0.3}, 3, constant(0.5, 7, 0.3)},
		"a floor of 1": {func(int) float64 { return 5 },
			Plateau{Patience: 1, MinImprovement: 1e-9, MinFactor: 1}, 1, never},
		"rising": {func(k int) float64 { return float64(k) }, Plateau{Patience: 2}, 3,
			constant(0.5, 5, 0)},
		"falling": {func(k int) float64 { return -float64(k) }, Plateau{Patience: 1}, 3, never},
		"falling by more than that": {func(k int) float64 { return -float64(k) },
			Plateau{Patience: 1, MinImprovement: 0.999}, 3, never},
		"falling by less than that": {func(k int) float64 { return -float64(k) },
			Plateau{Patience: 1, MinImprovement: 1.001}, 3, constant(0.5, 4, 0)},
		// 4 × 0.3 is enough, and 3 × 0.3 is not.
		"slow, and patient": {func(k int) float64 { return -0.3 * float64(k) },
			Plateau{Patience: 4, MinImprovement: 1}, 3, never},
		"slow, and less patient": {func(k int) float64 { return -0.3 * float64(k) },
			Plateau{Patience: 3, MinImprovement: 1}, 3, constant(0.5, 6, 0)},
		// A single batch is no improvement of the mean of eight.
		"one good batch": {func(k int) float64 {
			if k == 10 {
				return 0
			}
			return 1
		}, Plateau{Patience: 9, MinImprovement: 0.2}, 8, constant(0.5, 17, 0)},
	} {
		s := Settings{Window: c.window, Optimizer: OptimizerSettings{Plateau: &c.p}}
		given := c.p
		if got := lossOf(t, steps, c.loss, s); !slices.Equal(got, c.want) {
			t.Errorf("%s: learning rates %v, want %v", name, got, c.want)
		}
		if c.p != given {
			t.Errorf("%s: the caller's settings have changed", name)
		}
	}
}

// Whatever the course of the loss, β and the schedule, the rates are those of
// the definition, written down anew for every step from the whole course.
func TestPlateauByDefinition(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 3))
	reductions := 0
	for run := range 40 {
		const steps = 80
		p := Plateau{Factor: 0.1 + 0.8*rnd.Float64(), Patience: 1 + rnd.IntN(6), MinImprovement: 0.3 * rnd.Float64(),
			MinFactor: 1e-3}
		window := 1 + rnd.IntN(6)
		losses, betas := make([]float64, steps+1), make([]float64, steps+1)
		for k := range losses {
			losses[k] = -0.1*float64(k)*rnd.Float64() + rnd.NormFloat64()
			betas[k] = 1
			if rnd.IntN(30) == 0 || k < 10 && run%2 == 0 {
				betas[k] = 0.5
			}
		}
		s := Settings{
			Window:    window,
			Optimizer: OptimizerSettings{Plateau: &p, Schedule: Cosine(steps+20, 5)},
			Anneal:    func(step int) float64 { return betas[step] },
		}
		got := lossOf(t, steps, func(step int) float64 { return losses[min(step, steps)] }, s)

		factor, start := 1.0, 1 // of the steps that count
		var want []float64
		for step := 1; step <= steps; step++ {
			want = append(want, 0.25*(Cosine(steps+20, 5)(step)*factor))
			if betas[step] != 1 {
				start = step + 1
			}
			running := func(step int) float64 { return mean(losses[step-window+1 : step+1]) }
			best, at := math.Inf(1), 0
			for k := start + window - 1; k <= step; k++ {
				if at == 0 || running(k) < best-p.MinImprovement {
					best, at = running(k), k
				}
			}
			if at > 0 && step-at == p.Patience {
				factor, start = max(factor*p.Factor, p.MinFactor), step+1
				reductions++
			}
		}
		for k := range want {
			if math.Abs(got[k]-want[k]) > 1e-15 {
				t.Fatalf("run %d, %+v, window %d, step %d: learning rate %g, want %g", run, p, window, k+1, got[k],
					want[k])
			}
		}
	}
	if reductions < 100 {
		t.Errorf("%d reductions", reductions)
	}
}

// While the target is annealed nothing is judged, and the first window after is
// the first of all.
func TestPlateauAnneal(t *testing.T) {
	for _, ramp := range []int{0, 1, 20, 33} {
		rates := lossOf(t, 60, func(int) float64 { return 5 },
			Settings{Window: 4, Anneal: Ramp(0.5, ramp),
				Optimizer: OptimizerSettings{Plateau: &Plateau{Patience: 3, MinImprovement: 1e-9}}})
		// the step after the reduction, from 0
		first := slices.IndexFunc(rates, func(r float64) bool { return r != 0.25 })
		if want := max(ramp, 1) - 1 + 4 + 3; first != want {
			t.Errorf("β = 1 from step %d on: reduced after step %d, want %d", ramp, first, want)
		}
	}
}

// Parameters move at the rate that is reported.
func TestPlateauMoves(t *testing.T) {
	for name := range variants(t, 1) {
		moved := func(p *Plateau, rate float64) (params0, params1 []float64, report float64) {
			m := variants(t, 1)[name]
			scramble(m, 2, 0.1)
			s := Settings{Batch: 8, Optimizer: OptimizerSettings{LearnRate: 1e-3, Plateau: p}, Window: 1,
				Src: rand.NewPCG(1, 1)}
			if p == nil {
				s.Optimizer.Schedule = func(step int) float64 { return []float64{1, 1, rate}[step-1] }
			}
			tr, err := NewTrainer(m, ising(t, 4), &s)
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				params0 = params(m)
				r, err := tr.Step()
				if err != nil {
					t.Fatal(err)
				}
				report = r.LearnRate
			}
			return params0, params(m), report
		}
		before, after, rate := moved(&Plateau{Patience: 1, MinImprovement: 1e9, Factor: 0.375}, 0)
		before2, after2, rate2 := moved(nil, 0.375)
		wantSame(t, name+": before", before, before2)
		wantSame(t, name+": after", after, after2)
		if rate != 0.375*1e-3 || rate != rate2 || slices.Equal(before, after) {
			t.Errorf("%s: learning rate %g, %g, or nothing moved", name, rate, rate2)
		}
	}
}

func TestPlateauSettings(t *testing.T) {
	m, pi := variants(t, 8)["float64"], ising(t, 4)
	for _, p := range []Plateau{
		{Factor: 1}, {Factor: -0.5}, {Factor: 2}, {Factor: math.NaN()}, {Factor: math.Inf(1)},
		{Patience: -1},
		{MinImprovement: -1e-3}, {MinImprovement: math.NaN()}, {MinImprovement: math.Inf(1)},
		{MinFactor: -0.1}, {MinFactor: 1.1}, {MinFactor: math.NaN()},
	} {
		_, err := NewTrainer(m, pi, &Settings{Optimizer: OptimizerSettings{Plateau: &p}, Src: rand.NewPCG(1, 1)})
		wantError(t, fmt.Sprint(p), err, ErrSettings, "Plateau")
	}
	tr, err := NewTrainer(m, pi, &Settings{Optimizer: OptimizerSettings{Plateau: &Plateau{}}, Window: 30,
		Src: rand.NewPCG(1, 1)})
	if err != nil || *tr.s.Optimizer.Plateau != (Plateau{0.5, 30, 0, 1e-6}) {
		t.Errorf("defaults %+v, error %v", tr.s.Optimizer.Plateau, err)
	}
}

// A loss beyond the range of float64 is no improvement, and no number that
// cannot be saved.
func TestPlateauOverflow(t *testing.T) {
	p := &Plateau{Factor: 0.5, Patience: 2, MinFactor: 1e-6}
	for _, loss := range []float64{math.NaN(), math.Inf(-1), math.Inf(1)} {
		s := plateauState{Factor: 1}
		for step := range 5 {
			if err := s.check(p, 3, step); err != nil {
				t.Errorf("%g: %v", loss, err)
			}
			s.judge(p, 1, loss, 3)
		}
		if s.Factor != 0.5 {
			t.Errorf("%g: factor %g after five steps", loss, s.Factor)
		}
	}
}
