package flow

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"

	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/bijector"
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
		m = must(symmetrize(t, m, Inversion(16)).Convert(tensor.Float32))
		s := r.Settings(120, src)
		s.Batch = 128
		if _, err := Train(context.Background(), m, d, s); err != nil {
			t.Fatal(err)
		}
		e, err := Evaluate(context.Background(), m, d, &EvaluateSettings{Samples: 4000, Src: src})
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
	h, ok := m.Bijector().(*Hierarchy)
	if !ok || len(h.Layers()) != 3*4 || h.Layers()[0].Block().Dim() != 2 {
		t.Errorf("a %T", m.Bijector())
	}
	if _, ok := h.Layers()[0].Block().(*bijector.Spline); !ok {
		t.Errorf("blocks are %T", h.Layers()[0].Block())
	}
	if _, err := PaperRecipe().Model([]int{4, 5}, nil, src); !errors.Is(err, bijector.ErrTiles) {
		t.Errorf("5 sites: %v", err)
	}
	if _, err := BestRecipe().Model([]int{4, 4}, []float64{1}, src); !errors.Is(err, ErrShape) {
		t.Errorf("another spectrum: %v", err)
	}
	if _, err := (&Recipe{Network: NetworkSettings{Size: 300}}).Model([]int{300, 300}, nil, src); !errors.Is(err, ErrSettings) {
		t.Errorf("huge blocks: %v", err)
	}
	if s := FastRecipe().Settings(100, src); s.Schedule(10) != 1 || s.Schedule(101) != 0 || s.Anneal(25) != 0.75 || s.Anneal(50) != 1 || !s.PathGradient || s.LearnRate != 5e-3 {
		t.Errorf("%+v", s)
	}
}
