package target

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/neuralrg/neuralrg/internal/num"
)

// The mass of the spectrum solves the equation of the Hartree approximation, also at the
// limits of the couplings.
func TestPhi4SpectrumSolvesHartree(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	type couplings struct{ mass2, lambda float64 }
	cases := []couplings{
		{-4, 6.975}, {1, 1e-9}, {-1e3, 1}, {0, 1}, {mostMass2, leastLambda}, {mostMass2, mostLambda},
		{-mostMass2, leastLambda}, {-mostMass2, mostLambda}, {0, leastLambda}, {0, mostLambda}, {-1, leastLambda},
	}
	for range 30 {
		cases = append(cases, couplings{10 * rnd.NormFloat64(), math.Exp(5 * rnd.NormFloat64())})
	}
	for i, c := range cases {
		f := fieldCases[i%len(fieldCases)]
		p := phi4Of(t, f.shape, c.mass2, c.lambda, f.components)
		what := fmt.Sprint(f, c)
		spectrum := p.Spectrum()
		if sites := p.Dim() / f.components; len(spectrum) != sites || !num.Finite(spectrum...) {
			t.Fatalf("%s: %v", what, spectrum)
		}
		mean := 0.0
		for _, v := range spectrum {
			mean += v / float64(len(spectrum))
		}
		got := 1 / (2 * spectrum[0]) // M²
		pull := float64(2*f.components+4) * c.lambda * mean
		if want := c.mass2 + pull; !(got > 0) || math.Abs(got-want) > 1e-13*(math.Abs(c.mass2)+pull) {
			t.Errorf("%s: M² is %g, want %g", what, got, want)
		}
	}
}

// Among Gaussian densities of mean zero, that of Spectrum has the greatest lower bound of
// ln Z, ½ Σ_k ln g_k − Σ_k g_k (k̂² + m²) − (n+2)λ N G² for each component.
func TestPhi4SpectrumIsVariational(t *testing.T) {
	for _, f := range fieldCases {
		p := phi4Of(t, f.shape, -1.5, 2, f.components)
		momenta := eigenvalues(p.shape, slices.Repeat([]float64{-1}, len(p.shape)), 0)
		bound := func(g []float64) float64 {
			sum, square := 0.0, 0.0
			for k, v := range g {
				sum += 0.5*math.Log(v) - v*(momenta[k]+p.mass2)
				square += v
			}
			square *= square / float64(len(g))
			return sum - float64(f.components+2)*p.lambda*square
		}
		g := p.Spectrum()
		best := bound(g)
		for k := range g {
			for _, factor := range []float64{0.99, 1.01} {
				keep := g[k]
				g[k] *= factor
				if v := bound(g); v > best {
					t.Errorf("%v: the bound %.9f rises to %.9f with eigenvalue %d times %g", f, best, v, k, factor)
				}
				g[k] = keep
			}
		}
	}
}
