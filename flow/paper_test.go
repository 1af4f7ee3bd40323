package flow

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/internal/kernel"
	"github.com/neuralrg/neuralrg/target"
)

// paperModel is the network of the authors' released command on an L×L lattice,
// symmetrised.
func paperModel(L int, dt tensor.Dtype, src rand.Source) (*Model, error) {
	h, err := bijector.NewMERA([]int{L, L}, func(int) (bijector.Bijector, error) {
		return bijector.NewRealNVP(4, &bijector.RealNVPSettings{Src: src})
	}, nil)
	if err != nil {
		return nil, err
	}
	m, err := New(target.NewNormal(h.Dim()), h)
	if err != nil {
		return nil, err
	}
	if m, err = Symmetrize(m, Inversion(h.Dim())); err != nil {
		return nil, err
	}
	return m.as(dt), nil
}

// trainPaper trains it at the critical point.
func trainPaper(L, steps int, dt tensor.Dtype, src rand.Source) (*Model, error) {
	m, err := paperModel(L, dt, src)
	if err != nil {
		return nil, err
	}
	pi, err := target.NewIsing([]int{L, L}, target.CriticalTemperature())
	if err != nil {
		return nil, err
	}
	_, err = Train(context.Background(), m, pi, &Settings{Steps: steps, Batch: 128, Src: src})
	return m, err
}

// trained4 is such a model on 4×4 sites, trained in float32, that several tests
// look at. None changes it.
var trained4 = sync.OnceValues(func() (*Model, error) {
	return trainPaper(4, 500, tensor.Float32, rand.NewPCG(1, 0))
})

// Training at the critical point with the network of the authors' released
// command, symmetrised, comes nearer to the exact −ln Z than theirs does in more
// steps of four times the samples.
func TestTrainingGap(t *testing.T) {
	if testing.Short() {
		t.Skip("trains for some seconds")
	}
	for _, c := range []struct {
		L     int
		dt    tensor.Dtype
		train func() (*Model, error)
		most  float64 // what the authors' code reaches, in 700 steps on 4×4 and 600 on 8×8
	}{
		{4, tensor.Float32, trained4, 0.34},
		{4, tensor.Float64, func() (*Model, error) {
			return trainPaper(4, 500, tensor.Float64, rand.NewPCG(3, 0))
		}, 0.34},
		{8, tensor.Float32, func() (*Model, error) {
			return trainPaper(8, 400, tensor.Float32, rand.NewPCG(1, 0))
		}, 1.7},
	} {
		t.Run(fmt.Sprintf("L=%d/%v", c.L, c.dt), func(t *testing.T) {
			if (c.L > 4 || c.dt == tensor.Float64) && kernel.Variant() == "plain" {
				t.Skip("takes a minute in plain Go")
			}
			start := time.Now()
			m, err := c.train()
			if err != nil {
				t.Fatal(err)
			}
			trained, pi := time.Since(start), ising(t, c.L)
			e, err := Evaluate(context.Background(), m.Float64(), pi,
				&EvaluateSettings{Samples: 2000, Src: rand.NewPCG(9, 9)})
			if err != nil {
				t.Fatal(err)
			}
			gap := e.Loss + pi.LogZ()
			t.Logf("gap %.3f ± %.3f after training for %v; the authors' code reaches %.2f; ESS %.3f, ln Z off by %.3f",
				gap, e.StdErr, trained.Round(time.Second), c.most, e.ESS, e.LogZ-pi.LogZ())
			if gap > c.most || gap < -4*e.StdErr {
				t.Errorf("gap %.3f ± %.3f, want at most %.2f", gap, e.StdErr, c.most)
			}
		})
	}
}
