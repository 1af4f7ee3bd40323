package flow

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/bijector/bijectortest"
	"github.com/neuralrg/neuralrg/target"
)

// stages is a block of a program. It stretches every value in several stages,
//
//	x_i = exp(fixed_i + Σ_k s_ki)·z_i,
//
// by parameters s and by numbers that are not trained. All that the library knows of
// it is in this file.
type stages struct {
	s, fixed *bijector.Param // (stages, dim) and (1, dim)
}

// newStages has all parameters at zero.
func newStages(n int, fixed []float64) (*stages, error) {
	s, err := bijector.NewParam("stretch", make([]float64, n*len(fixed)), n, len(fixed))
	if err != nil {
		return nil, err
	}
	return stagesOf(s, fixed)
}

func stagesOf(s *bijector.Param, fixed []float64) (*stages, error) {
	f, err := bijector.NewParam("fixed", fixed, 1, len(fixed))
	return &stages{s, f}, err
}

func (b *stages) Dim() int                  { return b.fixed.Value().Shape()[1] }
func (b *stages) Params() []*bijector.Param { return []*bijector.Param{b.s} }

func (b *stages) Forward(z *gorgonia.Node) (x, logDet *gorgonia.Node, err error) {
	return b.stretch(z, false)
}

func (b *stages) Inverse(x *gorgonia.Node) (z, logDet *gorgonia.Node, err error) {
	return b.stretch(x, true)
}

func (b *stages) stretch(x *gorgonia.Node, inverse bool) (y, logDet *gorgonia.Node, err error) {
	sum := func(p *bijector.Param) *gorgonia.Node { return gorgonia.Must(gorgonia.Sum(p.Node(x), 0)) }
	by := gorgonia.Must(gorgonia.Add(sum(b.s), sum(b.fixed)))
	if inverse {
		by = gorgonia.Must(gorgonia.Neg(by))
	}
	if y, err = gorgonia.BroadcastHadamardProd(x, gorgonia.Must(gorgonia.Exp(by)), nil, []byte{0}); err != nil {
		return nil, nil, err
	}
	zero := gorgonia.Must(gorgonia.Sub(x, x))
	logDet, err = gorgonia.Sum(gorgonia.Must(gorgonia.BroadcastAdd(zero, by, nil, []byte{0})), 1)
	return y, logDet, err
}

// Describe makes it a bijector that files can hold.
func (b *stages) Describe() *bijector.Description {
	return &bijector.Description{
		Kind:   "stages",
		Config: stagesConfig{b.s.Value().Shape()[0]},
		Arrays: func() []bijector.Array {
			return []bijector.Array{{Name: "fixed", Shape: []int{b.Dim()}, Floats: b.fixed.Value().Float64s()}}
		},
	}
}

type stagesConfig struct {
	Stages int `json:"stages"`
}

// stagesKind builds it again.
var stagesKind = bijector.Kind{Name: "stages", Build: func(s bijector.Stored) (bijector.Bijector, error) {
	var c stagesConfig
	if err := s.Config(&c); err != nil {
		return nil, err
	}
	if err := s.ExpectParam("stretch", c.Stages, s.Dim()); err != nil || c.Stages < 1 {
		return nil, fmt.Errorf("%d stages: %w", c.Stages, err)
	}
	fixed, err := s.Floats("fixed", s.Dim())
	if err != nil {
		return nil, err
	}
	return newStages(c.Stages, fixed)
}}

// Steps explains faults: the fixed part belongs to the first stage.
func (b *stages) Steps() []bijector.Step {
	dim, v := b.Dim(), b.s.Value().Float64s()
	var steps []bijector.Step
	for at := 0; at < len(v); at += dim {
		fixed := make([]float64, dim)
		if at == 0 {
			copy(fixed, b.fixed.Value().Float64s())
		}
		one := must(stagesOf(must(bijector.NewParam("stretch", v[at:at+dim], 1, dim)), fixed))
		steps = append(steps, bijector.Step{Name: fmt.Sprintf("stage %d", at/dim), Map: one})
	}
	return steps
}

// LogScales lets training bound the stretches.
func (b *stages) LogScales() []*mat.VecDense {
	v := b.s.Value().Float64s()
	return []*mat.VecDense{mat.NewVecDense(len(v), v)}
}

