package hmc

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/hmc/diag"
)

// sigmas is the number of standard errors by which an estimate may be wrong. A
// correct estimate exceeds it once in 16 000 draws.
const sigmas = 4

func mustNew(t testing.TB, d LogDensity, x0 *mat.Dense, s *Settings) *Sampler {
	t.Helper()
	sampler, err := New(d, x0, s)
	if err != nil {
		t.Fatal(err)
	}
	return sampler
}

func mustRun(t testing.TB, s *Sampler, n int, visit func(sweep int) error) {
	t.Helper()
	if err := s.Run(context.Background(), n, visit); err != nil {
		t.Fatal(err)
	}
}

// chainMeans runs n sweeps and returns the average of f along each chain.
func chainMeans(t testing.TB, s *Sampler, n int, f func(x []float64) float64) []float64 {
	t.Helper()
	means := make([]float64, s.Chains())
	mustRun(t, s, n, func(int) error {
		x := s.X()
		for i := range means {
			means[i] += f(x.RawRowView(i)) / float64(n)
		}
		return nil
	})
	return means
}

// wantMean fails if the mean of independent values is wrong by more than sigmas
// standard errors, or if the standard error exceeds precision.
func wantMean(t *testing.T, what string, values []float64, want, precision float64) {
	t.Helper()
	got, stdErr := diag.MeanStdErr(values)
	if !(stdErr > 0 && stdErr < precision) {
		t.Errorf("%s: standard error %g, want below %g", what, stdErr, precision)
	}
	if !(math.Abs(got-want) < sigmas*stdErr) {
		t.Errorf("%s = %.5f ± %.5f, want %.5f", what, got, stdErr, want)
	}
}

func TestCorrelatedGaussian(t *testing.T) {
	centre := []float64{1, -2, 0.5}
	covariance := mat.NewSymDense(3, []float64{
		1.0, 0.8, 0.1,
		0.8, 2.0, -0.3,
		0.1, -0.3, 0.5,
	})
	var precision mat.Dense
	if err := precision.Inverse(covariance); err != nil {
		t.Fatal(err)
	}
	d := &pointwise{dim: 3, f: func(grad, x []float64) float64 {
		var logp float64
		for j := range x {
			grad[j] = 0
			for k := range x {
				grad[j] -= precision.At(j, k) * (x[k] - centre[k])
			}
			logp += grad[j] * (x[j] - centre[j]) / 2
		}
		return logp
	}}
	for _, jitter := range []float64{-1, 0.5} {
		s := mustNew(t, d, mat.NewDense(200, 3, nil),
			&Settings{Kernel: HMC{StepSize: 0.4, Steps: 6, Jitter: jitter}, Src: rand.NewPCG(1, 2)})
		mustRun(t, s, 100, nil)
		for j := range 3 {
			for k := range j + 1 {
				wantMean(t, "covariance", chainMeans(t, s, 200, func(x []float64) float64 {
					return (x[j] - centre[j]) * (x[k] - centre[k])
				}), covariance.At(j, k), 0.03)
			}
			wantMean(t, "mean", chainMeans(t, s, 200, func(x []float64) float64 { return x[j] }), centre[j], 0.02)
		}
		if rate := s.AcceptRate(); rate < 0.5 || rate > 0.99 {
			t.Errorf("jitter %v: acceptance %v leaves the accept step untested", jitter, rate)
		}
	}
}

func TestDoubleWell(t *testing.T) {
	exact := tabulate(doubleWell)
	s := mustNew(t, &pointwise{dim: 1, f: doubleWell}, randn(5, 400, 1, 0.5),
		&Settings{Kernel: HMC{StepSize: 0.25, Steps: 5}, Src: rand.NewPCG(3, 4)})
	mustRun(t, s, 200, nil)
	square := func(x float64) float64 { return x * x }
	wantMean(t, "second moment", chainMeans(t, s, 500, func(x []float64) float64 { return square(x[0]) }),
		exact.mean(square), 0.002)
	wantMean(t, "mean", chainMeans(t, s, 500, func(x []float64) float64 { return x[0] }), 0, 0.05)
}

