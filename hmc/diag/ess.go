package diag

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// RHat returns the potential scale reduction R̂ of a series (steps, chains): the
// square root of the variance of all chains over the variance within chains. It
// is 1 if the chains agree; above 1.01 they do not yet sample the same
// distribution.
//
// Every chain is split in two, so that one chain is enough and a drift is seen.
// The measurements are replaced by the normal quantiles of their ranks, so that
// no moment need exist. The result is the larger of two values: that of the
// measurements, and that of their distances from the median, which sees
// different widths (A. Vehtari, A. Gelman, D. Simpson, B. Carpenter and P.-C.
// Bürkner, Bayesian Anal. 16, 667 (2021)). It is +Inf if every half is constant,
// but not all are equal.
//
// The error wraps ErrShape for a nil matrix or fewer than four steps,
// ErrNotFinite for NaN or infinity, naming step and chain, and ErrSettings for a
// quantity that is constant.
func RHat(x *mat.Dense) (float64, error) {
	return measure("RHat", x, chains.rhat)
}

// ESS returns the bulk effective sample size of a series (steps, chains): the
// number of independent measurements that know the centre of the distribution as
// well. It is computed from the normal quantiles of ranks, with split chains and
// Geyer's initial monotone sequence (reference as RHat). Negative correlation
// makes it larger than the number of measurements. Errors are those of RHat.
//
// A chain that is stuck in one mode lowers ESS, but does not make it zero: look
// at Summarize. AutocorrTime says how sure its answer is and refuses if chains
// are too short; ESS always answers.
func ESS(x *mat.Dense) (float64, error) {
	return measure("ESS", x, func(c chains) float64 { return c.halves().normal().ess() })
}

// ESSTail returns the smaller of the effective sample sizes of the quantiles 5 %
// and 95 %. Errors are those of RHat.
func ESSTail(x *mat.Dense) (float64, error) {
	return measure("ESSTail", x, chains.essTail)
}

// ESSMean returns the effective sample size for the mean, from the measurements
// themselves instead of their ranks. The variance must be finite. Errors are
// those of RHat.
func ESSMean(x *mat.Dense) (float64, error) {
	return measure("ESSMean", x, chains.essMean)
}

// MCSE returns the standard error of the mean of all measurements, their standard
// deviation over √ESSMean. Errors are those of RHat.
func MCSE(x *mat.Dense) (float64, error) {
	return inUnits("MCSE", x, func(c chains, unit float64) float64 { return c.mcse() * unit })
}

// MCSEStd returns the standard error of the standard deviation of all
// measurements, from the fourth moment. Errors are those of RHat.
func MCSEStd(x *mat.Dense) (float64, error) {
	return inUnits("MCSEStd", x, func(c chains, unit float64) float64 {
		mean := stat.Mean(c.all(), nil)
		squares := c.apply(func(v float64) float64 { return (v - mean) * (v - mean) })
		all := squares.all()
		variance := stat.Mean(all, nil)
		return unit * math.Sqrt(stat.PopVariance(all, nil)/squares.essMean()/variance/4)
	})
}

// MCSEQuantile returns the standard error of the quantile p of all measurements:
// half of the width between two measurements that have the quantile between them
// with probability 68 %. Errors are those of RHat; p must be between 0 and 1, or
// the error wraps ErrSettings.
func MCSEQuantile(x *mat.Dense, p float64) (float64, error) {
	if !(p > 0 && p < 1) {
		return 0, fmt.Errorf("diag: MCSEQuantile: %w: quantile %v, want between 0 and 1", ErrSettings, p)
	}
	return inUnits("MCSEQuantile", x, func(c chains, unit float64) float64 {
		ess := c.below(p).halves().ess()
		beta := distuv.Beta{Alpha: ess*p + 1, Beta: ess*(1-p) + 1}
		all := c.all()
		slices.Sort(all)
		n := float64(len(all))
		// One standard deviation of a normal distribution to both sides.
		low := all[int(math.Floor(max(beta.Quantile(0.1586553)*n-1, 0)))]
		high := all[int(math.Ceil(min(beta.Quantile(0.8413447)*n-1, n-1)))]
		return (high - low) / 2 * unit
	})
}

// measure checks a series and returns f of it, a number without a unit.
func measure(name string, x *mat.Dense, f func(chains) float64) (float64, error) {
	return inUnits(name, x, func(c chains, _ float64) float64 { return f(c) })
}

// inUnits is measure for an f that needs the unit of the series.
func inUnits(name string, x *mat.Dense, f func(c chains, unit float64) float64) (float64, error) {
	c, unit, err := newChains(x)
	if err == nil && c.constant() {
		err = fmt.Errorf("%w: the quantity is constant", ErrSettings)
	}
	if err != nil {
		return 0, fmt.Errorf("diag: %s: %w", name, err)
	}
	return f(c, unit), nil
}

func (c chains) rhat() float64 {
	h := c.halves()
	if h.constant() { // only the middle steps differ
		return 1
	}
	r := h.normal().plainRHat()
	if f := h.folded(); !f.constant() {
		r = max(r, f.normal().plainRHat())
	}
	return r
}

// plainRHat is R̂ without splits or ranks.
func (c chains) plainRHat() float64 {
	n, within := float64(len(c[0])), 0.0
	for _, s := range c {
		within += stat.Variance(s, nil) / float64(len(c))
	}
	if !(within > 0) {
		return math.Inf(1)
	}
	return math.Sqrt(stat.Variance(c.means(), nil)/within + (n-1)/n)
}

func (c chains) essTail() float64 {
	return min(c.below(0.05).halves().ess(), c.below(0.95).halves().ess())
}

func (c chains) essMean() float64 { return c.halves().ess() }

func (c chains) mcse() float64 { return stat.StdDev(c.all(), nil) / math.Sqrt(c.essMean()) }

// ess is the effective sample size by Geyer's initial monotone sequence of the
// sums of two neighbouring correlations (C. J. Geyer, Stat. Sci. 7, 473 (1992)),
// as ArviZ has it.
func (c chains) ess() float64 {
	n, size := len(c[0]), float64(len(c)*len(c[0]))
	if c.constant() {
		return size
	}
	means := c.means()
	cov := c.autocov(means)
	within := cov[0] * float64(n) / float64(n-1)
	total := cov[0]
	if len(c) > 1 {
		total += stat.Variance(means, nil)
	}
	rho := make([]float64, n)
	rho[0] = 1
	at := func(t int) float64 { return 1 - (within-cov[t])/total }
	even, odd := 1.0, at(1)
	rho[1] = odd
	t := 1
	for ; t < n-3 && even+odd > 0; t += 2 {
		even, odd = at(t+1), at(t+2)
		if even+odd >= 0 {
			rho[t+1], rho[t+2] = even, odd
		}
	}
	last := t - 2
	if even > 0 {
		rho[last+1] = even
	}
	for t := 1; t <= last-2; t += 2 {
		if before := rho[t-1] + rho[t]; rho[t+1]+rho[t+2] > before {
			rho[t+1], rho[t+2] = before/2, before/2
		}
	}
	tau := -1.0
	for _, r := range rho[:max(last+1, 0)] {
		tau += 2 * r
	}
	tau += rho[last+1]
	return size / max(tau, 1/math.Log10(size))
}
