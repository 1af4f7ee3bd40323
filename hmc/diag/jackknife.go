package diag

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
)

// Jackknife returns f of the means of several series, for instance a specific
// heat of the means of E and E², and its standard error. All series have the same
// (steps, chains). Every chain is cut into blocks of consecutive steps; with m
// blocks in all, f_b is f of the means without block b, and
//
//	value = m f(all) − (m−1) mean f_b,    stdErr² = (m−1)/m Σ_b (f_b − mean f_b)².
//
// value has no bias of order 1/m (B. Efron and C. Stein, Ann. Stat. 9, 586 (1981)).
// Blocks must be much longer than the autocorrelation time: with blocks = 1 a
// chain is one block, which is best with twenty chains or more. The last steps
// that fill no block are left out.
//
// The error wraps ErrShape for no series, series of different shapes, or fewer
// than two blocks in all, ErrSettings for blocks below 1 or above the number of
// steps, and ErrNotFinite for a number, or a value of f, that is NaN or infinite.
func Jackknife(series []*mat.Dense, blocks int, f func(means []float64) float64) (value, stdErr float64, err error) {
	sums, steps, err := blockMeans(series, blocks)
	if err != nil {
		return 0, 0, fmt.Errorf("diag: Jackknife: %w", err)
	}
	m := len(sums[0])
	means := make([]float64, len(series))
	for j, s := range sums {
		means[j] = stat.Mean(s, nil)
	}
	total := f(append([]float64(nil), means...))
	without, left := make([]float64, m), make([]float64, len(series))
	for b := range without {
		for j, s := range sums {
			left[j] = means[j] + (means[j]-s[b])/float64(m-1)
		}
		without[b] = f(left)
		if notFinite(without[b]) {
			return 0, 0, fmt.Errorf("diag: Jackknife: %w: f without block %d of %d steps is %v",
				ErrNotFinite, b, steps, without[b])
		}
	}
	if notFinite(total) {
		return 0, 0, fmt.Errorf("diag: Jackknife: %w: f of the means is %v", ErrNotFinite, total)
	}
	mean, variance := stat.PopMeanVariance(without, nil)
	n := float64(m)
	return total + (n-1)*(total-mean), math.Sqrt((n - 1) * variance), nil
}

// blockMeans returns the means of all blocks of every series, and the number of
// steps of a block.
func blockMeans(series []*mat.Dense, blocks int) (means [][]float64, steps int, err error) {
	if len(series) == 0 {
		return nil, 0, fmt.Errorf("%w: no series", ErrShape)
	}
	for j, x := range series {
		c, unit, err := newChains(x)
		switch {
		case err != nil:
			return nil, 0, fmt.Errorf("series %d: %w", j, err)
		case blocks < 1 || blocks > len(c[0]):
			return nil, 0, fmt.Errorf("%w: %d blocks of %d steps", ErrSettings, blocks, len(c[0]))
		case len(c)*blocks < 2:
			return nil, 0, fmt.Errorf("%w: one block, want two or more", ErrShape)
		case j > 0 && (len(c)*blocks != len(means[0]) || x.RawMatrix().Rows != series[0].RawMatrix().Rows):
			return nil, 0, fmt.Errorf("%w: series %d has another shape than series 0", ErrShape, j)
		}
		steps = len(c[0]) / blocks
		var m []float64
		for _, s := range c {
			for b := range blocks {
				m = append(m, stat.Mean(s[b*steps:(b+1)*steps], nil)*unit)
			}
		}
		means = append(means, m)
	}
	return means, steps, nil
}