// One sweep leaves the density invariant. It starts in equilibrium and rejects
// half of the trajectories. The chains are independent, so the errors are simple,
// and they are many, so that a wrong accept step shows.
func TestLargeStepKeepsEquilibrium(t *testing.T) {
	const chains = 200_000
	exact := tabulate(skewed)
	start := exact.quantiles(chains)
	for _, kernel := range []HMC{
		{StepSize: 1.1, Steps: 1, Jitter: -1},
		{StepSize: 0.9, Steps: 3, Jitter: 0.2},
		{StepSize: 0.8, Steps: 2, Jitter: -1, MaxEnergyError: 0.3},
		{StepSize: 0.7, Steps: 3, Jitter: -1, Force: &pointwise{dim: 1, f: crude}},
	} {
		s := mustNew(t, &pointwise{dim: 1, f: skewed}, start, &Settings{Kernel: kernel, Src: rand.NewPCG(5, 6)})
		mustRun(t, s, 1, nil)
		if rate := s.AcceptRate(); rate < 0.3 || rate > 0.8 {
			t.Errorf("acceptance %v leaves the accept step untested", rate)
		}
		x := s.X()
		for power := 1; power <= 4; power++ {
			moment := func(x float64) float64 { return math.Pow(x, float64(power)) }
			values := make([]float64, chains)
			for i := range values {
				values[i] = moment(x.At(i, 0))
			}
			wantMean(t, "moment", values, exact.mean(moment), 0.02)
		}

		// Detailed balance: going from a to b is as likely as from b to a.
		flux := make([]float64, chains)
		for i := range flux {
			a, b := start.At(i, 0), x.At(i, 0)
			flux[i] = a*b*b*b - b*a*a*a
		}
		wantMean(t, "flux", flux, 0, 0.02)
	}
}

// With one leapfrog step the acceptance probability is an integral over x and v.
func TestAcceptRateIsExact(t *testing.T) {
	const chains, sweeps, eps = 20_000, 10, 1.1
	exact := tabulate(skewed)
	g := make([]float64, 1)
	want := 0.0
	for i := 0; i < len(exact.x); i += 20 {
		for v := -7.0; v <= 7; v += 0.02 {
			logp := skewed(g, exact.x[i:i+1])
			half := v + eps/2*g[0]
			end := skewed(g, []float64{exact.x[i] + eps*half})
			after := half + eps/2*g[0]
			p := math.Min(1, math.Exp(end-logp+(v*v-after*after)/2))
			want += 20 * exact.weight[i] * 0.02 * math.Exp(-v*v/2) / math.Sqrt(2*math.Pi) * p
		}
	}
	s := mustNew(t, &pointwise{dim: 1, f: skewed}, exact.quantiles(chains),
		&Settings{Kernel: HMC{StepSize: eps, Steps: 1, Jitter: -1}, Src: rand.NewPCG(7, 8)})
	means := make([]float64, chains)
	x := mat.DenseCopyOf(s.X())
	mustRun(t, s, sweeps, func(int) error {
		now := s.X()
		for i := range means {
			if now.At(i, 0) != x.At(i, 0) {
				means[i] += 1. / sweeps
			}
		}
		x.Copy(now)
		return nil
	})
	wantMean(t, "acceptance", means, want, 0.003)
	if moved, _ := diag.MeanStdErr(means); math.Abs(s.AcceptRate()-moved) > 1e-9 {
		t.Errorf("AcceptRate %v, but %v of all trajectories moved", s.AcceptRate(), moved)
	}
}

