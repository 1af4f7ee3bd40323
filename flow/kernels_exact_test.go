package flow

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/hmc"
	"github.com/neuralrg/neuralrg/hmc/diag"
	"github.com/neuralrg/neuralrg/target"
)

// Every kernel and mixes of them give the exact ⟨m²⟩ and energy per site of the Ising model
// on 4 × 4 sites at T_c, within three standard errors. The errors are those of the means of
// 1024 independent chains, which begin far from the target. They are at most .004 of ⟨m²⟩
// and .006 of the energy, and at most .002 of both in BenchmarkKernelsAreExact, which runs
// the same table for longer.
func TestKernelsAreExactInPhysicalSpace(t *testing.T) {
	skipLong(t)
	exactInPhysicalSpace(t, 40, 0.004, 0.006)
}

// The same in the latent space of a small flow, for the kernels that are relative to
// N(0, 1) or slow in physical space.
func TestKernelsAreExactInLatentSpace(t *testing.T) {
	skipLong(t)
	exactInLatentSpace(t, 25, 0.004, 0.006)
}

// skipLong skips a test of ten seconds with -short.
func skipLong(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("many sweeps")
	}
}

// Run it once, with -benchtime 1x.
func BenchmarkKernelsAreExact(b *testing.B) {
	for b.Loop() {
		exactInPhysicalSpace(b, 600, 0.002, 0.002)
		exactInLatentSpace(b, 520, 0.002, 0.002)
	}
}

// exactRun is a kernel, the sweeps of a burn-in, and the sweeps from one measurement to the
// next.
type exactRun struct {
	name         string
	kernel       hmc.Kernel
	burnIn, thin int
}

// withMix appends a mix of all kernels in equal parts.
func withMix(runs []exactRun, burnIn, thin int) []exactRun {
	var mix hmc.Mix
	for _, k := range runs {
		mix = append(mix, hmc.Weighted{Kernel: k.kernel})
	}
	return append(runs, exactRun{"Mix", mix, burnIn, thin})
}

// exactInPhysicalSpace starts the chains at normal numbers around a normal number that all
// sites of a chain share.
func exactInPhysicalSpace(t testing.TB, measurements int, m2Err, energyErr float64) {
	pi := ising(t, 4)
	rnd := rand.New(rand.NewPCG(1, 2))
	x0 := mat.NewDense(1024, 16, nil)
	for c := range 1024 {
		mean := 3.5 * rnd.NormFloat64()
		for i := range 16 {
			x0.Set(c, i, mean+rnd.NormFloat64())
		}
	}
	force := target.NewEvaluator(pi).Float32()
	r := exactTest{
		pi: pi, density: target.NewEvaluator(pi), start: x0,
		measurements: measurements, m2Err: m2Err, energyErr: energyErr,
		decode: func(x *mat.Dense) (*mat.Dense, error) { return x, nil },
	}
	for _, k := range withMix([]exactRun{
		{"HMC", hmc.HMC{StepSize: 0.45, Steps: 20}, 20, 1},
		{"HMC with a force", hmc.HMC{StepSize: 0.45, Steps: 20, Force: force}, 20, 1},
		{"Microcanonical", hmc.Microcanonical{StepSize: 2, Steps: 20}, 20, 1},
		{"Gibbs", hmc.Gibbs{Update: pi.Gibbs}, 100, 8},
	}, 50, 2) {
		r.run(t, k)
	}
}

// exactInLatentSpace starts the chains at draws of N(0, 1). The flow learns in 400 steps of
// batch 64, until its gap is .07.
func exactInLatentSpace(t testing.TB, measurements int, m2Err, energyErr float64) {
	const steps, chains = 400, 1024
	pi, recipe := ising(t, 4), FastRecipe()
	recipe.Hidden, recipe.LearnRate = []int{6}, 1e-2
	m := must(recipe.Model([]int{4, 4}, pi.Spectrum(), rand.NewPCG(5, 2)))
	settings := recipe.Settings(steps, rand.NewPCG(6, 2))
	settings.Batch = 64
	trainer := must(NewTrainer(m, pi, settings))
	for range steps {
		must(trainer.Step())
	}
	x := mat.NewDense(chains, 16, nil)
	r := exactTest{
		pi: pi, density: target.NewEvaluator(Latent(m, pi)), start: randn(1, chains, 16),
		measurements: measurements, m2Err: m2Err, energyErr: energyErr,
		decode: func(z *mat.Dense) (*mat.Dense, error) { return x, m.Decode(x, nil, z) },
	}
	windows := hmc.Windows{Sites: slices.Concat(windowsOf(m, 1)[0].Sites, [][]int{indices(16)})}
	for _, k := range withMix([]exactRun{
		{"Independence", hmc.Independence{}, 20, 1},
		{"Windows", windows, 30, 2},
		{"CrankNicolson", hmc.CrankNicolson{Beta: 0.8}, 30, 2},
		{"RandomWalk", hmc.RandomWalk{Scale: 0.5}, 60, 5},
		{"HMC with rotation", hmc.HMC{StepSize: 0.25, Steps: 6, Rotate: true}, 10, 4},
	}, 20, 2) {
		r.run(t, k)
	}
}

// exactTest is a density whose positions decode maps to configurations of pi.
type exactTest struct {
	pi               *target.Ising
	density          hmc.LogDensity
	start            *mat.Dense
	decode           func(z *mat.Dense) (*mat.Dense, error)
	measurements     int
	m2Err, energyErr float64 // largest standard errors
}

// run compares means over the chains of a kernel with the exact ones.
func (r *exactTest) run(t testing.TB, k exactRun) {
	t.Helper()
	s := must(hmc.New(r.density, r.start, &hmc.Settings{Kernel: k.kernel, Src: rand.NewPCG(2, 3)}))
	m2, energy := make([]float64, s.Chains()), make([]float64, s.Chains())
	err := s.Run(t.Context(), k.burnIn+r.measurements*k.thin, func(n int) error {
		if n -= k.burnIn; n < 0 || n%k.thin != 0 {
			return nil
		}
		x, err := r.decode(s.X())
		if err != nil {
			return err
		}
		for c := range m2 {
			e, _ := r.pi.SpinEnergy(x.RawRowView(c))
			m2[c] += r.pi.StructureFactor(x.RawRowView(c)) / float64(r.measurements)
			energy[c] += e / float64(r.measurements)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	exactM2, _ := r.pi.ExactStructureFactor()
	exactEnergy, _, _ := r.pi.ExactEnergy()
	for _, c := range []struct {
		name        string
		means       []float64
		exact, most float64
	}{{"m²", m2, exactM2, r.m2Err}, {"energy", energy, exactEnergy, r.energyErr}} {
		mean, stdErr := diag.MeanStdErr(c.means)
		pull := (mean - c.exact) / stdErr
		t.Logf("%s, acceptance %.2f: %s = %.5f ± %.5f, exact %.5f, %+.1f errors",
			k.name, s.AcceptRate(), c.name, mean, stdErr, c.exact, pull)
		if !(stdErr <= c.most && math.Abs(pull) <= 3) {
			t.Errorf("%s: %s = %.5f ± %.5f, want %.5f within three errors of at most %g",
				k.name, c.name, mean, stdErr, c.exact, c.most)
		}
	}
}
