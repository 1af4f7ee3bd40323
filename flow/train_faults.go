package flow

import (
	"context"
	"errors"
	"fmt"
)

// FaultSettings says what a trainer does about a fault. A zero field means its
// default.
//
// A batch is a fault if its ln q, ln π or gradient is NaN or infinite, if it would make a
// parameter or a moment of the optimiser NaN or infinite, or if the target or the data
// source fails. Under every policy, a fault leaves the parameters unchanged.
//
// A batch with a sample outside the support of the target, ln π = −Inf, has an infinite
// loss and is a fault, too. FaultSkip and FaultShrink therefore minimise the loss of
// batches without such samples. Estimates include them: Estimate.OutOfSupport and
// Estimate.Dropped count them.
type FaultSettings struct {
	Policy FaultPolicy // FaultStop by default
	Max    int         // batches in a row that may fail, 100 by default
}

// FaultPolicy is what a trainer does about a fault.
type FaultPolicy int

const (
	// FaultStop ends training with an error at the first fault.
	FaultStop FaultPolicy = iota
	// FaultSkip drops the batch and draws another one. Training ends with an error when
	// more than FaultSettings.Max batches in a row fail.
	FaultSkip
	// FaultShrink is FaultSkip and halves the learning rate at every fault. Every good step
	// raises it again by 1 %, up to its value without faults.
	FaultShrink
)

// defaults returns the settings with their defaults, checked.
func (s FaultSettings) defaults() (FaultSettings, error) {
	if s.Policy < FaultStop || s.Policy > FaultShrink || s.Max < 0 {
		return s, fmt.Errorf("%w: Policy %d, Max %d", ErrSettings, s.Policy, s.Max)
	}
	if s.Max == 0 {
		s.Max = 100
	}
	return s, nil
}

// minShrink is the smallest factor of the learning rate after faults.
const minShrink = 1e-6

// goodStep draws batches until one is good and moves the parameters. The learning
// rate is that of the optimiser times factor and times the factor after faults.
// goodStep returns the moments of all batches and the product of both factors.
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
		if tr.s.Faults.Policy == FaultStop || errors.Is(err, errComm) {
			return drawn, 0, fmt.Errorf("flow: step %d: %w", step, tr.explain(err))
		}
		if failed++; failed > tr.s.Faults.Max {
			return drawn, 0, fmt.Errorf("flow: step %d: %d batches in a row failed, the last: %w", step, failed,
				tr.explain(err))
		}
		tr.faults++
		if tr.s.Faults.Policy == FaultShrink {
			tr.shrink = max(tr.shrink/2, minShrink)
		}
		if err := tr.ranks.agree(ctx.Err()); err != nil {
			return drawn, 0, fmt.Errorf("flow: training stopped after step %d: %w", tr.step, err)
		}
	}
}

// explain adds to an error of ErrNotFinite where the first such number appears.
func (tr *Trainer) explain(err error) error {
	if !errors.Is(err, ErrNotFinite) {
		return err
	}
	if at := tr.m.origin(tr.z); at != "" {
		return fmt.Errorf("%w; %s", err, at)
	}
	return err
}
