package hmc

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// correlated is a normal density with means 0.3 and −0.2, variances 1 and 0.7 and
// covariance 0.5, not far from the reference N(0, 1).
func correlated(grad, x []float64) float64 {
	const det = 1*0.7 - 0.5*0.5
	a, b := x[0]-0.3, x[1]+0.2
	g0, g1 := -(0.7*a-0.5*b)/det, -(b-0.5*a)/det
	if grad != nil {
		grad[0], grad[1] = g0, g1
	}
	return (a*g0 + b*g1) / 2
}

// drawCorrelated returns exact draws of correlated.
func drawCorrelated(rnd *rand.Rand, chains int) *mat.Dense {
	x := mat.NewDense(chains, 2, nil)
	for i := range chains {
		z := rnd.NormFloat64()
		x.Set(i, 0, 0.3+z)
		x.Set(i, 1, -0.2+0.5*z+math.Sqrt(0.45)*rnd.NormFloat64())
	}
	return x
}

// updateCorrelated draws one coordinate of correlated given the other.
func updateCorrelated(x *mat.Dense, rnd *rand.Rand) error {
	rows, _ := x.Dims()
	for i := range rows {
		r := x.RawRowView(i)
		if rnd.IntN(2) == 0 {
			r[0] = 0.3 + 0.5/0.7*(r[1]+0.2) + math.Sqrt(1-0.25/0.7)*rnd.NormFloat64()
		} else {
			r[1] = -0.2 + 0.5*(r[0]-0.3) + math.Sqrt(0.45)*rnd.NormFloat64()
		}
	}
	return nil
}

// laplace is the density of independent coordinates with p(x) = e^x for x < 0 and 0
// elsewhere: skewed, and with a wall.
func laplace(grad, x []float64) float64 {
	var sum float64
	for j, v := range x {
		if v >= 0 {
			return math.Inf(-1)
		}
		if grad != nil {
			grad[j] = 1
		}
		sum += v
	}
	return sum
}

func drawLaplace(rnd *rand.Rand, chains int) *mat.Dense {
	x := mat.NewDense(chains, 2, nil)
	x.Apply(func(_, _ int, _ float64) float64 { return -rnd.ExpFloat64() }, x)
	return x
}

func updateLaplace(x *mat.Dense, rnd *rand.Rand) error {
	rows, _ := x.Dims()
	for i := range rows {
		x.Set(i, rnd.IntN(2), -rnd.ExpFloat64())
	}
	return nil
}

// everyKernel has each kernel with parameters at which a good part is rejected.
func everyKernel(update func(*mat.Dense, *rand.Rand) error) map[string]Kernel {
	rotate := HMC{StepSize: 0.6, Steps: 2, Rotate: true, InverseMass: []float64{1.5, 0.5}}
	mass := HMC{StepSize: 0.6, Steps: 2, InverseMass: []float64{1.5, 0.5}}
	windows := Windows{Sites: [][]int{{0}, {1}, {0, 1}}}
	return map[string]Kernel{
		"HMC":               HMC{StepSize: 0.6, Steps: 2},
		"HMC with mass":     mass,
		"HMC with rotation": HMC{StepSize: 0.6, Steps: 2, Rotate: true},
		"HMC with both":     rotate,
		"RandomWalk":        RandomWalk{Scale: 1},
		"Independence":      Independence{},
		"Windows":           windows,
		"CrankNicolson":     CrankNicolson{Beta: 0.6},
		"Gibbs":             Gibbs{Update: update},
		"Mix": Mix{
			{Kernel: mass}, {Kernel: windows, Weight: 4}, {Kernel: RandomWalk{Scale: 1}, Weight: 2},
			{Kernel: rotate, Weight: 0.5}, {Kernel: CrankNicolson{Beta: 0.6}}, {Kernel: Gibbs{Update: update}},
		},
	}
}

