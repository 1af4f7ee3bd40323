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

	flow       *flow.Estimate
	weighted   *twoPoint // samples of the flow, weighted
	verdict    string    // on the latent chains
	chiSeconds float64   // of the latent chains

	chains        chains // of plain hybrid Monte Carlo
	plainTwoPoint *twoPoint
	hmcVerdict    string // empty for nothing to say
	hmcWarmUp     float64
}

// numbers are those of -json.
type numbers struct {
	ESS, Acceptance, LogZ, LogZErr float64
	Chi, ChiErr                    float64 // by latent chains
	Seconds                        float64 // of training
	Steps                          int

	HMC struct{ Chi, ChiErr, Seconds float64 } // without the flow
}

func (r *report) complete() {
	if e := r.flow; e != nil {
		r.ESS, r.Acceptance, r.LogZ, r.LogZErr = e.ESS, e.AcceptRate, e.LogZ, e.LogZErr
	}
}

// String is what the program prints.
func (r *report) String() string {
	r.complete()
	var b strings.Builder
	fmt.Fprintf(&b, "\nThe flow after %d steps in %.0f s\n", r.Steps, r.Seconds)
	if e := r.flow; e != nil {
		fmt.Fprintf(&b, "  −ln Z         %.4f ± %.4f, bound %.4f ± %.4f nats\n", -e.LogZ, e.LogZErr, e.Loss, e.StdErr)
		if r.t.exact {
			fmt.Fprintf(&b, "  exact −ln Z   %.4f: gap %.4f ± %.4f nats\n", -r.t.logZ, e.Loss+r.t.logZ, e.StdErr)
		} else {
			fmt.Fprintf(&b, "  gap           about %.4f nats\n", e.Loss+e.LogZ)
		}
		fmt.Fprintf(&b, "  ESS           %.3f\n  acceptance    %.3f\n", e.ESS, e.AcceptRate)
	}
	if w := r.weighted; w != nil {
		fmt.Fprintf(&b, "  ξ             %.3f ± %.3f, from weighted samples\n", w.Xi, w.XiErr)
	}
	if r.chiSeconds > 0 {
		fmt.Fprintf(&b, "  χ             %.4f ± %.4f, latent chains, %.1f s (%s)\n",
			r.Chi, r.ChiErr, r.chiSeconds, r.verdict)
	}
	fmt.Fprintf(&b, "Hybrid Monte Carlo without the flow, %.1f s\n", r.HMC.Seconds)
	if w := r.plainTwoPoint; w != nil {
		fmt.Fprintf(&b, "  χ             %.4f ± %.4f\n", r.HMC.Chi, r.HMC.ChiErr)
		fmt.Fprintf(&b, "  ξ             %.3f ± %.3f\n", w.Xi, w.XiErr)
	}
	if r.hmcVerdict != "" {
		fmt.Fprintf(&b, "  %s\n", r.hmcVerdict)
	}
	b.WriteString(r.comparison())
	return b.String()
}

// comparison says which way was faster, for the same error of χ.
func (r *report) comparison() string {
	if !(r.ChiErr > 0 && r.HMC.ChiErr > 0) || r.hmcVerdict != "" {
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
		text, err := json.MarshalIndent(jsonOf(r.numbers), "", "  ")
		if err != nil {
			return err
		}
		_, err = w.Write(append(text, '\n'))
		return err
	})
}

// jsonOf names the numbers. Those that are not known are null.
func jsonOf(n numbers) map[string]any {
	number := func(v float64) any {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil
		}
		return v
	}
	return map[string]any{
		"ess": number(n.ESS), "acceptance": number(n.Acceptance),
		"log_z": number(n.LogZ), "log_z_err": number(n.LogZErr),
		"chi": number(n.Chi), "chi_err": number(n.ChiErr), "seconds": number(n.Seconds), "steps": n.Steps,
		"hmc": map[string]any{
			"chi": number(n.HMC.Chi), "chi_err": number(n.HMC.ChiErr), "seconds": number(n.HMC.Seconds),
		},
	}
}
