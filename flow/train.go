package flow

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/internal/graph"
	"github.com/neuralrg/neuralrg/target"
)

// Settings configures training. A zero field means its default.
//
// InversionKL keeps a model without symmetrisation from choosing one of the two
// magnetisations of a ferromagnet (paper, App. E). The penalty is part of
// what is minimised, at the cost of an inverse pass, but not of any loss that
// is reported: that remains the bound of eq. 5. A symmetrised model takes
// none.
//
// Images makes a symmetrised model cheap to train whose group is large. The
// density of every sample is the mean over the identity and Images − 1 other
// elements, drawn from Src, in place of all, at the cost in time and memory of an
// inverse pass of Batch·(Images − 1) rows. What is reported is of this density:
// the loss is a bound, too, which falls with Images, on average, from that of the
// model without symmetry, at 1, to that of the symmetrised one. The model is what it
// was: LogProb, Sample and Latent, and with it hybrid Monte Carlo, are of the
// whole group. With Data, ln q of a configuration is over as many random elements of
// its own, which on average is less than over all.
//
// Anneal makes a target with several modes flat at first, so that the flow finds
// all of them before they part, and lets it cool; Ramp is the usual schedule.
// Losses are reported for the target as it is. At the end β should be 1.
//
// Data teaches the flow what it does not propose by itself: the reverse
// divergence forgives what q leaves out, the likelihood of configurations of
// the target does not. What is minimised is
//
//	(1−w)·E_q[ln q − ln π] − w·E_data[ln q], w = DataWeight.
//
// The configurations may come from anywhere, the chains of hybrid Monte Carlo
// in the latent space of the flow itself among them (adaptive Monte Carlo;
// Gabrié, Rotskoff and Vanden-Eijnden, PNAS 119, e2109420119 (2022)).
//
// Average keeps an exponential moving average of the parameters beside them,
// over the last 1/(1−Average) steps or so, which training does not see.
// Trainer.UseAverage puts it into the model; Train does so at its end.
//
// Evaluate judges the model as every EvaluateEvery-th step leaves it, not its
// average, from samples that training does not see: Src must be another source
// than that of training, which goes on as it would without. An evaluation is part
// of its step and not interrupted. One that fails, for what would be a fault of
// a batch, is an error under FaultStop, after the step; under other policies it
// is counted as a fault and left out.
type Settings struct {
	Steps        int         // of Train; required there
	Batch        int         // samples per step, 512 by default
	LearnRate    float64     // of Adam, 1e-3 by default
	Schedule     Schedule    // of the learning rate, constant by default
	Plateau      *Plateau    // lowers the learning rate where the loss has ceased to fall, if not nil
	Average      float64     // decay a in (0, 1) of the average of the parameters; 0 for none
	Anneal       Schedule    // of the inverse temperature β in E_q[ln q − β ln π], which is minimised, 1 by default
	InversionKL  float64     // α ≥ 0 of the penalty α·KL(q(x) ‖ q(−x)), 0 by default
	Images       int         // elements of the symmetry group in the mean that is q, all by default
	PathGradient bool        // estimate the gradient along the path z → x alone, with less noise near the optimum, for up to two more inverse passes
	Data         Sampler     // of configurations to learn from, none by default
	DataWeight   float64     // of these, in (0, 1], ½ by default
	ClipNorm     float64     // bound of the gradient's Euclidean norm, to which longer ones are scaled; 0 for none
	MaxScale     float64     // bound of |scale| in affine couplings, so that none stretches by more than exp(MaxScale); 0 for none
	OnFault      FaultPolicy // what to do about a batch that fails, FaultStop by default
	MaxFaults    int         // batches in a row that may fail, 100 by default
	Window       int         // steps over which Result averages, 100 by default
	Recorder     Recorder    // is told of every step, if not nil
	Src          rand.Source // draws latent variables and images; required

	Evaluate      *EvaluateSettings // of two samples or more, none by default
	EvaluateEvery int               // steps from one evaluation to the next, 100 by default
}

// Sampler fills x, (rows, Dim), with configurations of a target. It is called once
// a step, before the parameters change; an error is a fault. A trainer that is
// to be resumed must find it in the state in which it was.
type Sampler interface {
	Sample(x *mat.Dense) error // every row is to be written
}

// FaultPolicy says what a trainer does about a fault: a batch whose ln q, ln π
// or gradient is NaN or infinite, or would make a parameter or a moment of the
// optimiser so, or at which the target fails. No policy lets one reach the
// parameters.
type FaultPolicy int

