package flow

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/hmc"
	"github.com/neuralrg/neuralrg/internal/safetensors"
	"github.com/neuralrg/neuralrg/target"
)

// zoo has a model of every kind of bijector that Load can make.
func zoo(t testing.TB) map[string]*Model {
	t.Helper()
	src := rand.NewPCG(5, 6)
	shared := must(blocks(4, 1, 3)())
	linear := must(bijector.LinearFrom(mat.NewDense(3, 3, []float64{0, -2, 1, 1, 0.5, 0, 0.25, 0, -3})))
	orthogonal := must(bijector.OrthogonalFrom(mat.NewDense(2, 2, []float64{0.6, 0.8, 0.8, -0.6})))
	tiles := must(bijector.Tiles([]int{4, 4}, 2, 1, 1))
	all := map[string]*Model{
		"mera":      mera(t, 4, 3),
		"symmetric": symmetrize(t, mera(t, 4, 3), Inversion(16), must(Translations([]int{4, 4}))[0]),
		"tebd":      model(t, must(NewTEBD([]int{8}, blocks(2, 2), &NetworkSettings{Depth: 2}))),
		"tree":      model(t, must(NewTree([]int{8}, func() (bijector.Bijector, error) { return bijector.NewOrthogonal(2, src) }, nil))),
		"shared": model(t, must(NewHierarchy(17,
			must(bijector.Disentangler(shared, tiles)),
			must(bijector.Decimator(shared, must(bijector.Tiles([]int{4, 4}, 2, 1, 0)), 0, 3))))),
		"conditional":     model(t, must(NewMERA([]int{2, 4}, blocks(4, 6, 3), &NetworkSettings{Depth: 1, Conditional: conditional(7, 2)}))),
		"linear networks": model(t, must(bijector.NewRealNVP(3, &bijector.RealNVPSettings{Hidden: []int{}, Keep: [][]int{{2, 0}, {1}}, Src: src}))),
		"composed": model(t, must(bijector.NewChain(linear, bijector.Invert(linear),
			must(bijector.NewPermutation([]int{2, 0, 1})), bijector.Invert(must(bijector.NewLinear(3, src)))))),
		"reflection": model(t, orthogonal),
		"white":      model(t, must(bijector.NewChain(must(NewTree([]int{2, 4}, blocks(4, 3, 3), &NetworkSettings{Depth: 1})), must(bijector.NewSpectral([]int{2, 4}, must(target.NewFreeField([]int{2, 4}, 0.5)).Spectrum()))))),
		"splines":    model(t, must(bijector.NewSpline(3, &bijector.SplineSettings{Couplings: 2, Hidden: []int{3}, Bins: 3, Bound: 2.5, Src: src}))),
		"pure":       model(t, must(bijector.NewSpline(3, &bijector.SplineSettings{Keep: [][]int{{2}, {0, 1}}, Pure: true, Src: src}))),
	}
	normalised := must(bijector.NewChain(must(NewTree([]int{4}, func() (bijector.Bijector, error) { return bijector.NewActNorm(2) }, nil)), bijector.Invert(must(bijector.NewActNorm(4)))))
	all["actnorm"] = model(t, normalised)
	all["float32"] = must(all["mera"].Convert(tensor.Float32))
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
			if l.Dtype() != m.Dtype() || l.Dim() != m.Dim() || len(l.Params()) != len(m.Params()) {
				t.Fatalf("%v of dimension %d with %d parameters, want %v, %d, %d", l.Dtype(), l.Dim(), len(l.Params()), m.Dtype(), m.Dim(), len(m.Params()))
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
	h, want := l.Bijector().(*Hierarchy), m.Bijector().(*Hierarchy)
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
		return model(t, must(bijector.NewChain(must(bijector.NewCoupling(3, []int{1}, c)), must(bijector.NewCoupling(3, []int{0, 2}, d)))))
	}
	a, b := make(1), make(2)
	data := save(t, a)
	if _, err := Load(bytes.NewReader(data)); !errors.Is(err, ErrCheckpoint) || !strings.Contains(err.Error(), "Restore") {
		t.Errorf("Load: %v", err)
	}
	if err := b.Restore(bytes.NewReader(data)); err != nil || !slices.Equal(params(a), params(b)) {
		t.Errorf("Restore: %v, or other parameters", err)
	}
	p, err := New(flatPrior{target.NewNormal(3)}, a.Bijector())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Load(bytes.NewReader(save(t, p))); !errors.Is(err, ErrCheckpoint) || !strings.Contains(err.Error(), "flatPrior") {
		t.Errorf("prior: %v", err)
	}
}

