package hmc

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
)

// Limits of what AutocorrTime answers.
const (
	leastLength  = 50     // steps of a chain per τ, for τ from a spectrum that is flat
	leastSteps   = 10     // the same, for τ from the means of the chains
	mostSlope    = 4. / 3 // of the spectrum below its lowest frequency in leastSteps·τ
	leastFreedom = 20     // degrees of freedom of the estimate
	chainsLevel  = 1e-3   // of the test that chains agree
	resolution   = 1e-14  // of a float64 among numbers of size one, with a margin
)

// AutocorrTime returns the integrated autocorrelation time of a quantity, in
// units of the steps between its measurements, and its standard error. Row k of
// x, (steps, chains), is the k-th measurement on every chain, all of them past
// their start.
//
// The convention is τ = ½ + Σ_{t≥1} ρ(t): independent measurements have τ = ½,
// measurements that alternate have less, and the mean of n of them has variance
// 2τ·var/n.
//
// The sum is half of the spectrum of x/√var at frequency zero. It is estimated by
// the mean square of the lowest cosine coefficients of each chain, which is positive
// (U. K. Müller, J. Econometrics 141, 1331 (2007)), behind a window against
// leakage (R. B. Blackman and J. W. Tukey, The Measurement of Power Spectra
// (1958)). Half as many coefficients are taken as show no slope of the spectrum.
// Where chains are too short for that but many, the variance of their means
// is taken. Either has a χ² distribution, and tau and stdErr are mean and
// width of what it says about τ: τ is within one stdErr of tau in about 68 % of
// all runs and within two in about 95 %. If the number of steps has a prime
// factor above five, a few of the first steps are left out.
//
// The error wraps ErrShape for a nil matrix or less than four steps;
// ErrNotFinite for NaN or infinity, naming step and chain; ErrSettings for a
// quantity that is constant; and ErrWindow if the run cannot tell: a chain is
// shorter than 50 τ (10 τ if there are 21 chains or more) or never changes, the
// relative error would be above a third, or the means of the chains differ by
// more than τ explains (each may be in a mode of its own, or remember its start).
// No run can tell of modes that no chain has visited, nor of a slow part that is
// lost in its noise.
func AutocorrTime(x *mat.Dense) (tau, stdErr float64, err error) {
	tau, stdErr, err = autocorrTime(x)
	if err != nil {
		return 0, 0, fmt.Errorf("hmc: autocorrelation time: %w", err)
	}
	return tau, stdErr, nil
}

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

// fromSpectrum is τ, with its degrees of freedom, from the flat part of the
// spectrum at low frequencies.
func (r *record) fromSpectrum(low, squares *spectrum) (tau, freedom float64, err error) {
	n, chains := float64(r.steps), float64(len(r.mean))
	k := low.flat(n*chains*r.within/2) / 2
	if k == 0 {
		return 0, 0, fmt.Errorf("%d steps are too few, the spectrum has no flat part: %w", r.steps, ErrWindow)
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

// fromMeans is τ, with its degrees of freedom, from the variance of the means of
// many chains, which are too short for a spectrum that is flat.
func (r *record) fromMeans(low, squares *spectrum) (tau, freedom float64, err error) {
	n, chains := float64(r.steps), float64(len(r.mean))
	tau, freedom, err = r.time(n*r.between, chains-1, squares.mean(1))
	if err != nil {
		return 0, 0, err
	}
	if tau < 0.5 || leastSteps*tau > n {
		return 0, 0, r.tooShort(tau)
	}
	// The lowest coefficient is below the spectrum at zero, but not by much.
	most := mostSlope * low.mean(1)
	if !(most > 0) || fTail(n*r.between/most, chains-1, low.freedom(1)) < chainsLevel {
		return 0, 0, r.apart()
	}
	// A mean of n steps lacks the correlations that reach beyond them, here as
	// many as if they were exponential. That also widens the relative error.
	longer := tau + (tau*tau-0.25)/n
	widen := tau / longer * (1 + 2*tau/n)
	return longer, freedom / (widen * widen), nil
}

func (r *record) tooShort(tau float64) error {
	return fmt.Errorf("%d steps of %d chains are too few for a τ near %.2g: %w", r.steps, len(r.mean), tau, ErrWindow)
}

func (r *record) apart() error {
	return fmt.Errorf("the means of the chains differ by more than their %d steps explain: %w", r.steps, ErrWindow)
}

// time is τ of a spectrum whose power at zero frequency, 2τ·variance, is known
// with that many degrees of freedom; left are those of τ. The power of the
// squares at zero says how well the variance is known.
func (r *record) time(power, freedom, squares float64) (tau, left float64, err error) {
	n, chains := float64(r.steps), float64(len(r.mean))
	// The mean of a chain has taken its own variance from the spread about it.
	variance := r.within + power/n
	tau = power / 2 / variance
	// The error of ln τ is that of the power and that of the variance. The
	// power is also part of the variance, which is the last term.
	left = 2 / (2/freedom + squares/(n*chains*variance*variance) - 8*tau/(n*chains))
	if !(power > resolution*resolution) || !(left >= leastFreedom) {
		return 0, 0, r.tooShort(tau)
	}
	return tau, left, nil
}

// likely is what a mean square with ν degrees of freedom says about what it
// estimates: the mean of estimate·ν/χ²(ν), and a width so that one of it to both
// sides covers 68 % and two cover 95 %, though χ² is not symmetric.
func likely(estimate, freedom float64) (mean, width float64) {
	mean = estimate * freedom / (freedom - 2)
	return mean, mean * math.Sqrt(2/(freedom-2))
}

// record is the measurements, scaled by a power of two so that the largest is
// between ½ and 1.
type record struct {
	x       *mat.Dense
	first   int // row
	steps   int // from there on
	mean    []float64
	grand   float64 // mean of all
	within  float64 // variance about the mean of each chain
	between float64 // variance of these means
}

func newRecord(x *mat.Dense) (*record, error) {
	if x == nil || x.IsEmpty() {
		return nil, fmt.Errorf("no measurements: %w", ErrShape)
	}
	steps, chains := x.Dims()
	if steps < 4 {
		return nil, fmt.Errorf("%d steps, want four or more: %w", steps, ErrShape)
	}
	largest := 0.0
	for k := range steps {
		row := x.RawRowView(k)
		if i := firstNotFinite(row); i >= 0 {
			return nil, fmt.Errorf("step %d of chain %d is %v: %w", k, i, row[i], ErrNotFinite)
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

// moments computes means and variances, and looks for what does not change.
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
		return fmt.Errorf("the quantity is constant: %w", ErrSettings)
	}
	if still >= 0 {
		return fmt.Errorf("chain %d never changes: %w", still, ErrWindow)
	}
	return nil
}

// series is the measurements on chain c less centre.
func (r *record) series(s []float64, c int, centre float64) {
	for k := range s {
		s[k] = r.x.At(r.first+k, c) - centre
	}
}

// spectra are those of the measurements and of their squared distances from the
// mean.
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
