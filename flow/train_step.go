package flow

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/neuralrg/neuralrg/internal/num"
)

// Step draws a batch, computes its loss and gradient and updates the parameters. Under
// FaultSkip and FaultShrink it draws batches until one is good.
//
// An error names the step and, where possible, the layer and the coupling. It wraps
// ErrNotFinite if ln q, ln π or the gradient was NaN or infinite, and the error of the
// target if the target failed. The parameters are then those of the last good step. If the
// Recorder or an evaluation fails, the step was made, and Step returns its report with the
// error.
func (tr *Trainer) Step() (*Report, error) { return tr.advance(context.Background()) }

// advance makes a step. It stops drawing batches after faults when ctx is done.
func (tr *Trainer) advance(ctx context.Context) (*Report, error) {
	step := tr.step + 1
	factor, err := tr.s.Optimizer.Schedule.at(step)
	if err != nil {
		return nil, fmt.Errorf("flow: step %d: learning rate: %w", step, err)
	}
	if tr.beta[0], err = tr.s.Anneal.at(step); err != nil {
		return nil, fmt.Errorf("flow: step %d: inverse temperature: %w", step, err)
	}
	drawn, rate, err := tr.goodStep(ctx, factor*tr.plateau.Factor)
	if err != nil {
		return nil, err
	}
	tr.step = step
	tr.shrink = min(1, tr.shrink*1.01)
	if len(tr.window) < tr.s.Window {
		tr.window = append(tr.window, drawn)
	} else {
		tr.window[(step-1)%tr.s.Window] = drawn
	}
	if tr.averages != nil {
		average(tr.averages, tr.params, tr.s.Optimizer.Average, step)
	}
	running := tr.running()
	if p := tr.s.Optimizer.Plateau; p != nil { // running.mean leaves out samples outside the support, as the loss does
		tr.plateau.judge(p, tr.beta[0], running.mean, tr.s.Window)
	}
	r := &Report{
		Step: step, Steps: tr.until, Estimate: drawn.estimate(nil), Running: running.estimate(nil),
		LearnRate: rate * tr.s.Optimizer.LearnRate,
	}
	if tr.data != nil {
		r.Data = tr.data.mean
	}
	return r, tr.report(r)
}

// gradients draws a batch and computes its loss and gradient. It returns the moments of
// the batch, also if the batch is a fault.
func (tr *Trainer) gradients() (moments, error) {
	tr.m.draw(tr.z, tr.rnd)
	in := tr.images.draw(tr.s.Batch, tr.rnd, append(tr.in, tr.z, tr.beta))
	batch := newMoments()
	unknown := newMoments()
	unknown.dropped = tr.s.Batch
	if err := tr.program.Run(tr.s.Batch, in, tr.out); err != nil {
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
		if err := tr.data.add(tr.gradient, tr.rnd); err != nil {
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

// report evaluates the model at every EvaluationSettings.Every-th step and calls the
// recorder.
func (tr *Trainer) report(r *Report) (failed error) {
	if tr.held != nil && r.Step%tr.s.Evaluation.Every == 0 {
		var err error
		if r.Evaluation, err = tr.held.estimate(context.Background()); err != nil {
			if tr.s.Faults.Policy == FaultStop {
				failed = fmt.Errorf("flow: step %d: evaluation: %w", r.Step, err)
			} else {
				tr.faults++
			}
		}
	}
	r.Faults = tr.faults
	if tr.s.Recorder != nil {
		if err := tr.s.Recorder.Record(r); err != nil {
			failed = errors.Join(failed, fmt.Errorf("flow: step %d: recorder: %w", r.Step, err))
		}
	}
	return failed
}

// running returns the moments of the window.
func (tr *Trainer) running() moments {
	sum := newMoments()
	for _, b := range tr.window {
		sum.merge(b)
	}
	return sum
}
