package main

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/neuralrg/neuralrg/examples/internal/console"
	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/target"
)

// summary is what -json writes; energies are in nats.
type summary struct {
	Loss           float64 `json:"loss"`
	LossErr        float64 `json:"loss_err"`
	Exact          float64 `json:"exact"` // −ln Z
	Gap            float64 `json:"gap"`
	Std            float64 `json:"std"` // of ln(q/π)
	ESS            float64 `json:"ess"`
	LogZ           number  `json:"log_z"` // by reweighting
	LogZErr        number  `json:"log_z_err"`
	Steps          int     `json:"steps"`
	Params         int     `json:"params"`
	SecondsPerStep float64 `json:"seconds_per_step"`
	// TrainingSeconds are those of all steps, and of the smaller lattices of -budget.
	TrainingSeconds float64   `json:"training_seconds"`
	PeakMB          float64   `json:"peak_mb"`
	Latent          sampling  `json:"latent"`
	Physical        sampling  `json:"physical"`
	Weighted        sampling  `json:"weighted"`
	Sampling        *measured `json:"sampling"` // by flow.Measure, null without
	AIS             *annealed `json:"ais"`      // null without
}

func summarise(k *keeper, exact float64) *summary {
	e, steps := k.evaluated, len(k.history.Loss)
	return &summary{
		Loss: e.Loss, LossErr: e.StdErr, Exact: exact, Gap: e.Loss - exact, Std: math.Sqrt(e.Variance), ESS: e.ESS,
		LogZ: number(e.LogZ), LogZErr: number(e.LogZErr),
		Steps: steps, Params: countParams(k.model), SecondsPerStep: k.history.Seconds / float64(steps),
		TrainingSeconds: k.Earlier + k.history.Seconds, AIS: k.Annealed,
	}
}

func printBanner(o *options, ising *target.Ising) {
	console.Printf("Ising model on a torus of %d×%d sites, T = %.6g, exact −ln Z = %.4f\n",
		o.L, o.L, o.T, -ising.LogZ())
}

// printFlow tells how a flow is about to be trained.
func printFlow(o *options, m *flow.Model) {
	if o.budget == 0 {
		console.Printf("Flow of %d parameters, trained for %d steps of %d samples\n", countParams(m), o.steps, o.batch)
		return
	}
	share := o.share
	for _, unit := range []time.Duration{time.Second, time.Millisecond} {
		if share > 10*unit {
			share = share.Round(unit)
		}
	}
	console.Printf("Flow of %d parameters for %d×%d sites, trained for %v in steps of %d samples\n",
		countParams(m), o.L, o.L, share, o.batch)
}

// printEnergy tells how close the flow comes to the exact free energy.
func (s *summary) printEnergy(e *flow.Estimate) {
	console.Printf("\nFree energy in nats, by %d samples of the flow\n", e.Samples)
	for _, line := range []string{
		fmt.Sprintf("bound (loss)  %10.4f ± %.4f", s.Loss, s.LossErr),
		fmt.Sprintf("exact −ln Z   %10.4f", s.Exact),
		fmt.Sprintf("gap           %10.4f ± %.4f", s.Gap, s.LossErr),
		fmt.Sprintf("−ln⟨π/q⟩      %10.4f ± %.4f", -s.LogZ, s.LogZErr),
		fmt.Sprintf("ESS           %10.3f", s.ESS),
	} {
		console.Printf("  %s\n", line)
	}
	console.Printf("The loss cannot fall below −ln Z; the gap is what the flow has not learned. "+
		"100 samples with weights π/q are worth %.0f independent samples of π (ESS), and ⟨π/q⟩ is Z without bias. "+
		"Neither number shows configurations that the flow never generates.\n", 100*s.ESS)
}

// row is one sampler in the table of results.
type row struct {
	name    [2]string
	r       *sampling
	doubt   string // why it is not to be trusted
	trained bool   // it needs the flow
	note    string // what it is
}