const (
	// FaultStop ends training with an error at the first fault.
	FaultStop FaultPolicy = iota
	// FaultSkip drops the batch and draws another, until Settings.MaxFaults
	// of them in a row have failed.
	FaultSkip
	// FaultShrink does the same and halves the learning rate, which every good
	// step brings back by 1 % until it is what it was.
	FaultShrink
)

// Report is the outcome of one training step.
type Report struct {
	Step       int       // from 1
	Estimate             // from the batch of this step, before its update
	Running    Estimate  // from the batches of the last Settings.Window steps
	Evaluation *Estimate // by Settings.Evaluate, after the update; nil at steps without
	LearnRate  float64   // of this step, after Schedule, Plateau and faults
	Faults     int       // batches and evaluations that were dropped so far
	Data       float64   // mean of ln q over the configurations of Settings.Data, in nats; 0 without
}

// Recorder is told of every training step as it ends; it may use the model. An
// error stops training.
type Recorder interface {
	Record(r *Report) error // r is not kept by the trainer
}

// Result is the outcome of training: the running estimate, from the last
// Settings.Window steps, in the course of which the model still changed.
// Evaluate judges the final model.
type Result struct {
	Steps  int // made
	Faults int // batches and evaluations that were dropped
	Estimate
}

// Trainer trains a model on a target by probability density distillation
// (eq. 5) with Adam. It is not safe for concurrent use, and the model must not
// be used while a step is under way.
type Trainer struct {
	m        *Model
	s        Settings
	rnd      *rand.Rand
	weights  []float64 // of ln q and ln π in what is minimised
	program  *graph.Program
	path     *pathGradient // in place of program, or nil
	data     *likelihood   // or nil
	images   *images       // or nil
	params   [][]float64
	adam     *adam
	step     int
	faults   int
	shrink   float64         // factor of the learning rate after faults
	plateau  plateauState    // with Settings.Plateau
	averages [][]float64     // of params, or nil
	held     *evaluator      // of Settings.Evaluate, or nil
	scales   []*mat.VecDense // of couplings, where they are bounded
	window   []moments       // of the last steps, a ring
	z        []float64
	in       [][]float64 // z
	logq     []float64
	logpi    []float64
	grads    [][]float64
	out      [][]float64
	gradient []float64 // all of grads, end to end
}

