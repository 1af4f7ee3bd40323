package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/neuralrg/neuralrg/examples/internal/checkpoint"
	"github.com/neuralrg/neuralrg/flow"
)

// report is all that the program finds.
type report struct {
	numbers
	t *theory

	flow     *flow.Estimate
	weighted *twoPoint // samples of the flow, weighted
	more     []pair    // observables of the theory beside χ, by latent chains

	annealed      *flow.AISResult
	rungs         int
	annealSeconds float64
	comparisons   []comparison // with exact sums
	verdict       string       // on the latent chains
	chiSeconds    float64      // of the latent chains

	chains        chains // of plain hybrid Monte Carlo
	plainTwoPoint *twoPoint
	hmcVerdict    string // empty for nothing to say
	hmcWarmUp     float64
	moreHMC       []pair
}

// pair is a mean with its standard error.
type pair struct {
	name      string
	mean, err float64
}

// numbers are those of -json.
type numbers struct {
	ESS, Acceptance, LogZ, LogZErr float64
	Chi, ChiErr                    float64 // by latent chains
	Binder, BinderErr              float64 // by latent chains
	Seconds                        float64 // of training
	Steps                          int

	HMC struct{ Chi, ChiErr, Seconds float64 } // without the flow
}

// newReport returns a report in which no number is known.
func newReport(t *theory) *report {
	r, nan := &report{t: t}, math.NaN()
	r.ESS, r.Acceptance, r.LogZ, r.LogZErr = nan, nan, nan, nan
	r.Binder, r.BinderErr = nan, nan
	r.Chi, r.ChiErr, r.HMC.Chi, r.HMC.ChiErr = nan, nan, nan, nan
	return r
}

func (r *report) complete() {
	if e := r.flow; e != nil {
		r.ESS, r.Acceptance, r.LogZ, r.LogZErr = e.ESS, e.AcceptRate, e.LogZ, e.LogZErr
	}
	if a := r.annealed; a != nil && r.rungs > 1 {
		r.LogZ, r.LogZErr = a.LogZ, a.LogZErr
	}
}

// String is what the program prints.
func (r *report) String() string {
	r.complete()
	var b strings.Builder
	fmt.Fprintf(&b, "\nThe flow after %d steps in %.0f s\n", r.Steps, r.Seconds)
	if e := r.flow; e != nil {
		fmt.Fprintf(&b, "  −ln Z         %.4f ± %.4f, bound %.4f ± %.4f nats\n", -e.LogZ, e.LogZErr, e.Loss, e.StdErr)
		if logZ, ok := r.t.exact(); ok {
			fmt.Fprintf(&b, "  exact −ln Z   %.4f: gap %.4f ± %.4f nats, ln Z %s\n",
				-logZ, e.Loss+logZ, e.StdErr, inErrors(e.LogZ-logZ, e.LogZErr))
		} else {
			fmt.Fprintf(&b, "  gap           about %.4f nats\n", e.Loss+e.LogZ)
		}
		fmt.Fprintf(&b, "  ESS           %.3f\n  acceptance    %.3f\n", e.ESS, e.AcceptRate)
	}
	b.WriteString(r.annealing())
	if w := r.weighted; w != nil {
		b.WriteString("  from weighted samples\n" + r.measured(w))
	}
	if !math.IsNaN(r.Chi) {
		fmt.Fprintf(&b, "  χ             %.4f ± %.4f, latent chains, %.1f s (%s)\n",
			r.Chi, r.ChiErr, r.chiSeconds, r.verdict)
		if r.t.self == nil {
			fmt.Fprintf(&b, "  Binder        %.4f ± %.4f\n", r.Binder, r.BinderErr)
		}
	}
	b.WriteString(lines(r.more))
	fmt.Fprintf(&b, "Hybrid Monte Carlo without the flow, %.1f s\n", r.HMC.Seconds)
	if w := r.plainTwoPoint; w != nil {
		fmt.Fprintf(&b, "  χ             %.4f ± %.4f\n", r.HMC.Chi, r.HMC.ChiErr)
		b.WriteString(r.measured(w))
	}
	b.WriteString(lines(r.moreHMC))
	if r.hmcVerdict != "" {
		fmt.Fprintf(&b, "  %s\n", r.hmcVerdict)
	}
	b.WriteString(r.comparison())
	return b.String()
}