// Chains stay on the right side of a wall, in whatever way the density marks it,
// and are distributed as the truncated normal.
func TestWall(t *testing.T) {
	const wall = -0.5
	nan, inf := math.NaN(), math.Inf(1)
	hazard := math.Exp(-wall*wall/2) / math.Sqrt(2*math.Pi) / (0.5 * math.Erfc(wall/math.Sqrt2))
	for name, beyond := range map[string]struct{ logp, grad float64 }{
		"no density":       {-inf, 0},
		"infinite density": {inf, 0},
		"NaN density":      {nan, nan},
		"NaN gradient":     {0, nan},
		"infinite force":   {0, inf},
	} {
		d := &pointwise{dim: 1, f: func(grad, x []float64) float64 {
			if x[0] < wall {
				grad[0] = beyond.grad
				return beyond.logp
			}
			return normal(grad, x)
		}}
		start := mat.NewDense(300, 1, nil)
		s := mustNew(t, d, start, &Settings{Kernel: HMC{StepSize: 0.3, Steps: 4}, Src: rand.NewPCG(9, 10)})
		mustRun(t, s, 50, nil)
		lowest := inf
		first := chainMeans(t, s, 300, func(x []float64) float64 {
			lowest = math.Min(lowest, x[0])
			return x[0]
		})
		second := chainMeans(t, s, 300, func(x []float64) float64 { return x[0] * x[0] })
		wantMean(t, name+": mean", first, hazard, 0.01)
		wantMean(t, name+": second moment", second, 1+wall*hazard, 0.015)
		if lowest < wall {
			t.Errorf("%s: a chain is at %v beyond the wall", name, lowest)
		}
		if d.infinite {
			t.Errorf("%s: the density was asked about a position that is not finite", name)
		}
		if s.Divergent() == 0 {
			t.Errorf("%s: no trajectory met the wall", name)
		}
	}
}

func TestAlwaysDivergent(t *testing.T) {
	const chains, sweeps = 5, 30
	start := randn(11, chains, 2, 1)
	atStart := func(there, elsewhere float64) func(grad, x []float64) float64 {
		return func(grad, x []float64) float64 {
			clear(grad)
			for i := range chains {
				if x[0] == start.At(i, 0) {
					return there
				}
			}
			return elsewhere
		}
	}
	for name, d := range map[string]*pointwise{
		"nowhere else": {dim: 2, f: atStart(0, math.NaN())},
		"NaN gradient": {dim: 2, f: func(grad, x []float64) float64 {
			clear(grad)
			if atStart(0, 1)(make([]float64, 2), x) == 1 {
				grad[1] = math.NaN()
			}
			return 0
		}},
		"overflow": {dim: 2, f: func(grad, x []float64) float64 {
			grad[0], grad[1] = math.MaxFloat64, -math.MaxFloat64
			return x[0]
		}},
		"energy rises": {dim: 2, f: atStart(0, -1e6)},
		"energy falls": {dim: 2, f: atStart(-1e6, 0)},
	} {
		for _, leapfrog := range []int{1, 10} {
			s := mustNew(t, d, start, &Settings{Kernel: HMC{StepSize: 3, Steps: leapfrog}, Src: rand.NewPCG(12, 13)})
			mustRun(t, s, sweeps, nil)
			if s.Divergent() != chains*sweeps || s.AcceptRate() != 0 {
				t.Errorf("%s: %d divergent of %d, acceptance %v", name, s.Divergent(), chains*sweeps, s.AcceptRate())
			}
			if !mat.Equal(s.X(), start) {
				t.Errorf("%s: chains moved", name)
			}
			if d.infinite {
				t.Errorf("%s: the density was asked about a position that is not finite", name)
			}
		}
	}
}

// A trajectory that lands in a gap of the support is rejected, even if it would
// leave the gap on the other side.
func TestGapIsNotCrossed(t *testing.T) {
	for _, inside := range []float64{math.Inf(-1), math.Inf(1), math.NaN()} {
		d := &pointwise{dim: 1, f: func(grad, x []float64) float64 {
			grad[0] = 0
			if x[0] >= 1 && x[0] < 2 {
				return inside
			}
			return 0
		}}
		s := mustNew(t, d, mat.NewDense(100, 1, nil),
			&Settings{Kernel: HMC{StepSize: 0.1, Steps: 30}, Src: rand.NewPCG(32, 33)})
		mustRun(t, s, 5, nil)
		if highest := mat.Max(s.X()); highest >= 1 {
			t.Errorf("log-density %v in the gap: a chain crossed it to %v", inside, highest)
		}
	}
}

