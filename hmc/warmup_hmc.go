package hmc

import (
	"math"

	"github.com/neuralrg/neuralrg/internal/num"
	"gonum.org/v1/gonum/floats"
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

	length float64   // logarithm of the length of the trajectories
	square float64   // mean square of the gradient of the criterion
	smooth float64   // average of length
	learnt float64   // sweeps that length has learnt from
	lost   float64   // part of the trajectories that leave the support, over a few sweeps
	begin  []float64 // coordinates of the chains along axis before the sweep
	centre []float64 // mean position
	axis   []float64 // direction of the largest variance, of length 1
	sum    []float64 // axis before normalisation
	y      []float64 // what deviation returns
}

func newHMCTuner(s *Sampler, m *hmcMover, sweeps float64) *hmcTuner {
	dim := s.density.Dim()
	return &hmcTuner{
		s: s, m: m, sweeps: sweeps, first: m.InverseMass == nil,
		averaging: averaging{target: m.TargetAccept, limit: math.Inf(1)},
		x:         newMoments(dim), grad: newMoments(dim),
		begin: make([]float64, s.Chains()), centre: make([]float64, dim),
		axis: make([]float64, dim), sum: make([]float64, dim), y: make([]float64, dim),
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

// before keeps the coordinates of the chains along the axis.
func (t *hmcTuner) before() {
	if t.x.n > 0 {
		copy(t.centre, t.x.mean)
	}
	for i := range t.begin {
		t.begin[i] = floats.Dot(t.axis, t.deviation(t.s.now.x.RawRowView(i)))
	}
}

// deviation sets y to the distance of x from the mean, in units of the mass.
func (t *hmcTuner) deviation(x []float64) []float64 {
	for j, v := range x {
		t.y[j] = v - t.centre[j]
		if t.m.scale != nil {
			t.y[j] /= t.m.scale[j]
		}
	}
	return t.y
}

// learnAxis is a step of power iteration: the axis turns to the eigenvector of the
// largest eigenvalue of the covariance matrix of the chains.
func (t *hmcTuner) learnAxis() {
	const decay = 0.98
	floats.Scale(decay, t.sum)
	for i := range t.begin {
		y := t.deviation(t.s.now.x.RawRowView(i))
		a := floats.Dot(t.axis, y)
		if a == 0 {
			a = 1
		}
		floats.AddScaled(t.sum, a, y)
	}
	if norm := floats.Norm(t.sum, 2); norm > 0 && num.Finite(norm) {
		floats.ScaleTo(t.axis, 1/norm, t.sum)
	}
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
	// Rounding down: near half a period a trajectory that is too long costs more and
	// comes back to where it began.
	steps, most := math.Floor(math.Exp(t.length)/step), t.most()
	t.m.Steps = int(math.Max(1, math.Min(most, steps)))
	t.length = math.Min(t.length, math.Log(most*step))
}

// most is the largest number of steps of a trajectory in this sweep. It grows to
// maxSteps, so that long trajectories come when scales and step size are known. The
// warm-up of a density that needs them all costs a third of maxSteps in every sweep.
func (t *hmcTuner) most() float64 {
	part := math.Min(1, t.n/t.sweeps)
	return math.Max(10, math.Round(maxSteps*part*part))
}

func (t *hmcTuner) finish() {
	if t.learnt > 0 {
		t.length = t.smooth
	}
	t.set(t.mean())
}

// learnLength is a step of gradient ascent of Adam, without momentum. With a the
// coordinate along the axis, b that at the end of a trajectory of length t, and v the
// velocity there, the criterion is C = ⟨(b² − a²)²⟩/4 divided by the fourth root of t. The
// derivative of C by ln t is ⟨(b² − a²) b v t⟩. The root stops the growth of t where C is
// flat, as it is for long trajectories of Microcanonical.
//
// A trajectory that meets a wall is rejected however small its steps are. Where too many
// do, the length falls: a smaller step would not help, and would become smaller and smaller.
func (t *hmcTuner) learnLength() {
	if t.first {
		return
	}
	var slope, weight float64
	for i, a := range t.begin {
		p := t.s.probability(i)
		if p == 0 {
			continue
		}
		x, v := t.s.trial.x.RawRowView(i), t.s.trial.v.RawRowView(i)
		b := floats.Dot(t.axis, t.deviation(x))
		change := b*b - a*a
		along := b * floats.Dot(t.axis, v)
		slope += p * change * (along*t.m.length - change/16)
		weight += p
	}
	t.learnAxis()
	t.lost += (t.lostNow() - t.lost) / 5
	most := (1 - t.target) / 2
	g := slope / weight
	if weight == 0 || !num.Finite(g) {
		if t.lost <= most {
			return
		}
		g = 0
	}
	t.learnt++
	const decay = 0.95
	t.square = decay*t.square + (1-decay)*g*g
	switch {
	case t.lost > most:
		t.length -= learnRate * math.Min(4, t.lost/most)
	case t.square == 0:
		return
	default:
		t.length += learnRate * g / math.Sqrt(t.square/(1-math.Pow(decay, t.learnt)))
	}
	t.smooth += (t.length - t.smooth) * math.Max(1/t.learnt, 1/(1+t.sweeps/5))
}

// lostNow is the part of the trajectories of this sweep that left the support.
func (t *hmcTuner) lostNow() float64 {
	var lost float64
	for _, alive := range t.s.trial.alive {
		if !alive {
			lost++
		}
	}
	return lost / float64(len(t.s.trial.alive))
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
	t.m.HMC = h
	t.m.setScale()
	t.x.reset()
	t.grad.reset()
	if t.first {
		// In units of the mass all scales are about one.
		t.first = false
		step = math.Pow(float64(dim), -0.25)
		length := 1.5
		if t.m.unit {
			step *= math.Sqrt(float64(dim))
			length *= math.Sqrt(float64(dim))
		}
		t.length = math.Log(length)
	}
	t.learnt, t.square = 0, 0
	clear(t.axis)
	clear(t.sum)
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
