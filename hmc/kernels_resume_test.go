package hmc

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// A failed sweep of any kernel names the kernel, and leaves chains and source.
func TestEveryKernelFails(t *testing.T) {
	broken := errors.New("broken")
	for name, k := range everyKernel(updateCorrelated) {
		fail := false
		d := &pointwise{dim: 2, f: correlated, before: func(int) error {
			if fail {
				return broken
			}
			return nil
		}}
		run := func(fails bool) *Sampler {
			fail = false
			s := mustNew(t, d, randn(1, 5, 2, 1), &Settings{Kernel: k, Src: rand.NewPCG(1, 2)})
			for range 8 {
				if fail = fails; fails {
					err := s.Sweep()
					wantError(t, name, err, broken, "sweep ")
					if want := kernelName(s.kernels[s.kernel].kernel()); want != "HMC" &&
						!strings.Contains(fmt.Sprint(err), want) {
						t.Errorf("%s: %v does not name %s", name, err, want)
					}
				}
				fail = false
				mustRun(t, s, 1, nil)
			}
			return s
		}
		if !mat.Equal(run(true).X(), run(false).X()) {
			t.Errorf("%s: a failed sweep changes those that follow", name)
		}
	}
}

// A mix of every kernel is saved and restored to the bit.
func TestEveryKernelResumes(t *testing.T) {
	for name, k := range everyKernel(updateCorrelated) {
		sampler := func(seed uint64) *Sampler {
			return mustNew(t, &quiet{}, randn(seed, 5, 2, 1), &Settings{Kernel: k, Src: rand.NewPCG(seed, 2)})
		}
		s := sampler(1)
		for n := range 12 {
			data := saveSampler(t, s)
			r := sampler(7)
			mustRun(t, r, n%3, nil)
			if err := r.Restore(bytes.NewReader(data)); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			mustRun(t, r, 5, nil)
			mustRun(t, s, 5, nil)
			if !mat.Equal(s.X(), r.X()) || !bytes.Equal(saveSampler(t, s), saveSampler(t, r)) ||
				fmt.Sprint(s.Stats()) != fmt.Sprint(r.Stats()) {
				t.Fatalf("%s: other chains or counts after sweep %d", name, s.Sweeps())
			}
		}
		if got := s.Kernel(); name != "Gibbs" && name != "Mix" {
			again, err := got.withDefaults(2)
			if err != nil || !reflect.DeepEqual(got, again) {
				t.Errorf("%s: %v is not %v with its defaults", name, got, again)
			}
		}
	}
}

// Restore refuses another kernel and names the kernel and the field.
func TestRestoreRefusesOtherKernels(t *testing.T) {
	for name, c := range map[string]struct{ saved, here Kernel }{
		"Kernel":       {RandomWalk{}, Independence{}},
		"Scale":        {RandomWalk{Scale: 1}, RandomWalk{}},
		"Beta":         {CrankNicolson{Beta: 1}, CrankNicolson{}},
		"TargetAccept": {CrankNicolson{TargetAccept: 0.3}, CrankNicolson{}},
		"Sites":        {Windows{Sites: [][]int{{0}, {1}}}, Windows{Sites: [][]int{{0, 1}}}},
		"Rotate":       {HMC{Rotate: true}, HMC{InverseMass: []float64{1, 1}}},
		"InverseMass":  {HMC{InverseMass: []float64{1, 2}}, HMC{InverseMass: []float64{1, 1}}},
		"Weight":       {Mix{{Kernel: RandomWalk{}, Weight: 2}}, Mix{{Kernel: RandomWalk{}}}},
		"sampler has":  {HMC{}, RandomWalk{}},
		"saved":        {RandomWalk{}, HMC{}},
		"kernels":      {Mix{{Kernel: RandomWalk{}}}, Mix{{Kernel: RandomWalk{}}, {Kernel: RandomWalk{}}}},
	} {
		sampler := func(k Kernel) *Sampler {
			return mustNew(t, &quiet{}, randn(1, 5, 2, 1), &Settings{Kernel: k, Src: rand.NewPCG(1, 2)})
		}
		err := sampler(c.here).Restore(bytes.NewReader(saveSampler(t, sampler(c.saved))))
		wantError(t, name, err, ErrCheckpoint, name)
	}
}

func TestBadKernels(t *testing.T) {
	nan := math.NaN()
	for text, k := range map[string]Kernel{
		"InverseMass of 1 coordinates":         HMC{InverseMass: []float64{1}},
		"InverseMass 0 in coordinate 1":        HMC{InverseMass: []float64{1, 0}},
		"InverseMass NaN in coordinate 0":      HMC{InverseMass: []float64{nan, 1}},
		"HMC with TargetAccept 1":              HMC{TargetAccept: 1},
		"RandomWalk with Scale -1":             RandomWalk{Scale: -1},
		"RandomWalk with TargetAccept NaN":     RandomWalk{TargetAccept: nan},
		"CrankNicolson with Beta 1.5":          CrankNicolson{Beta: 1.5},
		"CrankNicolson with TargetAccept -1":   CrankNicolson{TargetAccept: -1},
		"Windows with no Sites":                Windows{},
		"Windows: window 1 has coordinate 2":   Windows{Sites: [][]int{{0}, {2}}},
		"Gibbs with a nil Update":              Gibbs{},
		"a Mix without kernels":                Mix{},
		"Mix, kernel 1: nil Kernel":            Mix{{Kernel: HMC{}}, {}},
		"Mix, kernel 0: Weight -1":             Mix{{Kernel: HMC{}, Weight: -1}},
		"Mix, kernel 0: Weight NaN":            Mix{{Kernel: HMC{}, Weight: nan}},
		"Mix, kernel 0: a Mix in a Mix":        Mix{{Kernel: Mix{{Kernel: HMC{}}}}},
		"Mix, kernel 1: settings out of range": Mix{{Kernel: HMC{}}, {Kernel: HMC{StepSize: -1}}},
		"nil pointer to a kernel":              (*HMC)(nil),
	} {
		_, err := New(&quiet{}, randn(1, 5, 2, 1), &Settings{Kernel: k, Src: rand.NewPCG(1, 2)})
		is := ErrSettings
		if strings.HasPrefix(text, "InverseMass of") {
			is = ErrShape
		}
		wantError(t, text, err, is, strings.TrimSuffix(text, ": settings out of range"))
	}
	// An update that is wrong is an error.
	for text, update := range map[string]func(x *mat.Dense, rnd *rand.Rand) error{
		"Update set coordinate 1 of chain 2 to NaN": func(x *mat.Dense, _ *rand.Rand) error {
			x.Set(2, 1, nan)
			return nil
		},
		"the update panicked: oh": func(*mat.Dense, *rand.Rand) error { panic("oh") },
		"log-density of chain 0 after Update": func(x *mat.Dense, _ *rand.Rand) error {
			x.Set(0, 0, 1)
			return nil
		},
	} {
		s := mustNew(t, Func(2, laplace), mat.NewDense(3, 2, []float64{-1, -1, -1, -1, -1, -1}),
			&Settings{Kernel: Gibbs{Update: update}, Src: rand.NewPCG(1, 2)})
		if err := s.Sweep(); err == nil || !strings.Contains(err.Error(), "sweep 0, Gibbs: ") ||
			!strings.Contains(err.Error(), text) {
			t.Errorf("%v, want %s", err, text)
		}
	}
}