// rowwise is a LogDensity in which chain 0 has its own function.
type rowwise struct{ first, rest *pointwise }

func (r *rowwise) Dim() int { return r.rest.dim }

func (r *rowwise) LogProbGrad(logp []float64, grad, x *mat.Dense) error {
	if err := r.rest.LogProbGrad(logp, grad, x); err != nil {
		return err
	}
	logp[0] = r.first.f(grad.RawRowView(0), x.RawRowView(0))
	return nil
}

// A chain that diverges does not change the others: neither their energies nor
// their random numbers.
func TestDivergenceStaysInItsChain(t *testing.T) {
	start := randn(14, 8, 2, 1)
	run := func(first func(grad, x []float64) float64) *Sampler {
		s := mustNew(t, &rowwise{&pointwise{f: first}, &pointwise{dim: 2, f: anharmonic}}, start,
			&Settings{Kernel: HMC{StepSize: 0.3, Jitter: 0.2}, Src: rand.NewPCG(15, 16)})
		mustRun(t, s, 50, nil)
		return s
	}
	calm := run(anharmonic)
	wild := run(func(grad, x []float64) float64 {
		anharmonic(grad, x)
		if x[0] != start.At(0, 0) {
			grad[1] = math.NaN()
		}
		return 0
	})
	if calm.Divergent() != 0 || wild.Divergent() != 50 {
		t.Fatalf("%d and %d divergent trajectories, want 0 and 50", calm.Divergent(), wild.Divergent())
	}
	if !mat.Equal(wild.X().Slice(0, 1, 0, 2), start.Slice(0, 1, 0, 2)) {
		t.Error("the diverging chain moved")
	}
	if !mat.Equal(calm.X().Slice(1, 8, 0, 2), wild.X().Slice(1, 8, 0, 2)) {
		t.Error("the other chains differ")
	}
}

func TestSameSeedSameBits(t *testing.T) {
	run := func(seed uint64, s Settings) *Sampler {
		s.Src = rand.NewPCG(seed, 0)
		sampler := mustNew(t, &pointwise{dim: 2, f: anharmonic}, randn(17, 6, 2, 1), &s)
		mustRun(t, sampler, 20, nil)
		return sampler
	}
	a := run(1, Settings{})
	if !mat.Equal(a.X(), run(1, Settings{}).X()) {
		t.Error("the same seed gives other positions")
	}
	if mat.Equal(a.X(), run(2, Settings{}).X()) {
		t.Error("another seed gives the same positions")
	}
	defaults := HMC{StepSize: 0.1, Steps: 10, Jitter: 0.2, MaxEnergyError: 1000}
	if !mat.Equal(a.X(), run(1, Settings{Kernel: defaults}).X()) {
		t.Error("zero settings are not the documented defaults")
	}
}

// On a flat density a trajectory is a straight line and always accepted. It shows
// the documented order of the random numbers.
func TestDrawOrder(t *testing.T) {
	const chains, dim, eps, leapfrog, jitter = 3, 2, 0.5, 4, 0.3
	d := &pointwise{dim: dim, f: func(grad, _ []float64) float64 {
		clear(grad)
		return 0
	}}
	s := mustNew(t, d, mat.NewDense(chains, dim, nil),
		&Settings{Kernel: HMC{StepSize: eps, Steps: leapfrog, Jitter: jitter}, Src: rand.NewPCG(18, 19)})
	rnd := rand.New(rand.NewPCG(18, 19))
	want := mat.NewDense(chains, dim, nil)
	mustRun(t, s, 5, func(sweep int) error {
		length := leapfrog * eps * (1 + jitter*(2*rnd.Float64()-1))
		want.Apply(func(_, _ int, x float64) float64 { return x + length*rnd.NormFloat64() }, want)
		for range chains {
			rnd.Float64()
		}
		if !mat.EqualApprox(s.X(), want, 1e-12) {
			t.Fatalf("sweep %d: positions %v, want %v", sweep, s.X(), want)
		}
		return nil
	})
}

