package flow

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/internal/safetensors"
	"github.com/neuralrg/neuralrg/target"
)

// zoo has a model of every kind of bijector that Load can make.
func zoo(t testing.TB) map[string]*Model {
	t.Helper()
	src := rand.NewPCG(5, 6)
	shared := must(blocks(4, 1, 3)(0))
	linear := must(bijector.LinearFrom(mat.NewDense(3, 3, []float64{0, -2, 1, 1, 0.5, 0, 0.25, 0, -3})))
	orthogonal := must(bijector.OrthogonalFrom(mat.NewDense(2, 2, []float64{0.6, 0.8, 0.8, -0.6})))
	tiles := must(bijector.Tiles([]int{4, 4}, 2, 1, 1))
	all := map[string]*Model{
		"mera":      mera(t, 4, 3),
		"symmetric": symmetrize(t, mera(t, 4, 3), Inversion(16), must(Translations([]int{4, 4}))[0]),
		"tebd":      model(t, must(bijector.NewTEBD([]int{8}, blocks(2, 2), &bijector.NetworkSettings{Depth: 2}))),
		"tree": model(t, must(bijector.NewTree([]int{8},
			func(int) (bijector.Bijector, error) { return bijector.NewOrthogonal(2, src) }, nil))),
		"shared": model(t, must(bijector.NewHierarchy(17,
			must(bijector.Disentangler(shared, tiles)),
			must(bijector.Decimator(shared, must(bijector.Tiles([]int{4, 4}, 2, 1, 0)), 0, 3))))),
		"conditional": model(t, must(bijector.NewMERA([]int{2, 4}, blocks(4, 6, 3),
			&bijector.NetworkSettings{Depth: 1, ContextBlock: conditional(7, 2)}))),
		"linear networks": model(t, must(bijector.NewRealNVP(3,
			&bijector.RealNVPSettings{Hidden: []int{}, Keep: [][]int{{2, 0}, {1}}, Src: src}))),
		"composed": model(t, must(bijector.NewChain(linear, bijector.Invert(linear),
			must(bijector.NewPermutation([]int{2, 0, 1})), bijector.Invert(must(bijector.NewLinear(3, src)))))),
		"reflection": model(t, orthogonal),
		"white": model(t, must(bijector.NewChain(
			must(bijector.NewTree([]int{2, 4}, blocks(4, 3, 3), &bijector.NetworkSettings{Depth: 1})),
			must(bijector.NewSpectral([]int{2, 4}, must(target.NewFreeField([]int{2, 4}, 0.5)).Spectrum()))))),
		"splines": model(t, must(bijector.NewSpline(3,
			&bijector.SplineSettings{Couplings: 2, Hidden: []int{3}, Bins: 3, Bound: 2.5, Src: src}))),
		"pure": model(t, must(bijector.NewSpline(3,
			&bijector.SplineSettings{Keep: [][]int{{2}, {0, 1}}, Pure: true, Src: src}))),
	}
	norm := func(int) (bijector.Bijector, error) { return bijector.NewActNorm(2) }
	norms := must(bijector.NewTree([]int{4}, norm, nil))
	all["actnorm"] = model(t, must(bijector.NewChain(norms, bijector.Invert(must(bijector.NewActNorm(4))))))
	all["float32"] = all["mera"].Float32()
	for name, m := range all {
		if name != "float32" {
			scramble(m, 9, 0.3)
		}
	}
	return all
}

