package flow

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
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
	factor, err := tr.scheduled(ctx, step)
	if err = tr.agree(err); err != nil {
		return nil, err
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
	return r, tr.agree(tr.report(r))
}

// scheduled returns the factor of the learning rate of a step and sets tr.beta, unless ctx is
// done.
func (tr *Trainer) scheduled(ctx context.Context, step int) (factor float64, err error) {
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("flow: training stopped after step %d: %w", tr.step, err)
	}
	if factor, err = tr.s.Optimizer.Schedule.at(step); err != nil {
		return 0, fmt.Errorf("flow: step %d: learning rate: %w", step, err)
	}
	if tr.beta[0], err = tr.s.Anneal.at(step); err != nil {
		return 0, fmt.Errorf("flow: step %d: inverse temperature: %w", step, err)
	}
	return factor, nil
}

// gradients draws a batch and computes its loss and gradient. It returns the moments of
// the batch, also if the batch is a fault.
func (tr *Trainer) gradients() (moments, error) {
	if tr.parts != nil {
		return tr.inParts()
	}
	batch, err := tr.compute(tr.rnd)
	if err != nil {
		unknown := newMoments()
		unknown.dropped = tr.s.Batch
		return unknown, err
	}
	if err := tr.supported(&batch); err != nil {
		return batch, err
	}
	if tr.data != nil {
		if err := tr.data.next(); err != nil {
			return batch, fmt.Errorf("data: %w", err)
		}
		if err := tr.data.add(tr.gradient, 0, tr.rnd); err != nil {
			return batch, fmt.Errorf("data: %w", err)
		}
	}
	return batch, tr.finiteGradient()
}

// agree is ranks.agree between steps.
func (tr *Trainer) agree(own error) error {
	err := tr.ranks.agree(own)
	if err != nil && own == nil {
		err = fmt.Errorf("flow: training stopped after step %d: %w", tr.step, err)
	}
	return err
}

// compute draws as many rows as tr.z has, and computes their moments and gradient.
func (tr *Trainer) compute(rnd *rand.Rand) (moments, error) {
	rows := len(tr.logq)
	tr.m.draw(tr.z, rnd)
	in := tr.images.draw(rows, rnd, append(tr.in, tr.z, tr.beta))
	batch := newMoments()
	if err := tr.program.Run(rows, in, tr.out); err != nil {
		return batch, err
	}
	if err := batch.addRows(tr.logq, tr.logpi); err != nil {
		return batch, err
	}
	if !batch.finite() {
		return batch, fmt.Errorf("mean and variance of ln(q/π): %w: %g, %g", ErrNotFinite, batch.mean, batch.m2)
	}
	return batch, nil
}

// supported fails for a batch with samples outside the support of the target.
func (tr *Trainer) supported(batch *moments) error {
	if batch.out == 0 {
		return nil
	}
	where := "another rank" // has that row
	if row := slices.IndexFunc(tr.logpi, func(v float64) bool { return math.IsInf(v, -1) }); row >= 0 {
		where = fmt.Sprintf("row %d", row)
	}
	return fmt.Errorf("%s: %w: ln π is -Inf: %d of %d samples are outside the support of the target",
		where, ErrNotFinite, batch.out, tr.s.Batch)
}

// finiteGradient fails if the gradient is not finite.
func (tr *Trainer) finiteGradient() error {
	for i, g := range tr.gradient {
		if !num.Finite(g) {
			return fmt.Errorf("gradient component %d%s: %w: %g", i, tr.m.owner(i), ErrNotFinite, g)
		}
	}
	return nil
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
