package flow

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/internal/graph"
	"github.com/neuralrg/neuralrg/target"
)

// Trainer trains a model on a target step by step: it minimises Settings.Objective, by
// default the reverse divergence (eq. 5). Train is enough for a run without
// interruptions; a Trainer can be saved and restored. It is not safe for concurrent use,
// and the model must not be used while a step runs.
type Trainer struct {
	m   *Model
	s   Settings
	rnd *rand.Rand

	program *graph.Program // of stepProgram
	images  *drawer
	data    *likelihood // of Settings.Data, or nil
	held    *evaluator  // of Settings.Evaluation, or nil
	ranks   ranks       // of Settings.Comm
	parts   *parts      // of Settings.Parts, or nil

	z, beta     []float64   // beta: the inverse temperature of the step
	in          [][]float64 // room for z, beta and images
	logq, logpi []float64
	grads       [][]float64
	out         [][]float64 // logq, logpi and grads
	gradient    []float64   // all of grads, end to end

	params   [][]float64
	scales   []*mat.VecDense // of couplings, where they are bounded
	adam     *adam
	plateau  plateauState // of OptimizerSettings.Plateau
	averages [][]float64  // of params, or nil
	shrink   float64      // factor of the learning rate after faults

	step   int
	until  int // step at the end of Run; 0 outside
	faults int
	window []moments // of the last steps, a ring
}

// NewTrainer returns a trainer of m on the density t. It does not use Settings.Steps. It
// fails with ErrSettings for a nil model, target or source or a setting out of range, with
// ErrShape if the dimensions differ, and with ErrSymmetry if m is symmetrised and t does
// not have the symmetry.
//
// With Settings.Comm it also fails, on every rank, if it fails on one of them, or if a
// rank has another model or other settings than rank 0.
func NewTrainer(m *Model, t target.Density, s *Settings) (*Trainer, error) {
	tr, err := newTrainer(m, t, s)
	if s == nil || s.Comm == nil {
		return tr, err
	}
	if tr, err = tr.join(s.Comm, err); err != nil {
		return nil, err
	}
	return tr, nil
}

// newTrainer returns a trainer that does not yet know the other ranks.
func newTrainer(m *Model, t target.Density, s *Settings) (*Trainer, error) {
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
	r, err := newRanks(s.Comm)
	if err != nil {
		return nil, fmt.Errorf("flow: %w", err)
	}
	images, err := newImages(m, s.Images)
	if err != nil {
		return nil, fmt.Errorf("flow: %w", err)
	}
	tr := &Trainer{m: m, s: *full, rnd: rand.New(s.Src), shrink: 1, plateau: plateauState{Factor: 1}, ranks: r}
	tr.images = images.drawer()
	tr.program = stepProgram(m, t, full.loss(), images)
	if full.Data != nil {
		tr.data = newLikelihood(m, full.Data, full.Batch, full.rows(), images)
	}
	if full.Evaluation != nil {
		if tr.held, err = newEvaluator(m, t, &full.Evaluation.EvaluateSettings); err != nil {
			return nil, fmt.Errorf("flow: Evaluation: %w", err)
		}
	}
	tr.makeRoom()
	return tr, nil
}

// makeRoom allocates the buffers of a step.
func (tr *Trainer) makeRoom() {
	rows := tr.s.rows()
	tr.z, tr.beta, tr.in = make([]float64, rows*tr.m.Dim()), []float64{1}, make([][]float64, 0, 3)
	tr.logq, tr.logpi = make([]float64, rows), make([]float64, rows)
	tr.gradient, tr.grads = endToEnd(tr.m)
	tr.out = append([][]float64{tr.logq, tr.logpi}, tr.grads...)
	for _, p := range tr.m.Params() {
		v := p.Value().Float64s()
		tr.params = append(tr.params, v)
		if tr.s.Optimizer.Average != 0 {
			tr.averages = append(tr.averages, make([]float64, len(v)))
		}
	}
	tr.parts = newParts(&tr.s, tr.ranks, len(tr.gradient))
	if rate := tr.s.Optimizer.LearnRate; tr.s.Optimizer.Method == Soap {
		tr.adam = newSoap(rate, tr.params, matricesOf(tr.m, tr.params))
	} else {
		tr.adam = newAdam(rate, tr.params)
	}
	if tr.s.Optimizer.MaxScale > 0 {
		tr.scales = scalesOf(tr.m)
	}
}

// Result returns the result of the steps so far.
func (tr *Trainer) Result() *Result {
	running := tr.running()
	return &Result{tr.step, tr.faults, running.estimate(nil)}
}

// Run makes the given number of steps. It fails as Step does, with ErrSettings for a nil
// context or a negative number of steps, and with the error of ctx when that is done
// between two steps.
func (tr *Trainer) Run(ctx context.Context, steps int) error {
	if ctx == nil {
		return fmt.Errorf("flow: %w: nil context", ErrSettings)
	}
	if steps < 0 {
		return fmt.Errorf("flow: %w: %d steps", ErrSettings, steps)
	}
	tr.until = tr.step + steps
	defer func() { tr.until = 0 }()
	for range steps {
		if _, err := tr.advance(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Train trains m on the density t for s.Steps steps (paper, Algorithm 1). It fails as
// NewTrainer and Step do, and with ErrSettings unless s.Steps is positive. If ctx or an
// error stops it, Train returns the error and the result of the steps made; the result is
// nil if no step was made. With OptimizerSettings.Average the model has the averaged
// parameters at the end, also after an error.
func Train(ctx context.Context, m *Model, t target.Density, s *Settings) (*Result, error) {
	tr, err := NewTrainer(m, t, s)
	if err != nil {
		return nil, err
	}
	if s.Steps <= 0 {
		return nil, fmt.Errorf("flow: Train: %w: %d steps, want Settings.Steps of one or more", ErrSettings, s.Steps)
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