// table has a column for each of four samplers and is 40 characters wide.
func table(rows []row, m2 float64) string {
	var b strings.Builder
	line := func(name string, value func(r row) string) {
		fmt.Fprintf(&b, "%-7s", name)
		for k, r := range rows {
			width := 8
			if k > 0 { // the names of the first column may touch the margin
				width = max(width, 1+len(r.name[0]), 1+len(r.name[1]))
			}
			fmt.Fprintf(&b, "%*s", width, value(r))
		}
		b.WriteByte('\n')
	}
	show := func(name, format string, value func(s *sampling) number) {
		line(name, func(r row) string {
			v := float64(value(r.r))
			if math.IsNaN(v) {
				return "-"
			}
			return fmt.Sprintf(format, v)
		})
	}
	line("", func(r row) string { return r.name[0] })
	line("", func(r row) string { return r.name[1] })
	show("⟨m²⟩", "%.4f", func(s *sampling) number { return s.M2 })
	show("error", "%.4f", func(s *sampling) number { return s.M2Err })
	if !math.IsNaN(m2) {
		show("exact", "%.4f", func(s *sampling) number { return number(m2) })
		show("off", "%+.1f", func(s *sampling) number { return (s.M2 - number(m2)) / s.M2Err })
	}
	show("accept", "%.2f", func(s *sampling) number { return s.Accept })
	show("τ", "%.0f", func(s *sampling) number { return s.Tau })
	line("seconds", func(r row) string { return seconds(r.r.Seconds) })
	line("cost", func(r row) string { return seconds(r.r.Cost) })
	return b.String()
}

// seconds is a time in two digits or more.
func seconds(s number) string {
	switch {
	case math.IsNaN(float64(s)):
		return "-"
	case s < 10:
		return fmt.Sprintf("%.2g", float64(s))
	}
	return fmt.Sprintf("%.0f", float64(s))
}

// verdict says in words which sampler is the cheapest, and from which error on it
// pays to train the flow, which took the given seconds. The rival of the samplers
// with a flow is the last row without one.
func verdict(rows []row, training float64) string {
	best, rival := -1, -1
	for k, r := range rows {
		if r.doubt != "" || !(r.r.Cost > 0) {
			continue
		}
		if best < 0 || r.r.Cost < rows[best].r.Cost {
			best = k
		}
		if !r.trained {
			rival = k
		}
	}
	if best < 0 {
		return "None of them can be trusted yet: longer training, more -sweeps?"
	}
	b := rows[best]
	name := strings.Join(b.name[:], " ")
	text := fmt.Sprintf("Cheapest here: %s, %s s for a standard error of 0.001.", name, seconds(b.r.Cost))
	switch {
	case !b.trained:
		text += " On this lattice the flow does not pay."
	case rival < 0:
		text += fmt.Sprintf(" Training took %s s.", seconds(number(training)))
	default:
		// Training and then b is as fast as the rival at this error.
		even := 1e-3 * math.Sqrt(float64(rows[rival].r.Cost-b.r.Cost)/training)
		text += fmt.Sprintf(" Training took %s s: it pays for errors below %.1g, for larger ones %s is faster.",
			seconds(number(training)), even, strings.Join(rows[rival].name[:], " "))
	}
	return text
}

func printSamplers(rows []row, m2, training float64) {
	console.Printf("\nStructure factor ⟨m²⟩ by samplers without bias\n")
	for _, r := range rows {
		if r.doubt != "" {
			console.Printf("WARNING: do not trust %s: %s.\n", strings.Join(r.name[:], " "), r.doubt)
		}
	}
	fmt.Print(table(rows, m2))
	text := "τ: autocorrelation time of m² in leapfrog steps. cost: seconds to a standard error of 0.001."
	if !math.IsNaN(m2) {
		text = "off: distance from the exact value in standard errors. " + text
	}
	for _, r := range rows {
		if r.note != "" {
			text += fmt.Sprintf(" %s: %s.", strings.Join(r.name[:], " "), r.note)
		}
	}
	console.Printf("%s\n", text)
	console.Printf("%s\n", verdict(rows, training))
}

func (s *summary) printEnd(o *options) {
	s.PeakMB = peakMB()
	console.Printf("\n%.3f s per training step, peak memory %.0f MB, figures in %s\n",
		s.SecondsPerStep, s.PeakMB, o.out)
}
