package hmc

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// flight is one trajectory of every chain over a density.
type flight struct {
	*trajectory
	d    LogDensity
	home state // where they began
}

// launch returns trajectories of the density from the rows of x and v.
func launch(t *testing.T, d LogDensity, x, v *mat.Dense) *flight {
	t.Helper()
	f := &flight{d: d, home: newState(x, true)}
	if err := f.home.evaluate(d); err != nil {
		t.Fatal(err)
	}
	f.trajectory = newTrajectory(f.home)
	f.begin(&f.home)
	f.v.Copy(v)
	return f
}

// fly makes steps of size eps. No trajectory may diverge.
func (f *flight) fly(t *testing.T, eps float64, steps int) {
	t.Helper()
	for range steps {
		if err := f.leapfrog(f.d, eps, &f.home); err != nil {
			t.Fatal(err)
		}
	}
	for i, alive := range f.alive {
		if !alive {
			t.Fatalf("chain %d diverged", i)
		}
	}
}

func randn(seed uint64, rows, cols int, scale float64) *mat.Dense {
	rnd := rand.New(rand.NewPCG(seed, 1))
	m := mat.NewDense(rows, cols, nil)
	m.Apply(func(_, _ int, _ float64) float64 { return scale * rnd.NormFloat64() }, m)
	return m
}

func TestEnergyErrorFallsAsStepSquared(t *testing.T) {
	d := &pointwise{dim: 2, f: anharmonic}
	x, v := randn(1, 20, 2, 1), randn(2, 20, 2, 1)
	energyError := func(steps int) []float64 {
		tr := launch(t, d, x, v)
		rise := make([]float64, len(tr.logp))
		for i := range rise {
			rise[i] = -tr.kinetic(i) + tr.logp[i]
		}
		tr.fly(t, 1.3/float64(steps), steps)
		for i := range rise {
			rise[i] += tr.kinetic(i) - tr.logp[i]
		}
		return rise
	}
	coarse, fine := energyError(400), energyError(800)
	for i := range coarse {
		if math.Abs(coarse[i]) < 1e-9 || math.Abs(coarse[i]) > 1e-2 {
			t.Errorf("chain %d: energy error %g is no test of its order", i, coarse[i])
		}
		if ratio := coarse[i] / fine[i]; math.Abs(ratio-4) > 0.02 {
			t.Errorf("chain %d: halving the step divides the energy error by %g, want 4", i, ratio)
		}
	}
}

func TestLeapfrogIsReversible(t *testing.T) {
	d := &pointwise{dim: 2, f: anharmonic}
	x, v := randn(3, 50, 2, 1), randn(4, 50, 2, 1)
	tr := launch(t, d, x, v)
	const eps, steps = 0.05, 40
	tr.fly(t, eps, steps)
	if mat.EqualApprox(tr.x, x, 0.1) {
		t.Fatal("nothing moved")
	}
	tr.v.Scale(-1, tr.v)
	tr.fly(t, eps, steps)
	tr.v.Scale(-1, tr.v)
	if !mat.EqualApprox(tr.x, x, 1e-10) || !mat.EqualApprox(tr.v, v, 1e-10) {
		t.Error("flying back does not return to the start")
	}
}

func TestLeapfrogPreservesVolume(t *testing.T) {
	const dim, h = 2, 1e-5
	d := &pointwise{dim: dim, f: anharmonic}
	for seed := range uint64(10) {
		// Chain 2k is displaced by +h in coordinate k of (x, v), chain 2k+1 by −h.
		start := randn(seed, 1, 2*dim, 1)
		x, v := mat.NewDense(4*dim, dim, nil), mat.NewDense(4*dim, dim, nil)
		for i := range 4 * dim {
			p := append([]float64(nil), start.RawRowView(0)...)
			p[i/2] += h * float64(1-2*(i%2))
			x.SetRow(i, p[:dim])
			v.SetRow(i, p[dim:])
		}
		tr := launch(t, d, x, v)
		tr.fly(t, 0.2, 10)
		jacobian := mat.NewDense(2*dim, 2*dim, nil)
		for j := range 2 * dim {
			for k := range dim {
				jacobian.Set(k, j, (tr.x.At(2*j, k)-tr.x.At(2*j+1, k))/(2*h))
				jacobian.Set(dim+k, j, (tr.v.At(2*j, k)-tr.v.At(2*j+1, k))/(2*h))
			}
		}
		if det := mat.Det(jacobian); math.Abs(det-1) > 1e-6 {
			t.Errorf("seed %d: volume changes by a factor %.9f", seed, det)
		}
	}
}
