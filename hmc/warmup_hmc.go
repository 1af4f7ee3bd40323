package hmc

import (
	"math"

	"github.com/neuralrg/neuralrg/internal/num"
)

const (
	maxSteps  = 1000 // of a trajectory, in WarmUp
	learnRate = 0.05 // of the logarithm of the length
)

// hmcTuner tunes HMC: step size, mass, and length of the trajectories.
type hmcTuner struct {
	s *Sampler
	m *hmcMover
	averaging

	sweeps  float64 // expected
	n       float64 // sweeps so far
	window  float64 // the last sweep of the window of the mass
	first   bool    // no mass has been set
	x, grad moments // of the window

	length float64 // logarithm of the length of the trajectories
	square float64 // mean square of the gradient of the criterion
	smooth float64 // average of length
	learnt float64 // sweeps that length has learnt from
	spread []float64
	centre []float64
}

func newHMCTuner(s *Sampler, m *hmcMover, sweeps float64) *hmcTuner {
	dim := s.density.Dim()
	return &hmcTuner{
		s: s, m: m, sweeps: sweeps, first: m.InverseMass == nil,
		averaging: averaging{target: m.TargetAccept, limit: math.Inf(1)},
		x:         newMoments(dim), grad: newMoments(dim),
		spread: make([]float64, s.Chains()), centre: make([]float64, dim),
	}
}

func (t *hmcTuner) start() {
	if t.m.Rotate {
		t.limit = 1 // a quarter of a period is π/2
	}
	t.restart(t.m.StepSize)
	t.averaging.centre += math.Log(10)
	t.length = math.Log(t.m.StepSize * float64(t.m.Steps))
	t.window = math.Max(10, math.Round(t.sweeps/20))
}

// before keeps the squared distances of the chains from the mean.
func (t *hmcTuner) before() {
	if t.x.n > 0 {
		copy(t.centre, t.x.mean)
	}
	for i := range t.spread {
		t.spread[i] = t.distance(t.s.now.x.RawRowView(i))
	}
}

// distance is the squared distance from the mean, in units of the mass.
func (t *hmcTuner) distance(x []float64) float64 {
	var sum float64
	for j, v := range x {
		d := v - t.centre[j]
		if t.m.scale != nil {
			d /= t.m.scale[j]
		}
		sum += d * d
	}
	return sum
}

func (t *hmcTuner) after(accept float64) {
	t.n++
	step := t.learn(accept)
	if t.n > t.sweeps/20 {
		t.learnLength()
	}
	for i := range t.s.rise {
		grad := t.s.now.grad.RawRowView(i)
		if firstNotFinite(grad) < 0 {
			t.x.add(t.s.now.x.RawRowView(i))
			t.grad.add(grad)
		}
	}
	if t.n >= t.window && t.n <= 0.8*t.sweeps {
		step = t.setMass(step)
		t.window = math.Min(2*t.n, 0.8*t.sweeps)
		if t.window <= t.n {
			t.window = math.Inf(1)
		}
	}
	t.set(step)
}

// set sets step size and number of steps.
func (t *hmcTuner) set(step float64) {
	t.m.StepSize = step
	if t.first {
		return // lengths mean nothing before the scales are known
	}
	steps := math.Round(math.Exp(t.length) / step)
	t.m.Steps = int(math.Max(1, math.Min(maxSteps, steps)))
	t.length = math.Min(t.length, math.Log(maxSteps*step))
}

func (t *hmcTuner) finish() {
	if t.learnt > 0 {
		t.length = t.smooth
	}
	t.set(t.mean())
}

// learnLength is a step of gradient ascent of Adam, without momentum. With
// y = (x − centre)/scale and v = dy/dt, the criterion is C = ⟨(y'² − y²)²⟩/4, and its
// derivative by the logarithm of the length is ⟨(y'² − y²) y'·v' t⟩.
func (t *hmcTuner) learnLength() {
	if t.first {
		return
	}
	var slope, weight float64
	for i, before := range t.spread {
		p := t.s.probability(i)
		if p == 0 {
			continue
		}
		x, v := t.s.trial.x.RawRowView(i), t.s.trial.v.RawRowView(i)
		change := t.distance(x) - before
		var along float64
		for j, e := range x {
			d := e - t.centre[j]
			if t.m.scale != nil {
				d /= t.m.scale[j]
			}
			along += d * v[j]
		}
		slope += p * change * along * t.m.length
		weight += p
	}
	if weight == 0 || !num.Finite(slope) {
		return
	}
	g := slope / weight
	t.learnt++
	const decay = 0.95
	t.square = decay*t.square + (1-decay)*g*g
	if t.square == 0 {
		return
	}
	rms := math.Sqrt(t.square / (1 - math.Pow(decay, t.learnt)))
	t.length += learnRate * g / rms
	t.smooth += (t.length - t.smooth) * math.Max(1/t.learnt, 1/(1+t.sweeps/5))
}

// setMass sets the mass to that of the window, and returns the step size to start again
// with.
func (t *hmcTuner) setMass(step float64) float64 {
	dim := len(t.x.mean)
	logs := make([]float64, dim)
	var mean, known float64
	for j := range logs {
		a, b := t.x.square[j], t.grad.square[j]
		l := math.Log(a/b) / 2
		if !num.Finite(l) { // a force that is constant
			l = math.Log(a / t.x.n)
		}
		if logs[j] = l; num.Finite(l) {
			mean += l
			known++
		}
	}
	if known == 0 {
		return step
	}
	mean /= known
	h := t.m.HMC
	h.InverseMass = make([]float64, dim)
	keep := t.x.n / (t.x.n + 5)
	for j, l := range logs {
		if !num.Finite(l) { // the chains did not move
			l = mean
		}
		h.InverseMass[j] = math.Exp(mean + keep*(l-mean))
	}
	t.m.set(h)
	t.x.reset()
	t.grad.reset()
	if t.first {
		// In units of the mass all scales are about one.
		t.first = false
		step = math.Pow(float64(dim), -0.25)
		t.length = math.Log(1.5)
	}
	t.learnt, t.square = 0, 0
	t.restart(step)
	return step
}

// moments are running means and sums of squared deviations (Welford).
type moments struct {
	n            float64
	mean, square []float64
}

func newMoments(dim int) moments {
	return moments{mean: make([]float64, dim), square: make([]float64, dim)}
}

func (m *moments) reset() {
	m.n = 0
	clear(m.mean)
	clear(m.square)
}

func (m *moments) add(x []float64) {
	m.n++
	for j, v := range x {
		d := v - m.mean[j]
		m.mean[j] += d / m.n
		m.square[j] += d * (v - m.mean[j])
	}
}
