package flow

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/hmc"
	"github.com/neuralrg/neuralrg/target"
)

// Hybrid Monte Carlo in the latent space of a trained flow gives the exact
// ⟨m²⟩ of the critical Ising model, from a cold start. Physical space, with
// the same steps from the same start, is reported beside it.
func TestLatentSampling(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	const chains, sweeps, burn = 256, 150, 30
	pi := ising(t, 4)
	n := pi.Dim()
	want, ok := pi.ExactStructureFactor()
	if !ok || math.Abs(want-0.761358908569) > 1e-12 {
		t.Fatalf("exact ⟨m²⟩ = %v", want)
	}
	src := rand.NewPCG(5, 0)
	h, err := NewMERA([]int{4, 4}, func() (bijector.Bijector, error) {
		return bijector.NewRealNVP(4, &bijector.RealNVPSettings{Src: src})
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	m := symmetrize(t, must(New(target.NewNormal(n), h)), Inversion(n))
	train(t, must(m.Convert(tensor.Float32)), pi, &Settings{Steps: 700, Src: src})

	cold, z := mat.NewDense(chains, n, nil), mat.NewDense(chains, n, nil)
	cold.Apply(func(int, int, float64) float64 { return 3 }, cold)
	if err := m.Encode(z, nil, cold); err != nil {
		t.Fatal(err)
	}
	sample := func(d target.Density, start *mat.Dense, decode bool) (mean, stdErr, accept float64) {
		s, err := hmc.New(target.NewEvaluator(d), start, &hmc.Settings{StepSize: 0.2, Leapfrog: 10, Src: src})
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
		mean, stdErr = hmc.MeanStdErr(means)
		return mean, stdErr, s.AcceptRate()
	}
	mean, stdErr, accept := sample(Latent(m, pi), z, true)
	physical, physicalErr, physicalAccept := sample(pi, cold, false)
	t.Logf("⟨m²⟩ latent %.4f ± %.4f (acceptance %.2f), physical %.4f ± %.4f (%.2f), exact %.4f",
		mean, stdErr, accept, physical, physicalErr, physicalAccept, want)
	if math.Abs(mean-want) > 3*stdErr || stdErr > 0.004 {
		t.Errorf("latent ⟨m²⟩ = %.4f ± %.4f, want %.4f within 3 errors of at most 0.004", mean, stdErr, want)
	}
}
