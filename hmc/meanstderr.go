package hmc

import (
	"math"

	"gonum.org/v1/gonum/stat"
)

// MeanStdErr returns the mean of one average per chain and its standard error,
// the standard deviation of the averages over √chains.
//
// Successive positions of one chain are correlated, so their spread understates
// the error of their average by an unknown factor. Chains are independent, so
// the spread of the chain averages does not, provided that all chains are as
// long and past their start. With fewer than two chains stdErr is NaN, with none
// the mean too.
func MeanStdErr(chainMeans []float64) (mean, stdErr float64) {
	n := float64(len(chainMeans))
	mean = stat.Mean(chainMeans, nil)
	if n < 2 {
		return mean, math.NaN()
	}
	return mean, stat.StdDev(chainMeans, nil) / math.Sqrt(n)
}
