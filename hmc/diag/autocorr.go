package diag

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
)

// Limits beyond which AutocorrTime fails.
const (
	leastLength  = 50     // steps of a chain in units of τ, for τ from the spectrum
	leastSteps   = 10     // the same, for τ from the means of the chains
	mostSlope    = 4. / 3 // power at frequency zero over the lowest measured, at leastSteps
	leastFreedom = 20     // degrees of freedom of the estimate
	chainsLevel  = 1e-3   // significance level of the test that chains agree
	resolution   = 1e-14  // rounding of float64 numbers of size one, with a margin
)

// AutocorrTime returns the integrated autocorrelation time of a quantity, in
// units of the steps between its measurements, and its standard error. Row k of
// x, (steps, chains), holds the k-th measurement on every chain. Leave out the
// measurements of burn-in.
//
// The convention is τ = ½ + Σ_{t≥1} ρ(t). Independent measurements have τ = ½,
// measurements that alternate have less. The mean of n measurements has variance
// 2τ·var/n.
//
// τ is half of the spectrum of x/√var at frequency zero. It is estimated by the
// mean square of the lowest cosine coefficients of each chain, which is positive
// (U. K. Müller, J. Econometrics 141, 1331 (2007)). A window removes leakage
// (R. B. Blackman and J. W. Tukey, The Measurement of Power Spectra (1958)). The
// number of coefficients is half of the number over which the spectrum is flat.
// If the chains are too short for that but there are many, the estimate is the
// variance of their means. Both estimates have a χ² distribution; tau and stdErr
// are the mean and the width of what it says about τ. In about 68 % of all runs τ
// is within one stdErr of tau, in about 95 % within two. If the number of steps
// has a prime factor above five, a few of the first steps are left out.
//
// The error wraps
//   - ErrShape for a nil matrix or fewer than four steps;
//   - ErrNotFinite for NaN or infinity, naming step and chain;
//   - ErrSettings for a quantity that is constant;
//   - ErrWindow if the run does not determine τ: a chain is shorter than 50 τ (10 τ if
//     there are 21 chains or more) or never changes, the relative error would be
//     above a third, or the means of the chains differ by more than τ explains.
//     In the last case each chain may be in a mode of its own, or remember its
//     start.
//
// No run shows modes that no chain has visited, nor slow fluctuations that are
// smaller than its noise.
func AutocorrTime(x *mat.Dense) (tau, stdErr float64, err error) {
	tau, stdErr, err = autocorrTime(x)
	if err != nil {
		return 0, 0, fmt.Errorf("diag: AutocorrTime: %w", err)
	}
	return tau, stdErr, nil
}

// autocorrTime is AutocorrTime with errors that lack the name of the package.
func autocorrTime(x *mat.Dense) (tau, stdErr float64, err error) {
	r, err := newRecord(x)
	if err != nil {
		return 0, 0, err
	}
	low, squares := r.spectra()
	tau, freedom, err := r.fromSpectrum(low, squares)
	if err != nil && len(r.mean) > leastFreedom {
		tau, freedom, err = r.fromMeans(low, squares)
	}
	if err != nil {
		return 0, 0, err
	}
	tau, stdErr = likely(tau, freedom)
	return tau, stdErr, nil
}

// fromSpectrum returns τ and its degrees of freedom from the flat part of the
// spectrum at low frequencies.
func (r *record) fromSpectrum(low, squares *spectrum) (tau, freedom float64, err error) {
	n, chains := float64(r.steps), float64(len(r.mean))
	k := low.flat(n*chains*r.within/2) / 2
	if k == 0 {
		return 0, 0, fmt.Errorf("%w: %d steps are too few, the spectrum has no flat part", ErrWindow, r.steps)
	}
	tau, freedom, err = r.time(low.mean(k), low.freedom(k), squares.mean(k))
	if err == nil && leastLength*tau > n {
		err = r.tooShort(tau)
	}
	if err == nil && chains > 1 && fTail(n*r.between/low.mean(k), chains-1, low.freedom(k)) < chainsLevel {
		err = r.apart()
	}
	return tau, freedom, err
}

// fromMeans returns τ and its degrees of freedom from the variance of the means
// of many chains that are too short for a flat spectrum.
func (r *record) fromMeans(low, squares *spectrum) (tau, freedom float64, err error) {
	n, chains := float64(r.steps), float64(len(r.mean))
	tau, freedom, err = r.time(n*r.between, chains-1, squares.mean(1))
	if err != nil {
		return 0, 0, err
	}
	if tau < 0.5 || leastSteps*tau > n {
		return 0, 0, r.tooShort(tau)
	}
	// The spectrum falls from frequency zero to the lowest coefficient, by a factor
	// of mostSlope at most.
	most := mostSlope * low.mean(1)
	if !(most > 0) || fTail(n*r.between/most, chains-1, low.freedom(1)) < chainsLevel {
		return 0, 0, r.apart()
	}
	// A mean of n steps misses correlations over more than n steps. The correction
	// is that of an exponential decay. It also widens the relative error.
	longer := tau + (tau*tau-0.25)/n
	widen := tau / longer * (1 + 2*tau/n)
	return longer, freedom / (widen * widen), nil
}

