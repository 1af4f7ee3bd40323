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

// logProb evaluates a density on plain slices.
func logProb(t testing.TB, d target.Density, x *mat.Dense) []float64 {
	t.Helper()
	rows, _ := x.Dims()
	logp := make([]float64, rows)
	if err := target.NewEvaluator(d).LogProbs(logp, x); err != nil {
		t.Fatal(err)
	}
	return logp
}

// −U(z) is ln p(z) + ln π(g(z)) − ln q(g(z)), with the right gradient.
func TestLatent(t *testing.T) {
	pi := ising(t, 4)
	for name, m := range models(t) {
		t.Run(name, func(t *testing.T) {
			const rows = 4
			z, x := mat.NewDense(rows, 16, nil), mat.NewDense(rows, 16, nil)
			m.draw(z.RawMatrix().Data, rand.New(rand.NewPCG(1, 1)))
			if err := m.Decode(x, nil, z); err != nil {
				t.Fatal(err)
			}
			want := logProb(t, m.Prior(), z)
			logpi, logq := logProb(t, pi, x), logProbs(t, m, x)
			for r := range want {
				want[r] += logpi[r] - logq[r]
			}
			d := Latent(m, pi)
			if d.Dim() != 16 {
				t.Errorf("dimension %d", d.Dim())
			}
			wantClose(t, "−U", logProb(t, d, z), want, 1e-11)
			if err := target.CheckGrad(d, z, 1e-6); err != nil {
				t.Error(err)
			}
		})
	}
}

// Where q = π/Z the latent density is the prior, up to ln Z.
func TestLatentOfItselfIsPrior(t *testing.T) {
	for name, m := range models(t) {
		z := randn(2, 20, 16)
		const lnZ = 3.7
		want := logProb(t, m.Prior(), z)
		for r := range want {
			want[r] += lnZ
		}
		wantClose(t, name, logProb(t, Latent(m, shifted{m, lnZ}), z), want, 1e-9)
	}
}

// A float32 model is seen in float64 here: its energies are not rounded.
func TestLatentIsFloat64(t *testing.T) {
	m, pi, z := mera(t, 4, 1), ising(t, 4), randn(2, 5, 16)
	single := m.Float32()
	wantSame(t, "−U", logProb(t, Latent(single, pi), z), logProb(t, Latent(m, pi), z))
}

// Hybrid Monte Carlo in the latent space is unbiased, however bad the flow:
// it measures the exact structure factor.
func TestLatentHMC(t *testing.T) {
	pi := must(target.NewIsing([]int{4, 4}, 4)) // hot enough for chains to mix fast
	exact, _ := pi.ExactStructureFactor()
	plain := mera(t, 4, 1)
	scramble(plain, 1, 0.2)
	for name, m := range map[string]*Model{"plain": plain, "symmetrised": symmetrize(t, plain, Inversion(16))} {
		t.Run(name, func(t *testing.T) {
			const chains, warmup, sweeps = 100, 40, 60
			s, err := hmc.New(target.NewEvaluator(Latent(m, pi)), randn(3, chains, 16),
				&hmc.Settings{Kernel: hmc.HMC{StepSize: 0.25, Steps: 8, Jitter: 0.3}, Src: rand.NewPCG(4, 5)})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Run(context.Background(), warmup, nil); err != nil {
				t.Fatal(err)
			}
			x, means := mat.NewDense(chains, 16, nil), make([]float64, chains)
			if err := s.Run(context.Background(), sweeps, func(int) error {
				if err := m.Decode(x, nil, s.X()); err != nil {
					return err
				}
				for i := range means {
					means[i] += pi.StructureFactor(x.RawRowView(i)) / sweeps
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			m2, stdErr := diag.MeanStdErr(means)
			t.Logf("⟨m²⟩ = %.4f ± %.4f, exact %.4f, accepted %.2f", m2, stdErr, exact, s.AcceptRate())
			if stdErr > 0.01 || math.Abs(m2-exact) > 4*stdErr {
				t.Errorf("⟨m²⟩ = %.4f ± %.4f, want %.4f", m2, stdErr, exact)
			}
		})
	}
}

func TestLatentErrors(t *testing.T) {
	m := mera(t, 4, 1)
	z, logp, grad := randn(1, 3, 16), make([]float64, 3), mat.NewDense(3, 16, nil)
	for _, m := range []*Model{m, symmetrize(t, m, Inversion(16))} {
		e := target.NewEvaluator(Latent(m, target.NewNormal(15)))
		wantError(t, "dimensions differ", e.LogProbs(logp, z), ErrShape, "flow: Latent", "model of dimension 16",
			"target of dimension 15")
		wantError(t, "dimensions differ", e.LogProbGrad(logp, grad, z), ErrShape, "flow: Latent")
	}
}