// NewTrainer returns a trainer of m on the density t. It fails with
// ErrSettings for a nil source or a setting out of range, with ErrShape if the
// dimensions differ, and with ErrSymmetry if m is symmetrised and t is not
// symmetric. Settings.Steps is for Train alone.
func NewTrainer(m *Model, t target.Density, s *Settings) (*Trainer, error) {
	if err := match(m, t); err != nil {
		return nil, err
	}
	if s == nil || s.Src == nil {
		return nil, fmt.Errorf("flow: %w: training needs a source of randomness", ErrSettings)
	}
	tr := &Trainer{m: m, s: *s, rnd: rand.New(s.Src), weights: []float64{1, -1}, shrink: 1}
	if tr.s.Batch == 0 {
		tr.s.Batch = 512
	}
	if tr.s.LearnRate == 0 {
		tr.s.LearnRate = 1e-3
	}
	if tr.s.Window == 0 {
		tr.s.Window = 100
	}
	if tr.s.MaxFaults == 0 {
		tr.s.MaxFaults = 100
	}
	switch {
	case tr.s.DataWeight != 0 && tr.s.Data == nil || !(tr.s.DataWeight >= 0 && tr.s.DataWeight <= 1):
		return nil, fmt.Errorf("flow: %w: DataWeight %g, want one from 0 to 1, with Data", ErrSettings, s.DataWeight)
	case tr.s.PathGradient && tr.s.InversionKL > 0:
		return nil, fmt.Errorf("flow: %w: InversionKL %g with PathGradient, which has no estimate of it", ErrSettings, s.InversionKL)
	case !(tr.s.ClipNorm >= 0) || !(tr.s.MaxScale >= 0) || math.IsInf(tr.s.ClipNorm, 1) || math.IsInf(tr.s.MaxScale, 1):
		return nil, fmt.Errorf("flow: %w: ClipNorm %g and MaxScale %g, want positive finite numbers, or 0 for none", ErrSettings, s.ClipNorm, s.MaxScale)
	case tr.s.OnFault < FaultStop || tr.s.OnFault > FaultShrink || tr.s.MaxFaults < 0:
		return nil, fmt.Errorf("flow: %w: OnFault %d, MaxFaults %d", ErrSettings, s.OnFault, s.MaxFaults)
	case tr.s.Batch < 0:
		return nil, fmt.Errorf("flow: %w: batch of %d", ErrSettings, s.Batch)
	case !(tr.s.LearnRate > 0) || math.IsInf(tr.s.LearnRate, 1):
		return nil, fmt.Errorf("flow: %w: learning rate %g", ErrSettings, s.LearnRate)
	case !(tr.s.InversionKL >= 0) || math.IsInf(tr.s.InversionKL, 1):
		return nil, fmt.Errorf("flow: %w: penalty of factor %g", ErrSettings, s.InversionKL)
	case tr.s.InversionKL > 0 && m.group != nil:
		return nil, fmt.Errorf("flow: %w: a penalty of factor %g for asymmetry, and a model that is symmetrised", ErrSettings, s.InversionKL)
	case tr.s.Window < 0:
		return nil, fmt.Errorf("flow: %w: window of %d steps", ErrSettings, s.Window)
	case tr.s.Average != 0 && !(tr.s.Average > 0 && tr.s.Average < 1):
		return nil, fmt.Errorf("flow: %w: Average %g, want a decay between 0 and 1, or 0 for none", ErrSettings, s.Average)
	}
	if tr.s.Plateau != nil {
		var err error
		if tr.s.Plateau, err = tr.s.Plateau.defaults(tr.s.Window); err != nil {
			return nil, err
		}
	}
	tr.plateau.Factor = 1
	if err := tr.s.evaluation(); err != nil {
		return nil, err
	}
	if tr.s.Evaluate != nil {
		var err error
		if tr.held, err = newEvaluator(m, t, tr.s.Evaluate); err != nil {
			return nil, fmt.Errorf("flow: Evaluate: %w", err)
		}
	}
	var err error
	if tr.images, err = newImages(m, s.Images); err != nil {
		return nil, fmt.Errorf("flow: %w", err)
	}
	total := 0
	for _, p := range m.Params() {
		v := p.Value().Float64s()
		tr.params = append(tr.params, v)
		if tr.s.Average != 0 {
			tr.averages = append(tr.averages, make([]float64, len(v)))
		}
		total += len(v)
	}
	tr.gradient = make([]float64, total)
	at := 0
	for _, p := range tr.params {
		tr.grads = append(tr.grads, tr.gradient[at:at+len(p)])
		at += len(p)
	}
	tr.adam = newAdam(tr.s.LearnRate, tr.params)
	tr.z = make([]float64, tr.s.Batch*m.Dim())
	tr.in = [][]float64{tr.z}
	tr.logq, tr.logpi = make([]float64, tr.s.Batch), make([]float64, tr.s.Batch)
	tr.out = append([][]float64{tr.logq, tr.logpi}, tr.grads...)
	if tr.s.MaxScale > 0 {
		_, e := encode(m)
		for _, b := range e.found {
			switch b := b.(type) {
			case *bijector.RealNVP:
				for _, c := range b.Couplings() {
					tr.scales = append(tr.scales, c.Scale)
				}
			case *bijector.Spline:
				for _, c := range b.Couplings() {
					if c.Affine != nil {
						tr.scales = append(tr.scales, c.Affine.Scale)
					}
				}
			}
		}
	}
	if tr.s.Data != nil {
		if tr.s.DataWeight == 0 {
			tr.s.DataWeight = 0.5
		}
		tr.data = newLikelihood(m, tr.s.Batch, tr.images)
	}
	if tr.s.PathGradient {
		tr.path = newPathGradient(m, t, tr.s.Batch, tr.weights, tr.images, tr.out)
	} else {
		tr.program = lossProgram(m, t, tr.weights, tr.s.InversionKL, tr.images)
	}
	return tr, nil
}

// evaluation sets defaults of the held-out evaluation.
func (s *Settings) evaluation() error {
	if s.Evaluate == nil {
		if s.EvaluateEvery != 0 {
			return fmt.Errorf("flow: %w: EvaluateEvery %d without Evaluate", ErrSettings, s.EvaluateEvery)
		}
		return nil
	}
	e, err := s.Evaluate.defaults()
	if err != nil {
		return fmt.Errorf("flow: Evaluate: %w", err)
	}
	if e.Src == nil || reflect.ValueOf(e.Src).Comparable() && e.Src == s.Src {
		return fmt.Errorf("flow: Evaluate: %w: needs a source of its own", ErrSettings)
	}
	if e.Samples < 2 || s.EvaluateEvery < 0 {
		return fmt.Errorf("flow: Evaluate: %w: %d samples every %d steps, want two or more", ErrSettings, e.Samples, s.EvaluateEvery)
	}
	if s.EvaluateEvery == 0 {
		s.EvaluateEvery = 100
	}
	s.Evaluate = e
	return nil
}

