package flow

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
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
	PathGradient bool        // estimate the gradient along the path z → x alone, with less noise near the optimum, for one more inverse pass
	Data         DataSource  // of configurations to learn from, none by default
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

// FaultPolicy says what a trainer does about a fault: a batch whose ln q, ln π
// or gradient is NaN or infinite, or would make a parameter or a moment of the
// optimiser so, or at which the target fails. No policy lets one reach the
// parameters.
//
// A batch with a sample outside the support of the target, where ln π is −Inf, has
// an infinite loss and is a fault as well. What is minimised under FaultSkip and
// FaultShrink is the loss of batches without. Estimates count all samples: they
// tell how many are OutOfSupport, or Dropped because nothing is known of them.
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

// defaults returns the settings for a model with their defaults, checked.
func (s Settings) defaults(m *Model) (*Settings, error) {
	if missing(s.Src) {
		return nil, fmt.Errorf("flow: %w: training needs a source of randomness", ErrSettings)
	}
	if s.Batch == 0 {
		s.Batch = 512
	}
	if s.LearnRate == 0 {
		s.LearnRate = 1e-3
	}
	if s.Window == 0 {
		s.Window = 100
	}
	if s.MaxFaults == 0 {
		s.MaxFaults = 100
	}
	switch {
	case s.DataWeight != 0 && s.Data == nil || !(s.DataWeight >= 0 && s.DataWeight <= 1):
		return nil, fmt.Errorf("flow: %w: DataWeight %g, want one from 0 to 1, with Data", ErrSettings, s.DataWeight)
	case s.PathGradient && s.InversionKL > 0:
		return nil, fmt.Errorf("flow: %w: InversionKL %g with PathGradient, which has no estimate of it", ErrSettings, s.InversionKL)
	case !(s.ClipNorm >= 0) || !(s.MaxScale >= 0) || math.IsInf(s.ClipNorm, 1) || math.IsInf(s.MaxScale, 1):
		return nil, fmt.Errorf("flow: %w: ClipNorm %g and MaxScale %g, want positive finite numbers, or 0 for none", ErrSettings, s.ClipNorm, s.MaxScale)
	case s.OnFault < FaultStop || s.OnFault > FaultShrink || s.MaxFaults < 0:
		return nil, fmt.Errorf("flow: %w: OnFault %d, MaxFaults %d", ErrSettings, s.OnFault, s.MaxFaults)
	case s.Batch < 0:
		return nil, fmt.Errorf("flow: %w: batch of %d", ErrSettings, s.Batch)
	case !(s.LearnRate > 0) || math.IsInf(s.LearnRate, 1):
		return nil, fmt.Errorf("flow: %w: learning rate %g", ErrSettings, s.LearnRate)
	case !(s.InversionKL >= 0) || math.IsInf(s.InversionKL, 1):
		return nil, fmt.Errorf("flow: %w: penalty of factor %g", ErrSettings, s.InversionKL)
	case s.InversionKL > 0 && m.group != nil:
		return nil, fmt.Errorf("flow: %w: a penalty of factor %g for asymmetry, and a model that is symmetrised", ErrSettings, s.InversionKL)
	case s.Window < 0:
		return nil, fmt.Errorf("flow: %w: window of %d steps", ErrSettings, s.Window)
	case s.Average != 0 && !(s.Average > 0 && s.Average < 1):
		return nil, fmt.Errorf("flow: %w: Average %g, want a decay between 0 and 1, or 0 for none", ErrSettings, s.Average)
	}
	if s.Plateau != nil {
		var err error
		if s.Plateau, err = s.Plateau.defaults(s.Window); err != nil {
			return nil, err
		}
	}
	if s.Data != nil && s.DataWeight == 0 {
		s.DataWeight = 0.5
	}
	if err := s.evaluation(m); err != nil {
		return nil, err
	}
	return &s, nil
}

// evaluation sets defaults of the held-out evaluation.
func (s *Settings) evaluation(m *Model) error {
	if s.Evaluate == nil {
		if s.EvaluateEvery != 0 {
			return fmt.Errorf("flow: %w: EvaluateEvery %d without Evaluate", ErrSettings, s.EvaluateEvery)
		}
		return nil
	}
	e, err := s.Evaluate.defaults(m)
	if err != nil {
		return fmt.Errorf("flow: Evaluate: %w", err)
	}
	if missing(e.Src) || reflect.ValueOf(e.Src).Comparable() && e.Src == s.Src {
		return fmt.Errorf("flow: Evaluate: %w: needs a source of its own", ErrSettings)
	}
	if e.Data != nil && reflect.ValueOf(e.Data).Comparable() && e.Data == s.Data {
		return fmt.Errorf("flow: Evaluate: %w: needs data of its own, not those that the model learns from", ErrSettings)
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
