package hmc

import (
	"context"
	"fmt"
	"math"
)

// WarmUp makes sweeps that tune the kernels. It calls visit after each, as Run does, and
// ends with the tuned kernels in place, which Kernel returns. Nothing is tuned
// afterwards, and the counts start from zero (ResetCounts).
//
// What is tuned, from the moves of all chains together:
//   - StepSize of HMC and Microcanonical, RandomWalk.Scale and CrankNicolson.Beta, until
//     the mean acceptance probability is TargetAccept, by dual averaging (M. D. Hoffman
//     and A. Gelman, J. Mach. Learn. Res. 15, 1593 (2014));
//   - InverseMass of HMC and Microcanonical, to the diagonal matrix of the smallest Fisher
//     divergence, the square root of var(x_i)/var(∂_i ln π) as in the program nutpie, over
//     windows of sweeps that double in length;
//   - Steps of HMC and Microcanonical, by gradient ascent of the criterion of SNAPER
//     (P. Sountsov and M. D. Hoffman, arXiv:2110.11576): the mean squared change of the
//     square of the coordinate along the direction of the largest variance, divided by
//     the fourth root of the length. Steps stays at most 1000, a bound that the sweeps
//     approach as the square of their number. Trajectories have the lengths of sampling,
//     Jitter included. Near walls of −Inf they become as short as TargetAccept demands.
//
// The other kernels have nothing to tune. 200 to 1000 sweeps of each kernel are usual.
// Means and variances are those of all chains and of the sweeps of a window, so that one
// chain is enough; its number of steps is noisier than that of many.
//
// WarmUp stops at the first error of a sweep, of visit, or of ctx. The kernels are then
// what they were before it; the chains keep their positions. A negative number of sweeps
// or a nil ctx is ErrSettings. A sampler cannot be saved from visit.
func (s *Sampler) WarmUp(ctx context.Context, sweeps int, visit func(sweep int) error) error {
	if sweeps < 0 {
		return fmt.Errorf("hmc: %w: warm-up of %d sweeps", ErrSettings, sweeps)
	}
	if ctx == nil {
		return fmt.Errorf("hmc: %w: nil context", ErrSettings)
	}
	if s.tuning {
		return fmt.Errorf("hmc: %w: a warm-up in the visit of a warm-up", ErrSettings)
	}
	before := make([]Kernel, len(s.kernels))
	tuners := make([]tuner, len(s.kernels))
	for k, m := range s.kernels {
		before[k] = m.kernel()
		tuners[k] = s.tuner(m, float64(sweeps)*s.share(k))
	}
	s.tuning = true
	err := s.tune(ctx, tuners, sweeps, visit)
	s.tuning = false
	if err != nil {
		for k, m := range s.kernels {
			m.set(before[k])
		}
		return err
	}
	for k, t := range tuners {
		if t != nil && s.counts.kernels[k].sweeps > 0 {
			t.finish()
		}
	}
	s.tuned = true
	s.ResetCounts()
	return nil
}

// share is the probability of kernel k.
func (s *Sampler) share(k int) float64 {
	if s.weights == nil {
		return 1
	}
	var sum float64
	for _, w := range s.weights {
		sum += w
	}
	return s.weights[k] / sum
}

// tune makes the sweeps of WarmUp.
func (s *Sampler) tune(ctx context.Context, tuners []tuner, sweeps int, visit func(sweep int) error) error {
	for _, t := range tuners {
		if t != nil {
			t.start()
		}
	}
	for n := range sweeps {
		for _, t := range tuners {
			if t != nil {
				t.before()
			}
		}
		if err := s.sweep(ctx); err != nil {
			return fmt.Errorf("hmc: warm-up: %w", err)
		}
		if t := tuners[s.kernel]; t != nil && s.failed == 0 {
			t.after(s.acceptance())
		}
		if visit == nil {
			continue
		}
		if err := visit(n); err != nil {
			return fmt.Errorf("hmc: visit after sweep %d of the warm-up: %w", n, err)
		}
	}
	return nil
}

// tuner tunes one kernel.
type tuner interface {
	start()
	before()              // a sweep, of whatever kernel
	after(accept float64) // a sweep of this kernel
	finish()
}

// tuner returns the tuner of a kernel, nil if there is nothing to tune. sweeps is the
// number of its sweeps that are expected.
func (s *Sampler) tuner(m mover, sweeps float64) tuner {
	switch k := m.kernel().(type) {
	case HMC, Microcanonical:
		return newHMCTuner(s, m.(*hmcMover), sweeps)
	case RandomWalk:
		return &scaleTuner{
			averaging: averaging{target: k.TargetAccept, limit: math.Inf(1)}, first: k.Scale,
			set: func(scale float64) {
				k.Scale = scale
				m.set(k)
			},
		}
	case CrankNicolson:
		return &scaleTuner{
			averaging: averaging{target: k.TargetAccept, limit: 1}, first: k.Beta,
			set: func(beta float64) {
				k.Beta = beta
				m.set(k)
			},
		}
	}
	return nil
}

// acceptance is the mean over the chains of the acceptance probability in the last sweep.
func (s *Sampler) acceptance() float64 {
	var sum float64
	for i := range s.rise {
		sum += s.probability(i)
	}
	return sum / float64(len(s.rise))
}

// probability is the acceptance probability of chain i in the last sweep.
func (s *Sampler) probability(i int) float64 {
	if s.last.Divergent[i] {
		return 0
	}
	return math.Min(1, math.Exp(-s.rise[i]))
}

// scaleTuner tunes one positive number.
type scaleTuner struct {
	averaging
	first float64
	set   func(float64)
}

func (t *scaleTuner) start() { t.restart(t.first) }

func (t *scaleTuner) before() {}

func (t *scaleTuner) after(accept float64) { t.set(t.learn(accept)) }

func (t *scaleTuner) finish() { t.set(t.mean()) }

// averaging is dual averaging of the logarithm of a step size, with the constants of
// Hoffman and Gelman.
type averaging struct {
	target float64 // acceptance
	limit  float64 // of the step size

	centre      float64 // the logarithm to which the step size shrinks
	n           float64 // sweeps since restart
	deficit     float64 // mean of target − acceptance
	log, smooth float64 // logarithm of the step size, and its average
}

// restart forgets all but the step size.
func (a *averaging) restart(step float64) {
	a.centre, a.n, a.deficit = math.Log(step), 0, 0
	a.log, a.smooth = a.centre, a.centre
}

// learn returns the next step size.
func (a *averaging) learn(accept float64) float64 {
	const gamma, t0, kappa = 0.05, 10, 0.75
	a.n++
	a.deficit += (a.target - accept - a.deficit) / (a.n + t0)
	a.log = a.centre - math.Sqrt(a.n)/gamma*a.deficit
	a.log = math.Min(a.log, math.Log(a.limit))
	a.smooth += math.Pow(a.n, -kappa) * (a.log - a.smooth)
	return a.bounded(a.log)
}

// mean is the average step size.
func (a *averaging) mean() float64 { return a.bounded(a.smooth) }

// bounded is e^log, within what a step size can be.
func (a *averaging) bounded(log float64) float64 {
	return math.Min(a.limit, math.Exp(math.Max(-300, math.Min(300, log))))
}
