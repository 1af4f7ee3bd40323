package flow

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/hmc"
	"github.com/neuralrg/neuralrg/hmc/diag"
	"github.com/neuralrg/neuralrg/target"
)

// Hybrid Monte Carlo in the latent space of a trained flow gives the exact
// ⟨m²⟩ of the critical Ising model, from a cold start. Physical space, with
// the same steps from the same start, is reported beside it.
func TestLatentSampling(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	const chains, sweeps, burn = 256, 110, 30
	pi := ising(t, 4)
	n := pi.Dim()
	want, ok := pi.ExactStructureFactor()
	if !ok || math.Abs(want-0.761358908569) > 1e-12 {
		t.Fatalf("exact ⟨m²⟩ = %v", want)
	}
	m, err := trained4()
	if err != nil {
		t.Fatal(err)
	}
	src := rand.NewPCG(6, 0)
	cold, z := mat.NewDense(chains, n, nil), mat.NewDense(chains, n, nil)
	cold.Apply(func(int, int, float64) float64 { return 3 }, cold)
	if err := m.Encode(z, nil, cold); err != nil {
		t.Fatal(err)
	}
	sample := func(d target.Density, start *mat.Dense, decode bool) (mean, stdErr, accept float64) {
		settings := &hmc.Settings{Kernel: hmc.HMC{StepSize: 0.4, Steps: 5}, Src: src}
		s, err := hmc.New(target.NewEvaluator(d).Float32(), start, settings)
		if err != nil {
			t.Fatal(err)
		}
		means := make([]float64, chains)
		x := mat.NewDense(chains, n, nil)
		err = s.Run(context.Background(), sweeps, func(sweep int) error {
			if sweep < burn {
				return nil
			}
			x.Copy(s.X())
			if decode {
				if err := m.Decode(x, nil, s.X()); err != nil {
					return err
				}
			}
			for i := range means {
				means[i] += pi.StructureFactor(x.RawRowView(i)) / (sweeps - burn)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		mean, stdErr = diag.MeanStdErr(means)
		return mean, stdErr, s.AcceptRate()
	}
	mean, stdErr, accept := sample(Latent(m, pi), z, true)
	physical, physicalErr, physicalAccept := sample(pi, cold, false)
	t.Logf("⟨m²⟩ latent %.4f ± %.4f (acceptance %.2f), physical %.4f ± %.4f (%.2f), exact %.4f",
		mean, stdErr, accept, physical, physicalErr, physicalAccept, want)
	if math.Abs(mean-want) > 3*stdErr || stdErr > 0.005 {
		t.Errorf("latent ⟨m²⟩ = %.4f ± %.4f, want %.4f within 3 errors of at most 0.005", mean, stdErr, want)
	}
}
