package flow

import (
	"fmt"
	"math"
	"strings"

	"github.com/neuralrg/neuralrg/internal/num"
)

// String returns the estimate in a few lines, in nats with standard errors, followed by
// notes on how far to trust it.
func (e Estimate) String() string {
	var b strings.Builder
	e.numbers(&b)
	for _, w := range e.warnings() {
		fmt.Fprintf(&b, "\nnote    %s", w)
	}
	return b.String()
}

// numbers writes the numbers, one on a line.
func (e *Estimate) numbers(b *strings.Builder) {
	bound := "an upper bound of -ln Z"
	if e.Dropped > 0 || e.Samples == 0 {
		bound = "no bound"
	}
	fmt.Fprintf(b, "loss    %s, %s\n", nats(e.Loss, e.StdErr), bound)
	fmt.Fprintf(b, "ln Z    %s, from %d samples of the model\n", nats(e.LogZ, e.LogZErr), e.Samples)
	fmt.Fprintf(b, "ESS     %s", shares(e.ESS, e.TailIndex))
	if e.AcceptRate > 0 {
		fmt.Fprintf(b, "\naccept  %.3g of independent proposals", e.AcceptRate)
	}
	if f := e.Forward; f != nil {
		fmt.Fprintf(b, "\ntarget  ln Z ≤ %s, from %d configurations of the target\n", nats(f.Bound, f.StdErr),
			f.Samples)
		fmt.Fprintf(b, "ln Z    %s, from these\n", nats(f.LogZ, f.LogZErr))
		fmt.Fprintf(b, "ESS     %s", shares(f.ESS, f.TailIndex))
	}
}

// Two estimates disagree if they differ by more than this number of standard errors.
const disagree = 3

// warnings returns the notes that String prints after the numbers.
func (e *Estimate) warnings() []string {
	var all []string
	note := func(format string, a ...any) { all = append(all, fmt.Sprintf(format, a...)) }
	if e.OutOfSupport > 0 {
		note("%d of %d samples are outside the support of the target: their weight is zero, the loss infinite",
			e.OutOfSupport, e.Samples)
	}
	if e.Dropped > 0 {
		note("%d more samples were dropped in batches that failed: what they would have said is unknown", e.Dropped)
	}
	refused := func(what string, n int, stdErr, k float64) {
		switch {
		case !math.IsInf(stdErr, 1):
		case k > heaviest(n):
			note("the weights of %s have too heavy a tail for an error of ln Z: index %.2f, above %.2f",
				what, k, heaviest(n))
		default:
			note("a few weights of %s outweigh all others: too few samples for an error of ln Z", what)
		}
	}
	refused("the model's samples", e.Samples-e.OutOfSupport, e.LogZErr, e.TailIndex)
	f := e.Forward
	if f == nil {
		if e.Samples > 0 {
			note("samples of the model cannot show what it never proposes;" +
				" configurations of the target can (EvaluateSettings.Data)")
		}
		return all
	}
	if f.OutOfSupport > 0 {
		note("the model has density zero at %d of %d configurations of the target", f.OutOfSupport, f.Samples)
	}
	refused("the configurations", f.Samples-f.OutOfSupport, f.LogZErr, f.TailIndex)
	switch {
	case math.IsNaN(f.Deviation):
		note("whether both estimates of ln Z agree cannot be told")
	case math.Abs(f.Deviation) > disagree:
		note("the estimates of ln Z DISAGREE by %.1f of their error:"+
			" the model leaves out a part of the target, or the configurations do", math.Abs(f.Deviation))
	default:
		note("both estimates of ln Z agree, within %.1f of their error", math.Abs(f.Deviation))
	}
	if f.ESS < e.ESS/2 {
		note("the target sees a much smaller ESS than the model:" +
			" the model leaves out, or hardly proposes, a part of the target")
	}
	return all
}

// String returns the outcome in a few lines.
func (r Result) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d steps, %d faults; in the last of them, while the model changed:\n", r.Steps, r.Faults)
	return b.String() + r.Estimate.String()
}

// String returns the report in a line, two after an evaluation.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "step %d", r.Step)
	if r.Steps > 0 {
		fmt.Fprintf(&b, " of %d", r.Steps)
	}
	fmt.Fprintf(&b, ": loss %s (running %s), ESS %.2g, learning rate %.3g",
		nats(r.Loss, r.StdErr), nats(r.Running.Loss, r.Running.StdErr), r.ESS, r.LearnRate)
	if r.Faults > 0 {
		fmt.Fprintf(&b, ", %d faults", r.Faults)
	}
	if n := r.OutOfSupport; n > 0 {
		fmt.Fprintf(&b, ", %d samples outside the support", n)
	}
	if n := r.Running.Dropped; n > 0 {
		fmt.Fprintf(&b, ", %d samples dropped", n)
	}
	if e := r.Evaluation; e != nil {
		fmt.Fprintf(&b, "\n  held out: loss %s, ln Z %s, ESS %.2g", nats(e.Loss, e.StdErr), nats(e.LogZ, e.LogZErr),
			e.ESS)
		if f := e.Forward; f != nil {
			fmt.Fprintf(&b, "; from the target: ln Z %s, ESS %.2g", nats(f.LogZ, f.LogZErr), f.ESS)
		}
	}
	return b.String()
}

// nats formats a value with its error, to two digits of the error.
func nats(v, stdErr float64) string {
	switch {
	case math.IsNaN(v):
		return "unknown"
	case math.IsInf(v, 0):
		return fmt.Sprintf("%g nats", v)
	case !num.Finite(stdErr):
		return fmt.Sprintf("%.6g nats (error unknown)", v)
	case stdErr == 0 || math.Abs(v) > 1e15*stdErr || math.Abs(v) > 1e9:
		return fmt.Sprintf("%.10g ± %.2g nats", v, stdErr)
	}
	digits := min(max(0, 1-int(math.Floor(math.Log10(stdErr)))), 12)
	return fmt.Sprintf("%.*f ± %.*f nats", digits, v, digits, stdErr)
}

// shares formats an effective sample size and the index of the tail of the weights.
func shares(ess, k float64) string {
	s := fmt.Sprintf("%.3g of these", ess)
	if k != 0 {
		s += fmt.Sprintf(", tail index of the weights %.2f", k)
	}
	return s
}
