package flow

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/target"
)

// quickPilot are settings of a pilot run that takes little time.
func quickPilot(seed uint64) *PilotSettings {
	small := &Recipe{Couplings: 2, Hidden: []int{4}}
	return &PilotSettings{Recipe: small, Chains: 8, Sweeps: 100, Steps: 4, Batch: 16, Src: rand.NewPCG(seed, 1)}
}

// heldBy are the symmetries that a pilot run finds.
func heldBy(t *testing.T, d target.Density, shape []int) held {
	t.Helper()
	s := must((&PilotSettings{Shape: shape, Src: rand.NewPCG(1, 2)}).defaults(context.Background(), d))
	r := &piloting{t: d, s: s, rnd: rand.New(s.Src), Pilot: &Pilot{Shape: s.Shape, Images: s.Images}}
	for _, phase := range []func(context.Context) error{r.begin, r.symmetries} {
		if err := phase(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if len(r.Symmetries) > 0 { // the target has the whole group
		m := must(Symmetrize(must(New(target.NewNormal(d.Dim()), identity(t, d.Dim()))), r.Symmetries...))
		if err := checkSymmetry(m, d); err != nil {
			t.Errorf("shape %v: %v", shape, err)
		}
	}
	return r.held
}

func identity(t *testing.T, dim int) bijector.Bijector {
	t.Helper()
	return must(bijector.NewActNorm(dim))
}

// A pilot run finds the symmetries that a target has, and no others.
func TestPilotSymmetries(t *testing.T) {
	phi4 := func(shape ...int) target.Density {
		return must(target.NewPhi4(shape, &target.Phi4Settings{Mass2: -1, Lambda: 2}))
	}
	local := func(potential func(site int, phi float64) (v, slope float64), coupling ...float64) target.Density {
		return must(target.NewLocal([]int{4, 4}, &target.LocalSettings{Coupling: coupling,
			Potential: func(site int, grad, phi []float64) (v float64) {
				v, grad[0] = potential(site, phi[0])
				return v
			}}))
	}
	quartic := func(h, k float64) func(int, float64) (float64, float64) {
		return func(_ int, x float64) (float64, float64) {
			return x*x + k*x*x*x*x - h*x, 2*x + 4*k*x*x*x - h
		}
	}
	site := func(s int, x float64) (float64, float64) {
		v, slope := quartic(0.1*float64(s*s), 1)(s, x)
		return v, slope
	}
	row := func(s int, x float64) (float64, float64) { return quartic(0, 1+float64(s/4))(s, x) }
	both, none, three := []bool{true, true}, []bool{false, false}, []bool{true, true, true}
	exchange := [][2]int{{0, 1}}
	for name, c := range map[string]struct {
		d     target.Density
		shape []int
		want  held
	}{
		"φ⁴, square":           {phi4(4, 4), nil, held{both, both, exchange, true}},
		"φ⁴, oblong":           {phi4(4, 6), nil, held{both, both, nil, true}},
		"φ⁴, cubic and oblong": {phi4(2, 4, 2), nil, held{three, three, [][2]int{{0, 2}}, true}},
		"φ⁴, chain":            {phi4(5), nil, held{both[:1], both[:1], nil, true}},
		"a field":              {local(quartic(0.3, 1)), nil, held{both, both, exchange, false}},
		"anisotropic":          {local(quartic(0, 1), 1, 0.5), nil, held{both, both, nil, true}},
		"a potential of sites": {local(site), nil, held{none, none, nil, false}},
		"a potential of rows":  {local(row), nil, held{[]bool{false, true}, []bool{false, true}, nil, true}},
		"a Func of a chain":    {chainFunc(6), []int{6}, held{both[:1], both[:1], nil, true}},
		"an open chain":        {openFunc(6), nil, held{none[:1], both[:1], nil, true}},
		"a Gaussian":           {gaussian(4, 3), []int{2, 2}, held{both, both, exchange, true}},
	} {
		if got := heldBy(t, c.d, c.shape); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

// chainFunc is a periodic chain as a plain function, openFunc an open one.
func chainFunc(n int) target.Density { return bondsFunc(n, n) }
func openFunc(n int) target.Density  { return bondsFunc(n, n-1) }

func bondsFunc(n, bonds int) target.Density {
	return target.Func(n, func(grad, x []float64) (logp float64) {
		clear(grad)
		add := func(i int, slope float64) {
			if grad != nil {
				grad[i] += slope
			}
		}
		for i, v := range x {
			logp -= v * v
			add(i, -2*v)
		}
		for i := range bonds {
			d := x[i] - x[(i+1)%n]
			logp -= d * d
			add(i, -2*d)
			add((i+1)%n, 2*d)
		}
		return logp
	})
}

// The size of a Gaussian field and its covariance are found within errors, for fields of very
// different sizes and with a mean.
func TestPilotField(t *testing.T) {
	for _, sigma := range []float64{1e-3, 1, 1e6} {
		p, err := NewPilot(context.Background(), gaussian(4, sigma), quickPilot(3))
		if err != nil {
			t.Fatal(err)
		}
		f := p.Field
		if !(math.Abs(f.RMS-sigma) < 4*f.RMSErr && f.RMSErr < 0.1*sigma) || p.Recipe.Scale != f.RMS {
			t.Errorf("size %g ± %g, Scale %g, want %g", f.RMS, f.RMSErr, p.Recipe.Scale, sigma)
		}
	}
	mean := target.Func(3, func(grad, x []float64) (logp float64) {
		for i, v := range x {
			logp -= 2 * (v - 1) * (v - 1)
			if grad != nil {
				grad[i] = -4 * (v - 1)
			}
		}
		return logp
	})
	p := must(NewPilot(context.Background(), mean, quickPilot(4)))
	if math.Abs(p.Field.RMS-0.5) > 0.05 {
		t.Errorf("about a mean: size %g, want 0.5", p.Field.RMS)
	}
	free := must(target.NewFreeField([]int{4, 4}, 0.5))
	long := quickPilot(5)
	long.Chains, long.Sweeps, long.Steps = 64, 300, -1
	p = must(NewPilot(context.Background(), free, long))
	want, got := free.Spectrum(), p.Field.Spectrum
	if got == nil {
		t.Fatalf("no spectrum: %v", p.Field.Warnings)
	}
	for k, v := range want { // from 64 independent chains of some effective samples each
		if math.Abs(got[k]/v-1) > 0.15 {
			t.Errorf("mode %d: %g, want %g", k, got[k], v)
		}
	}
	if got[1] != got[4] || got[1] != got[3] || got[5] != got[15] {
		t.Errorf("modes that symmetries map onto each other differ: %v", got)
	}
}

// The model that a pilot run chooses begins with the size of the field or its covariance, has
// the symmetries of the target and can be trained.
func TestPilotModel(t *testing.T) {
	pi := must(target.NewPhi4([]int{4, 4}, &target.Phi4Settings{Mass2: -12.398, Lambda: 31.273}))
	p, err := NewPilot(context.Background(), pi, quickPilot(1))
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Trials) < 3 || p.Trials[0].Recipe.Exact == nil || p.Trials[2].Spectrum == nil {
		t.Fatalf("trials: %s", p)
	}
	m := must(p.Model(rand.NewPCG(1, 2)))
	if n := len(m.Symmetries()); n != 2*8*16 {
		t.Errorf("%d symmetries, want those of the square, translations and x → −x", n)
	}
	x, _ := sample(t, m, 1000, 1)
	if got := rms(x, nil); math.Abs(got/p.Field.RMS-1) > 0.3 {
		t.Errorf("the field begins with %g, the target has %g", got, p.Field.RMS)
	}
	s := p.Settings(m, 3, rand.NewPCG(1, 3))
	if s.Images != 4 {
		t.Errorf("%d images", s.Images)
	}
	s.Batch = 16
	if _, err := Train(context.Background(), m, pi, s); err != nil {
		t.Error(err)
	}
	text := p.String()
	for _, want := range []string{"field of size", "symmetries: x → −x", "* ", "exact odd sites", "declared"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
}

// A Gaussian field with its spectrum is whitened: nothing is left to be learned. A recipe that
// loses is not chosen.
func TestPilotWhitens(t *testing.T) {
	free := must(target.NewFreeField([]int{4, 4}, 0.1))
	p := must(NewPilot(context.Background(), free, quickPilot(2)))
	if !p.Recipe.Whiten || p.Spectrum == nil {
		t.Errorf("a free field is not whitened:\n%s", p)
	}
	// The spectrum of another field.
	wrong := struct {
		shifted
		declared
	}{shifted{free, 1}, declared{[]int{4, 4}, slices.Repeat([]float64{1e6}, 16)}}
	p = must(NewPilot(context.Background(), wrong, quickPilot(2)))
	if p.Spectrum != nil && p.Spectrum[1] == 1e6 {
		t.Errorf("whitened by a wrong spectrum:\n%s", p)
	}
}

// declared is what a target declares.
type declared struct {
	shape    []int
	spectrum []float64
}

func (d declared) Shape() []int        { return d.shape }
func (d declared) Spectrum() []float64 { return d.spectrum }

// Without trials the first recipe is chosen.
func TestPilotWithoutTrials(t *testing.T) {
	for _, c := range []struct {
		shape []int
		exact bool
	}{{[]int{4, 4}, true}, {[]int{3, 3}, false}} {
		s := quickPilot(1)
		s.Steps = -1
		pi := must(target.NewPhi4(c.shape, &target.Phi4Settings{Mass2: 1, Lambda: 1}))
		p := must(NewPilot(context.Background(), pi, s))
		if (p.Recipe.Exact != nil) != c.exact || p.Spectrum != nil || p.Recipe.Scale != p.Field.RMS {
			t.Errorf("%v:\n%s", c.shape, p)
		}
	}
}

// A target without a lattice has blocks on all values or a chain.
func TestPilotWithoutLattice(t *testing.T) {
	s := quickPilot(1)
	s.Recipe = nil
	p := must(NewPilot(context.Background(), openFunc(5), s))
	if len(p.Trials) < 2 || p.Trials[0].Name != "blocks on all values" {
		t.Errorf("trials:\n%s", p)
	}
	for _, trial := range p.Trials {
		if trial.Err != nil {
			t.Errorf("%s: %v", trial.Name, trial.Err)
		}
	}
	m := must(p.Trials[0].Recipe.Model(p.Shape, nil, rand.NewPCG(1, 1)))
	if h := hierarchyOf(t, m); len(h.Layers()) != 5 || h.Layers()[1].Block().Dim() != 5 {
		t.Errorf("%d layers", len(h.Layers()))
	}
	one := must(NewPilot(context.Background(), gaussian(1, 2), s))
	if math.Abs(one.Field.RMS-2) > 0.4 {
		t.Errorf("one value: size %g", one.Field.RMS)
	}
}

// The same source gives the same choice, whatever GOMAXPROCS is.
func TestPilotRepeats(t *testing.T) {
	pi := must(target.NewPhi4([]int{4, 2}, &target.Phi4Settings{Mass2: -4, Lambda: 7}))
	var texts []string
	for _, procs := range []int{1, 2, 2} {
		old := runtime.GOMAXPROCS(procs)
		p := must(NewPilot(context.Background(), pi, quickPilot(9)))
		texts = append(texts, fmt.Sprintf("%s%x%x%x", p, p.Field, p.Spectrum, p.Trials[0].Loss))
		runtime.GOMAXPROCS(old)
	}
	if texts[0] != texts[1] || texts[1] != texts[2] {
		t.Errorf("another choice: %q", texts)
	}
}

// Bad input has an error that names it.
func TestPilotErrors(t *testing.T) {
	ctx := context.Background()
	g := gaussian(4, 1)
	constant := func(v float64) target.Density {
		return target.Func(4, func(grad, _ []float64) float64 { clear(grad); return v })
	}
	nanGrad := target.Func(4, func(grad, x []float64) float64 {
		for i := range grad {
			grad[i] = math.NaN()
		}
		return gaussianFunc(1)(nil, x)
	})
	logarithmic := target.Func(4, func(grad, x []float64) (logp float64) {
		for i, v := range x {
			logp -= math.Log1p(v*v) / 4
			if grad != nil {
				grad[i] = -v / 2 / (1 + v*v)
			}
		}
		return logp
	})
	set := func(change func(s *PilotSettings)) *PilotSettings {
		s := quickPilot(1)
		change(s)
		return s
	}
	o2 := must(target.NewPhi4([]int{4}, &target.Phi4Settings{Mass2: 1, Lambda: 1, Components: 2}))
	stopped, cancel := context.WithCancel(ctx)
	cancel()
	for name, c := range map[string]struct {
		ctx  context.Context
		d    target.Density
		s    *PilotSettings
		is   error
		says string
	}{
		"nil settings": {ctx, g, nil, ErrSettings, "nil"},
		"nil target":   {ctx, nil, quickPilot(1), ErrSettings, "nil"},
		"nil pointer":  {ctx, (*target.Phi4)(nil), quickPilot(1), nil, "pilot"},
		"nil context":  {nil, g, quickPilot(1), ErrSettings, "nil"},
		"no source":    {ctx, g, &PilotSettings{}, ErrSettings, "source"},
		"steps":        {ctx, g, set(func(s *PilotSettings) { s.Steps = 1 }), ErrSettings, "Steps 1"},
		"sweeps":       {ctx, g, set(func(s *PilotSettings) { s.Sweeps = -1 }), ErrSettings, "Sweeps -1"},
		"chains":       {ctx, g, set(func(s *PilotSettings) { s.Chains = 1 }), ErrSettings, "Chains 1"},
		"shape":        {ctx, g, set(func(s *PilotSettings) { s.Shape = []int{3} }), ErrShape, "[3]"},
		"empty shape":  {ctx, g, set(func(s *PilotSettings) { s.Shape = []int{} }), ErrShape, "without extents"},
		"components":   {ctx, o2, quickPilot(1), ErrSettings, "2 components"},
		"NaN":          {ctx, constant(math.NaN()), quickPilot(1), ErrNotFinite, "NaN"},
		"−Inf":         {ctx, constant(math.Inf(-1)), quickPilot(1), ErrNotFinite, "infinite"},
		"improper":     {ctx, constant(0), quickPilot(1), ErrSettings, "periodic"},
		"no size":      {ctx, logarithmic, quickPilot(1), ErrSettings, "finite size"},
		"NaN gradient": {ctx, nanGrad, quickPilot(1), ErrNotFinite, "chains"},
		"angles":       {ctx, must(target.NewXY([]int{2, 2}, 1)), quickPilot(1), ErrSettings, "periodic"},
		"recipe": {ctx, g, set(func(s *PilotSettings) { s.Recipe = &Recipe{Couplings: -1} }), ErrSettings,
			"not whitened"},
		"context": {stopped, g, quickPilot(1), context.Canceled, "warm-up"},
	} {
		p, err := NewPilot(c.ctx, c.d, c.s)
		wantError(t, name, err, c.is, c.says)
		if p != nil {
			t.Errorf("%s: a pilot beside an error", name)
		}
	}
}

// Ctrl-C during the trials ends the run, and the error says where it was.
func TestPilotStops(t *testing.T) {
	s := quickPilot(1)
	s.Steps = 1 << 20
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	graphs := 0
	_, err := NewPilot(ctx, watched{gaussian(4, 1), func() {
		if graphs++; graphs == 4 { // after those of start, symmetries and chains
			cancel()
		}
	}}, s)
	wantError(t, "Ctrl-C", err, context.Canceled, `trial "not whitened", step`)
}

// watched calls a function for every graph.
type watched struct {
	target.Density
	call func()
}

func (w watched) LogProb(x *gorgonia.Node) (*gorgonia.Node, error) {
	w.call()
	return w.Density.LogProb(x)
}
