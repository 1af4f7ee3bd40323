package hmc

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/neuralrg/neuralrg/internal/num"
	"gonum.org/v1/gonum/mat"
)

// fuzzSettings changes s in one of a few ways.
func fuzzSettings(kind uint8, s *Settings) *Settings {
	switch kind & 15 {
	case 1:
		s.Src = nil
	case 2:
		s.Src = (*rand.ChaCha8)(nil)
	case 3:
		s.Src = rand.New(s.Src)
	case 4:
		s.Src = struct{ rand.Source }{s.Src}
	case 5:
		return nil
	case 6:
		setForce(s, (*pointwise)(nil))
	case 7:
		setForce(s, &pointwise{dim: 2, f: anharmonic})
	}
	return s
}

// setForce sets the force of HMC.
func setForce(s *Settings, force LogDensity) {
	h, _ := s.Kernel.(HMC)
	h.Force = force
	s.Kernel = h
}

// fuzzDensity returns one of a few densities, nil among them.
func fuzzDensity(kind uint8, dim, cols int, value float64) LogDensity {
	switch kind & 7 {
	case 0:
		return &pointwise{dim: dim, f: normal}
	case 1:
		return (*pointwise)(nil)
	case 2:
		return nil
	case 3:
		return &pointwise{dim: cols, f: func(grad, _ []float64) float64 { grad[0] = value; return value }}
	}
	return &pointwise{dim: cols, f: normal}
}

// For any settings and any start, New returns an error or a sampler whose sweeps
// leave finite positions and counts in range.
func FuzzNew(f *testing.F) {
	minimizeBriefly()
	nan, inf := math.NaN(), math.Inf(1)
	f.Add(0.0, 0, 0.0, 0.0, 0, 2, 3, 2, 0.5, uint8(0))
	f.Add(0.1, 1<<62, 0.3, 1.0, 1<<62, 1<<32, 1, 2, 0.5, uint8(1))
	f.Add(nan, -1, nan, inf, -1, -1, 0, 0, nan, uint8(2))
	f.Add(5e-324, 3, -inf, 5e-324, 1, 1, 4, 1, 1e308, uint8(3))
	f.Add(math.MaxFloat64, 2, -1.0, math.MaxFloat64, 0, 2, 2, 2, -1e154, uint8(4))
	f.Fuzz(func(
		t *testing.T, step float64, leapfrog int, jitter, bound float64, faults, dim, rows, cols int,
		fill float64, kind uint8,
	) {
		var x *mat.Dense
		if rows, cols = rows&7, cols&7; rows > 0 && cols > 0 {
			x = mat.NewDense(rows, cols, nil)
			x.Apply(func(i, _ int, _ float64) float64 { return fill * float64(i+1) }, x)
		} else if kind&1 == 0 {
			x = &mat.Dense{}
		}
		s := &Settings{
			Kernel:    HMC{StepSize: step, Steps: leapfrog, Jitter: jitter, MaxEnergyError: bound},
			MaxFaults: faults,
			Src:       rand.NewPCG(1, 2),
		}
		d := fuzzDensity(kind>>4, dim, cols, fill)
		sampler, err := New(d, x, fuzzSettings(kind, s))
		if err != nil {
			if sampler != nil {
				t.Error("a sampler beside the error")
			}
			return
		}
		if sampler.settings.Kernel.(HMC).Steps > 64 {
			return
		}
		if err := sampler.Run(t.Context(), 3, nil); err != nil {
			t.Fatal(err)
		}
		for i, v := range sampler.X().RawMatrix().Data {
			if !num.Finite(v) {
				t.Errorf("coordinate %d is %v", i, v)
			}
		}
		rate, divergent, stuck := sampler.AcceptRate(), sampler.Divergent(), sampler.Stuck()
		if !(rate >= 0 && rate <= 1) || divergent > 3*rows || len(stuck) > rows {
			t.Errorf("acceptance %v, %d divergent, stuck %v", rate, divergent, stuck)
		}
	})
}
