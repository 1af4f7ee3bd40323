package flow

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/internal/graph"
	"github.com/neuralrg/neuralrg/internal/num"
	"github.com/neuralrg/neuralrg/target"
)

// Report is the outcome of one training step.
type Report struct {
	Step       int       // from 1
	Estimate             // from the batch of this step, before its update, and those that failed before it
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
// Settings.Window steps, in the course of which the model still changed. Its
// errors do not allow for what these samples have not seen; Evaluate judges the
// final model.
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
	if s == nil {
		s = &Settings{}
	}
	full, err := s.defaults(m)
	if err != nil {
		return nil, err
	}
	if err := checkBatch(full.Batch, m); err != nil {
		return nil, fmt.Errorf("flow: %w", err)
	}
	tr := &Trainer{m: m, s: *full, rnd: rand.New(s.Src), weights: []float64{1, -1}, shrink: 1}
	tr.plateau.Factor = 1
	if tr.s.Evaluate != nil {
		if tr.held, err = newEvaluator(m, t, tr.s.Evaluate); err != nil {
			return nil, fmt.Errorf("flow: Evaluate: %w", err)
		}
	}
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
		for _, b := range partsOf(m.b) {
			if b, ok := b.(bijector.LogScaler); ok {
				tr.scales = append(tr.scales, b.LogScales()...)
			}
		}
	}
	if tr.s.Data != nil {
		tr.data = newLikelihood(m, tr.s.Batch, tr.images)
	}
	if tr.s.PathGradient {
		tr.path = newPathGradient(m, t, tr.s.Batch, tr.weights, tr.images, tr.out)
	} else {
		tr.program = lossProgram(m, t, tr.weights, tr.s.InversionKL, tr.images)
	}
	return tr, nil
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
	drawn, rate, err := tr.goodStep(ctx, factor)
	if err != nil {
		return nil, err
	}
	tr.shrink = min(1, tr.shrink*1.01)
	tr.step = step
	if len(tr.window) < tr.s.Window {
		tr.window = append(tr.window, drawn)
	} else {
		tr.window[(step-1)%tr.s.Window] = drawn
	}
	if tr.averages != nil {
		average(tr.averages, tr.params, tr.s.Average, step)
	}
	running := tr.running()
	r := &Report{Step: step, Estimate: drawn.estimate(nil), Running: running.estimate(nil), LearnRate: rate * tr.s.LearnRate}
	if tr.s.Plateau != nil { // on what is minimised: samples outside the support are not
		tr.plateau.judge(tr.s.Plateau, beta, running.mean, tr.s.Window)
	}
	if tr.data != nil {
		r.Data = tr.data.mean
	}
	var failed error
	if tr.held != nil && step%tr.s.EvaluateEvery == 0 {
		if r.Evaluation, err = tr.held.estimate(context.Background()); err != nil {
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

// goodStep draws batches until one is good and moves the parameters, at factor times
// the learning rate and that after faults. It returns the moments of all batches.
func (tr *Trainer) goodStep(ctx context.Context, factor float64) (drawn moments, rate float64, err error) {
	step := tr.step + 1
	for failed := 0; ; {
		batch, err := tr.gradients()
		if failed == 0 {
			drawn = batch
		} else {
			drawn.merge(batch)
		}
		if err == nil {
			rate = factor * tr.shrink
			if err = tr.update(rate); err == nil {
				return drawn, rate, nil
			}
		}
		if tr.s.OnFault == FaultStop {
			return drawn, 0, fmt.Errorf("flow: step %d: %w", step, tr.explain(err))
		}
		if failed++; failed > tr.s.MaxFaults {
			return drawn, 0, fmt.Errorf("flow: step %d: %d batches in a row failed, the last: %w", step, failed, tr.explain(err))
		}
		tr.faults++
		if tr.s.OnFault == FaultShrink {
			tr.shrink = max(tr.shrink/2, minShrink)
		}
		if err := ctx.Err(); err != nil {
			return drawn, 0, fmt.Errorf("flow: training stopped after step %d: %w", tr.step, err)
		}
	}
}

// gradients draws a batch and computes its loss and gradient. The moments are
// those of the batch also if it is a fault.
func (tr *Trainer) gradients() (moments, error) {
	tr.m.draw(tr.z, tr.rnd)
	tr.images.draw(tr.s.Batch, tr.rnd)
	batch := newMoments()
	unknown := newMoments()
	unknown.dropped = tr.s.Batch
	var err error
	if tr.path != nil {
		err = tr.path.run(tr.s.Batch, tr.in)
	} else {
		err = tr.program.Run(tr.s.Batch, tr.in, tr.out)
	}
	if err != nil {
		return unknown, err
	}
	if err := batch.addRows(tr.logq, tr.logpi); err != nil {
		return unknown, err
	}
	if !batch.finite() {
		return unknown, fmt.Errorf("mean and variance of ln(q/π): %w: %g, %g", ErrNotFinite, batch.mean, batch.m2)
	}
	if batch.out > 0 {
		row := slices.IndexFunc(tr.logpi, func(v float64) bool { return math.IsInf(v, -1) })
		return batch, fmt.Errorf("row %d: %w: ln π is -Inf: %d of %d samples are outside the support of the target",
			row, ErrNotFinite, batch.out, tr.s.Batch)
	}
	if tr.data != nil {
		if err := tr.data.add(tr.gradient, tr.m, tr.s.Data, tr.s.DataWeight, tr.rnd); err != nil {
			return batch, fmt.Errorf("data: %w", err)
		}
	}
	for i, g := range tr.gradient {
		if !num.Finite(g) {
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

// running are the moments of the window.
func (tr *Trainer) running() moments {
	sum := newMoments()
	for _, b := range tr.window {
		sum.merge(b)
	}
	return sum
}

// Result returns the outcome so far.
func (tr *Trainer) Result() *Result {
	running := tr.running()
	return &Result{tr.step, tr.faults, running.estimate(nil)}
}

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
// the steps made, and nil if there are none. With s.Average the model
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
	if tr.step == 0 {
		return nil, err
	}
	if tr.averages != nil {
		err = errors.Join(err, tr.UseAverage())
	}
	return tr.Result(), err
}
