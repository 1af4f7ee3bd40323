package diag

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// MeanStdErr returns the mean of one average per chain and its standard error,
// the standard deviation of the averages over √chains.
//
// Successive positions of one chain are correlated, so their spread understates
// the error of their average by an unknown factor. Chains are independent, so
// the spread of the chain averages gives the right error, provided that all
// chains are equally long and have left their start behind. With one chain
// stdErr is NaN; with none, the mean is NaN, too.
//
// The standard error is itself an estimate, with a relative error of
// 1/√(2(chains−1)). The true mean is within one standard error in 50 % of all
// runs of two chains, in 61 % of four, in 66 % of ten and in 68 % of many.
// MeanInterval accounts for the number of chains.
func MeanStdErr(chainMeans []float64) (mean, stdErr float64) {
	largest := 0.0
	for _, m := range chainMeans {
		largest = max(largest, math.Abs(m))
	}
	// Scaled by a power of two, so that no sum of squares overflows.
	_, exponent := math.Frexp(largest)
	scaled := make([]float64, len(chainMeans))
	for i, m := range chainMeans {
		scaled[i] = math.Ldexp(m, -exponent)
	}
	mean = math.Ldexp(stat.Mean(scaled, nil), exponent)
	if len(scaled) < 2 {
		return mean, math.NaN()
	}
	return mean, math.Ldexp(stat.StdErr(stat.StdDev(scaled, nil), float64(len(scaled))), exponent)
}

// MeanInterval returns the mean of one average per chain and the half width of
// an interval about it that contains the true mean with probability level, for
// instance 0.95. The half width is the error of MeanStdErr times the quantile of
// Student's distribution with chains − 1 degrees of freedom: for 95 %, 12.7 times
// the error of two chains, 2.3 times that of ten, 2.0 times that of many. The
// averages are assumed normal, as they are for chains much longer than the
// autocorrelation time.
//
// The error wraps ErrShape for fewer than two chains, ErrNotFinite for an
// average that is not finite, naming the chain, and ErrSettings for a level
// that is not between 0 and 1.
func MeanInterval(chainMeans []float64, level float64) (mean, half float64, err error) {
	switch i := slices.IndexFunc(chainMeans, notFinite); {
	case len(chainMeans) < 2:
		return 0, 0, fmt.Errorf("diag: MeanInterval: %w: %d chains, want two or more", ErrShape, len(chainMeans))
	case i >= 0:
		return 0, 0, fmt.Errorf("diag: MeanInterval: %w: the average of chain %d is %v", ErrNotFinite, i, chainMeans[i])
	case !(level > 0 && level < 1):
		return 0, 0, fmt.Errorf("diag: MeanInterval: %w: level %v, want between 0 and 1", ErrSettings, level)
	}
	mean, stdErr := MeanStdErr(chainMeans)
	t := distuv.StudentsT{Sigma: 1, Nu: float64(len(chainMeans) - 1)}
	// The lower quantile, by its probability (1−level)/2, is precise for levels
	// near 1.
	return mean, stdErr * math.Abs(t.Quantile((1-level)/2)), nil
}
