package flow

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/bijector/bijectortest"
)

// Each recipe makes a model that trains, and a better one a better model.
func TestRecipes(t *testing.T) {
	d := ising(t, 4)
	gap := map[string]float64{}
	for name, r := range map[string]*Recipe{"paper": PaperRecipe(), "fast": FastRecipe(), "best": BestRecipe()} {
		src := rand.NewPCG(1, 1)
		m, err := r.Model([]int{4, 4}, d.Spectrum(), src)
		if err != nil {
			t.Fatal(err)
		}
		m = symmetrize(t, m, Inversion(16)).Float32()
		s := r.Settings(250, src)
		s.Batch = 64
		if _, err := Train(context.Background(), m, d, s); err != nil {
			t.Fatal(err)
		}
		e, err := Evaluate(context.Background(), m, d, &EvaluateSettings{Samples: 10000, Src: src})
		if err != nil {
			t.Fatal(err)
		}
		gap[name] = e.Loss + d.LogZ()
	}
	t.Logf("gaps %v", gap)
	if !(gap["best"] < 0.3 && gap["best"] < gap["fast"] && gap["fast"] < gap["paper"] && gap["paper"] < 2) {
		t.Errorf("gaps %v", gap)
	}
}

func TestRecipeModel(t *testing.T) {
	src := rand.NewPCG(1, 1)
	m, err := BestRecipe().Model([]int{8}, nil, src)
	if err != nil {
		t.Fatal(err)
	}
	h, ok := m.Bijector().(*bijector.Hierarchy)
	if !ok || len(h.Layers()) != 3*5 || h.Layers()[0].Block().Dim() != 2 {
		t.Errorf("a %T", m.Bijector())
	}
	if b, ok := h.Layers()[0].Block().(*bijector.Spline); !ok || b.Describe().Kind != "smoothspline" {
		t.Errorf("blocks are %T", h.Layers()[0].Block())
	}
	_, err = (&Recipe{Network: bijector.NetworkSettings{Depth: 1}}).Model([]int{4, 5}, nil, src)
	if !errors.Is(err, bijector.ErrTiles) {
		t.Errorf("5 sites, a given number of scales: %v", err)
	}
	if _, err := BestRecipe().Model([]int{4, 4}, []float64{1}, src); !errors.Is(err, ErrShape) {
		t.Errorf("another spectrum: %v", err)
	}
	_, err = (&Recipe{Network: bijector.NetworkSettings{Size: 300}}).Model([]int{300, 300}, nil, src)
	if !errors.Is(err, ErrSettings) {
		t.Errorf("huge blocks: %v", err)
	}
	nineteen := &Recipe{ConditionalDecimators: true, Network: bijector.NetworkSettings{Size: 19}}
	if _, err := nineteen.Model([]int{19, 19}, nil, src); !errors.Is(err, ErrSettings) {
		t.Errorf("conditional decimators of huge blocks: %v", err)
	}
	for _, shape := range [][]int{{8}, {2, 2}, {2, 2, 2}} {
		m := must((&Recipe{Couplings: 1, Hidden: []int{3}, ConditionalDecimators: true}).Model(shape, nil, src))
		bijectortest.Check(t, m.Bijector())
	}
	if s := FastRecipe().Settings(100, src); s.Optimizer.Schedule(10) != 1 || s.Optimizer.Schedule(101) != 0 ||
		s.Anneal(25) != 0.75 || s.Anneal(50) != 1 || s.Objective != Objective(ReverseKL{PathGradient: true}) ||
		s.Optimizer.LearnRate != 1e-2 || s.Optimizer.Method != Soap {
		t.Errorf("%+v", s)
	}
}

// A grown model has copies of the layers of a smaller one, and in between more of
// those before the coarsest.
func TestGrow(t *testing.T) {
	src := rand.NewPCG(1, 1)
	for name, r := range map[string]*Recipe{"paper": PaperRecipe(), "best": BestRecipe(),
		"conditional": {Couplings: 2, ConditionalDecimators: true, Whiten: true},
		"blocks of 9": {Spline: true, Couplings: 1, Network: bijector.NetworkSettings{Size: 3}}} {
		size := max(2, r.Network.Size)
		shape := func(depth int) []int { n := int(math.Pow(float64(size), float64(depth))); return []int{n, n} }
		spectrum := func(depth int) []float64 { return slices.Repeat([]float64{2}, shape(depth)[0]*shape(depth)[1]) }
		for _, c := range []struct {
			from, to int
			scales   []int // of the small model, fine to coarse
		}{{1, 3, []int{0, 0, 0}}, {2, 3, []int{0, 0, 1}}, {3, 3, []int{0, 1, 2}}, {3, 2, []int{0, 2}}} {
			if size == 3 && c.from == 3 {
				continue
			}
			small := must(r.Model(shape(c.from), spectrum(c.from), src))
			scramble(small, 2, 0.3)
			m, err := r.Grow(symmetrize(t, small, Inversion(small.Dim())), shape(c.to), spectrum(c.to))
			if err != nil {
				t.Fatalf("%s, %d: %v", name, c, err)
			}
			if m.group != nil {
				t.Errorf("%s, %d: symmetrised", name, c)
			}
			per := 2 * max(1, r.Network.Repeat)
			if r.ConditionalDecimators {
				per++
			}
			a, b := slices.Concat(must(r.scales(small, true))...), slices.Concat(must(r.scales(m, true))...)
			if len(b) != c.to*per {
				t.Fatalf("%s, %d: %d layers", name, c, len(b))
			}
			owned := map[*bijector.Param]bool{}
			for k, l := range b {
				of := a[c.scales[k/per]*per+k%per].Block()
				p, q := l.Block().Params()[0], of.Params()[0]
				if owned[p] || p == q {
					t.Errorf("%s, %d, layer %d: a parameter is shared", name, c, k)
				}
				owned[p] = true
				if !slices.Equal(p.Value().Float64s(), q.Value().Float64s()) || !sameBlock(l.Block(), of) {
					t.Errorf("%s, %d, layer %d: not a copy", name, c, k)
				}
			}
		}
	}
}