type flatPrior struct{ *target.Normal }

// A file for another architecture is refused and nothing is changed.
func TestRestoreRefuses(t *testing.T) {
	models := zoo(t)
	other := mera(t, 4, 3)
	keep := model(t, must(NewMERA([]int{4, 4}, blocks(4, 77, 5, 4), nil)))
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
	a, b := model(t, must(bijector.NewPermutation([]int{1, 0, 2}))), model(t, must(bijector.NewPermutation([]int{2, 1, 0})))
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
	for _, s := range []Settings{{ClipNorm: math.Inf(1)}, {MaxScale: math.Inf(1)}} {
		s.Src = rand.NewPCG(1, 1)
		if _, err := NewTrainer(mera(t, 4, 3), ising(t, 4), &s); !errors.Is(err, ErrSettings) {
			t.Errorf("%+v: %v", s, err)
		}
	}
}

// Files of version 1 that lie in testdata are read as they were meant.
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

var writeV1 = flag.Bool("v1", false, "write those files of testdata/v1-*.safetensors that are missing, and testdata/v1.json")

// So are those of every kind of model and of a trainer: the file is written as
// it was, and its density is what it was when the file was new.
func TestGoldenCheckpoints(t *testing.T) {
	const numbers = "testdata/v1.json"
	density := map[string][]float64{}
	if data, err := os.ReadFile(numbers); err == nil {
		if err := json.Unmarshal(data, &density); err != nil {
			t.Fatal(err)
		}
	}
	logq := func(m *Model) []float64 { return logProbs(t, m, randn(1, 3, m.Dim())) }
	for _, name := range []string{"composed", "reflection", "white", "splines", "pure", "actnorm", "conditional", "float32", "shared", "trainer"} {
		file := "testdata/v1-" + name + ".safetensors"
		data, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) && *writeV1 {
			if name == "trainer" {
				m, tr := trainer(t, 1, Settings{})
				var b bytes.Buffer
				if err := errors.Join(tr.Run(context.Background(), 3), tr.Save(&b)); err != nil {
					t.Fatal(err)
				}
				data, density[name] = b.Bytes(), logq(m)
			} else {
				m := zoo(t)[name]
				data, density[name] = save(t, m), logq(m)
			}
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
		if m.Dtype() == tensor.Float32 {
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

// 40 000 damaged and hostile files of models, trainers, samplers and of the
// authors' code: none panics, none is taken for another, none costs more memory
// than a small multiple of its size.
func TestCorruptedFiles(t *testing.T) {
	count := 40000
	if testing.Short() {
		count = 3000
	}
	type kind struct {
		name string
		data []byte
		read func(data []byte) (numbers []float64, err error) // that were read
	}
	var kinds []kind
	load := func(data []byte) ([]float64, error) {
		m, err := Load(bytes.NewReader(data))
		if err != nil {
			return nil, err
		}
		return params(m), nil
	}
	models := zoo(t)
	for _, name := range []string{"mera", "symmetric", "shared", "composed", "reflection", "white", "splines", "actnorm", "float32"} {
		kinds = append(kinds, kind{name, save(t, models[name]), load})
	}
	kinds = append(kinds, kind{"restored", save(t, models["tebd"]), func(data []byte) ([]float64, error) {
		err := models["tebd"].Restore(bytes.NewReader(data))
		return params(models["tebd"]), err
	}})
	m, tr := observed(t, 1)
	var b bytes.Buffer
	if err := errors.Join(tr.Run(context.Background(), 9), tr.Save(&b)); err != nil {
		t.Fatal(err)
	}
	kinds = append(kinds, kind{"trainer", bytes.Clone(b.Bytes()), func(data []byte) ([]float64, error) {
		err := tr.Restore(bytes.NewReader(data))
		return slices.Concat(params(m), slices.Concat(tr.adam.m...), slices.Concat(tr.adam.v...), slices.Concat(tr.averages...), []float64{tr.plateau.Factor, tr.plateau.Best}), err
	}})
	s, err := hmc.New(target.NewEvaluator(ising(t, 4)), randn(1, 3, 16), &hmc.Settings{Src: rand.NewPCG(1, 1)})
	b.Reset()
	if err == nil {
		err = errors.Join(s.Run(context.Background(), 3, nil), s.Save(&b))
	}
	if err != nil {
		t.Fatal(err)
	}
	kinds = append(kinds, kind{"sampler", bytes.Clone(b.Bytes()), func(data []byte) ([]float64, error) {
		err := s.Restore(bytes.NewReader(data))
		return slices.Concat(s.X().RawMatrix().Data, s.LogProb()), err
	}})
	b.Reset()
	if err := safetensors.Write(&b, torchFile(t, readGolden(t, "testdata/golden/mera_L4.json"), "")); err != nil {
		t.Fatal(err)
	}
	kinds = append(kinds, kind{"authors'", bytes.Clone(b.Bytes()), func(data []byte) ([]float64, error) {
		m, err := LoadTorch(bytes.NewReader(data), 4)
		if err != nil {
			return nil, err
		}
		return params(m), nil
	}})

	// What lives is small next to what is allocated: less often is enough.
	defer debug.SetGCPercent(debug.SetGCPercent(1000))
	rnd := rand.New(rand.NewPCG(1, 2))
	loaded, most, panics := map[string]int{}, 0, 0
	for i := range count {
		k := kinds[i%len(kinds)]
		bad := bytes.Clone(k.data)
		headerLen := int(binary.LittleEndian.Uint64(bad))
		sealed := false
		switch rnd.IntN(7) {
		case 0:
			bad = bad[:rnd.IntN(len(bad))]
		case 1:
			bad[rnd.IntN(len(bad))] ^= 1 << rnd.IntN(8)
		case 2:
			for range 1 + rnd.IntN(20) {
				bad[rnd.IntN(len(bad))] = byte(rnd.Uint32())
			}
		case 3: // a header of another length
			binary.LittleEndian.PutUint64(bad, rnd.Uint64()>>rnd.IntN(64))
		case 4: // a digit or bracket of the header, with a digest that fits
			for range 1 + rnd.IntN(3) {
				at := 8 + rnd.IntN(headerLen)
				bad[at] = `0123456789{}[],:"-e `[rnd.IntN(20)]
			}
			sealed = seal(bad)
		case 5: // values, with a digest that fits
			at := 8 + headerLen + rnd.IntN(len(bad)-8-headerLen)
			bad[at] = byte(rnd.Uint32())
			sealed = seal(bad)
		case 6: // a number of the description that is much larger, with a digest that fits
			at := 8 + rnd.IntN(headerLen)
			for at < 8+headerLen && (bad[at] < '0' || bad[at] > '9') {
				at++
			}
			bad = slices.Insert(bad, at, []byte(strings.Repeat("9", 1+rnd.IntN(12)))...)
			binary.LittleEndian.PutUint64(bad, binary.LittleEndian.Uint64(bad)+uint64(len(bad)-len(k.data)))
			sealed = seal(bad)
		}
		if bytes.Equal(bad, k.data) {
			continue
		}
		var numbers []float64
		var err error
		used := costOf(func() {
			defer func() {
				if r := recover(); r != nil {
					panics++
					t.Errorf("file %d, %s: panic: %v", i, k.name, r)
				}
			}()
			numbers, err = k.read(bad)
		})
		if most = max(most, used); used > allowed(len(bad)) {
			t.Errorf("file %d, %s, %d bytes: %d bytes allocated", i, k.name, len(bad), used)
		}
		if err != nil {
			if !errors.Is(err, ErrCheckpoint) {
				t.Errorf("file %d, %s: %v", i, k.name, err)
			}
			continue
		}
		// Whoever can forge the digest can make files; they are sound.
		loaded[k.name]++
		// Theirs have no digest that is checked.
		if !sealed && k.name != "authors'" {
			t.Errorf("file %d, %s, was read", i, k.name)
		}
		for j, v := range numbers {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				t.Errorf("file %d, %s: number %d is %g", i, k.name, j, v)
			}
		}
		if _, err := k.read(k.data); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d files of %d kinds, %d panics, at most %d bytes allocated for one; forged and sound: %v", count, len(kinds), panics, most, loaded)
}

// seal corrects the digest of a file; false if there is none.
func seal(data []byte) bool {
	key := []byte(`"sha256":"`)
	at := bytes.Index(data, key)
	if at < 0 || at+len(key)+64 > len(data) {
		return false
	}
	digits := data[at+len(key) : at+len(key)+64]
	for i := range digits {
		digits[i] = '0'
	}
	sum := sha256.Sum256(data)
	hex.Encode(digits, sum[:])
	return true
}

func FuzzLoad(f *testing.F) {
	minimizeBriefly()
	m := model(f, must(NewMERA([]int{4}, blocks(2, 3, 2), nil)))
	f.Add(save(f, m))
	f.Add(save(f, zoo(f)["composed"]))
	for _, name := range []string{"reflection", "shared", "symmetric", "white", "pure", "actnorm", "linear networks"} {
		f.Add(save(f, zoo(f)[name]))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, forge := range []bool{false, true} {
			if forge {
				data = bytes.Clone(data)
				if !seal(data) {
					return
				}
			}
			var l *Model
			var err error
			if used := costOf(func() { l, err = Load(bytes.NewReader(data)) }); used > allowed(len(data)) {
				t.Errorf("%d bytes allocated for a file of %d", used, len(data))
			}
			if err != nil {
				if !errors.Is(err, ErrCheckpoint) {
					t.Errorf("%v", err)
				}
				continue
			}
			again, err := Load(bytes.NewReader(save(t, l)))
			if err != nil || !slices.Equal(params(l), params(again)) {
				t.Errorf("loaded, but not again: %v", err)
			}
		}
	})
}

// Whatever the file, a trainer takes over a state in which it can go on, or none.
func FuzzRestoreTrainer(f *testing.F) {
	minimizeBriefly()
	newTrainer := func(t testing.TB, all bool) (*Model, *Trainer) {
		m := model(t, must(NewMERA([]int{2, 2}, blocks(4, 3, 2), nil)))
		s := &Settings{Batch: 2, Window: 2, OnFault: FaultSkip, Src: rand.NewPCG(1, 1)}
		if all {
			s.Average, s.Plateau = 0.9, &Plateau{Patience: 1}
			s.Evaluate, s.EvaluateEvery = &EvaluateSettings{Samples: 2, Src: rand.NewPCG(2, 2)}, 1
		}
		tr, err := NewTrainer(m, target.NewNormal(4), s)
		if err != nil {
			t.Fatal(err)
		}
		return m, tr
	}
	for _, all := range []bool{false, true} {
		_, tr := newTrainer(f, all)
		for range 2 {
			var b bytes.Buffer
			if err := errors.Join(tr.Save(&b), tr.Run(context.Background(), 3)); err != nil {
				f.Fatal(err)
			}
			f.Add(b.Bytes())
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		data = bytes.Clone(data)
		seal(data)
		for _, all := range []bool{false, true} {
			m, tr := newTrainer(t, all)
			before := params(m)
			var err error
			if used := costOf(func() { err = tr.Restore(bytes.NewReader(data)) }); used > allowed(len(data)) {
				t.Errorf("%d bytes allocated for a file of %d", used, len(data))
			}
			if err != nil {
				if !errors.Is(err, ErrCheckpoint) {
					t.Errorf("%v", err)
				}
				if !slices.Equal(before, params(m)) || tr.step != 0 || tr.plateau != (plateauState{Factor: 1}) {
					t.Error("the trainer has changed")
				}
				continue
			}
			tr.s.MaxFaults = 3
			_ = tr.Run(context.Background(), 2) // it may fail, but not otherwise
			if all && tr.step > 0 {
				if err := tr.UseAverage(); err != nil {
					t.Errorf("%v", err)
				}
			}
			for i, v := range slices.Concat(append(tr.adam.m, params(m), slices.Concat(tr.adam.v...))...) {
				if math.IsNaN(v) || math.IsInf(v, 0) {
					t.Errorf("number %d is %g", i, v)
				}
			}
			tr.s.MaxFaults = 100
			var b bytes.Buffer
			if err := tr.Save(&b); err != nil {
				t.Errorf("%v", err)
			}
			if _, again := newTrainer(t, all); again.Restore(&b) != nil {
				t.Error("it cannot be taken up again")
			}
		}
	})
}

// trainer is a small one, of everything that a checkpoint must remember.
func trainer(t testing.TB, seed uint64, s Settings) (*Model, *Trainer) {
	t.Helper()
	m := symmetrize(t, mera(t, 4, 3), Inversion(16))
	s.Batch, s.LearnRate, s.Schedule, s.Window, s.Src = 32, 3e-3, Cosine(40, 5), 7, rand.NewPCG(seed, 1)
	tr, err := NewTrainer(m, ising(t, 4), &s)
	if err != nil {
		t.Fatal(err)
	}
	return m, tr
}

// A trainer that is restored goes on as if it had never stopped.
func TestResume(t *testing.T) {
	ctx := context.Background()
	m, tr := trainer(t, 1, Settings{ClipNorm: 20, MaxScale: 2})
	files := map[int][]byte{}
	for step := range 21 {
		var b bytes.Buffer
		if err := tr.Save(&b); err != nil {
			t.Fatal(err)
		}
		files[step] = b.Bytes()
		if _, err := tr.Step(); err != nil {
			t.Fatal(err)
		}
	}
	want, result := params(m), *tr.Result()
	for _, step := range []int{0, 1, 6, 7, 8, 20} {
		m, tr := trainer(t, 99, Settings{ClipNorm: 20, MaxScale: 2})
		if err := tr.Run(ctx, 3); err != nil { // whatever it was before
			t.Fatal(err)
		}
		if err := tr.Restore(bytes.NewReader(files[step])); err != nil {
			t.Fatal(err)
		}
		if err := tr.Run(ctx, 21-step); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(params(m), want) || *tr.Result() != result {
			t.Errorf("from step %d: %+v, want %+v, or other parameters", step, *tr.Result(), result)
		}
		var b bytes.Buffer
		if err := tr.Save(&b); err != nil {
			t.Fatal(err)
		}
		l, err := Load(&b)
		if err != nil || !slices.Equal(params(l), want) {
			t.Errorf("model of a trainer's file: %v, or other parameters", err)
		}
	}
}

func TestRestoreTrainerRefuses(t *testing.T) {
	_, tr := trainer(t, 1, Settings{})
	if err := tr.Run(context.Background(), 2); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := tr.Save(&b); err != nil {
		t.Fatal(err)
	}
	data := b.Bytes()
	m, clipped := trainer(t, 1, Settings{ClipNorm: 3})
	before := params(m)
	if err := clipped.Restore(bytes.NewReader(data)); !errors.Is(err, ErrCheckpoint) || !strings.Contains(err.Error(), "ClipNorm") {
		t.Errorf("other settings: %v", err)
	}
	if err := tr.Restore(bytes.NewReader(save(t, m))); !errors.Is(err, ErrCheckpoint) {
		t.Errorf("file of a model: %v", err)
	}
	other, err := NewTrainer(m, ising(t, 4), &Settings{Batch: 32, LearnRate: 3e-3, Window: 7, Src: rand.NewChaCha8([32]byte{})})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Restore(bytes.NewReader(data)); !errors.Is(err, ErrCheckpoint) || !strings.Contains(err.Error(), "ChaCha8") {
		t.Errorf("other source: %v", err)
	}
	if !slices.Equal(before, params(m)) {
		t.Error("parameters have changed")
	}
	opaque, err := NewTrainer(m, ising(t, 4), &Settings{Src: struct{ rand.Source }{rand.NewPCG(1, 1)}})
	if err != nil {
		t.Fatal(err)
	}
	if err := opaque.Save(&bytes.Buffer{}); !errors.Is(err, ErrSettings) {
		t.Errorf("source without a state: %v", err)
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
			tr, err := NewTrainer(m, f, &Settings{Batch: 8, OnFault: c.policy, MaxFaults: 9, Src: rand.NewPCG(1, 1)})
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
				if err == nil || !strings.Contains(err.Error(), "10 batches in a row") || res.Steps != 0 || res.Faults != 9 {
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
	m2, tr2 := trainer(t, 1, Settings{OnFault: FaultShrink, ClipNorm: 1e9})
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
		keep := slices.Repeat([][]int{first(context)}, 3)
		return bijector.NewRealNVP(context+moved, &bijector.RealNVPSettings{Keep: keep, Hidden: []int{5}, Src: rand.NewPCG(1, 1)})
	}
	for name, c := range map[string]struct {
		block BlockFunc
		s     *NetworkSettings
	}{
		"affine":      {blocks(4, 1, 5, 4), nil},
		"conditional": {blocks(4, 1, 5, 4), &NetworkSettings{Conditional: three}}, // layer 2
		"spline": {func() (bijector.Bijector, error) {
			return bijector.NewSpline(4, &bijector.SplineSettings{Couplings: 3, Hidden: []int{5}, Src: rand.NewPCG(1, 1)})
		}, nil},
	} {
		m := model(t, must(NewMERA([]int{4, 4}, c.block, c.s)))
		h := m.Bijector().(*Hierarchy)
		// A gradient's component belongs to a parameter.
		at := 0
		for _, p := range m.Params() {
			if p == h.layers[1].Block().Params()[0] {
				break
			}
			at += p.Value().DataSize()
		}
		first := couplingSizes(h.layers[1].Block())[0]
		if s := m.owner(at + first); !strings.Contains(s, "coupling 1") || !strings.Contains(s, "layer 1") {
			t.Errorf("%s: owner %q", name, s)
		}
		if s := m.owner(at + first - 1); !strings.Contains(s, "coupling 0") {
			t.Errorf("%s: owner %q", name, s)
		}
		bad := affine(h.layers[layer].Block())
		bad.S[len(bad.S)-1].B.SetVec(0, 20)
		bad.Scale.SetVec(0, 1e4)
		tr, err := NewTrainer(m, target.NewNormal(16), &Settings{Batch: 8, Src: rand.NewPCG(1, 1)})
		if err != nil {
			t.Fatal(err)
		}
		_, err = tr.Step()
		if !errors.Is(err, ErrNotFinite) || !strings.Contains(err.Error(), fmt.Sprintf("layer %d, coupling %d", layer, coupling)) || !strings.Contains(err.Error(), "step 1") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestClipNorm(t *testing.T) {
	// The first step of Adam does not see the length of the gradient, the
	// moments do.
	norms := map[float64]float64{}
	for _, clip := range []float64{0, 1e-3} {
		m := mera(t, 2, 1)
		tr, err := NewTrainer(m, target.NewNormal(4), &Settings{Batch: 16, ClipNorm: clip, Src: rand.NewPCG(1, 1)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tr.Step(); err != nil {
			t.Fatal(err)
		}
		sum := 0.0
		for _, v := range slices.Concat(tr.adam.m...) {
			sum += v * v
		}
		norms[clip] = math.Sqrt(sum) / (1 - tr.adam.beta1)
	}
	if norms[0] < 1e-2 || math.Abs(norms[1e-3]/1e-3-1) > 1e-9 {
		t.Errorf("norms %v", norms)
	}
}

func TestMaxScale(t *testing.T) {
	m := mera(t, 4, 1)
	tr, err := NewTrainer(m, target.NewNormal(16), &Settings{Batch: 16, MaxScale: 0.1, Src: rand.NewPCG(1, 1)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tr.Step(); err != nil {
		t.Fatal(err)
	}
	largest := 0.0
	for _, l := range m.Bijector().(*Hierarchy).Layers() {
		for _, c := range l.Block().(*bijector.RealNVP).Couplings() {
			for i := range c.Scale.Len() {
				largest = max(largest, math.Abs(c.Scale.AtVec(i)))
			}
		}
	}
	if largest != 0.1 {
		t.Errorf("largest scale %g, bounded by 0.1", largest)
	}
}