// ofStages is a MERA of such blocks on 4 × 4 sites.
func ofStages(t *testing.T) *Model {
	return model(t, must(bijector.NewMERA([]int{4, 4}, func(sites int) (bijector.Bijector, error) {
		fixed := make([]float64, sites)
		for i := range fixed {
			fixed[i] = 0.1 * float64(i)
		}
		return newStages(3, fixed)
	}, nil)))
}

// A block of a program that describes itself is checked, saved, loaded and grown, it
// explains its faults, and its scales are bounded, like those of the library.
func TestOwnKind(t *testing.T) {
	m := ofStages(t)
	scramble(m, 1, 0.3)
	bijectortest.Check(t, m.Bijector().(*bijector.Hierarchy).Layers()[0].Block())

	data := save(t, m)
	l, err := Load(bytes.NewReader(data), stagesKind)
	if err != nil {
		t.Fatal(err)
	}
	wantSame(t, "parameters", params(l), params(m))
	wantSame(t, "ln q", logProbs(t, l, randn(1, 5, 16)), logProbs(t, m, randn(1, 5, 16)))
	if !bytes.Equal(save(t, l), data) {
		t.Error("saved again it is another file")
	}
	if err := l.Restore(bytes.NewReader(data)); err != nil {
		t.Error(err)
	}
	_, err = Load(bytes.NewReader(data))
	wantError(t, "loaded without its kind", err, ErrCheckpoint, `"stages"`, "use Model.Restore")
	if !errors.Is(err, bijector.ErrKind) {
		t.Errorf("%v", err)
	}

	grown, err := PaperRecipe().Grow(m, []int{8, 8}, nil, stagesKind)
	if err != nil {
		t.Fatal(err)
	}
	first := func(m *Model) []float64 {
		return m.Bijector().(*bijector.Hierarchy).Layers()[0].Block().Params()[0].Value().Float64s()
	}
	wantSame(t, "parameters of the finest layer", first(grown), first(m))
}

func TestOwnKindFaults(t *testing.T) {
	m := ofStages(t)
	layer := m.Bijector().(*bijector.Hierarchy).Layers()[2]
	at := 0
	for _, p := range m.Params() {
		if p == layer.Block().Params()[0] {
			break
		}
		at += p.Value().DataSize()
	}
	if got, want := m.owner(at+5), ` of parameter "stretch", stage 1, layer 2`; got != want {
		t.Errorf("owner %q, want %q", got, want)
	}
	layer.Block().Params()[0].Value().Float64s()[5] = 1e4
	tr := must(NewTrainer(m, target.NewNormal(16), &Settings{Batch: 8, Src: rand.NewPCG(1, 1)}))
	_, err := tr.Step()
	wantError(t, "fault", err, ErrNotFinite, "not finite from layer 2, stage 1 of *flow.stages")
}

func TestOwnKindScales(t *testing.T) {
	m := ofStages(t)
	scramble(m, 1, 0.3)
	tr := must(NewTrainer(m, target.NewNormal(16), &Settings{
		Batch: 8, Optimizer: OptimizerSettings{MaxScale: 0.1}, Src: rand.NewPCG(1, 1)}))
	if _, err := tr.Step(); err != nil {
		t.Fatal(err)
	}
	v := params(m)
	if largest := max(slices.Max(v), -slices.Min(v)); math.Abs(largest) != 0.1 {
		t.Errorf("largest scale %g, bounded by 0.1", largest)
	}
}

// oddConfig has settings that a file cannot hold.
type oddConfig struct {
	wrapper
	config any
}

func (o oddConfig) Describe() *bijector.Description {
	return &bijector.Description{Kind: "odd", Config: o.config}
}

// Settings that would be taken for something else are refused by Save.
func TestSaveRefusesSettings(t *testing.T) {
	for name, config := range map[string]any{
		"a number":       3,
		"a list":         []int{1},
		"nil":            (*stagesConfig)(nil),
		"type":           struct{ Type string }{"x"},
		"dim":            struct{ DIM int }{1},
		"of":             map[string]any{"of": []int{0}},
		"a function":     func() {},
		"not finite":     map[string]float64{"x": math.Inf(1)},
		"wrong spelling": map[string]any{"oF": nil},
	} {
		m := model(t, oddConfig{wrapper{must(bijector.NewActNorm(2))}, config})
		wantError(t, name, m.Save(&bytes.Buffer{}), ErrCheckpoint, "flow.oddConfig")
	}
}
