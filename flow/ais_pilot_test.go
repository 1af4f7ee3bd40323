package flow

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/neuralrg/neuralrg/hmc"
	"github.com/neuralrg/neuralrg/target"
)

// The rungs of the pilot run divide a path of a known length Λ evenly: of a normal p_β of
// precision a in each of n dimensions the standard deviation of W = −(s−1)z²/2 is
// (s−1)√(n/2)/a, s being the precision of the target, and Λ = √(n/2) ln s.
func TestAISPilot(t *testing.T) {
	for _, c := range []struct {
		dim   int
		sigma float64
		rungs int // by default
	}{{16, 0.7, 1000}, {4, 0.9, 27}, {8, 0.8, 239}, {8, 0.5, 1000}} {
		m, d, _, _ := bellCurve(t, c.dim, 0, c.sigma, 1)
		for _, rungs := range []int{12, 0} {
			s := must((&AISSettings{Rungs: rungs, Src: rand.NewPCG(1, 1)}).defaults(m))
			betas := must(newAnnealer(t.Context(), m, d, s).pilot())
			k := len(betas) - 1
			if rungs > 0 && k != rungs || rungs == 0 && math.Abs(float64(k-c.rungs)) > 0.3*float64(c.rungs) {
				t.Errorf("σ = %g: %d rungs, want %d", c.sigma, k, c.rungs)
			}
			if err := (&AISSettings{Betas: betas}).checkBetas(); err != nil {
				t.Error(err)
			}
			rate := 1/(c.sigma*c.sigma) - 1
			whole, part := math.Sqrt(float64(c.dim)/2)*math.Log1p(rate), max(1, k/6)
			for i := 0; i+part <= k; i += part {
				from, to := betas[i], betas[i+part]
				length := math.Sqrt(float64(c.dim)/2) * math.Log((1+rate*to)/(1+rate*from))
				if want := whole * float64(part) / float64(k); math.Abs(length-want) > 0.3*want {
					t.Errorf("σ = %g, %d rungs: β from %g to %g has length %g, want %g",
						c.sigma, k, from, to, length, want)
				}
			}
		}
	}
}

