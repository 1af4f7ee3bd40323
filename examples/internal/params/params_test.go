package params

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/target"
)

func model(t *testing.T, couplings int, seed uint64) *flow.Model {
	t.Helper()
	src := rand.NewPCG(seed, 0)
	h, err := flow.NewMERA([]int{8}, func() (bijector.Bijector, error) {
		return bijector.NewRealNVP(2, &bijector.RealNVPSettings{Couplings: couplings, Hidden: []int{3}, Src: src})
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := flow.New(target.NewNormal(8), h)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestSaveLoad(t *testing.T) {
	name := filepath.Join(t.TempDir(), "params")
	a, b := model(t, 2, 1), model(t, 2, 1)
	for _, p := range b.Params() {
		clear(p.Value().Float64s())
	}
	if err := Save(name, a); err != nil {
		t.Fatal(err)
	}
	if err := Load(name, b); err != nil {
		t.Fatal(err)
	}
	for i, p := range a.Params() {
		if !slices.Equal(p.Value().Float64s(), b.Params()[i].Value().Float64s()) {
			t.Errorf("parameter %d differs", i)
		}
	}
	if err := Load(name, model(t, 4, 1)); err == nil {
		t.Error("loaded into another architecture")
	}
	// Another seed most likely draws other bipartitions.
	other := model(t, 2, 2)
	if err := Load(name, other); err == nil {
		t.Error("loaded into other bipartitions")
	}
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, whole[:len(whole)/2], 0o666); err != nil {
		t.Fatal(err)
	}
	if err := Load(name, b); err == nil {
		t.Error("loaded half a file")
	}
	if files, _ := os.ReadDir(filepath.Dir(name)); len(files) != 1 {
		t.Errorf("%d files left", len(files))
	}
}
