package flow

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/hmc"
	"github.com/neuralrg/neuralrg/target"
)

// user is what one goroutine of TestConcurrentUse does with a model, and the results that
// it must find.
type user struct {
	m, f32   *Model
	energy   *target.Evaluator
	x, grad  *mat.Dense // samples; gradients of the energy at start
	logq     []float64  // of the samples
	logp     []float64  // at start
	start    *mat.Dense
	evaluate func(seed uint64) error
}

func (u *user) run(t *testing.T, seed uint64) {
	y, logq := mat.NewDense(9, 16, nil), make([]float64, 9)
	if err := u.m.Sample(y, logq, rand.NewPCG(1, 3)); err != nil || !mat.Equal(u.x, y) ||
		!slices.Equal(logq, u.logq) {
		t.Errorf("Sample: %v, or other numbers", err)
	}
	if err := u.evaluate(seed); err != nil {
		t.Error(err)
	}
	if err := u.f32.LogProbs(logq, y); err != nil {
		t.Error(err)
	}
	if err := u.m.Posterior(y, nil, u.x, rand.NewPCG(1, 1)); err != nil {
		t.Error(err)
	}
	logp, grad := make([]float64, 3), mat.NewDense(3, 16, nil)
	if err := u.energy.LogProbGrad(logp, grad, u.start); err != nil || !slices.Equal(logp, u.logp) ||
		!mat.Equal(grad, u.grad) {
		t.Errorf("Latent: %v, or other numbers", err)
	}
	settings := &hmc.Settings{Kernel: hmc.HMC{Steps: 2}, Src: rand.NewPCG(1, 1)}
	if s, err := hmc.New(u.energy, u.start, settings); err != nil {
		t.Error(err)
	} else if err := s.Sweep(); err != nil {
		t.Error(err)
	}
	if data := save(t, u.m); len(data) == 0 {
		t.Error("no file")
	}
}

// Many goroutines sample and evaluate one model while a copy, saved and
// loaded, is trained.
func TestConcurrentUse(t *testing.T) {
	m := symmetrize(t, mera(t, 4, 5), Inversion(16))
	c, err := Load(bytes.NewReader(save(t, m)))
	if err != nil {
		t.Fatal(err)
	}
	trainer, err := NewTrainer(c, ising(t, 4), &Settings{Batch: 32, Src: rand.NewPCG(3, 1)})
	if err != nil {
		t.Fatal(err)
	}
	before := params(m)
	energy := target.NewEvaluator(Latent(m, ising(t, 4)))
	x, want := sample(t, m, 9, 1)
	start := randn(1, 3, 16)
	wantLogp, wantGrad := make([]float64, 3), mat.NewDense(3, 16, nil)
	if err := energy.LogProbGrad(wantLogp, wantGrad, start); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var training, users sync.WaitGroup
	training.Go(func() {
		for first := true; first || ctx.Err() == nil; first = false {
			if _, err := trainer.Step(); err != nil {
				t.Error(err)
				return
			}
		}
	})
	u := &user{m, m.Float32(), energy, x, wantGrad, want, wantLogp, start, func(seed uint64) error {
		_, err := Evaluate(ctx, m, ising(t, 4), &EvaluateSettings{Samples: 20, Src: rand.NewPCG(seed, 1)})
		return err
	}}
	for k := range 6 {
		users.Go(func() {
			for range 4 {
				u.run(t, uint64(k))
			}
		})
	}
	users.Wait()
	cancel()
	training.Wait()
	if trainer.Result().Steps == 0 || slices.Equal(params(c), before) || !slices.Equal(params(m), before) {
		t.Errorf("%d steps, or it was not the copy that was trained", trainer.Result().Steps)
	}
}

// slow is a target that says when a batch begins.
type slow struct {
	target.Density
	began chan struct{}
}

func (s slow) LogProb(x *gorgonia.Node) (*gorgonia.Node, error) {
	first := true
	return target.Func(s.Dim(), func(grad, x []float64) float64 {
		if first {
			first = false
			s.began <- struct{}{}
		}
		time.Sleep(time.Millisecond)
		for i := range grad {
			grad[i] = -x[i]
		}
		return -0.5 * mat.Dot(mat.NewVecDense(len(x), x), mat.NewVecDense(len(x), x))
	}).LogProb(x)
}

// A context that is done ends training and evaluation within the batch under
// way.
func TestContextWithinOneStep(t *testing.T) {
	m := mera(t, 2, 1)
	for name, run := range map[string]func(ctx context.Context, d target.Density) error{
		"Train": func(ctx context.Context, d target.Density) error {
			res, err := Train(ctx, m, d, &Settings{Steps: 1000, Batch: 4, Src: rand.NewPCG(1, 1)})
			if res == nil || res.Steps != 1 {
				t.Errorf("%+v", res)
			}
			return err
		},
		"Evaluate": func(ctx context.Context, d target.Density) error {
			_, err := Evaluate(ctx, m, d, &EvaluateSettings{Batch: 4, Src: rand.NewPCG(1, 1)})
			return err
		},
	} {
		ctx, cancel := context.WithCancel(context.Background())
		d := slow{target.NewNormal(4), make(chan struct{}, 1)}
		go func() { <-d.began; cancel() }()
		if err := run(ctx, d); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Long runs hold on to nothing: the heap after many steps and sweeps is that
// after few, to a twentieth, which is some eight bytes a step.
func TestHeapIsFlat(t *testing.T) {
	steps, sweeps := 5000, 600
	if testing.Short() {
		steps, sweeps = 300, 60
	}
	m := symmetrize(t, model(t, must(bijector.NewMERA([]int{4, 4}, blocks(4, 3, 3), nil))), Inversion(16))
	tr, err := NewTrainer(m, ising(t, 4), &Settings{Batch: 16, Src: rand.NewPCG(1, 1)})
	if err != nil {
		t.Fatal(err)
	}
	heap := func() float64 {
		runtime.GC()
		runtime.GC()
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return float64(s.HeapAlloc)
	}
	ctx := context.Background()
	if err := tr.Run(ctx, steps/20); err != nil {
		t.Fatal(err)
	}
	before := heap()
	if err := tr.Run(ctx, steps-steps/20); err != nil {
		t.Fatal(err)
	}
	if after := heap(); after > 1.05*before {
		t.Errorf("heap grew from %.0f to %.0f bytes in %d steps", before, after, steps)
	} else {
		t.Logf("training: %.0f, then %.0f bytes", before, after)
	}
	s, err := hmc.New(target.NewEvaluator(Latent(m, ising(t, 4))), randn(1, 8, 16),
		&hmc.Settings{Src: rand.NewPCG(1, 1)})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(ctx, sweeps/20, nil); err != nil {
		t.Fatal(err)
	}
	before = heap()
	if err := s.Run(ctx, sweeps-sweeps/20, nil); err != nil {
		t.Fatal(err)
	}
	if after := heap(); after > 1.05*before {
		t.Errorf("heap grew from %.0f to %.0f bytes in %d sweeps", before, after, sweeps)
	} else {
		t.Logf("sampling: %.0f, then %.0f bytes", before, after)
	}
	runtime.KeepAlive(tr)
}
