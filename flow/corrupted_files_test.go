package flow

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/hmc"
	"github.com/neuralrg/neuralrg/internal/safetensors"
	"github.com/neuralrg/neuralrg/target"
)

// fileKind is a sound file and what reads such files.
type fileKind struct {
	name string
	data []byte
	read func(data []byte) (numbers []float64, err error) // that were read
}

// corruptible returns files of models, of a trainer, of a sampler and of the authors'
// code.
func corruptible(t *testing.T) (kinds []fileKind) {
	t.Helper()
	load := func(data []byte) ([]float64, error) {
		m, err := Load(bytes.NewReader(data))
		if err != nil {
			return nil, err
		}
		return params(m), nil
	}
	models := zoo(t)
	for _, name := range []string{"mera", "symmetric", "shared", "composed", "reflection", "white", "splines",
		"actnorm", "float32"} {
		kinds = append(kinds, fileKind{name, save(t, models[name]), load})
	}
	kinds = append(kinds, fileKind{"restored", save(t, models["tebd"]), func(data []byte) ([]float64, error) {
		err := models["tebd"].Restore(bytes.NewReader(data))
		return params(models["tebd"]), err
	}})
	m, tr := observed(t, 1)
	var b bytes.Buffer
	if err := errors.Join(tr.Run(context.Background(), 9), tr.Save(&b)); err != nil {
		t.Fatal(err)
	}
	kinds = append(kinds, fileKind{"trainer", bytes.Clone(b.Bytes()), func(data []byte) ([]float64, error) {
		err := tr.Restore(bytes.NewReader(data))
		return slices.Concat(params(m), slices.Concat(tr.adam.m...), slices.Concat(tr.adam.v...),
			slices.Concat(tr.averages...), []float64{tr.plateau.Factor, tr.plateau.Best}), err
	}})
	s, err := hmc.New(target.NewEvaluator(ising(t, 4)), randn(1, 3, 16), &hmc.Settings{Src: rand.NewPCG(1, 1)})
	b.Reset()
	if err == nil {
		err = errors.Join(s.Run(context.Background(), 3, nil), s.Save(&b))
	}
	if err != nil {
		t.Fatal(err)
	}
	kinds = append(kinds, fileKind{"sampler", bytes.Clone(b.Bytes()), func(data []byte) ([]float64, error) {
		err := s.Restore(bytes.NewReader(data))
		return slices.Concat(s.X().RawMatrix().Data, s.LogProb()), err
	}})
	b.Reset()
	if err := safetensors.Write(&b, paperFile(t, readGolden(t, "testdata/golden/mera_L4.json"), "")); err != nil {
		t.Fatal(err)
	}
	kinds = append(kinds, fileKind{"authors'", bytes.Clone(b.Bytes()), func(data []byte) ([]float64, error) {
		m, err := LoadPaper(bytes.NewReader(data), 4)
		if err != nil {
			return nil, err
		}
		return params(m), nil
	}})
	return kinds
}

// damaged returns a damaged copy of a file, and whether its digest was corrected.
func damaged(data []byte, rnd *rand.Rand) (bad []byte, sealed bool) {
	bad = bytes.Clone(data)
	headerLen := int(binary.LittleEndian.Uint64(bad))
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
		binary.LittleEndian.PutUint64(bad, binary.LittleEndian.Uint64(bad)+uint64(len(bad)-len(data)))
		sealed = seal(bad)
	}
	return bad, sealed
}

// 40 000 damaged and hostile files of models, trainers, samplers and of the authors'
// code are read. No file makes the reader panic, none is accepted unless its digest was
// corrected, and none costs more memory than a small multiple of its size.
func TestCorruptedFiles(t *testing.T) {
	count := 40000
	if testing.Short() {
		count = 3000
	}
	kinds := corruptible(t)
	// The live heap is small compared with what is allocated: collect it less often.
	defer debug.SetGCPercent(debug.SetGCPercent(1000))
	rnd := rand.New(rand.NewPCG(1, 2))
	loaded, most, panics := map[string]int{}, 0, 0
	for i := range count {
		k := kinds[i%len(kinds)]
		bad, sealed := damaged(k.data, rnd)
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
		// A file with a corrected digest may be read; then its numbers are finite.
		loaded[k.name]++
		// Files of the authors' code have no digest.
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
	t.Logf("%d files of %d kinds, %d panics, at most %d bytes allocated for one; forged and sound: %v", count,
		len(kinds), panics, most, loaded)
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
	m := model(f, must(bijector.NewMERA([]int{4}, blocks(2, 3, 2), nil)))
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

// smallTrainer is a trainer of four variables; all adds every option that has a state.
func smallTrainer(t testing.TB, all bool) (*Model, *Trainer) {
	m := model(t, must(bijector.NewMERA([]int{2, 2}, blocks(4, 3, 2), nil)))
	s := &Settings{Batch: 2, Window: 2, Faults: FaultSettings{Policy: FaultSkip}, Src: rand.NewPCG(1, 1)}
	if all {
		s.Optimizer.Average, s.Optimizer.Plateau = 0.9, &Plateau{Patience: 1}
		s.Evaluation = &EvaluationSettings{EvaluateSettings: EvaluateSettings{Samples: 2, Src: rand.NewPCG(2, 2)},
			Every: 1}
	}
	tr, err := NewTrainer(m, target.NewNormal(4), s)
	if err != nil {
		t.Fatal(err)
	}
	return m, tr
}

// Whatever the file, a trainer takes over a state in which it can go on, or none.
func FuzzRestoreTrainer(f *testing.F) {
	minimizeBriefly()
	for _, all := range []bool{false, true} {
		_, tr := smallTrainer(f, all)
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
			m, tr := smallTrainer(t, all)
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
			tr.s.Faults.Max = 3
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
			tr.s.Faults.Max = 100
			var b bytes.Buffer
			if err := tr.Save(&b); err != nil {
				t.Errorf("%v", err)
			}
			if _, again := smallTrainer(t, all); again.Restore(&b) != nil {
				t.Error("it cannot be taken up again")
			}
		}
	})
}
