package flow

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/internal/graph"
)

// advance takes the weights along the path, to β.
func (p *particles) advance(beta float64) {
	step := beta - p.beta
	p.beta = beta
	for r, w := range p.w {
		p.logw[r] += step * w
	}
}

// effective is (Σw)²/(n Σw²), 1 if all weights are zero.
func (p *particles) effective() float64 {
	s := momentsOf(p.logw)
	if s.n == 0 {
		return 1
	}
	return math.Exp(2*s.lw-s.lw2) / float64(len(p.logw))
}

// momentsOf are those of −ln w.
func momentsOf(logw []float64) moments {
	s := newMoments()
	for _, v := range logw {
		if math.IsInf(v, -1) {
			s.out++
		} else {
			s.add(-v)
		}
	}
	return s
}

// resample makes copies of samples, as many as the systematic scheme says with a uniform u,
// n w/Σw on average, and sets all weights to their mean. Copies take the places of
// samples without any. A copy that stays in place keeps its source of randomness, and
// the others have that of their place.
func (p *particles) resample(u float64, dim int) {
	n := len(p.logw)
	s := momentsOf(p.logw)
	copies := make([]int, n)
	sum, next := 0.0, 0
	for r, v := range p.logw {
		sum += float64(n) * math.Exp(v-s.lw)
		for ; next < n && float64(next)+u < sum; next++ {
			copies[r]++
		}
	}
	for r := n - 1; next < n; r-- { // left over by rounding of the sum
		if !math.IsInf(p.logw[r], -1) {
			copies[r] += n - next
			next = n
		}
	}
	mean := s.lw - math.Log(float64(n))
	from := 0
	for r := range copies {
		p.logw[r] = mean
		if copies[r] > 0 {
			continue
		}
		for copies[from] < 2 {
			from++
		}
		copies[from]--
		copies[r] = 1
		copy(p.z[r*dim:(r+1)*dim], p.z[from*dim:(from+1)*dim])
		p.w[r], p.ref[r], p.eve[r] = p.w[from], p.ref[from], p.eve[from]
	}
	p.times++
}

// collect adds finished samples to a result.
func (a *annealer) collect(r *AISResult, p *particles) {
	r.LogWeights = append(r.LogWeights, p.logw...)
	r.Resampled += p.times
	if r.Resampled > 0 {
		a.descend(r, p)
	}
}

// descend sets the estimate to that of the weights of all that descends from one initial
// sample. As samples do not meet but in resampling, in which the number of copies of one is
// right on average, these sums are nearly independent. Those of systematic resampling are
// anticorrelated, so that the error is rather too large (compare A. Lee and N. Whiteley,
// Biometrika 105, 609 (2018)).
func (a *annealer) descend(r *AISResult, p *particles) {
	families := make([]float64, len(p.logw))
	for k := range families {
		families[k] = math.Inf(-1)
	}
	for k, v := range p.logw {
		families[p.eve[k]] = graph.LogAddExpOf(families[p.eve[k]], v)
	}
	r.Estimate = estimateOf(families)
	r.AcceptRate = 0
	nan := math.NaN()
	r.Loss, r.StdErr, r.Variance, r.OutOfSupport = nan, nan, nan, momentsOf(p.logw).out
}

// estimateOf is the estimate of weights.
func estimateOf(logw []float64) Estimate {
	s, largest := momentsOf(logw), newTail(len(logw))
	for _, v := range logw {
		if !math.IsInf(v, -1) {
			largest.add(v)
		}
	}
	e := s.estimate(largest)
	e.AcceptRate = acceptRate(slices.Clone(logw))
	return e
}

// finish completes the result of the samples x.
func (a *annealer) finish(r *AISResult, x []float64) *AISResult {
	r.X = mat.NewDense(len(r.LogWeights), a.m.Dim(), x)
	if r.Resampled == 0 {
		r.Estimate = estimateOf(r.LogWeights)
	}
	for k, n := range a.proposed {
		r.AcceptRates = append(r.AcceptRates, float64(a.accepted[k])/float64(n))
	}
	return r
}
