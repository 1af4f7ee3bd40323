package flow

import (
	"fmt"
	"math/rand/v2"
	"reflect"
)

// Settings configures training. A zero field means its default.
//
// Images makes a symmetrised model with a large group cheap to train. The
// density of a sample is then the mean over the identity and Images − 1 other
// elements, drawn from Src, in place of all. A step costs the time and the memory
// of an inverse pass of Batch·(Images − 1) rows. All reports are of this density.
// Its loss is a bound, too. On average it falls with Images, from the loss of the
// model without symmetry, at 1, to that of the symmetrised one. The model itself
// does not change: LogProb, Sample and Latent are of the whole group. With Data,
// ln q of a configuration is over as many random elements, which on average is
// less than over all.
//
// Anneal makes a target with several modes flat at first, so that the flow finds
// all of them before they part, and lets it cool. Ramp is the usual schedule.
// Losses are reported for the target as it is. At the end β should be 1.
type Settings struct {
	Steps int         // of Train; required there
	Batch int         // samples per step, 512 by default
	Src   rand.Source // draws latent variables and images; required, and not a *rand.Rand, whose state cannot be saved

	Objective Objective     // what is minimised, ReverseKL{} by default
	Anneal    Schedule      // of the inverse temperature β, which multiplies ln π in what is minimised, 1 by default
	Images    int           // elements of the symmetry group in the mean that is q, all by default
	Data      *DataSettings // configurations of the target to learn from, none by default

	Optimizer  OptimizerSettings   // the rule by which the parameters follow the gradient
	Faults     FaultSettings       // what to do about a batch that fails
	Evaluation *EvaluationSettings // of the model in the course of training, none by default

	Window   int      // steps over which Result averages, 100 by default
	Recorder Recorder // is told of every step, if not nil
}

// EvaluationSettings configures evaluations in the course of training, by fresh
// samples that training does not see. A zero field means its default.
//
// An evaluation judges the model, not the average of its parameters, as a step
// leaves it. It is a part of that step and is not interrupted. Src must be another
// source than that of training, which goes on as it would without evaluations,
// and Data must not be what the model learns from.
//
// An evaluation fails for the reasons for which a batch does. Under FaultStop
// that is an error, after the step. Other policies count it as a fault and go on.
type EvaluationSettings struct {
	EvaluateSettings     // with two samples or more
	Every            int // steps from one evaluation to the next, 100 by default
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
	var err error
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

// complete returns the settings with their defaults, checked, for evaluations in
// a given training.
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
