package target_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/hmc"
	"github.com/neuralrg/neuralrg/target"
)

// meanOver runs chains of hybrid Monte Carlo of phi4 and returns the means of the numbers
// that measure stores, with their standard errors over independent chains.
func meanOver(
	t *testing.T, phi4 *target.Phi4, n int, measure func(dst, phi []float64),
) (mean, stderr []float64) {
	t.Helper()
	const chains, warmup, sweeps = 64, 200, 1500
	s, err := hmc.New(target.NewEvaluator(phi4), mat.NewDense(chains, phi4.Dim(), nil), &hmc.Settings{
		Kernel: hmc.HMC{StepSize: 0.12, Steps: 8},
		Src:    rand.NewPCG(1, 1),
	})
	if err != nil {
		t.Fatal(err)
	}
	sums, dst := mat.NewDense(chains, n, nil), make([]float64, n)
	err = s.Run(t.Context(), warmup+sweeps, func(sweep int) error {
		for i := range chains {
			if sweep < warmup {
				break
			}
			measure(dst, s.X().RawRowView(i))
			for j, v := range dst {
				sums.Set(i, j, sums.At(i, j)+v/sweeps)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	mean, stderr = make([]float64, n), make([]float64, n)
	for j := range n {
		square := 0.0
		for i := range chains {
			mean[j] += sums.At(i, j) / chains
		}
		for i := range chains {
			square += (sums.At(i, j) - mean[j]) * (sums.At(i, j) - mean[j])
		}
		stderr[j] = math.Sqrt(square / (chains - 1) / chains)
	}
	return mean, stderr
}

// χ and the two-point function of L = 6 are those of long runs of other programs at the
// coupling of Albergo et al., λ = 6.975, within 4 standard errors.
func TestPhi4OfSix(t *testing.T) {
	if testing.Short() {
		t.Skip("a few seconds")
	}
	phi4, err := target.NewPhi4([]int{6, 6}, &target.Phi4Settings{Mass2: -4, Lambda: 6.975})
	if err != nil {
		t.Fatal(err)
	}
	want := []float64{1.0611, 0.3518, 0.1900, 0.1159, 0.0947}
	errs := []float64{0.0010, 0.0005, 0.0005, 0.0006, 0.0007}
	mean, stderr := meanOver(t, phi4, 5, func(dst, phi []float64) {
		c := make([]float64, 6)
		phi4.Correlator(c, phi, 0)
		dst[0] = phi4.Susceptibility(phi)
		copy(dst[1:], c)
	})
	for j, v := range mean {
		t.Logf("%.4f ± %.4f, want %.4f ± %.4f", v, stderr[j], want[j], errs[j])
		if math.Abs(v-want[j]) > 4*math.Hypot(stderr[j], errs[j]) {
			t.Errorf("number %d is %.4f ± %.4f, want %.4f ± %.4f", j, v, stderr[j], want[j], errs[j])
		}
		if stderr[j] > 0.02*want[j] {
			t.Errorf("number %d has an error of %.4f: no test", j, stderr[j])
		}
	}
}

// ⟨φ²⟩ of chains is −(1/N) ∂ ln Z/∂m², from exact ln Z at two masses, within 4 standard
// errors.
func TestPhi4ExactLogZOfChains(t *testing.T) {
	const lambda, step = 6.975, 0.01
	shape := []int{3, 4}
	at := func(mass2 float64) *target.Phi4 {
		phi4, err := target.NewPhi4(shape, &target.Phi4Settings{Mass2: mass2, Lambda: lambda})
		if err != nil {
			t.Fatal(err)
		}
		return phi4
	}
	logZ := func(mass2 float64) float64 {
		v, ok := at(mass2).ExactLogZ()
		if !ok {
			t.Fatalf("m² = %g: no ln Z", mass2)
		}
		return v
	}
	want := -(logZ(-4+step) - logZ(-4-step)) / (2 * step * 12)
	mean, stderr := meanOver(t, at(-4), 1, func(dst, phi []float64) {
		dst[0] = 0
		for _, v := range phi {
			dst[0] += v * v / 12
		}
	})
	t.Logf("⟨φ²⟩ is %.5f ± %.5f, want %.5f", mean[0], stderr[0], want)
	if math.Abs(mean[0]-want) > 4*stderr[0] || stderr[0] > 0.005*want {
		t.Errorf("⟨φ²⟩ is %.5f ± %.5f, want %.5f", mean[0], stderr[0], want)
	}
}
