package flow

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/internal/safetensors"
	"github.com/neuralrg/neuralrg/target"
)

// failing is a normal density of one value per batch of one: call k, from 1, is
// NaN if fails says so.
func failing(fails func(call int) bool) target.Density {
	calls := 0
	return target.Func(2, func(grad, x []float64) float64 {
		calls++
		for i := range grad {
			grad[i] = -x[i]
		}
		if fails(calls) {
			return math.NaN()
		}
		return -0.5 * (x[0]*x[0] + x[1]*x[1])
	})
}

// FaultShrink halves the learning rate at every fault, and every good step after
// brings it back by 1 %, up to what it was and no further; it does not fall below
// a millionth. FaultSkip leaves it alone. The parameters move at the rate that is
// reported, and a trainer that is restored on the way goes on with it.
func TestFaultShrinkRates(t *testing.T) {
	const rate, steps = 0.01, 460
	// Faults before a step is made.
	faults := map[int]int{3: 1, 4: 2, 230: 1, 231: 1, 450: 25}
	for _, policy := range []FaultPolicy{FaultSkip, FaultShrink} {
		bad, call := map[int]bool{}, 0
		for step := 1; step <= steps; step++ {
			for range faults[step] {
				call++
				bad[call] = true
			}
			call++
		}
		newTrainer := func() (*Model, *Trainer, *[]Report) {
			m := model(t, must(bijector.NewActNorm(2)))
			var reports []Report
			tr := must(NewTrainer(m, failing(func(call int) bool { return bad[call] }), &Settings{
				Batch: 1, LearnRate: rate, OnFault: policy, Recorder: keep(&reports), Src: rand.NewPCG(1, 1),
			}))
			return m, tr, &reports
		}
		_, tr, reports := newTrainer()
		if err := tr.Run(t.Context(), steps); err != nil {
			t.Fatal(err)
		}
		factor, made, lowest, whole := 1.0, 0, 1.0, 0
		for k, r := range *reports {
			for range faults[k+1] {
				made++
				if policy == FaultShrink {
					factor = max(factor/2, 1e-6)
				}
			}
			if math.Abs(r.LearnRate-rate*factor) > 1e-14*rate || r.Faults != made {
				t.Fatalf("policy %d, step %d: learning rate %g after %d faults, want %g after %d", policy, k+1, r.LearnRate, r.Faults, rate*factor, made)
			}
			lowest = min(lowest, factor)
			if factor == 1 {
				whole++
			}
			factor = min(1, 1.01*factor)
		}
		if policy == FaultShrink && (lowest != 1e-6 || whole < 10) {
			t.Errorf("lowest factor %g, %d steps at the whole rate: the test shows too little", lowest, whole)
		}
	}
}

// A trainer that is saved after faults and restored goes on at its lowered rate
// with its count of faults.
func TestResumeAfterShrinking(t *testing.T) {
	newTrainer := func(fails func(call int) bool) *Trainer {
		return must(NewTrainer(model(t, must(bijector.NewActNorm(2))), failing(fails), &Settings{
			Batch: 1, OnFault: FaultShrink, Src: rand.NewPCG(1, 1),
		}))
	}
	tr, again := newTrainer(func(call int) bool { return call < 4 }), newTrainer(func(int) bool { return false })
	var b bytes.Buffer
	if err := errors.Join(tr.Run(t.Context(), 2), tr.Save(&b), again.Restore(&b)); err != nil {
		t.Fatal(err)
	}
	r, err := again.Step()
	if err != nil || r.Faults != 3 || math.Abs(r.LearnRate-1e-3*1.01*1.01/8) > 1e-16 {
		t.Errorf("learning rate %g after %d faults, want %g after 3; error %v", r.LearnRate, r.Faults, 1e-3*1.01*1.01/8, err)
	}
}

// MaxScale bounds the averaged model as it does the trained one, whatever the
// averages are that a file holds.
func TestUseAverageIsBounded(t *testing.T) {
	const bound = 0.2
	newTrainer := func() (*Model, *Trainer) {
		m := mera(t, 4, 3)
		return m, must(NewTrainer(m, ising(t, 4), &Settings{Batch: 8, Average: 0.9, MaxScale: bound, Src: rand.NewPCG(1, 1)}))
	}
	_, tr := newTrainer()
	if err := tr.Run(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	for k := range tr.averages {
		for i := range tr.averages[k] {
			tr.averages[k][i] = 3 * float64(1-2*(i%2))
		}
	}
	var b bytes.Buffer
	m, tr2 := newTrainer()
	if err := errors.Join(tr.Save(&b), tr2.Restore(&b), tr2.UseAverage()); err != nil {
		t.Fatal(err)
	}
	scales := 0
	for _, l := range m.Bijector().(*Hierarchy).Layers() {
		for _, c := range l.Block().(*bijector.RealNVP).Couplings() {
			for i := range c.Scale.Len() {
				if scales++; math.Abs(c.Scale.AtVec(i)) != bound {
					t.Fatalf("scale %g of an average of ±3, want ±%g", c.Scale.AtVec(i), bound)
				}
			}
			if v := c.S[0].B.AtVec(0); math.Abs(v) != 3 {
				t.Fatalf("a weight is %g, want its average, ±3", v)
			}
		}
	}
	if scales == 0 {
		t.Error("no scales")
	}
}

// A digest in metadata of the authors' files is theirs and not checked.
func TestLoadTorchForeignDigest(t *testing.T) {
	g := readGolden(t, "testdata/golden/mera_L4.json")
	var b bytes.Buffer
	if err := safetensors.Write(&b, torchFile(t, g, "")); err != nil {
		t.Fatal(err)
	}
	data := b.Bytes()
	at := bytes.Index(data, []byte(`"sha256":"`))
	if at < 0 {
		t.Fatal("no digest")
	}
	copy(data[at+len(`"sha256":"`):], bytes.Repeat([]byte("7"), 64))
	if _, err := LoadTorch(bytes.NewReader(data), 4); err != nil {
		t.Error(err)
	}
	// The digest of a file of ours is ours, also to LoadTorch.
	data = save(t, mera(t, 4, 3))
	data[len(data)-1] ^= 1
	_, err := LoadTorch(bytes.NewReader(data), 4)
	wantError(t, "a damaged file of ours", err, ErrCheckpoint, "SHA-256")
}
