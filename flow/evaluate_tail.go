package flow

import (
	"cmp"
	"math"
	"slices"
)

// tail keeps the largest of many log-weights and estimates how heavy their tail is.
//
// A generalised Pareto distribution is fitted to the weights beyond a threshold u,
// P(w > u + y) = (1 + k y/σ)^(−1/k), as by Vehtari, Simpson, Gelman, Yao and Gabry (JMLR
// 25, 72 (2024)). Moments below 1/k of the weights are finite. For k ≥ ½ the variance is
// infinite. For k > 0.7 the mean of any practical number of weights is far from its limit.
type tail struct {
	keep int       // number of log-weights that remain after cut
	v    []float64 // log-weights: the keep largest, and others added since the last cut
}

// minTail is the smallest number of weights whose tail is fitted. The fit then uses ten.
const minTail = 50

// newTail returns a tail for the given number of weights.
func newTail(samples int) *tail { return &tail{keep: tailLength(samples) + 1} }

// tailLength returns how many of n weights, the largest, are fitted.
func tailLength(n int) int { return int(math.Ceil(min(0.2*float64(n), 3*math.Sqrt(float64(n))))) }

// add adds a finite log-weight.
func (t *tail) add(v float64) {
	t.v = append(t.v, v)
	if len(t.v) >= 2*t.keep {
		t.cut()
	}
}

// addRatios adds the weights a/b of rows where a is positive, given logarithms.
func (t *tail) addRatios(a, b []float64) {
	for r, v := range a {
		if !math.IsInf(v, -1) {
			t.add(v - b[r])
		}
	}
}

// cut keeps the largest log-weights, in descending order.
func (t *tail) cut() {
	slices.SortFunc(t.v, func(a, b float64) int { return cmp.Compare(b, a) })
	t.v = t.v[:min(len(t.v), t.keep)]
}

// pareto is a tail that was fitted to the largest weights, in units of the
// largest.
type pareto struct {
	k, sigma  float64
	threshold float64
	n         int       // number of weights beyond the threshold
	w         []float64 // these weights, ascending
	log       float64   // logarithm of the largest weight
}

// fit fits the tail of n weights. It returns false for fewer than minTail. If the fitted
// weights are equal to one part in a thousand, the index is 0: their differences are most
// likely rounding.
func (t *tail) fit(n int) (pareto, bool) {
	if n < minTail {
		return pareto{}, false
	}
	t.cut()
	m := tailLength(n)
	p := pareto{log: t.v[0], threshold: math.Exp(t.v[m] - t.v[0]), n: m, w: make([]float64, m)}
	over := make([]float64, 0, m)
	for i := range p.w {
		p.w[i] = math.Exp(t.v[m-1-i] - p.log)
		if y := p.w[i] - p.threshold; y > 1e-200 {
			over = append(over, y)
		}
	}
	switch {
	case 1-p.threshold < 1e-3:
		return p, true
	case len(over) < 5: // a few weights tower over others that are all alike
		p.k = math.Inf(1)
		return p, true
	}
	p.k, p.sigma = fitPareto(over)
	// A weak prior: ten values that say ½.
	p.k = (p.k*float64(m) + 5) / float64(m+10)
	return p, true
}

// fitPareto fits a generalised Pareto distribution to y > 0, ascending, by the
// posterior mean of Zhang and Stephens (Technometrics 51, 316 (2009)).
func fitPareto(y []float64) (k, sigma float64) {
	n := float64(len(y))
	quarter, top := y[int(n/4+0.5)-1], y[len(y)-1]
	shape := func(b float64) float64 {
		sum := 0.0
		for _, v := range y {
			sum += math.Log1p(-b * v)
		}
		return sum / n
	}
	grid := 30 + int(math.Sqrt(n))
	b, likelihood := make([]float64, grid), make([]float64, grid)
	for j := range b {
		b[j] = 1/top + (1-math.Sqrt(float64(grid)/(float64(j)+0.5)))/(3*quarter)
		k := shape(b[j])
		if likelihood[j] = n * (math.Log(-b[j]/k) - k - 1); math.IsNaN(likelihood[j]) {
			likelihood[j] = math.Inf(-1) // k = 0
		}
	}
	mean := 0.0
	for j := range b {
		sum := 0.0
		for _, l := range likelihood {
			sum += math.Exp(l - likelihood[j])
		}
		mean += b[j] / sum // of the weight of the likelihood in their sum
	}
	k = shape(mean)
	return k, -k / mean
}

// smooth returns the logarithms of Σw and Σw² after replacing the largest weights by the
// quantiles of their tail. lw and lw2 are the logarithms of the plain sums. The index of
// the tail is raised by its standard error, (1+k)/√m, because a sample of a heavy tail
// usually lacks its largest weights.
func (p *pareto) smooth(lw, lw2 float64) (float64, float64) {
	k := p.k + (1+p.k)/math.Sqrt(float64(p.n))
	sum, sum2 := math.Exp(lw-p.log), math.Exp(lw2-2*p.log)
	for _, w := range p.w {
		sum, sum2 = sum-w, sum2-w*w
	}
	sum, sum2 = max(0, sum), max(0, sum2) // below by rounding
	for i := range p.w {
		rest := 1 - (float64(i)+0.5)/float64(p.n)
		y := -p.sigma * math.Log(rest)
		if math.Abs(k) > 1e-9 {
			y = p.sigma / k * math.Expm1(-k*math.Log(rest))
		}
		w := p.threshold + y
		sum, sum2 = sum+w, sum2+w*w
	}
	return math.Log(sum) + p.log, math.Log(sum2) + 2*p.log
}

// heaviest returns the largest tail index at which the error of the mean of n weights can
// be trusted.
func heaviest(n int) float64 { return min(0.7, 1-1/math.Log10(float64(n))) }
