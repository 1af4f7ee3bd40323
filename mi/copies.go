package mi

import (
	"fmt"
	"math"
)

// distinct fails if a column of a and a column of b have the same or the opposite order in
// all rows, unless both are discrete.
func (e *estimator) distinct(a, b []*column) error {
	for _, x := range a {
		for _, y := range b {
			if x.discrete && y.discrete {
				continue
			}
			for _, sign := range []float64{1, -1} {
				if follows(x, y, sign) && follows(y, x, sign) {
					return fmt.Errorf("mi: %w: %s is in the order of %s throughout, "+
						"as if one were a monotone function of the other: "+
						"their mutual information is infinite, or %d samples are too few for it",
						ErrDegenerate, x.name, y.name, e.n)
				}
			}
		}
	}
	return nil
}

// follows reports whether sign · x never falls where y rises, and is constant
// where y is constant, apart from rounding.
func follows(x, y *column, sign float64) bool {
	highest, lowest, at := math.Inf(-1), 0.0, math.NaN()
	for _, i := range y.rawOrder {
		v := sign * x.raw[i]
		rounding := x.rounding + 1e-15*math.Abs(v)
		if v < highest-rounding {
			return false
		}
		if y.raw[i] != at {
			at, lowest = y.raw[i], v
		}
		lowest, highest = min(lowest, v), max(highest, v)
		if v > lowest+rounding {
			return false
		}
	}
	return true
}