// sameBlock tells whether two blocks have the same settings.
func sameBlock(a, b bijector.Bijector) bool {
	switch a := a.(type) {
	case *bijector.RealNVP:
		return reflect.DeepEqual(a.Settings(), b.(*bijector.RealNVP).Settings())
	case *bijector.Spline:
		return reflect.DeepEqual(a.Settings(), b.(*bijector.Spline).Settings())
	}
	return false
}

func TestGrowFails(t *testing.T) {
	src := rand.NewPCG(1, 1)
	r := FastRecipe()
	spectrum := slices.Repeat([]float64{1}, 16)
	small := must(r.Model([]int{4, 4}, spectrum, src))
	if _, err := r.Grow(nil, []int{8, 8}, nil); !errors.Is(err, ErrSettings) {
		t.Errorf("nil: %v", err)
	}
	if _, err := BestRecipe().Grow(small, []int{4, 4}, spectrum); !errors.Is(err, bijector.ErrHierarchy) {
		t.Errorf("another number of layers: %v", err)
	}
	_, err := (&Recipe{Spline: true, Whiten: true}).Grow(small, []int{4, 4}, spectrum)
	if !errors.Is(err, bijector.ErrHierarchy) {
		t.Errorf("decimators from conditional ones: %v", err)
	}
	if _, err := r.Grow(small, []int{4, 4}, nil); !errors.Is(err, bijector.ErrHierarchy) {
		t.Errorf("a network without whitening from one with: %v", err)
	}
	if _, err := r.Grow(small, []int{4}, []float64{1, 1, 1, 1}); !errors.Is(err, bijector.ErrHierarchy) {
		t.Errorf("another dimension: %v", err)
	}
	_, err = r.Grow(small, []int{12, 12}, slices.Repeat([]float64{1}, 144))
	wantError(t, "other tiles at the top", err, bijector.ErrHierarchy,
		"scale 2 of lattice [12 12] has tiles of 9 sites", "tiles have 4")
	other := must(bijector.NewTree([]int{4, 4}, func(int) (bijector.Bijector, error) {
		return bijector.NewOrthogonal(4, src)
	}, nil))
	if _, err := r.Grow(model(t, other), []int{8, 8}, nil); !errors.Is(err, bijector.ErrHierarchy) {
		t.Errorf("a tree: %v", err)
	}
	own := ownBlock{must(bijector.NewParam("factor", []float64{1}, 1))}
	other = must(bijector.NewMERA([]int{4, 4}, func(int) (bijector.Bijector, error) { return own, nil }, nil))
	if _, err := PaperRecipe().Grow(model(t, other), []int{8, 8}, nil); !errors.Is(err, bijector.ErrKind) {
		t.Errorf("blocks of a program that do not describe themselves: %v", err)
	}
}

// At the critical point a grown model begins where a new one ends after
// hundreds of steps.
func TestGrowBeginsWell(t *testing.T) {
	if testing.Short() {
		t.Skip("trains")
	}
	r := FastRecipe()
	src := rand.NewPCG(1, 1)
	small := must(r.Model([]int{4, 4}, ising(t, 4).Spectrum(), src))
	s := r.Settings(150, src)
	s.Batch = 128
	inverted := symmetrize(t, small, Inversion(16)).Float32()
	if _, err := Train(context.Background(), inverted, ising(t, 4), s); err != nil {
		t.Fatal(err)
	}
	d := ising(t, 8)
	gap := func(m *Model) float64 {
		e, err := Evaluate(context.Background(), symmetrize(t, m, Inversion(64)), d,
			&EvaluateSettings{Samples: 500, Src: src})
		if err != nil {
			t.Fatal(err)
		}
		return e.Loss + d.LogZ()
	}
	grown := must(r.Grow(small, []int{8, 8}, d.Spectrum()))
	before := gap(must(r.Model([]int{8, 8}, d.Spectrum(), src)))
	after := gap(grown)
	t.Logf("gap of a new model %.2f, of a grown one %.2f", before, after)
	if !(after < 6 && after < before/4) {
		t.Errorf("gap of a new model %.2f, of a grown one %.2f", before, after)
	}
}
