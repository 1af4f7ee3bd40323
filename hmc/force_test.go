package hmc

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// With HMC.Force a sweep calls the density once, without a gradient. The
// sampler keeps the values of the density and the gradients of the force.
func TestForce(t *testing.T) {
	d, force := &pointwise{dim: 1, f: skewed}, &pointwise{dim: 1, f: crude}
	s := mustNew(t, d, randn(20, 10, 1, 1),
		&Settings{Kernel: HMC{StepSize: 0.5, Steps: 7, Force: force}, Src: rand.NewPCG(21, 22)})
	mustRun(t, s, 30, nil)
	if d.calls != 31 || d.values != 31 || force.calls != 1+30*7 || force.values != 0 {
		t.Errorf("%d calls of the density, %d without gradient, and %d of the force, want 31, 31 and %d",
			d.calls, d.values, force.calls, 1+30*7)
	}
	if rate := s.AcceptRate(); rate == 0 || rate == 1 {
		t.Fatalf("acceptance %v", rate)
	}
	g := make([]float64, 1)
	for i, logp := range s.LogProb() {
		x := s.X().RawRowView(i)
		want := d.f(g, x)
		if force.f(g, x); logp != want || s.now.grad.At(i, 0) != g[0] {
			t.Errorf("chain %d: cached log-density %v and gradient %v, want %v and %v",
				i, logp, s.now.grad.At(i, 0), want, g[0])
		}
	}

	// The density as its own force changes nothing.
	settings := Settings{Kernel: HMC{StepSize: 0.5}, Src: rand.NewPCG(1, 1)}
	alone := mustNew(t, d, randn(20, 10, 1, 1), &settings)
	mustRun(t, alone, 20, nil)
	settings.Kernel = HMC{StepSize: 0.5, Force: &pointwise{dim: 1, f: skewed}}
	settings.Src = rand.NewPCG(1, 1)
	both := mustNew(t, d, randn(20, 10, 1, 1), &settings)
	mustRun(t, both, 20, nil)
	if !mat.Equal(alone.X(), both.X()) {
		t.Error("the density's own gradient as a force moves the chains elsewhere")
	}
}

// If the force, or the density at the end, is not finite, the trajectory is
// rejected; if one of them fails, the sweep fails. Both are as without a force.
func TestForceFaults(t *testing.T) {
	fails := errors.New("no luck")
	wall := func(grad, x []float64) float64 {
		v := skewed(grad, x)
		if x[0] > 1 {
			return math.NaN()
		}
		return v
	}
	start := mat.NewDense(4, 1, []float64{-1, -0.5, 0, 0.5})
	for name, p := range map[string][2]*pointwise{
		"force":   {{dim: 1, f: skewed}, {dim: 1, f: wall}},
		"density": {{dim: 1, f: wall}, {dim: 1, f: skewed}},
	} {
		s := mustNew(t, p[0], start,
			&Settings{Kernel: HMC{StepSize: 0.5, Steps: 4, Force: p[1]}, Src: rand.NewPCG(1, 1)})
		mustRun(t, s, 50, func(int) error {
			for i := range 4 {
				if v := s.X().At(i, 0); v > 1 {
					t.Fatalf("%s: chain %d at %v", name, i, v)
				}
			}
			return nil
		})
		if s.Divergent() == 0 || s.AcceptRate() == 0 {
			t.Errorf("%s: %d divergent, acceptance %v", name, s.Divergent(), s.AcceptRate())
		}
	}
	for name, at := range map[string]int{"force": 1, "density": 0} {
		p := [2]*pointwise{{dim: 1, f: skewed}, {dim: 1, f: skewed}}
		p[at].before = func(call int) error {
			if call == 2 {
				return fails
			}
			return nil
		}
		s := mustNew(t, p[0], start, &Settings{Kernel: HMC{Force: p[1]}, Src: rand.NewPCG(1, 1)})
		before := mat.DenseCopyOf(s.X())
		if err := s.Sweep(); !errors.Is(err, fails) || !mat.Equal(before, s.X()) {
			t.Errorf("%s: %v", name, err)
		}
		mustRun(t, s, 3, nil)
	}
	beyond := mat.NewDense(1, 1, []float64{2})
	_, err := New(&pointwise{dim: 1, f: skewed}, beyond,
		&Settings{Kernel: HMC{Force: &pointwise{dim: 1, f: wall}}, Src: rand.NewPCG(1, 1)})
	wantError(t, "force at the start", err, ErrNotFinite, "log-density of the force is NaN")
	_, err = New(&pointwise{dim: 1, f: wall}, beyond,
		&Settings{Kernel: HMC{Force: &pointwise{dim: 1, f: skewed}}, Src: rand.NewPCG(1, 1)})
	wantError(t, "density at the start", err, ErrNotFinite, "log-density is NaN")
	_, err = New(&pointwise{dim: 1, f: skewed}, start,
		&Settings{Kernel: HMC{Force: &pointwise{dim: 2, f: anharmonic}}, Src: rand.NewPCG(1, 1)})
	wantError(t, "dimensions", err, ErrShape, "the force has dimension 2, the density 1")
}