// tooShort is the error for chains that are short in units of tau.
func (r *record) tooShort(tau float64) error {
	return fmt.Errorf("%w: %d steps of %d chains are too few for a τ near %.2g", ErrWindow, r.steps, len(r.mean), tau)
}

// apart is the error for chains that do not agree.
func (r *record) apart() error {
	return fmt.Errorf("%w: the means of the chains differ by more than their %d steps explain", ErrWindow, r.steps)
}

// time returns τ and its degrees of freedom, left. power is the spectrum at
// frequency zero, 2τ·variance, and freedom its degrees of freedom. squares is the
// spectrum of the squared deviations at frequency zero, which gives the error of
// the variance.
func (r *record) time(power, freedom, squares float64) (tau, left float64, err error) {
	n, chains := float64(r.steps), float64(len(r.mean))
	// The spread about the mean of a chain lacks the variance of that mean.
	variance := r.within + power/n
	tau = power / 2 / variance
	// The error of ln τ has a part from the power and a part from the variance. The
	// last term is their covariance, as the power is part of the variance.
	left = 2 / (2/freedom + squares/(n*chains*variance*variance) - 8*tau/(n*chains))
	if !(power > resolution*resolution) || !(left >= leastFreedom) {
		return 0, 0, r.tooShort(tau)
	}
	return tau, left, nil
}

// likely returns the mean of estimate·ν/χ²(ν), the distribution of the true mean
// square given an estimate with ν degrees of freedom, and a width. One width to
// both sides of the mean covers 68 %, two cover 95 %, though the distribution is
// not symmetric.
func likely(estimate, freedom float64) (mean, width float64) {
	mean = estimate * freedom / (freedom - 2)
	return mean, mean * math.Sqrt(2/(freedom-2))
}

// record holds the measurements, scaled by a power of two so that the largest is
// between ½ and 1.
type record struct {
	x       *mat.Dense
	first   int       // row that is used
	steps   int       // number of rows that are used
	mean    []float64 // of each chain
	grand   float64   // mean of all chains
	within  float64   // variance about the mean of each chain
	between float64   // variance of the means
}

// newRecord checks and scales the measurements.
func newRecord(x *mat.Dense) (*record, error) {
	if x == nil || x.IsEmpty() {
		return nil, fmt.Errorf("%w: no measurements", ErrShape)
	}
	steps, chains := x.Dims()
	if steps < 4 {
		return nil, fmt.Errorf("%w: %d steps, want four or more", ErrShape, steps)
	}
	largest := 0.0
	for k := range steps {
		row := x.RawRowView(k)
		if i := slices.IndexFunc(row, notFinite); i >= 0 {
			return nil, fmt.Errorf("%w: step %d of chain %d is %v", ErrNotFinite, k, i, row[i])
		}
		for _, v := range row {
			largest = max(largest, math.Abs(v))
		}
	}
	_, exponent := math.Frexp(largest)
	scaled := mat.NewDense(steps, chains, nil)
	scaled.Apply(func(_, _ int, v float64) float64 { return math.Ldexp(v, -exponent) }, x)
	r := &record{x: scaled, steps: steps, mean: make([]float64, chains)}
	for !smooth(r.steps) {
		r.steps--
	}
	r.first = steps - r.steps
	return r, r.moments()
}

// moments computes means and variances. It fails if a chain is constant.
func (r *record) moments() error {
	n, chains := float64(r.steps), float64(len(r.mean))
	still := -1 // a chain
	series := make([]float64, r.steps)
	for c := range r.mean {
		r.series(series, c, 0)
		for _, v := range series {
			r.mean[c] += v / n
		}
		var sum float64
		for _, v := range series {
			sum += (v - r.mean[c]) * (v - r.mean[c]) / n
		}
		if !(sum > resolution*resolution) {
			still = c
		}
		r.within += sum / chains
		r.grand += r.mean[c] / chains
	}
	for _, m := range r.mean {
		r.between += (m - r.grand) * (m - r.grand) / max(chains-1, 1)
	}
	if !(r.within+r.between > resolution*resolution) {
		return fmt.Errorf("%w: the quantity is constant", ErrSettings)
	}
	if still >= 0 {
		return fmt.Errorf("%w: chain %d never changes", ErrWindow, still)
	}
	return nil
}

// series sets s to the measurements on chain c minus centre.
func (r *record) series(s []float64, c int, centre float64) {
	for k := range s {
		s[k] = r.x.At(r.first+k, c) - centre
	}
}

// spectra returns the spectra of the measurements and of their squared distances
// from the mean of all.
func (r *record) spectra() (values, squares *spectrum) {
	values, squares = newSpectrum(r.steps), newSpectrum(r.steps)
	series := make([]float64, r.steps)
	for c, mean := range r.mean {
		r.series(series, c, mean)
		values.add(series)
		r.series(series, c, r.grand)
		for k, v := range series {
			series[k] = v * v
		}
		squares.add(series)
	}
	values.sum()
	squares.sum()
	return values, squares
}
