package diag

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// Kinds of warnings, the worst first.
const (
	stuck = iota
	modes
	unmixed
	drifting
	short
	kinds
)

const (
	mostRHat   = 1.01
	leastESS   = 100. // per chain
	enoughESS  = 400. // of all chains
	missLevel  = 1e-5 // probability that a chain misses a region by chance
	driftLevel = 1e-3
)

// warnings returns one text of every kind, empty if there is nothing to say.
func (c chains) warnings(r *Row, unit float64) [kinds]string {
	var w [kinds]string
	var still []int
	for i, s := range c {
		if (chains{s}).constant() {
			still = append(still, i)
		}
	}
	if len(still) > 0 {
		w[stuck] = fmt.Sprintf("stuck: %d of %d chains never moved: %s", len(still), len(c), list(still))
	}
	if len(still) == len(c) {
		return w
	}
	w[modes] = c.missed(unit)
	if r.RHat > c.rhatLimit(r.Tau) {
		w[unmixed] = fmt.Sprintf("unmixed: R̂ is %.3f, the chains do not sample the same distribution yet", r.RHat)
	}
	if c.drifts() {
		w[drifting] = "drifting: the last third of the steps has another mean than the first"
	}
	if want := min(leastESS*float64(len(c)), enoughESS); min(r.ESS, r.ESSTail) < want {
		w[short] = fmt.Sprintf("too short: effective samples %.0f (bulk), %.0f (tail), want %.0f",
			r.ESS, r.ESSTail, want)
	}
	return w
}

// list writes the first of many numbers.
func list(v []int) string {
	text := strings.Trim(fmt.Sprint(v[:min(len(v), 8)]), "[]")
	if len(v) > 8 {
		text += " …"
	}
	return text
}

// rhatLimit is the R̂ above which chains are unmixed. Halves of n steps with means
// of variance 2τ/n about the same mean exceed it by chance at most.
func (c chains) rhatLimit(tau float64) float64 {
	if math.IsNaN(tau) {
		return mostRHat
	}
	free, n := float64(2*len(c)-1), float64(len(c[0])/2)
	spread := distuv.ChiSquared{K: free}.Quantile(1-1e-3) / free
	return max(mostRHat, math.Sqrt(1+2*tau/n*spread))
}

// drifts compares the first with the last third: chain by chain if there are
// enough chains for a t-test, otherwise by the errors of the means.
func (c chains) drifts() bool {
	third := len(c[0]) / 3
	if third < 4 {
		return false
	}
	first, last := make(chains, len(c)), make(chains, len(c))
	diff := make([]float64, len(c))
	for i, s := range c {
		first[i], last[i] = s[:third], s[len(s)-third:]
		diff[i] = stat.Mean(last[i], nil) - stat.Mean(first[i], nil)
	}
	mean := stat.Mean(diff, nil)
	if n := float64(len(c)); len(c) >= 8 {
		t := mean / stat.StdErr(stat.StdDev(diff, nil), n)
		return 2*distuv.StudentsT{Sigma: 1, Nu: n - 1}.Survival(math.Abs(t)) < driftLevel
	}
	// The limit is wide: the errors of few effective samples are themselves rough.
	return math.Abs(mean) > 5*math.Hypot(first.mcse(), last.mcse())
}

// missed looks for chains that never go where the others are often.
func (c chains) missed(unit float64) string {
	if len(c) < 2 {
		return ""
	}
	all := c.all()
	slices.Sort(all)
	size := make([]float64, len(c)) // effective, of each chain alone
	for i, s := range c {
		if !(chains{s}).constant() {
			size[i] = chains{s}.ess()
		}
	}
	most, text := 0, ""
	for p := 0.5; p > 0.05; p -= 0.1 {
		for _, side := range []struct {
			v    float64
			name string
			sign float64
		}{{quantile(all, 1-p), "above", 1}, {quantile(all, p), "below", -1}} {
			var never []int
			for i, s := range c {
				beyond := func(v float64) bool { return side.sign*(v-side.v) > 0 }
				if math.Pow(1-p, size[i]) < missLevel && !slices.ContainsFunc(s, beyond) {
					never = append(never, i)
				}
			}
			if len(never) <= most {
				continue
			}
			share := 0.0
			for _, v := range all {
				if side.sign*(v-side.v) > 0 {
					share += 1 / float64(len(all))
				}
			}
			if share > 0.8*p { // less if many numbers are equal
				most = len(never)
				text = fmt.Sprintf("a mode seen by some chains only: %d of %d chains never go %s %.3g, where all "+
					"together are %.0f %% of the time: %s",
					most, len(c), side.name, side.v*unit, 100*share, list(never))
			}
		}
	}
	return text
}