// Every kernel leaves the density invariant: from exact draws, the moments stay, and the
// pair of the first and the last position is exchangeable for kernels that are
// reversible. The chains are independent, so the errors are simple. 20 000 chains,
// seeds 1 and 3, four standard errors.
func TestEveryKernelKeepsTheDensity(t *testing.T) {
	const chains, sweeps = 20_000, 3
	for name, c := range map[string]struct {
		f      func(grad, x []float64) float64
		draw   func(*rand.Rand, int) *mat.Dense
		update func(*mat.Dense, *rand.Rand) error
		want   map[string]float64
	}{
		"correlated": {correlated, drawCorrelated, updateCorrelated, map[string]float64{
			"x0": 0.3, "x1": -0.2, "x0²": 1.09, "x1²": 0.74, "x0x1": 0.44,
		}},
		"Laplace": {laplace, drawLaplace, updateLaplace, map[string]float64{
			"x0": -1, "x1": -1, "x0²": 2, "x1²": 2, "x0x1": 1,
		}},
	} {
		for kernel, k := range everyKernel(c.update) {
			t.Run(name+"/"+kernel, func(t *testing.T) {
				start := c.draw(rand.New(rand.NewPCG(1, 2)), chains)
				s := mustNew(t, Func(2, c.f), start, &Settings{Kernel: k, Src: rand.NewPCG(3, 4)})
				mustRun(t, s, sweeps, nil)
				rate := s.AcceptRate()
				if _, exact := k.(Gibbs); exact != (rate == 1) || rate < 0.1 {
					t.Errorf("acceptance %v", rate)
				}
				x := s.X()
				moment := map[string]func(x []float64) float64{
					"x0": func(x []float64) float64 { return x[0] }, "x1": func(x []float64) float64 { return x[1] },
					"x0²":  func(x []float64) float64 { return x[0] * x[0] },
					"x1²":  func(x []float64) float64 { return x[1] * x[1] },
					"x0x1": func(x []float64) float64 { return x[0] * x[1] },
				}
				values, change := make([]float64, chains), make([]float64, chains)
				for m, want := range c.want {
					for i := range values {
						values[i] = moment[m](x.RawRowView(i))
						change[i] = values[i] - moment[m](start.RawRowView(i))
					}
					wantMean(t, m, values, want, 0.05)
					wantMean(t, "change of "+m, change, 0, 0.05)
				}
			})
		}
	}
}

// A trajectory with mass and rotation is reversible, and its energy error falls as the
// square of the step.
func TestRotationAndMassAreReversible(t *testing.T) {
	d := &pointwise{dim: 2, f: anharmonic}
	x, v := randn(3, 20, 2, 1), randn(4, 20, 2, 1)
	energy := func(f *flight, i int) float64 { return f.kinetic(i) - f.logp[i] }
	for name, c := range map[string]struct {
		scale  []float64
		rotate bool
	}{"mass": {[]float64{1.3, 0.6}, false}, "rotation": {nil, true}, "both": {[]float64{1.3, 0.6}, true}} {
		fly := func(steps int, x, v *mat.Dense) *flight {
			f := launch(t, d, x, v)
			f.scale = c.scale
			eps := 1.3 / float64(steps)
			if c.rotate {
				f.turn = new(rotation)
				f.turn.set(eps, c.scale)
			}
			f.fly(t, eps, steps)
			return f
		}
		there := fly(40, x, v)
		back := mat.NewDense(20, 2, nil)
		back.Scale(-1, there.v)
		home := fly(40, there.x, back)
		if !mat.EqualApprox(home.x, x, 1e-10) || mat.EqualApprox(there.x, x, 0.1) {
			t.Errorf("%s: flying back does not return to the start", name)
		}
		start := launch(t, d, x, v)
		coarse, fine := fly(400, x, v), fly(800, x, v)
		for i := range 20 {
			a, b := energy(coarse, i)-energy(start, i), energy(fine, i)-energy(start, i)
			if math.Abs(a) > 1e-7 && math.Abs(a/b-4) > 0.05 {
				t.Errorf("%s: halving the step divides the energy error by %g, want 4", name, a/b)
			}
		}
	}
	// The rotation is exact for the reference.
	s := mustNew(t, &pointwise{dim: 2, f: normal}, x, &Settings{
		Kernel: HMC{StepSize: 2.5, Steps: 1, Rotate: true}, Src: rand.NewPCG(1, 2),
	})
	mustRun(t, s, 20, func(int) error {
		for i, rise := range s.LastMoves().EnergyErrors {
			if math.Abs(rise) > 1e-12 {
				t.Errorf("chain %d: energy error %g", i, rise)
			}
		}
		return nil
	})
}

// No kernel but HMC asks for gradients, and HMC asks once more after another kernel.
func TestGradientsAreAskedWhereNeeded(t *testing.T) {
	for name, k := range everyKernel(updateCorrelated) {
		d := &pointwise{dim: 2, f: func(grad, x []float64) float64 { return correlated(grad, x) }}
		s := mustNew(t, d, randn(1, 5, 2, 1), &Settings{Kernel: k, Src: rand.NewPCG(1, 2)})
		gradients, last := 0, -1
		if d.values == 0 {
			gradients = 1
		}
		mustRun(t, s, 60, func(int) error {
			now := s.LastMoves().Kernel
			if m, ok := s.kernels[now].(*hmcMover); ok {
				gradients += m.Steps
				if last >= 0 && s.kernels[last].force(d) == nil {
					gradients++
				}
			}
			if moved := s.LastMoves().Accepted; last < 0 || s.kernels[now].force(d) != nil {
				last = now
			} else if contains(moved) {
				last = now
			}
			return nil
		})
		if got := d.calls - d.values; got != gradients {
			t.Errorf("%s: %d gradients, want %d", name, got, gradients)
		}
	}
}

func contains(moved []bool) bool {
	for _, m := range moved {
		if m {
			return true
		}
	}
	return false
}