func save(t testing.TB, m *Model) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := m.Save(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestLoad(t *testing.T) {
	for name, m := range zoo(t) {
		t.Run(name, func(t *testing.T) {
			data := save(t, m)
			l, err := Load(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			if l.Bits() != m.Bits() || l.Dim() != m.Dim() || len(l.Params()) != len(m.Params()) {
				t.Fatalf("%d bits, dimension %d with %d parameters, want %v, %d, %d", l.Bits(), l.Dim(),
					len(l.Params()), m.Bits(), m.Dim(), len(m.Params()))
			}
			if !slices.Equal(params(l), params(m)) {
				t.Error("other parameters")
			}
			x, logq := sample(t, m, 7, 4)
			y, logq2 := sample(t, l, 7, 4)
			if !mat.Equal(x, y) || !slices.Equal(logq, logq2) || !slices.Equal(logProbs(t, m, x), logProbs(t, l, x)) {
				t.Error("other samples, or other densities")
			}
			if !bytes.Equal(save(t, l), data) {
				t.Error("saved again it is another file")
			}
			scramble(l, 1, 1)
			if err := l.Restore(bytes.NewReader(data)); err != nil || !slices.Equal(params(l), params(m)) {
				t.Errorf("Restore: %v, or other parameters", err)
			}
		})
	}
}

// A hierarchy that was loaded is one: levels, blocks that are shared.
func TestLoadHierarchy(t *testing.T) {
	m := zoo(t)["shared"]
	l, err := Load(bytes.NewReader(save(t, m)))
	if err != nil {
		t.Fatal(err)
	}
	h, want := l.Bijector().(*bijector.Hierarchy), m.Bijector().(*bijector.Hierarchy)
	if h.Levels() != want.Levels() || !slices.Equal(h.Latents(0), want.Latents(0)) {
		t.Errorf("levels %d, %v", h.Levels(), h.Latents(0))
	}
	if h.Layers()[0].Block() != h.Layers()[1].Block() {
		t.Error("the layers no longer share their block")
	}
}

// Bijectors and priors of a program are restored, not loaded.
func TestRestoreCustom(t *testing.T) {
	make := func(seed uint64) *Model {
		c := must(bijector.NewMLP(1, []int{3}, 2, rand.NewPCG(seed, 0)))
		d := must(bijector.NewMLP(2, nil, 1, rand.NewPCG(seed, 1)))
		return model(t, must(bijector.NewChain(must(bijector.NewCoupling(3, []int{1}, c)),
			must(bijector.NewCoupling(3, []int{0, 2}, d)))))
	}
	a, b := make(1), make(2)
	data := save(t, a)
	if _, err := Load(bytes.NewReader(data)); !errors.Is(err, ErrCheckpoint) ||
		!strings.Contains(err.Error(), "Restore") {
		t.Errorf("Load: %v", err)
	}
	if err := b.Restore(bytes.NewReader(data)); err != nil || !slices.Equal(params(a), params(b)) {
		t.Errorf("Restore: %v, or other parameters", err)
	}
	p, err := New(flatPrior{target.NewNormal(3)}, a.Bijector())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Load(bytes.NewReader(save(t, p))); !errors.Is(err, ErrCheckpoint) ||
		!strings.Contains(err.Error(), "flatPrior") {
		t.Errorf("prior: %v", err)
	}
}

type flatPrior struct{ *target.Normal }

// A file for another architecture is refused and nothing is changed.
func TestRestoreRefuses(t *testing.T) {
	models := zoo(t)
	other := mera(t, 4, 3)
	keep := model(t, must(bijector.NewMERA([]int{4, 4}, blocks(4, 77, 5, 4), nil)))
	for name, data := range map[string][]byte{
		"another kind":          save(t, models["composed"]),
		"scales and shifts":     save(t, models["actnorm"]),
		"another lattice":       save(t, mera(t, 8, 3)),
		"symmetric":             save(t, models["symmetric"]),
		"other bipartitions":    save(t, keep),
		"no file":               nil,
		"a file cut short":      save(t, other)[:2000],
		"a parameter that is ∞": infinite(t, other),
	} {
		m := mera(t, 4, 8)
		before := params(m)
		if err := m.Restore(bytes.NewReader(data)); !errors.Is(err, ErrCheckpoint) {
			t.Errorf("%s: %v", name, err)
		}
		if !slices.Equal(before, params(m)) {
			t.Errorf("%s: parameters have changed", name)
		}
	}
	if _, err := Load(nil); err == nil {
		t.Error("nil reader: no error")
	}
	// A permutation is not in the description but in an array.
	a, b := model(t, must(bijector.NewPermutation([]int{1, 0, 2}))),
		model(t, must(bijector.NewPermutation([]int{2, 1, 0})))
	if err := a.Restore(bytes.NewReader(save(t, b))); !errors.Is(err, ErrCheckpoint) {
		t.Errorf("other permutation: %v", err)
	}
}

// infinite is a file such as Save does not write.
func infinite(t *testing.T, m *Model) []byte {
	f, err := m.file()
	if err != nil {
		t.Fatal(err)
	}
	a := &f.Arrays[len(f.Arrays)-1]
	v := slices.Clone(a.Values.([]float64))
	v[3] = math.Inf(1)
	a.Values = v
	return forge(t, "model", f)
}

// forge writes a file with a digest that fits.
func forge(t testing.TB, kind string, f *safetensors.File) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := safetensors.Save(&b, kind, f); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// What could not be loaded again is not saved.
func TestSaveRefuses(t *testing.T) {
	m := mera(t, 4, 3)
	m.Params()[1].Value().Float64s()[3] = math.NaN()
	if err := m.Save(&bytes.Buffer{}); !errors.Is(err, ErrNotFinite) {
		t.Errorf("%v", err)
	}
	for _, s := range []Settings{{Optimizer: OptimizerSettings{ClipNorm: math.Inf(1)}}, {
		Optimizer: OptimizerSettings{MaxScale: math.Inf(1)}}} {
		s.Src = rand.NewPCG(1, 1)
		if _, err := NewTrainer(mera(t, 4, 3), ising(t, 4), &s); !errors.Is(err, ErrSettings) {
			t.Errorf("%+v: %v", s, err)
		}
	}
}

// A file of version 1 in testdata is read as the model that wrote it, and written again
// with the same bytes.
func TestGoldenCheckpoint(t *testing.T) {
	m := symmetrize(t, mera(t, 4, 21), Inversion(16))
	name := filepath.Join("testdata", "v1.safetensors")
	if _, err := os.Stat(name); errors.Is(err, os.ErrNotExist) {
		t.Fatalf("%v: write it with os.WriteFile(name, save(t, m), 0o666)", err)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	l, err := Load(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	x := randn(1, 5, 16)
	if !slices.Equal(logProbs(t, l, x), logProbs(t, m, x)) {
		t.Error("another density")
	}
	if !bytes.Equal(save(t, m), data) {
		t.Error("it is written differently now: is it another version?")
	}
}

var writeV1 = flag.Bool("v1", false,
	"write the missing files of testdata/v1-*.safetensors, and testdata/v1.json")

// newV1 makes a model, and the file of testdata that holds it.
func newV1(t *testing.T, name string) (*Model, []byte) {
	t.Helper()
	if name != "trainer" {
		m := zoo(t)[name]
		return m, save(t, m)
	}
	m, tr := trainer(t, 1, Settings{})
	var b bytes.Buffer
	if err := errors.Join(tr.Run(context.Background(), 3), tr.Save(&b)); err != nil {
		t.Fatal(err)
	}
	return m, b.Bytes()
}

// Files of version 1 of every kind of model and of a trainer are written as they were,
// and their densities are what they were when the files were new.
func TestGoldenCheckpoints(t *testing.T) {
	const numbers = "testdata/v1.json"
	density := map[string][]float64{}
	if data, err := os.ReadFile(numbers); err == nil {
		if err := json.Unmarshal(data, &density); err != nil {
			t.Fatal(err)
		}
	}
	logq := func(m *Model) []float64 { return logProbs(t, m, randn(1, 3, m.Dim())) }
	for _, name := range []string{"composed", "reflection", "white", "splines", "pure", "actnorm", "conditional",
		"float32", "shared", "trainer"} {
		file := "testdata/v1-" + name + ".safetensors"
		data, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) && *writeV1 {
			var m *Model
			m, data = newV1(t, name)
			density[name] = logq(m)
			text, _ := json.Marshal(density)
			err = errors.Join(os.WriteFile(file, data, 0o666), os.WriteFile(numbers, text, 0o666))
		}
		if err != nil {
			t.Fatal(err)
		}
		m, err := Load(bytes.NewReader(data))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		tol := 1e-9
		if m.Bits() == 32 {
			tol = 1e-4
		}
		wantClose(t, name, logq(m), density[name], tol)
		again := save(t, m)
		if name == "trainer" {
			m, tr := trainer(t, 2, Settings{})
			if err := tr.Restore(bytes.NewReader(data)); err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			wantClose(t, name, logq(m), density[name], tol)
			var b bytes.Buffer
			if err := tr.Save(&b); err != nil {
				t.Fatal(err)
			}
			again = b.Bytes()
			if err := tr.Run(context.Background(), 2); err != nil || tr.Result().Steps != 5 {
				t.Errorf("%v after %d steps", err, tr.Result().Steps)
			}
		}
		if !bytes.Equal(again, data) {
			t.Errorf("%s: it is written differently now: is it another version?", name)
		}
	}
}
