package flow

import (
	"fmt"
	"math"
	"slices"

	"github.com/neuralrg/neuralrg/internal/graph"
	"github.com/neuralrg/neuralrg/internal/num"
)

// moments accumulates ln(q/π).
type moments struct {
	n        int     // samples at which π is positive
	mean, m2 float64 // of their ln(q/π)
	lw, lw2  float64 // logarithms of Σw and Σw², w = π/q
	unweighted
}

// unweighted counts samples whose ln(q/π) is not finite.
type unweighted struct {
	out     int // π is zero, and so is the weight
	dropped int // the weight is unknown: the batch failed in training
}

func newMoments() moments { return moments{lw: math.Inf(-1), lw2: math.Inf(-1)} }

func (s *moments) add(v float64) {
	s.merge(moments{n: 1, mean: v, lw: -v, lw2: -2 * v})
}

// merge adds the samples of t (Chan, Golub and LeVeque 1983).
func (s *moments) merge(t moments) {
	s.out, s.dropped = s.out+t.out, s.dropped+t.dropped
	if t.n == 0 {
		return
	}
	n := float64(s.n + t.n)
	d := t.mean - s.mean
	s.m2 += t.m2 + d*d*float64(s.n)*float64(t.n)/n
	s.mean += d * float64(t.n) / n
	s.n += t.n
	s.lw, s.lw2 = graph.LogAddExpOf(s.lw, t.lw), graph.LogAddExpOf(s.lw2, t.lw2)
}

// addRows adds the samples of a batch. ln π = −∞ is a sample of weight zero. If ln q or
// ln π of a row is not finite in another way, addRows adds no sample and fails.
func (s *moments) addRows(logq, logpi []float64) error {
	batch := newMoments()
	for r := range logq {
		v := logq[r] - logpi[r]
		switch {
		case num.Finite(v):
			batch.add(v)
		case math.IsInf(logpi[r], -1) && !math.IsInf(logq[r], 0) && !math.IsNaN(logq[r]):
			batch.out++
		default:
			return fmt.Errorf("row %d: %w: ln q is %g, ln π is %g", r, ErrNotFinite, logq[r], logpi[r])
		}
	}
	s.merge(batch)
	return nil
}

// finite reports whether all sums are finite.
func (s *moments) finite() bool {
	if s.n == 0 {
		return true
	}
	for _, v := range []float64{s.mean, s.m2, s.lw, s.lw2} {
		if !num.Finite(v) {
			return false
		}
	}
	return true
}

// samples returns the number of samples whose weight is known.
func (s *moments) samples() int { return s.n + s.out }

// estimate returns the estimate from the moments and, unless it is nil, the tail of the
// weights.
func (s *moments) estimate(t *tail) Estimate {
	nan := math.NaN()
	e := Estimate{
		Samples: s.samples(), OutOfSupport: s.out, Dropped: s.dropped,
		Loss: nan, StdErr: nan, Variance: nan, ESS: nan, LogZ: nan, LogZErr: nan,
	}
	if e.Samples == 0 {
		return e
	}
	n := float64(e.Samples)
	if s.out == 0 {
		e.Loss, e.Variance = s.mean, s.m2/(n-1)
		e.StdErr = math.Sqrt(e.Variance / n)
	} else {
		e.Loss = math.Inf(1)
	}
	if s.n == 0 {
		e.ESS, e.LogZ, e.LogZErr = 0, math.Inf(-1), math.Inf(1)
		return e
	}
	e.ESS, e.LogZ = math.Exp(2*s.lw-s.lw2)/n, s.lw-math.Log(n)
	e.LogZErr, e.TailIndex = s.logErr(e.ESS, t)
	return e
}

// LogZErr is finite only if 1/LogZErr², the number of samples that the weights are worth,
// is at least leastWorth. Without a tail, ESS must also be at least leastESS.
const (
	leastESS   = 0.1
	leastWorth = 25
)

// logErr returns the standard error of ln⟨w⟩, +Inf if the samples do not determine it,
// and the index of the tail of the weights. If v is the relative variance of ⟨w⟩, ln⟨w⟩
// has the variance v and the bias −v/2.
func (s *moments) logErr(ess float64, t *tail) (stdErr, k float64) {
	n := float64(s.samples())
	if n < 2 {
		return math.NaN(), 0
	}
	v := max(0, (1/ess-1)/(n-1))
	known := false
	if t != nil {
		var p pareto
		if p, known = t.fit(s.n); known {
			k = p.k
			if k > heaviest(s.n) {
				return math.Inf(1), k
			}
			lw, lw2 := p.smooth(s.lw, s.lw2)
			v = max(v, (n*math.Exp(lw2-2*lw)-1)/(n-1))
		}
	}
	if !known && ess < leastESS || !(v*leastWorth < 1) {
		return math.Inf(1), k
	}
	return math.Sqrt(v + v*v/4), k
}

// acceptRate is the mean of min(1, w'/w) over all pairs, with w from log-weights of samples of
// the model that are weighted by w, and w' from the same samples without weights. The sum of
// min(w, w') over all pairs is one over the ascending weights, where the k-th of n, from 0 on,
// is the smaller one of 2(n−k) − 1 pairs. The log-weights are sorted in place.
func acceptRate(logw []float64) float64 {
	slices.Sort(logw)
	n := len(logw)
	if n == 0 || math.IsInf(logw[n-1], -1) {
		return 0
	}
	sum, least := 0.0, 0.0
	for k, v := range logw {
		w := math.Exp(v - logw[n-1])
		sum += w
		least += w * float64(2*(n-k)-1)
	}
	return least / (sum * float64(n))
}
