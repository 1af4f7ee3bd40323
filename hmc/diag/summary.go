package diag

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"text/tabwriter"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
)

// Named is a series (steps, chains) with a name.
type Named struct {
	Name string     // for texts
	X    *mat.Dense // (steps, chains)
}

// Row is what the chains say of one quantity. Numbers that cannot be computed are
// NaN: those of a constant quantity, and Tau where AutocorrTime refuses.
type Row struct {
	Name          string  // of the series
	Mean, MCSE    float64 // and the standard error of the mean
	Std           float64 // standard deviation of the measurements
	Q5, Q50, Q95  float64 // quantiles
	ESS, ESSTail  float64
	RHat          float64
	Tau, TauError float64 // of AutocorrTime
}

// Summary is what the chains say of several quantities.
type Summary struct {
	Rows []Row // of the series, in their order
	// Warnings are reasons not to trust the rows, the worst first. A caller may
	// append its own.
	Warnings []string
}

// OK reports whether there are no warnings.
func (s *Summary) OK() bool { return len(s.Warnings) == 0 }

// Verdict returns one line: "ok", or the first warning and how many follow.
func (s *Summary) Verdict() string {
	switch n := len(s.Warnings); n {
	case 0:
		return "ok"
	case 1:
		return "do not trust: " + s.Warnings[0]
	default:
		return fmt.Sprintf("do not trust: %s (and %d more)", s.Warnings[0], n-1)
	}
}

// String returns warnings, an aligned table and the verdict, one line each.
func (s *Summary) String() string {
	var b strings.Builder
	for _, w := range s.Warnings {
		fmt.Fprintf(&b, "WARNING: %s\n", w)
	}
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tmean\tMCSE\tsd\tq5\tq50\tq95\tESS bulk\tESS tail\tR̂\tτ\t")
	for _, r := range s.Rows {
		fmt.Fprintf(t, "%s\t%.4g\t%.2g\t%.3g\t%.3g\t%.3g\t%.3g\t%.0f\t%.0f\t%.3f\t%.2g\t\n",
			r.Name, r.Mean, r.MCSE, r.Std, r.Q5, r.Q50, r.Q95, r.ESS, r.ESSTail, r.RHat, r.Tau)
	}
	t.Flush()
	fmt.Fprintf(&b, "verdict: %s\n", s.Verdict())
	return b.String()
}

// Summarize returns a row for every series, and warnings. Leave out burn-in. It
// warns of
//   - a chain that never moved;
//   - a mode seen by some chains only: a chain never goes where all chains together
//     spend 10 % to 90 % of the time, though its own effective sample size makes
//     that unlikely (below 10⁻⁵);
//   - unmixed chains: R̂ > 1.01, and, if AutocorrTime gives a τ, above what τ and the
//     number of steps explain (probability below 10⁻³);
//   - a drift: the mean of the last third of the steps is not that of the first
//     (probability below 10⁻³; J. Geweke (1992) compares likewise);
//   - too short: ESS or ESSTail below 100 per chain, at most 400 in all, or
//     AutocorrTime refuses.
//
// No summary sees a mode that no chain has visited.
//
// The error wraps ErrShape for no series or fewer than four steps, and
// ErrNotFinite for NaN or infinity, naming series, step and chain.
func Summarize(series []Named) (*Summary, error) {
	if len(series) == 0 {
		return nil, fmt.Errorf("diag: Summarize: %w: no series", ErrShape)
	}
	s := &Summary{}
	found := make([][]string, kinds)
	for _, n := range series {
		c, unit, err := newChains(n.X)
		if err != nil {
			return nil, fmt.Errorf("diag: Summarize: %s: %w", n.Name, err)
		}
		tau, tauErr, tauFault := autocorrTime(n.X)
		if tauFault != nil {
			tau, tauErr = math.NaN(), math.NaN()
		}
		row := c.row(unit)
		row.Name, row.Tau, row.TauError = n.Name, tau, tauErr
		s.Rows = append(s.Rows, row)
		for kind, w := range c.warnings(&row, unit) {
			if kind == short && w == "" && errors.Is(tauFault, ErrWindow) {
				w = "too short: no autocorrelation time: " + tauFault.Error()
			}
			if w != "" {
				found[kind] = append(found[kind], n.Name+": "+w)
			}
		}
	}
	s.Warnings = slices.Concat(found...)
	return s, nil
}

// row computes all numbers but τ.
func (c chains) row(unit float64) Row {
	all := c.all()
	slices.Sort(all)
	nan := math.NaN()
	r := Row{
		Mean: stat.Mean(all, nil) * unit, MCSE: nan, Std: stat.StdDev(all, nil) * unit,
		Q5: quantile(all, 0.05) * unit, Q50: quantile(all, 0.5) * unit, Q95: quantile(all, 0.95) * unit,
		ESS: nan, ESSTail: nan, RHat: nan,
	}
	if !c.constant() {
		r.MCSE, r.ESS, r.ESSTail, r.RHat = c.mcse()*unit, c.halves().normal().ess(), c.essTail(), c.rhat()
	}
	return r
}
