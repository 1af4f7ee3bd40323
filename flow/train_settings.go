package flow

import (
	"fmt"
	"math/rand/v2"
	"reflect"
)

// Settings configures training. A zero field means its default.
//
// Images reduces the cost of training a symmetrised model with a large group. The density
// of a sample is then the mean over the identity and Images − 1 other group elements,
// drawn from Src. A step takes the time and the memory of an inverse pass of
// Batch·(Images − 1) rows. All reports use this density. Its loss is also a bound. On
// average the loss falls with Images: at 1 it is the loss of the model without symmetry,
// with all elements that of the symmetrised model. The model itself does not change:
// LogProb, Sample and Latent use the whole group. ln q of the configurations of Data is
// averaged over Images random elements. Its mean is less than with the whole group.
//
// Comm spreads training over processes, the ranks. Every rank makes an equal model, target and
// Settings and calls the same methods of its Trainer in the same order. NewTrainer sets the
// parameters and the states of the sources of all ranks to those of rank 0. All ranks then
// have the same parameters, reports and results after every step. For one number of Parts,
// training has the same bits for any number of ranks, and without Comm. Every part has random
// numbers of its own, so that other numbers of Parts, and none, give other samples.
//
// With Parts, Objective must be a loss for every row that does not depend on the other rows.
// Data.Source and Evaluation must give every rank the same configurations; every rank takes
// those of the whole batch, and makes evaluations by itself. An error or a context that ends
// training on one rank ends it on all in the same step: the other ranks have an error that
// wraps ErrRank.
//
// Anneal helps with a target that has several modes. At a small β the target π^β is nearly
// flat, and the flow finds all modes; then β rises. Ramp is the usual schedule, and β
// should be 1 at the end. Reports are always for the target at β = 1.
type Settings struct {
	Steps int         // number of steps of Train; required there, not used by NewTrainer
	Batch int         // samples per step, 512 by default
	Src   rand.Source // draws latent variables and images; required, and not a *rand.Rand, whose state cannot be saved

	Objective Objective     // the loss, ReverseKL{} by default
	Anneal    Schedule      // inverse temperature β, which multiplies ln π in the loss, 1 by default
	Images    int           // number of group elements averaged per sample, all by default
	Data      *DataSettings // configurations of the target to learn from, none by default

	Optimizer  OptimizerSettings   // learning rate, clipping, average of the parameters
	Faults     FaultSettings       // what to do if a batch fails
	Evaluation *EvaluationSettings // evaluations of the model during training, none by default

	// Parts is the number of equal parts in which a batch is computed, one after another. They
	// need the memory of one, and may be spread over the ranks of Comm. By default a batch is
	// not cut or, with Comm, has as many parts of 64 samples or more as possible.
	Parts int
	Comm  Comm // ranks that train together, each with some of Parts; nil: this process alone

	Window   int      // number of steps over which Result averages, 100 by default
	Recorder Recorder // receives a report after every step; nil: none
}

// EvaluationSettings configures evaluations during training, by fresh samples that
// training does not use. A zero field means its default.
//
// An evaluation judges the model with the parameters of that step, not with their average.
// It is part of the step and is not interrupted. Src must not be the source of training,
// so that training is the same with and without evaluations. Data must not be the data
// that the model learns from.
//
// An evaluation fails as Evaluate does. Under FaultStop this is an error, after the step.
// The other policies count it as a fault and continue.
type EvaluationSettings struct {
	EvaluateSettings     // Samples must be at least 2
	Every            int // number of steps from one evaluation to the next, 100 by default
}

// defaults returns the settings for a model with their defaults, checked.
func (s Settings) defaults(m *Model) (*Settings, error) {
	if err := checkSource(s.Src); err != nil {
		return nil, fmt.Errorf("flow: training: %w", err)
	}
	if s.Batch == 0 {
		s.Batch = 512
	}
	if s.Window == 0 {
		s.Window = 100
	}
	if s.Batch < 0 {
		return nil, fmt.Errorf("flow: %w: batch of %d", ErrSettings, s.Batch)
	}
	if s.Window < 0 {
		return nil, fmt.Errorf("flow: %w: window of %d steps", ErrSettings, s.Window)
	}
	if err := checkBatch(s.Batch, m); err != nil {
		return nil, fmt.Errorf("flow: %w", err)
	}
	r, err := newRanks(s.Comm)
	if err == nil {
		s.Parts, err = s.partsDefault(&r)
	}
	if err != nil {
		return nil, fmt.Errorf("flow: %w", err)
	}
	if s.Objective, err = checkObjective(s.Objective, m); err != nil {
		return nil, fmt.Errorf("flow: Objective: %w", err)
	}
	if s.Data, err = s.Data.defaults(); err != nil {
		return nil, fmt.Errorf("flow: Data: %w", err)
	}
	if s.Optimizer, err = s.Optimizer.defaults(s.Window); err != nil {
		return nil, fmt.Errorf("flow: Optimizer: %w", err)
	}
	if s.Faults, err = s.Faults.defaults(); err != nil {
		return nil, fmt.Errorf("flow: Faults: %w", err)
	}
	if s.Evaluation, err = s.Evaluation.complete(m, &s); err != nil {
		return nil, fmt.Errorf("flow: Evaluation: %w", err)
	}
	return &s, nil
}

// rows is the number of rows that are computed at a time.
func (s *Settings) rows() int { return s.Batch / max(1, s.Parts) }

// complete returns the settings with their defaults, checked against those of training.
func (s *EvaluationSettings) complete(m *Model, training *Settings) (*EvaluationSettings, error) {
	if s == nil {
		return nil, nil
	}
	e, err := s.EvaluateSettings.defaults(m)
	if err != nil {
		return nil, err
	}
	if err := checkSource(e.Src); err != nil {
		return nil, err
	}
	if reflect.ValueOf(e.Src).Comparable() && e.Src == training.Src {
		return nil, fmt.Errorf("%w: needs a source of its own", ErrSettings)
	}
	if d := training.Data; d != nil && e.Data != nil && reflect.ValueOf(e.Data).Comparable() && e.Data == d.Source {
		return nil, fmt.Errorf("%w: needs data of its own, not those that the model learns from", ErrSettings)
	}
	if e.Samples < 2 || s.Every < 0 {
		return nil, fmt.Errorf("%w: %d samples every %d steps, want two or more", ErrSettings, e.Samples, s.Every)
	}
	full := &EvaluationSettings{*e, s.Every}
	if full.Every == 0 {
		full.Every = 100
	}
	return full, nil
}
