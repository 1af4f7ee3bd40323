package flow

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/stat"

	"github.com/neuralrg/neuralrg/hmc"
	"github.com/neuralrg/neuralrg/internal/num"
)

// Systematic resampling makes n w/Σw copies of a sample, rounded up or down, right on
// average. It keeps the sum of the weights.
func TestAISResample(t *testing.T) {
	const n, dim, runs = 7, 2, 20_000
	logw := []float64{0.3, -1, math.Inf(-1), 2, 0.1, -5, 1}
	lw := momentsOf(logw).lw
	rnd := rand.New(rand.NewPCG(1, 1))
	mean := make([]float64, n)
	for range runs {
		p := &particles{
			z: make([]float64, n*dim), w: make([]float64, n), ref: make([]float64, n), eve: num.UpTo(n),
			logw: append([]float64(nil), logw...),
		}
		for r := range n {
			p.z[r*dim], p.z[r*dim+1], p.w[r], p.ref[r] = float64(r), float64(-r), float64(10*r), float64(20*r)
		}
		p.resample(rnd.Float64(), dim)
		count := make([]float64, n)
		for r, from := range p.eve {
			v := float64(from)
			if p.z[r*dim] != v || p.z[r*dim+1] != -v || p.w[r] != 10*v || p.ref[r] != 20*v {
				t.Fatalf("copy %d of %d is torn", r, from)
			}
			count[from]++
		}
		for r, c := range count {
			if want := n * math.Exp(logw[r]-lw); math.Abs(c-want) >= 1 {
				t.Fatalf("%g copies of sample %d, want %g", c, r, want)
			}
			mean[r] += c / runs
		}
		if d := momentsOf(p.logw).lw - lw; math.Abs(d) > 1e-12 {
			t.Fatalf("ln Σw changes by %g", d)
		}
	}
	for r := range mean {
		want := n * math.Exp(logw[r]-lw)
		part := want - math.Floor(want)
		if stdErr := math.Sqrt(part*(1-part)/runs) + 1e-9; math.Abs(mean[r]-want) > 5*stdErr {
			t.Errorf("%g copies of sample %d on average, want %g ± %g", mean[r], r, want, stdErr)
		}
	}
}

// The mean of w is Z on average, of 20 samples as of many, resampled or not; that of many
// runs is within four errors. So short is the path that few moves reach equilibrium.
func TestAISIsUnbiased(t *testing.T) {
	const runs, samples, dim = 1500, 20, 2
	m, d, _, _ := bellCurve(t, dim, 0.4, 0.5, 1)
	lnZ := gaussianLogZ(dim, 0.5)
	for _, resample := range []float64{0, 0.8} {
		s := must((&AISSettings{
			Samples: samples, Betas: evenly(4), Resample: resample, Moves: []hmc.Proposal{hmc.CrankNicolson{Beta: 0.5}},
			Src: rand.NewPCG(7, 8),
		}).defaults(m))
		a := newAnnealer(t.Context(), m, d, s)
		ratio := make([]float64, runs)
		resampled := 0
		for k := range ratio {
			r := must(a.run())
			ratio[k] = math.Exp(r.LogZ - lnZ)
			resampled += r.Resampled
		}
		mean, std := stat.MeanStdDev(ratio, nil)
		z := (mean - 1) / (std / math.Sqrt(runs))
		t.Logf("Resample %g, %d times: Z/exact %.4f, off by %.1f errors", resample, resampled, mean, z)
		if math.Abs(z) > 4 || (resampled > runs/2) != (resample > 0) {
			t.Errorf("Resample %g, %d times: Z/exact %.4f, off by %.1f errors", resample, resampled, mean, z)
		}
	}
}

// The error of ln Z covers the truth with and without resampling, where samples descend from
// common ones.
func TestAISLogZErrCovers(t *testing.T) {
	const runs, samples, dim = 200, 300, 4
	m, d, _, _ := bellCurve(t, dim, 0.4, 0.6, 1)
	lnZ := gaussianLogZ(dim, 0.6)
	for _, resample := range []float64{0, 0.9} {
		s := must((&AISSettings{
			Samples: samples, Betas: evenly(5), Resample: resample, Moves: []hmc.Proposal{hmc.CrankNicolson{Beta: 0.6}},
			Src: rand.NewPCG(7, 8),
		}).defaults(m))
		a := newAnnealer(t.Context(), m, d, s)
		one, two, kept, resampled, ess := 0, 0, 0, 0, 0.0
		for range runs {
			r := must(a.run())
			ess += r.ESS / runs
			resampled += r.Resampled
			if math.IsInf(r.LogZErr, 1) {
				continue
			}
			kept++
			if v := math.Abs(r.LogZ-lnZ) / r.LogZErr; v < 2 {
				two++
				if v < 1 {
					one++
				}
			}
			if math.IsNaN(r.Loss) != (r.Resampled > 0) {
				t.Fatalf("loss %g, resampled %d times", r.Loss, r.Resampled)
			}
		}
		in1, in2 := float64(one)/float64(kept), float64(two)/float64(kept)
		t.Logf("Resample %g, %d times: ESS %.2f, %d of %d have an error; %.2f within one, %.3f within two",
			resample, resampled, ess, kept, runs, in1, in2)
		// .68 ± .033 and .954 ± .015, and rather too many than too few.
		if kept < runs*3/4 || in1 < 0.58 || in2 < 0.91 || (resampled > runs/2) != (resample > 0) {
			t.Errorf("Resample %g: %d of %d have an error, %.2f within one, %.3f within two",
				resample, kept, runs, in1, in2)
		}
	}
}
