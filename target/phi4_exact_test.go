package target

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

// bruteLogZ sums exp(−S) over equidistant fields on all sites.
func bruteLogZ(p *Phi4, nodes int, most float64) float64 {
	h := 2 * most / float64(nodes-1)
	phi := make([]float64, p.Dim())
	sum := 0.0
	var place func(site int)
	place = func(site int) {
		if site == len(phi) {
			sum += math.Exp(-phi4Action(p.shape, phi, p.mass2, p.lambda, 1))
			return
		}
		for i := range nodes {
			phi[site] = float64(i)*h - most
			place(site + 1)
		}
	}
	place(0)
	return math.Log(sum) + float64(p.Dim())*math.Log(h)
}

// ln Z of few sites agrees with a sum over all fields.
func TestPhi4ExactLogZBruteForce(t *testing.T) {
	for _, c := range []struct {
		shape         []int
		mass2, lambda float64
		nodes         int
		most          float64
	}{
		{[]int{2}, -4, 6.975, 100, 2.5}, {[]int{2}, 0, 0.05, 150, 5},
		{[]int{3}, -1, 0.5, 80, 4}, {[]int{4}, 1, 0.3, 16, 2.6},
		{[]int{2, 2}, -4, 6.975, 24, 1.75}, {[]int{2, 2}, 0.5, 1, 18, 2.2},
	} {
		p := phi4Of(t, c.shape, c.mass2, c.lambda, 1)
		want := bruteLogZ(p, c.nodes, c.most)
		if got, ok := p.ExactLogZ(); !ok || math.Abs(got-want) > 5e-7 {
			t.Errorf("%v: ln Z is %.10f, %t, want %.10f", c, got, ok, want)
		}
	}
}

// Where λ is small, ln Z is that of the free field plus first-order perturbation theory,
// −3λN⟨φ²⟩², and second order is below λ²N.
func TestPhi4ExactLogZFree(t *testing.T) {
	for _, shape := range [][]int{{5}, {12}, {2, 2}, {2, 7}, {3, 3}, {5, 3}, {4, 4}} {
		const mass2, lambda = 2, 1e-5
		p := phi4Of(t, shape, mass2, lambda, 1)
		f, err := NewFreeField(shape, mass2)
		if err != nil {
			t.Fatal(err)
		}
		n := float64(p.Dim())
		square := f.Correlator()[0] / 2
		want := f.LogZ() - 0.5*n*math.Ln2 - 3*lambda*n*square*square
		if got, ok := p.ExactLogZ(); !ok || math.Abs(got-want) > 1e-7+n*lambda*lambda {
			t.Errorf("%v: ln Z is %.10f, %t, want %.10f", shape, got, ok, want)
		}
	}
}

// The free energies of strips of different widths and lengths fit together: T of a strip is
// the same for all lengths, and transposed strips are equal.
func TestPhi4ExactLogZTransposed(t *testing.T) {
	for _, c := range [][2]int{{2, 3}, {3, 2}, {2, 4}} {
		strip := func(width, length int) float64 {
			p := phi4Of(t, []int{c[0], c[1]}, -4, 6.975, 1)
			s, _ := newPhi4Strip(p, width, length)
			return s.logZ(12)
		}
		if a, b := strip(c[0], c[1]), strip(c[1], c[0]); math.Abs(a-b) > 2e-6 {
			t.Errorf("%v: ln Z is %.10f and %.10f", c, a, b)
		}
	}
	// A long strip: ln Tr T^n = n ln λ_0 + ln(1 + …), and n ln λ_0 doubles with n.
	at := func(n int) float64 {
		v, ok := phi4Of(t, []int{n, 2}, -4, 6.975, 1).ExactLogZ()
		if !ok {
			t.Errorf("no ln Z of length %d", n)
		}
		return v
	}
	if d := at(301) - 2*at(150) + at(149) - at(150); math.Abs(d) > 1e-5 {
		t.Errorf("ln Z is not linear in the length: %g", d)
	}
}

// ln Z of L = 4 at the coupling of Albergo et al. for L = 6. Degrees 12 and 14 of another
// program, without symmetries of the row, gave 3.218328332308 and 3.218328894002; the
// steps that remain are below 4e-8.
func TestPhi4ExactLogZOfFour(t *testing.T) {
	if testing.Short() {
		t.Skip("a few seconds")
	}
	p := phi4Of(t, []int{4, 4}, -4, 6.975, 1)
	logZ, ok := p.ExactLogZ()
	if !ok || math.Abs(logZ-3.21832892) > 1e-7 {
		t.Errorf("ln Z is %.10f, %t", logZ, ok)
	}
	bound := variationalBound(p)
	if bound > logZ || bound < logZ-2 {
		t.Errorf("ln Z is %.6f, the variational bound %.6f", logZ, bound)
	}
}

// variationalBound returns the lower bound of ln Z by the Gaussian of Spectrum, its entropy
// minus ⟨S⟩: ½ Σ_k ln(2πe g_k) − Σ_k g_k (k̂² + m²) − 3λN G².
func variationalBound(p *Phi4) float64 {
	bound, square := 0.0, 0.0
	momenta := eigenvalues(p.shape, slices.Repeat([]float64{-1}, len(p.shape)), 0)
	for k, g := range p.Spectrum() {
		bound += 0.5*math.Log(2*math.Pi*math.E*g) - g*(momenta[k]+p.mass2)
		square += g
	}
	return bound - 3*p.lambda*square*square/float64(p.Dim())
}

// Where ln Z is too much work, the answer says so at once or within seconds.
func TestPhi4ExactLogZDeclines(t *testing.T) {
	for _, c := range []struct {
		shape         []int
		mass2, lambda float64
		components    int
	}{
		{[]int{4, 4}, -4, 6.975, 2}, {[]int{5, 5}, -4, 6.975, 1},
		{[]int{2, 2, 2}, -4, 6.975, 1}, {[]int{2, 1<<20 + 1}, -4, 6, 1},
		{[]int{2, 2}, -1e100, 1e-100, 1}, {[]int{2}, -1e100, 1e100, 1},
		{[]int{3}, -100, 0.1, 1}, {[]int{2, 2}, -100, 0.1, 1},
	} {
		p := phi4Of(t, c.shape, c.mass2, c.lambda, c.components)
		if logZ, ok := p.ExactLogZ(); ok || logZ != 0 {
			t.Errorf("%v: ln Z is %g, %t", c, logZ, ok)
		}
	}
}

// At extreme couplings sites are independent: ln Z is N times that of a Gaussian or of
// exp(−λφ⁴), whose integral is 2Γ(5/4)/λ^¼.
func TestPhi4ExactLogZExtreme(t *testing.T) {
	gauss := 0.5 * math.Log(math.Pi/1e100)
	for s, site := range map[Phi4Settings]float64{
		{Mass2: 1e100, Lambda: 1e-100}: gauss,
		{Mass2: 1e100, Lambda: 1e100}:  gauss,
		{Mass2: 1, Lambda: 1e100}:      math.Log(2*math.Gamma(1.25)) - 0.25*math.Log(1e100),
	} {
		p := phi4Of(t, []int{3, 3}, s.Mass2, s.Lambda, 1)
		logZ, ok := p.ExactLogZ()
		checkRelative(t, fmt.Sprint(s, ok), logZ, 9*site, 1e-12)
	}
}
