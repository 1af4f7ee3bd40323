package flow

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/hmc"
	"github.com/neuralrg/neuralrg/target"
)

// The means are those of the target, with errors that cover, for good models and bad
// ones, with proposals alone and with hybrid Monte Carlo. Seeds are fixed; a mean may be
// off by four standard errors.
func TestMeasureIsExact(t *testing.T) {
	const T = 8
	pi := must(target.NewIsing([]int{4, 4}, T))
	exact, _ := pi.ExactStructureFactor()
	obs := []Observable{{"m²", pi.StructureFactor}}
	plain := mera(t, 4, 1)
	scramble(plain, 1, 0.2)
	bad := mera(t, 4, 2)
	scramble(bad, 2, 0.6)
	for name, c := range map[string]struct {
		m      *Model
		kernel hmc.Kernel
	}{
		"plain":       {plain, nil},
		"symmetrised": {symmetrize(t, plain, Inversion(16)), nil},
		"bad":         {bad, nil},
		"HMC":         {plain, hmc.HMC{StepSize: 0.25, Steps: 6}},
		"mix": {plain, hmc.Mix{
			{Kernel: hmc.HMC{StepSize: 0.25, Steps: 4}}, {Kernel: hmc.Independence{}},
			{Kernel: hmc.RandomWalk{Scale: 0.2}},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := Measure(context.Background(), c.m, pi, obs, &MeasureSettings{
				Chains: 64, RelErr: 0.025, MaxSweeps: 1000, WarmUp: 60, Kernel: c.kernel, Src: rand.NewPCG(1, 2),
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("exact %.4f\n%v", exact, r)
			if row := r.Rows[0]; math.Abs(row.Mean-exact) > 4*row.MCSE && r.OK() {
				t.Errorf("m² %g ± %g, exact %g", row.Mean, row.MCSE, exact)
			}
			if name != "bad" && !r.OK() {
				t.Error("a good model is not trusted")
			}
		})
	}
}

// What the density keeps of its last evaluation are the configurations of the chains.
func TestMeasureFollowsChains(t *testing.T) {
	pi := must(target.NewIsing([]int{4, 4}, 8))
	m := mera(t, 4, 1)
	scramble(m, 1, 0.2)
	s := &MeasureSettings{Chains: 10, Src: rand.NewPCG(1, 2)}
	obs := []Observable{{"first", func(x []float64) float64 { return x[0] }}}
	s.Kernel = hmc.Mix{
		{Kernel: hmc.Independence{}}, {Kernel: hmc.HMC{Steps: 2}}, {Kernel: hmc.CrankNicolson{Beta: 0.5}},
		{Kernel: hmc.HMC{Steps: 2, Force: target.NewEvaluator(Latent(m, pi)).Float32()}},
	}
	full := must(s.defaults(m, obs))
	r := must(newMeasurer(m, pi, obs, full))
	want := mat.NewDense(10, 16, nil)
	for range 30 {
		if err := r.sampler.Sweep(); err != nil {
			t.Fatal(err)
		}
		if err := r.measure(); err != nil {
			t.Fatal(err)
		}
		if err := m.Decode(want, nil, r.sampler.X()); err != nil {
			t.Fatal(err)
		}
		if !mat.EqualApprox(want, r.x, 1e-12) {
			t.Fatal("other configurations than those of the chains")
		}
	}
}

// A model that lacks a mode of the target is found out by chains that start there.
func TestMeasureWarns(t *testing.T) {
	pi := must(target.NewIsing([]int{4, 4}, 1.2)) // cold: two modes
	m := mera(t, 4, 1)
	scramble(m, 1, 0.05)
	r, err := Measure(context.Background(), m, pi, []Observable{{"m", func(x []float64) float64 {
		s := 0.0
		for _, v := range x {
			s += math.Tanh(v) / 16
		}
		return s
	}}}, &MeasureSettings{Chains: 16, MaxSweeps: 100, Src: rand.NewPCG(1, 2)})
	if err != nil {
		t.Fatal(err)
	}
	if r.OK() || !strings.Contains(r.String(), "WARNING") {
		t.Errorf("trusted:\n%v", r)
	}
}

// A run that is stopped returns what it has.
func TestMeasureStops(t *testing.T) {
	pi, m := must(target.NewIsing([]int{4, 4}, 8)), mera(t, 4, 1)
	ctx, cancel := context.WithCancel(context.Background())
	n := 0
	obs := []Observable{{"n", func(x []float64) float64 {
		if n++; n == 85 { // 30 in the warm-up
			cancel()
		}
		return x[0]
	}}}
	s := &MeasureSettings{Chains: 10, WarmUp: 4, Src: rand.NewPCG(1, 2)}
	r, err := Measure(ctx, m, pi, obs, s)
	if !errors.Is(err, context.Canceled) || r == nil || r.Sweeps != 6 {
		t.Errorf("%v after %v", err, r)
	}
	stop := errors.New("enough")
	s.Progress = func(*Measurement) error { return stop }
	if r, err := Measure(context.Background(), m, pi, obs, s); !errors.Is(err, stop) || r == nil {
		t.Errorf("%v after %v", err, r)
	}
}

func TestMeasureErrors(t *testing.T) {
	ctx, pi, m := context.Background(), must(target.NewIsing([]int{4, 4}, 8)), mera(t, 4, 1)
	good := []Observable{{"x", func(x []float64) float64 { return x[0] }}}
	nan := []Observable{{"bad one", func(x []float64) float64 { return math.NaN() }}}
	src := func() rand.Source { return rand.NewPCG(1, 2) }
	for name, c := range map[string]struct {
		obs  []Observable
		s    *MeasureSettings
		want error
		text string
	}{
		"nil settings":   {good, nil, ErrSettings, "nil source"},
		"nil source":     {good, &MeasureSettings{}, ErrSettings, "nil source"},
		"no observables": {nil, &MeasureSettings{Src: src()}, ErrSettings, "no observables"},
		"nil Func":       {[]Observable{{Name: "y"}}, &MeasureSettings{Src: src()}, ErrSettings, `"y"`},
		"chains":         {good, &MeasureSettings{Chains: -1, Src: src()}, ErrSettings, "-1 chains"},
		"RelErr":         {good, &MeasureSettings{RelErr: math.NaN(), Src: src()}, ErrSettings, "RelErr NaN"},
		"Start": {good, &MeasureSettings{Start: mat.NewDense(1, 15, nil), Src: src()},
			ErrShape, "rows of Start"},
		"NaN": {nan, &MeasureSettings{Chains: 4, Src: src()}, ErrNotFinite, `observable 0, "bad one"`},
		"kernel": {good, &MeasureSettings{Kernel: hmc.CrankNicolson{Beta: 2}, Src: src()},
			ErrSettings, "Beta"},
	} {
		r, err := Measure(ctx, m, pi, c.obs, c.s)
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) || r != nil {
			t.Errorf("%s: %v, %v", name, r, err)
		}
	}
}

// The errors cover although Measure stops when they are small: of 40 runs of different
// seeds, about 27 means are within one standard error, and the mean squared distance is one
// squared error; five standard deviations are allowed.
func TestMeasureCovers(t *testing.T) {
	if testing.Short() {
		t.Skip("many runs")
	}
	pi := must(target.NewIsing([]int{4, 4}, 8))
	exact, _ := pi.ExactStructureFactor()
	m := mera(t, 4, 1)
	scramble(m, 1, 0.1)
	const runs = 40
	within, squares := 0, 0.0
	for seed := range uint64(runs) {
		r, err := Measure(context.Background(), m, pi, []Observable{{"m²", pi.StructureFactor}},
			&MeasureSettings{RelErr: 0.04, WarmUp: 60, Src: rand.NewPCG(seed, 3)})
		if err != nil {
			t.Fatal(err)
		}
		z := (r.Rows[0].Mean - exact) / r.Rows[0].MCSE
		squares += z * z
		if math.Abs(z) < 1 {
			within++
		}
	}
	t.Logf("%d of %d within one error, mean square %.2f", within, runs, squares/runs)
	if within < 12 || math.Abs(squares/runs-1) > 5*math.Sqrt(2./runs) {
		t.Errorf("%d of %d within one error, mean square %.2f", within, runs, squares/runs)
	}
}
