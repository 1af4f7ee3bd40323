package diag

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
)

// GammaEstimate is what the Γ-method says of a series.
type GammaEstimate struct {
	Mean        float64 // of all measurements
	StdErr      float64 // of Mean, √(2τ·var/N) for N measurements
	StdErrError float64 // standard error of StdErr
	Tau         float64 // ½ + Σ_{t≥1} ρ(t), in steps
	TauError    float64 // standard error of Tau
	Window      int     // the last t of the sum
}

// Gamma returns the mean of a series (steps, chains), its standard error and the
// integrated autocorrelation time by the Γ-method, which many lattice papers quote
// (U. Wolff, Comput. Phys. Commun. 156, 143 (2004), hep-lat/0306017, with S = 1.5).
// Chains are replicas. With N measurements in all, n on each chain and the mean x̄ of
// all,
//
//	Γ(t) = mean of (x_k − x̄)(x_{k+t} − x̄),    τ(W) = ½ + Σ_{t=1}^W Γ(t)/Γ(0).
//
// The window W is the first at which exp(−W/s) < s/√(WN) or τ(W) ≤ ½. Here s is S times the
// decay time of an exponential whose time is τ(W). That balances the correlations that the
// sum leaves out with its noise. Γ is raised by 2τ(W)Γ(0)/N for the noise of x̄. The errors
// are those of Wolff's equation 42,
//
//	TauError = 2τ √((W + ½ − τ)/N),    StdErrError = StdErr √((W + ½)/N).
//
// Correlations beyond the window are not seen. AutocorrTime needs no window.
//
// The error wraps ErrShape for a nil matrix or fewer than four steps, ErrNotFinite for
// NaN or infinity, naming step and chain, ErrSettings for a quantity that is constant,
// and ErrWindow if there is no window up to n/2, if τ comes out at zero or below, if a
// chain is shorter than 10 τ, or if the means of the chains differ by more than τ
// explains (probability below 10⁻³).
func Gamma(x *mat.Dense) (GammaEstimate, error) {
	c, unit, err := newChains(x)
	if err == nil && c.constant() {
		err = fmt.Errorf("%w: the quantity is constant", ErrSettings)
	}
	var g GammaEstimate
	if err == nil {
		g, err = c.gamma()
	}
	if err != nil {
		return GammaEstimate{}, fmt.Errorf("diag: Gamma: %w", err)
	}
	g.Mean *= unit
	g.StdErr *= unit
	g.StdErrError *= unit
	return g, nil
}

// gamma is Gamma of numbers of size one.
func (c chains) gamma() (g GammaEstimate, err error) {
	n, size := len(c[0]), float64(len(c)*len(c[0]))
	means := c.means()
	g.Mean = stat.Mean(means, nil)
	cov := c.autocov(slices.Repeat([]float64{g.Mean}, len(c)))
	for t := range cov {
		cov[t] *= float64(n) / float64(n-t)
	}
	var sum float64 // of Γ(t)/Γ(0) from t = 1 to the window
	if g.Window, sum = gammaWindow(cov, size); g.Window == 0 {
		return g, fmt.Errorf("%w: no window up to %d of %d steps of %d chains", ErrWindow, n/2, n, len(c))
	}
	w := float64(g.Window)
	bias := cov[0] * (1 + 2*sum) / size
	variance := cov[0] + bias
	g.Tau = (cov[0]*(0.5+sum) + bias*(0.5+w)) / variance
	switch {
	case !(g.Tau > 0):
		return g, fmt.Errorf("%w: τ = %.2g at the window %d", ErrWindow, g.Tau, g.Window)
	case leastSteps*g.Tau > float64(n):
		return g, fmt.Errorf("%w: %d steps of %d chains are too few for a τ near %.2g", ErrWindow, n, len(c), g.Tau)
	}
	g.TauError = 2 * g.Tau * math.Sqrt(max(0, w+0.5-g.Tau)/size)
	g.StdErr = math.Sqrt(2 * g.Tau * variance / size)
	g.StdErrError = g.StdErr * math.Sqrt((w+0.5)/size)
	if chains := float64(len(c)); chains > 1 {
		ratio := stat.Variance(means, nil) / (chains * g.StdErr * g.StdErr)
		if fTail(ratio, chains-1, size/(2*w+1)) < chainsLevel {
			return g, fmt.Errorf("%w: the means of the chains differ by more than their %d steps explain", ErrWindow, n)
		}
	}
	return g, nil
}

// gammaWindow returns the window of autocovariances of chains with size numbers in all,
// and the sum of Γ(t)/Γ(0) from 1 to the window, which is 0 if there is none.
func gammaWindow(cov []float64, size float64) (window int, sum float64) {
	for t := 1; t <= len(cov)/2; t++ {
		sum += cov[t] / cov[0]
		const s = 1.5
		decay := 1e-100 // the window ends here
		if sum > 0 {
			decay = s / math.Log1p(1/sum)
		}
		if math.Exp(-float64(t)/decay) < decay/math.Sqrt(float64(t)*size) {
			return t, sum
		}
	}
	return 0, sum
}