func TestSweepCostsOneCallPerStep(t *testing.T) {
	d := &pointwise{dim: 1, f: skewed}
	s := mustNew(t, d, randn(20, 10, 1, 1), &Settings{Kernel: HMC{StepSize: 0.8, Steps: 7}, Src: rand.NewPCG(21, 22)})
	if d.calls != 1 {
		t.Errorf("New made %d calls, want 1", d.calls)
	}
	mustRun(t, s, 30, nil)
	if d.calls != 1+30*7 {
		t.Errorf("30 sweeps of 7 steps made %d calls, want %d", d.calls-1, 30*7)
	}
	if s.Sweeps() != 30 || s.Chains() != 10 {
		t.Errorf("%d sweeps of %d chains, want 30 of 10", s.Sweeps(), s.Chains())
	}
	// The kept log-densities and gradients belong to the positions of the chains.
	if rate := s.AcceptRate(); rate == 0 || rate == 1 {
		t.Fatalf("acceptance %v", rate)
	}
	g := make([]float64, 1)
	for i, logp := range s.LogProb() {
		if want := d.f(g, s.X().RawRowView(i)); logp != want || s.now.grad.At(i, 0) != g[0] {
			t.Errorf("chain %d: cached log-density %v and gradient %v, want %v and %v",
				i, logp, s.now.grad.At(i, 0), want, g[0])
		}
	}
}

func TestResultsAreCopies(t *testing.T) {
	start := randn(23, 4, 2, 1)
	run := func(meddle bool) *mat.Dense {
		x0 := mat.DenseCopyOf(start)
		settings := &Settings{Src: rand.NewPCG(24, 25)}
		given := *settings
		s := mustNew(t, &pointwise{dim: 2, f: anharmonic}, x0, settings)
		if *settings != given {
			t.Errorf("New changed the settings from %v to %v", given, *settings)
		}
		if meddle {
			x0.Zero()
			*settings = Settings{}
			s.X().Zero()
			clear(s.LogProb())
		}
		mustRun(t, s, 3, nil)
		return s.X()
	}
	if !mat.Equal(run(false), run(true)) {
		t.Error("changing what was passed in or returned moves the chains")
	}
}

func TestAcceptRateBeforeFirstSweep(t *testing.T) {
	s := mustNew(t, &pointwise{dim: 1, f: normal}, mat.NewDense(1, 1, nil), &Settings{Src: rand.NewPCG(1, 1)})
	if rate := s.AcceptRate(); !math.IsNaN(rate) {
		t.Errorf("acceptance %v before the first sweep, want NaN", rate)
	}
}

func TestSweepAllocatesNothing(t *testing.T) {
	s := mustNew(t, &pointwise{dim: 2, f: anharmonic}, randn(26, 16, 2, 1),
		&Settings{Kernel: HMC{StepSize: 0.5, Jitter: 0.1}, Src: rand.NewPCG(27, 28)})
	if n := testing.AllocsPerRun(100, func() {
		if err := s.Sweep(); err != nil {
			t.Fatal(err)
		}
		s.X()
		s.LogProb()
	}); n != 0 {
		t.Errorf("a sweep makes %v allocations", n)
	}
}

func BenchmarkSweep(b *testing.B) {
	const chains, dim, leapfrog = 64, 256, 10
	s := mustNew(b, &pointwise{dim: dim, f: normal}, randn(29, chains, dim, 1),
		&Settings{Kernel: HMC{Steps: leapfrog}, Src: rand.NewPCG(30, 31)})
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Sweep(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(chains*dim*leapfrog), "ns/coordinate-step")
}