// Two forces in a mix: each trajectory follows its own. A chain at which one of them is
// not finite stays for it, and moves by the other.
func TestMixOfForces(t *testing.T) {
	const chains = 40_000
	rough := &pointwise{dim: 2, f: func(grad, x []float64) float64 {
		v := normal(grad, x)
		if x[0] > 1 {
			return math.NaN()
		}
		return v
	}}
	start := drawCorrelated(rand.New(rand.NewPCG(1, 2)), chains)
	for i := range chains {
		start.Set(i, 0, math.Min(start.At(i, 0), 0.9))
	}
	exact := drawCorrelated(rand.New(rand.NewPCG(1, 2)), chains)
	s := mustNew(t, Func(2, correlated), start, &Settings{
		Kernel: Mix{{Kernel: HMC{StepSize: 0.7, Steps: 2, Force: rough}}, {Kernel: HMC{StepSize: 0.7, Steps: 2}},
			{Kernel: RandomWalk{Scale: 1}}},
		Src: rand.NewPCG(5, 6),
	})
	// The start must have a finite force. The sweeps begin at exact draws.
	s.now.x.Copy(exact)
	if err := s.now.ask(s.density, nil); err != nil {
		t.Fatal(err)
	}
	s.gradOf = -1
	mustRun(t, s, 12, nil)
	values, x := make([]float64, chains), s.X()
	for i := range values {
		values[i] = x.At(i, 0)
	}
	wantMean(t, "x0", values, 0.3, 0.01)
	for i := range values {
		values[i] *= values[i]
	}
	wantMean(t, "x0²", values, 1.09, 0.02)
	if s.Divergent() == 0 {
		t.Error("no trajectory met the wall of the force")
	}
}

// −Inf is a rejection for kernels without gradients. NaN and +Inf are divergent.
func TestMetropolisOutsideTheSupport(t *testing.T) {
	for value, divergent := range map[float64]bool{math.Inf(-1): false, math.Inf(1): true, math.NaN(): true} {
		for _, k := range []Kernel{
			RandomWalk{Scale: 1}, Independence{}, CrankNicolson{}, Windows{Sites: [][]int{{0}}},
		} {
			s := mustNew(t, Func(1, func(_, x []float64) float64 {
				if x[0] > 0 {
					return value
				}
				return 0
			}), mat.NewDense(20, 1, nil), &Settings{Kernel: k, Src: rand.NewPCG(1, 2)})
			mustRun(t, s, 40, nil)
			if mat.Max(s.X()) > 0 || s.AcceptRate() == 0 || s.AcceptRate() == 1 || (s.Divergent() > 0) != divergent {
				t.Errorf("%T, %v: at %v, acceptance %v, %d divergent",
					k, value, mat.Max(s.X()), s.AcceptRate(), s.Divergent())
			}
		}
	}
}

func TestEveryKernelAllocatesNothing(t *testing.T) {
	for name, k := range everyKernel(func(*mat.Dense, *rand.Rand) error { return nil }) {
		s := mustNew(t, &quiet{}, randn(26, 16, 2, 1), &Settings{Kernel: k, Src: rand.NewPCG(27, 28)})
		mustRun(t, s, 50, nil)
		if n := testing.AllocsPerRun(100, func() {
			if err := s.Sweep(); err != nil {
				t.Fatal(err)
			}
			s.LastMoves()
		}); n != 0 {
			t.Errorf("%s: a sweep makes %v allocations", name, n)
		}
	}
}

// quiet is correlated, without allocation.
type quiet struct{}

func (*quiet) Dim() int { return 2 }

func (*quiet) LogProbGrad(logp []float64, grad, x *mat.Dense) error {
	for i := range logp {
		var g []float64
		if grad != nil {
			g = grad.RawRowView(i)
		}
		logp[i] = correlated(g, x.RawRowView(i))
	}
	return nil
}

// A mix draws its kernels in proportion to their weights, and counts them.
func TestMixWeights(t *testing.T) {
	const sweeps = 20_000
	s := mustNew(t, &quiet{}, randn(1, 1, 2, 1), &Settings{
		Kernel: Mix{
			{Kernel: RandomWalk{}}, {Kernel: Independence{}, Weight: 3}, {Kernel: CrankNicolson{}, Weight: 0.5},
		},
		Src: rand.NewPCG(1, 2),
	})
	mustRun(t, s, sweeps, nil)
	accepted := 0.0
	for k, want := range []float64{1 / 4.5, 3 / 4.5, 0.5 / 4.5} {
		stats := s.Stats()[k]
		got := float64(stats.Sweeps) / sweeps
		if err := math.Sqrt(want * (1 - want) / sweeps); math.Abs(got-want) > sigmas*err {
			t.Errorf("kernel %d has %v of the sweeps, want %v ± %v", k, got, want, err)
		}
		accepted += stats.AcceptRate * float64(stats.Sweeps)
	}
	if math.Abs(accepted-sweeps*s.AcceptRate()) > 1e-6 {
		t.Errorf("%v accepted by kernel, %v in all", accepted, sweeps*s.AcceptRate())
	}
}