// lossProgram maps z to ln q, ln π and the gradients of the mean of their sum
// with the weights of the moment, and of alpha times the mean of
// ln q(x) − ln q(−x), with respect to the parameters of m.
func lossProgram(m *Model, t target.Density, weights []float64, alpha float64, s *images) *graph.Program {
	return graph.NewProgram(m.dtype, []int{m.Dim()}, func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
		x, logq, logpi, err := m.distill(in[0], t, s)
		if err != nil {
			return nil, err
		}
		diff, err := graph.Combine(0, weights, logq, logpi)
		if err != nil {
			return nil, err
		}
		if alpha > 0 {
			inversion, err := Inversion(m.Dim()).complete(m.Dim())
			if err != nil {
				return nil, err
			}
			y, err := inversion.node(x)
			if err != nil {
				return nil, err
			}
			_, inverted, err := m.inferred(y)
			if err != nil {
				return nil, err
			}
			if diff, err = graph.Combine(0, []float64{1, alpha, -alpha}, diff, logq, inverted); err != nil {
				return nil, err
			}
		}
		loss, err := graph.Total(1/float64(in[0].Shape()[0]), diff)
		if err != nil {
			return nil, err
		}
		grads, err := m.paramGrads(loss, in[0])
		return append([]*gorgonia.Node{logq, logpi}, grads...), err
	})
}

// paramGrads returns the gradients of a cost with respect to the parameters;
// one that takes no part in it has gradient zero.
func (m *Model) paramGrads(cost, x *gorgonia.Node) ([]*gorgonia.Node, error) {
	grads, err := graph.ParamGrad(cost, x, m.Params())
	if err != nil {
		return nil, err
	}
	for i, g := range grads {
		if g == nil {
			p := m.Params()[i].Node(x)
			if grads[i], err = graph.Combine(0, []float64{0}, p); err != nil {
				return nil, err
			}
		}
	}
	return grads, nil
}

// Step draws a batch, computes its loss and gradient and updates the
// parameters; under FaultSkip and FaultShrink it draws batches until one is
// good.
//
// When it fails the error wraps ErrNotFinite if ln q, ln π or the gradient was
// NaN or infinite, the target's own error if that failed, and names the step
// and, as far as it can tell, the layer and the coupling. The parameters are
// those of the last good step. If it is the Recorder that fails, or an evaluation,
// the step was made, and its report comes with the error.
func (tr *Trainer) Step() (*Report, error) { return tr.advance(context.Background()) }

func (tr *Trainer) advance(ctx context.Context) (*Report, error) {
	step := tr.step + 1
	factor, err := tr.s.Schedule.at(step)
	if err != nil {
		return nil, fmt.Errorf("flow: step %d: learning rate: %w", step, err)
	}
	beta, err := tr.s.Anneal.at(step)
	if err != nil {
		return nil, fmt.Errorf("flow: step %d: inverse temperature: %w", step, err)
	}
	tr.weights[1] = -beta
	factor *= tr.plateau.Factor
	var batch moments
	var rate float64
	for failed := 0; ; {
		var err error
		if batch, err = tr.gradients(); err == nil {
			rate = factor * tr.shrink
			if err = tr.update(rate); err == nil {
				break
			}
		}
		if tr.s.OnFault == FaultStop {
			return nil, fmt.Errorf("flow: step %d: %w", step, tr.explain(err))
		}
		if failed++; failed > tr.s.MaxFaults {
			return nil, fmt.Errorf("flow: step %d: %d batches in a row failed, the last: %w", step, failed, tr.explain(err))
		}
		tr.faults++
		if tr.s.OnFault == FaultShrink {
			tr.shrink = max(tr.shrink/2, minShrink)
		}
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("flow: training stopped after step %d: %w", tr.step, err)
		}
	}
	tr.shrink = min(1, tr.shrink*1.01)
	tr.step = step
	if len(tr.window) < tr.s.Window {
		tr.window = append(tr.window, batch)
	} else {
		tr.window[(step-1)%tr.s.Window] = batch
	}
	if tr.averages != nil {
		average(tr.averages, tr.params, tr.s.Average, step)
	}
	r := &Report{Step: step, Estimate: batch.estimate(), Running: tr.running(), LearnRate: rate * tr.s.LearnRate}
	if tr.s.Plateau != nil {
		tr.plateau.judge(tr.s.Plateau, beta, r.Running.Loss, tr.s.Window)
	}
	if tr.data != nil {
		r.Data = tr.data.mean
	}
	var failed error
	if tr.held != nil && step%tr.s.EvaluateEvery == 0 {
		if r.Evaluation, err = tr.held.judge(); err != nil {
			if tr.s.OnFault == FaultStop {
				failed = fmt.Errorf("flow: step %d: evaluation: %w", step, err)
			} else {
				tr.faults++
			}
		}
	}
	r.Faults = tr.faults
	if tr.s.Recorder != nil {
		if err := tr.s.Recorder.Record(r); err != nil {
			failed = errors.Join(failed, fmt.Errorf("flow: step %d: recorder: %w", step, err))
		}
	}
	return r, failed
}