// measured are means from weighted samples or chains, but for the χ of chains: its error by the
// whole series is in the report. The Binder cumulant is that of the field, which spins are not.
func (r *report) measured(w *twoPoint) (text string) {
	if w == r.weighted {
		text = fmt.Sprintf("  χ             %.4f ± %.4f\n", w.Chi, w.ChiErr)
	}
	text += fmt.Sprintf("  ξ             %.3f ± %.3f\n", w.Xi, w.XiErr)
	if r.t.self == nil {
		text += fmt.Sprintf("  Binder        %.4f ± %.4f\n", w.Binder, w.BinderErr)
	}
	return text
}

// annealing tells of the samples that were annealed, and how far their means are from exact sums.
func (r *report) annealing() (text string) {
	if a := r.annealed; a != nil && r.rungs > 1 {
		text = fmt.Sprintf("Samples of the flow annealed in %d rungs, %.1f s\n  −ln Z         %.4f ± %.4f",
			r.rungs, r.annealSeconds, -a.LogZ, a.LogZErr)
		if logZ, ok := r.t.exact(); ok {
			text += ", ln Z " + inErrors(a.LogZ-logZ, a.LogZErr)
		}
		text += fmt.Sprintf("\n  ESS           %.3f\n", a.ESS)
	}
	return text + printComparisons(r.comparisons)
}

// inErrors is a distance from an exact value in standard errors. A few heavy weights tell no error.
func inErrors(off, err float64) string {
	if !(err > 0) || math.IsInf(err, 1) {
		return "of unknown error: a few weights are all"
	}
	return fmt.Sprintf("%+.1f errors from the exact one", off/err)
}

func lines(all []pair) (text string) {
	for _, p := range all {
		text += fmt.Sprintf("  %-13s %.4f ± %.4f\n", p.name, p.mean, p.err)
	}
	return text
}

// comparison says which way was faster, for the same error of χ, if both can be trusted.
func (r *report) comparison() string {
	if !(r.ChiErr > 0 && r.HMC.ChiErr > 0) || r.hmcVerdict != "" || r.verdict != "ok" {
		return ""
	}
	latent := r.chiSeconds
	plain := r.HMC.Seconds * math.Pow(r.HMC.ChiErr/r.ChiErr, 2)
	way := fmt.Sprintf("%.1f times slower", latent/plain)
	if latent < plain {
		way = fmt.Sprintf("%.1f times faster", plain/latent)
	}
	return fmt.Sprintf("For this error of χ the latent chains are %s than chains without the flow;\n"+
		"training, %.0f s, comes on top. Chains alone do not give ln Z.\n", way, r.Seconds)
}

// save writes the numbers to the file of -json.
func (r *report) save(o *options) error {
	if o.json == "" {
		return nil
	}
	r.complete()
	return checkpoint.Write(o.json, 1, func(w io.Writer) error {
		text, err := json.MarshalIndent(r.json(), "", "  ")
		if err != nil {
			return err
		}
		_, err = w.Write(append(text, '\n'))
		return err
	})
}

// json names the numbers. Those that are not known are null.
func (r *report) json() map[string]any {
	n := r.numbers
	plain := map[string]any{
		"chi": number(n.HMC.Chi), "chi_err": number(n.HMC.ChiErr), "seconds": number(n.HMC.Seconds),
	}
	all := map[string]any{
		"ess": number(n.ESS), "acceptance": number(n.Acceptance),
		"log_z": number(n.LogZ), "log_z_err": number(n.LogZErr),
		"chi": number(n.Chi), "chi_err": number(n.ChiErr), "seconds": number(n.Seconds), "steps": n.Steps,
		"hmc": plain,
	}
	if r.t.self == nil {
		all["binder"], all["binder_err"] = number(n.Binder), number(n.BinderErr)
		if w := r.plainTwoPoint; w != nil {
			plain["binder"], plain["binder_err"] = number(w.Binder), number(w.BinderErr)
		}
	}
	if logZ, ok := r.t.exact(); ok {
		all["log_z_exact"] = number(logZ)
	}
	for k, f := range r.t.more {
		if k < len(r.more) {
			all[f.Name], all[f.Name+"_err"] = number(r.more[k].mean), number(r.more[k].err)
		}
		if k < len(r.moreHMC) {
			plain[f.Name], plain[f.Name+"_err"] = number(r.moreHMC[k].mean), number(r.moreHMC[k].err)
		}
	}
	return all
}

// number is a value of JSON, which has no NaN and no infinity.
func number(v float64) any {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return v
}