// However poor the model, the pilot run ends and its rungs rise.
func TestAISPilotOfPoorModels(t *testing.T) {
	for name, d := range map[string]target.Density{
		"steep":    gaussian(6, 1e-4),
		"far away": target.Func(6, func(_, x []float64) float64 { return -(x[0] - 100) * (x[0] - 100) / 1e-3 }),
		"huge":     target.Func(6, func(_, x []float64) float64 { return 1e12 * math.Sin(x[0]) }),
		"constant": target.Func(6, func(_, x []float64) float64 { return 0 }),
		"walls": target.Func(6, func(_, x []float64) float64 {
			if x[0] < 1.5 {
				return math.Inf(-1)
			}
			return -1e3 * x[0]
		}),
	} {
		for _, rungs := range []int{0, 1, 30} {
			r := ais(t, model(t, newShift(6)), d, &AISSettings{Samples: 50, Rungs: rungs, Src: rand.NewPCG(1, 1)})
			if err := (&AISSettings{Betas: r.Betas}).checkBetas(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// What stops AIS leaves the samples that are finished, where none is coupled to others.
func TestAISStops(t *testing.T) {
	m, d, _, _ := bellCurve(t, 3, 0.3, 0.8, 1)
	enough := errors.New("enough")
	for _, c := range []struct {
		at       int // of the evaluations
		resample float64
		samples  int // finished
	}{{21, 0, 0}, {41, 0, 10}, {125, 0, 30}, {125, 0.5, 0}} {
		for name, cancelled := range map[string]bool{"Progress": false, "context": true} {
			ctx, cancel := context.WithCancel(t.Context())
			before := 0
			s := &AISSettings{
				Samples: 50, Batch: 10, Betas: evenly(4), Resample: c.resample, Src: rand.NewPCG(1, 1),
				Progress: func(done, all int) error {
					if all != 200 || done <= before || done > before+10 {
						t.Errorf("%d of %d, after %d", done, all, before)
					}
					before = done
					if done < c.at {
						return nil
					}
					if cancelled {
						cancel()
						return nil
					}
					return enough
				},
			}
			r, err := AIS(ctx, m, d, s)
			cancel()
			want := enough
			if cancelled {
				want = context.Canceled
			}
			wantError(t, name, err, want, "flow: AIS: ")
			if (r == nil) != (c.samples == 0) {
				t.Fatalf("%s at %d: result %v", name, c.at, r)
			}
			if r == nil {
				continue
			}
			s.Progress = nil
			s.Src = rand.NewPCG(1, 1)
			whole := ais(t, m, d, s)
			wantSame(t, "weights", r.LogWeights, whole.LogWeights[:c.samples])
			if rows, _ := r.X.Dims(); rows != c.samples || r.Samples != c.samples {
				t.Errorf("%d samples, %d by the estimate, want %d", rows, r.Samples, c.samples)
			}
			wantSame(t, "samples", r.X.RawRowView(c.samples-1), whole.X.RawRowView(c.samples-1))
		}
	}
}

func TestAISErrors(t *testing.T) {
	m, d, _, _ := bellCurve(t, 3, 0.3, 0.8, 1)
	src := rand.NewPCG(1, 1)
	odd := target.Func(3, func(_, x []float64) float64 { return math.Log(x[0]) }) // NaN below 0
	group := symmetrize(t, m, Inversion(3))
	lopsided := target.Func(3, func(_, x []float64) float64 { return x[0] })
	for _, c := range []struct {
		name  string
		m     *Model
		d     target.Density
		s     *AISSettings
		is    error
		texts []string
	}{
		{"nil settings", m, d, nil, ErrSettings, nil},
		{"nil source", m, d, &AISSettings{}, ErrSettings, []string{"nil source"}},
		{"nil model", nil, d, &AISSettings{Src: src}, ErrSettings, nil},
		{"nil target", m, nil, &AISSettings{Src: src}, ErrSettings, nil},
		{"dimensions", m, gaussian(4, 1), &AISSettings{Src: src}, ErrShape, []string{"3", "4"}},
		{"no symmetry", group, lopsided, &AISSettings{Src: src}, ErrSymmetry, nil},
		{"samples", m, d, &AISSettings{Samples: -1, Src: src}, ErrSettings, []string{"-1 samples"}},
		{"too many", m, d, &AISSettings{Samples: math.MaxInt, Src: src}, ErrSettings, []string{"at most"}},
		{"batch", m, d, &AISSettings{Batch: -2, Src: src}, ErrSettings, []string{"batches of -2"}},
		{"rungs", m, d, &AISSettings{Rungs: -3, Src: src}, ErrSettings, []string{"-3 rungs"}},
		{"steps", m, d, &AISSettings{Steps: -4, Src: src}, ErrSettings, []string{"-4 moves"}},
		{"resample", m, d, &AISSettings{Resample: 1.5, Src: src}, ErrSettings, []string{"Resample 1.5"}},
		{"resample", m, d, &AISSettings{Resample: math.NaN(), Src: src}, ErrSettings, []string{"Resample NaN"}},
		{"no rungs", m, d, &AISSettings{Betas: []float64{}, Src: src}, ErrSettings, []string{"0 rungs"}},
		{"one rung", m, d, &AISSettings{Betas: []float64{0}, Src: src}, ErrSettings, []string{"1 rungs"}},
		{"begin", m, d, &AISSettings{Betas: []float64{0.1, 1}, Src: src}, ErrSettings, []string{"begin with 0.1"}},
		{"end", m, d, &AISSettings{Betas: []float64{0, 0.9}, Src: src}, ErrSettings, []string{"end with 0.9"}},
		{"unordered", m, d, &AISSettings{Betas: []float64{0, 0.5, 0.4, 1}, Src: src}, ErrSettings,
			[]string{"Betas[1] is 0.5", "Betas[2] is 0.4"}},
		{"twice", m, d, &AISSettings{Betas: []float64{0, 0.5, 0.5, 1}, Src: src}, ErrSettings,
			[]string{"Betas[2] is 0.5"}},
		{"NaN", m, d, &AISSettings{Betas: []float64{0, math.NaN(), 1}, Src: src}, ErrSettings,
			[]string{"Betas[1] is NaN"}},
		{"both", m, d, &AISSettings{Betas: []float64{0, 1}, Rungs: 2, Src: src}, ErrSettings, []string{"2 Rungs"}},
		{"no moves", m, d, &AISSettings{Moves: []hmc.Proposal{}, Src: src}, ErrSettings, []string{"no moves"}},
		{"nil move", m, d, &AISSettings{Moves: []hmc.Proposal{hmc.Independence{}, nil}, Src: src}, ErrSettings,
			[]string{"move 1 is nil"}},
		{"nil pointer", m, d, &AISSettings{Moves: []hmc.Proposal{(*hmc.Windows)(nil)}, Src: src}, ErrSettings,
			[]string{"move 0"}},
		{"window", m, d, &AISSettings{Moves: []hmc.Proposal{hmc.Windows{Sites: [][]int{{0, 3}}}}, Src: src},
			ErrSettings, []string{"move 0", "window 0 has coordinate 3 of 3"}},
		{"β", m, d, &AISSettings{Moves: []hmc.Proposal{hmc.CrankNicolson{Beta: 2}}, Src: src}, ErrSettings,
			[]string{"move 0", "Beta 2"}},
		{"NaN", m, odd, &AISSettings{Src: src}, ErrNotFinite, []string{"pilot run", "rung 0, sample", "ln π is NaN"}},
		{"NaN", m, odd, &AISSettings{Betas: []float64{0, 1}, Src: src}, ErrNotFinite, []string{"rung 0, sample"}},
		{"panic", m, target.Func(3, func(_, _ []float64) float64 { panic("no such site") }), &AISSettings{Src: src},
			nil, []string{"no such site"}},
		{"panic of a move", m, d, &AISSettings{Moves: []hmc.Proposal{wild{}}, Src: src}, nil, []string{"wild"}},
	} {
		r, err := AIS(t.Context(), c.m, c.d, c.s)
		wantError(t, c.name, err, c.is, append(c.texts, "flow: ")...)
		if r != nil {
			t.Errorf("%s: a result beside the error", c.name)
		}
	}
	var none context.Context
	if _, err := AIS(none, m, d, &AISSettings{Src: src}); !errors.Is(err, ErrSettings) {
		t.Errorf("nil context: %v", err)
	}
}

// wild is a proposal that panics.
type wild struct{ hmc.Independence }

func (wild) Propose(_, _ []float64, _ *rand.Rand) { panic("wild") }