// gradients draws a batch and computes its loss and gradient.
func (tr *Trainer) gradients() (moments, error) {
	tr.m.draw(tr.z, tr.rnd)
	tr.images.draw(tr.s.Batch, tr.rnd)
	batch := newMoments()
	var err error
	if tr.path != nil {
		err = tr.path.run(tr.s.Batch, tr.in)
	} else {
		err = tr.program.Run(tr.s.Batch, tr.in, tr.out)
	}
	if err != nil {
		return batch, err
	}
	if err := batch.addRows(tr.logq, tr.logpi); err != nil {
		return batch, err
	}
	if !batch.finite() {
		return batch, fmt.Errorf("mean and variance of ln(q/π): %w: %g, %g", ErrNotFinite, batch.mean, batch.m2)
	}
	if tr.data != nil {
		if err := tr.data.add(tr.gradient, tr.m, tr.s.Data, tr.s.DataWeight, tr.rnd); err != nil {
			return batch, fmt.Errorf("data: %w", err)
		}
	}
	for i, g := range tr.gradient {
		if math.IsNaN(g) || math.IsInf(g, 0) {
			return batch, fmt.Errorf("gradient component %d%s: %w: %g", i, tr.m.owner(i), ErrNotFinite, g)
		}
	}
	return batch, nil
}

// explain adds to an error where numbers that are not finite come from.
func (tr *Trainer) explain(err error) error {
	if !errors.Is(err, ErrNotFinite) {
		return err
	}
	if at := tr.m.origin(tr.z); at != "" {
		return fmt.Errorf("%w; %s", err, at)
	}
	return err
}

func (tr *Trainer) running() Estimate {
	sum := newMoments()
	for _, b := range tr.window {
		sum.merge(b)
	}
	return sum.estimate()
}

// Result returns the outcome so far.
func (tr *Trainer) Result() *Result { return &Result{tr.step, tr.faults, tr.running()} }

// Run makes the given number of steps. It stops with the context's error,
// wrapped, when ctx is done between two of them.
func (tr *Trainer) Run(ctx context.Context, steps int) error {
	if ctx == nil {
		return fmt.Errorf("flow: %w: nil context", ErrSettings)
	}
	if steps < 0 {
		return fmt.Errorf("flow: %w: %d steps", ErrSettings, steps)
	}
	for range steps {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("flow: training stopped after step %d: %w", tr.step, err)
		}
		if _, err := tr.advance(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Train trains m on the density t for s.Steps steps (paper, Algorithm 1). It
// fails as NewTrainer and Step do, and with ErrSettings unless s.Steps is
// positive. When it is stopped, by ctx or by an error, the result is that of
// the steps made, and nil if training did not begin. With s.Average the model
// ends with the averaged parameters, however few the steps.
func Train(ctx context.Context, m *Model, t target.Density, s *Settings) (*Result, error) {
	tr, err := NewTrainer(m, t, s)
	if err != nil {
		return nil, err
	}
	if s.Steps <= 0 {
		return nil, fmt.Errorf("flow: %w: %d steps", ErrSettings, s.Steps)
	}
	err = tr.Run(ctx, s.Steps)
	if tr.averages != nil && tr.step > 0 {
		err = errors.Join(err, tr.UseAverage())
	}
	return tr.Result(), err
}
