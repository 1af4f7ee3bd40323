package flow

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"gorgonia.org/gorgonia"

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
type Settings struct {
	Steps       int         // of Train; required there
	Batch       int         // samples per step, 512 by default
	LearnRate   float64     // of Adam, 1e-3 by default
	Schedule    Schedule    // of the learning rate, constant by default
	InversionKL float64     // α ≥ 0 of the penalty α·KL(q(x) ‖ q(−x)), 0 by default
	Window      int         // steps over which Result averages, 100 by default
	Recorder    Recorder    // is told of every step, if not nil
	Src         rand.Source // draws latent variables; required
}

// Report is the outcome of one training step.
type Report struct {
	Step     int      // from 1
	Estimate          // from the batch of this step, before its update
	Running  Estimate // from the batches of the last Settings.Window steps
}

// Recorder is told of every training step as it ends; it may use the model. An
// error stops training.
type Recorder interface {
	Record(r *Report) error
}

// Result is the outcome of training: the running estimate, from the last
// Settings.Window steps, in the course of which the model still changed.
// Evaluate judges the final model.
type Result struct {
	Steps int // made
	Estimate
}

// Trainer trains a model on a target by probability density distillation
// (eq. 5) with Adam. It is not safe for concurrent use, and the model must not
// be used while a step is under way.
type Trainer struct {
	m        *Model
	s        Settings
	rnd      *rand.Rand
	program  *graph.Program
	params   [][]float64
	adam     *adam
	step     int
	window   []moments // of the last steps, a ring
	z        []float64
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
	tr := &Trainer{m: m, s: *s, rnd: rand.New(s.Src)}
	if tr.s.Batch == 0 {
		tr.s.Batch = 512
	}
	if tr.s.LearnRate == 0 {
		tr.s.LearnRate = 1e-3
	}
	if tr.s.Window == 0 {
		tr.s.Window = 100
	}
	switch {
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
	}
	total := 0
	for _, p := range m.Params() {
		v := p.Value().Float64s()
		tr.params = append(tr.params, v)
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
	tr.logq, tr.logpi = make([]float64, tr.s.Batch), make([]float64, tr.s.Batch)
	tr.out = append([][]float64{tr.logq, tr.logpi}, tr.grads...)
	tr.program = lossProgram(m, t, tr.s.InversionKL)
	return tr, nil
}

// lossProgram maps z to ln q, ln π and the gradients of the mean of their
// difference, and of alpha times the mean of ln q(x) − ln q(−x), with respect to
// the parameters of m; one that takes no part in the loss has gradient zero.
func lossProgram(m *Model, t target.Density, alpha float64) *graph.Program {
	return graph.NewProgram(m.dtype, []int{m.Dim()}, func(in []*gorgonia.Node) ([]*gorgonia.Node, error) {
		x, logq, logpi, err := m.distill(in[0], t)
		if err != nil {
			return nil, err
		}
		diff, err := graph.Combine(0, []float64{1, -1}, logq, logpi)
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
		grads, err := graph.ParamGrad(loss, in[0], m.Params())
		if err != nil {
			return nil, err
		}
		for i, g := range grads {
			if g == nil {
				p := m.Params()[i].Node(in[0])
				if grads[i], err = graph.Combine(0, []float64{0}, p); err != nil {
					return nil, err
				}
			}
		}
		return append([]*gorgonia.Node{logq, logpi}, grads...), nil
	})
}

// Step draws a batch, computes its loss and gradient and updates the
// parameters.
//
// If ln q, ln π or the gradient is NaN or infinite, or the target fails, it
// returns an error, wrapping ErrNotFinite in the former case and naming the
// step; the parameters are then those of the last good step.
func (tr *Trainer) Step() (*Report, error) {
	step := tr.step + 1
	factor := 1.0
	if tr.s.Schedule != nil {
		if factor = tr.s.Schedule(step); !(factor >= 0) || math.IsInf(factor, 1) {
			return nil, fmt.Errorf("flow: step %d: %w: the schedule's factor of the learning rate is %g", step, ErrSettings, factor)
		}
	}
	tr.m.draw(tr.z, tr.rnd)
	if err := tr.program.Run(tr.s.Batch, [][]float64{tr.z}, tr.out); err != nil {
		return nil, fmt.Errorf("flow: step %d: %w", step, err)
	}
	batch := newMoments()
	if err := batch.addRows(tr.logq, tr.logpi); err != nil {
		return nil, fmt.Errorf("flow: step %d: %w", step, err)
	}
	for i, g := range tr.gradient {
		if math.IsNaN(g) || math.IsInf(g, 0) {
			return nil, fmt.Errorf("flow: step %d: gradient component %d: %w: %g", step, i, ErrNotFinite, g)
		}
	}
	tr.adam.update(tr.params, tr.grads, factor)
	tr.step = step
	if len(tr.window) < tr.s.Window {
		tr.window = append(tr.window, batch)
	} else {
		tr.window[(step-1)%tr.s.Window] = batch
	}
	r := &Report{Step: step, Estimate: batch.estimate(), Running: tr.running()}
	if tr.s.Recorder != nil {
		if err := tr.s.Recorder.Record(r); err != nil {
			return r, fmt.Errorf("flow: step %d: recorder: %w", step, err)
		}
	}
	return r, nil
}

func (tr *Trainer) running() Estimate {
	sum := newMoments()
	for _, b := range tr.window {
		sum.merge(b)
	}
	return sum.estimate()
}

// Result returns the outcome so far.
func (tr *Trainer) Result() *Result { return &Result{tr.step, tr.running()} }

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
		if _, err := tr.Step(); err != nil {
			return err
		}
	}
	return nil
}

// Train trains m on the density t for s.Steps steps (paper, Algorithm 1). It
// fails as NewTrainer and Step do, and with ErrSettings unless s.Steps is
// positive. When it is stopped, by ctx or by an error, the result is that of
// the steps made, and nil if training did not begin.
func Train(ctx context.Context, m *Model, t target.Density, s *Settings) (*Result, error) {
	tr, err := NewTrainer(m, t, s)
	if err != nil {
		return nil, err
	}
	if s.Steps <= 0 {
		return nil, fmt.Errorf("flow: %w: %d steps", ErrSettings, s.Steps)
	}
	err = tr.Run(ctx, s.Steps)
	return tr.Result(), err
}
