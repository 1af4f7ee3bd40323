package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/neuralrg/neuralrg/examples/internal/checkpoint"
	"github.com/neuralrg/neuralrg/flow"
	"github.com/neuralrg/neuralrg/target"
)

// report is all that the program finds.
type report struct {
	numbers
	o        *options
	fluid    *target.Particles
	startESS float64 // of the model at which annealing starts
	annealed *flow.AISResult

	radial, plainRadial *radial
}

// numbers are those of -json. ln Z is that of target.Particles.
type numbers struct {
	ESS, Acceptance, LogZ, LogZErr float64 // of annealing
	Pressure, PressureErr          float64
	Seconds, TrainSeconds          float64
	Rungs                          int

	TI struct { // thermodynamic integration
		LogZ, LogZErr, Seconds float64
		Warning                string
	}
	HMC struct{ Pressure, PressureErr, Seconds float64 } // without annealing
}

// String is what the program prints.
func (r *report) String() string {
	var b strings.Builder
	volume := float64(r.fluid.Dim()) * math.Log(2*math.Pi)
	fmt.Fprintf(&b, "\n%d WCA particles in %d dimensions, density %g, temperature %g, edge %.4f\n",
		r.o.n, r.o.axes, r.o.density, r.o.temperature, r.o.edge())
	from := "uniform positions"
	if r.o.train > 0 {
		from = fmt.Sprintf("a flow, trained for %.0f s", r.TrainSeconds)
	}
	fmt.Fprintf(&b, "Annealing from %s in %.1f s, %d rungs\n", from, r.Seconds, r.Rungs)
	fmt.Fprintf(&b, "  ESS           %.3f; before annealing %.2g\n", r.ESS, r.startESS)
	fmt.Fprintf(&b, "  acceptance    %.3f\n", r.Acceptance)
	fmt.Fprintf(&b, "  ln(Q/V^N)     %.4f ± %.4f, ln Z %.4f\n", r.LogZ-volume, r.LogZErr, r.LogZ)
	fmt.Fprintf(&b, "  pressure      %.4f ± %.4f\n", r.Pressure, r.PressureErr)
	fmt.Fprintf(&b, "Thermodynamic integration, %.1f s\n", r.TI.Seconds)
	fmt.Fprintf(&b, "  ln(Q/V^N)     %.4f ± %.4f\n", r.TI.LogZ-volume, r.TI.LogZErr)
	if e := math.Hypot(r.LogZErr, r.TI.LogZErr); !math.IsInf(e, 1) {
		fmt.Fprintf(&b, "  apart by      %.1f errors\n", math.Abs(r.LogZ-r.TI.LogZ)/e)
	}
	if r.TI.Warning != "" {
		fmt.Fprintf(&b, "  %s\n", r.TI.Warning)
	}
	fmt.Fprintf(&b, "Hybrid Monte Carlo, %.1f s\n", r.HMC.Seconds)
	fmt.Fprintf(&b, "  pressure      %.4f ± %.4f\n", r.HMC.Pressure, r.HMC.PressureErr)
	chi2, n := r.apart()
	fmt.Fprintf(&b, "  g(r)          χ² of the difference %.1f in %d bins\n", chi2, n)
	return b.String()
}

// apart compares g(r) of annealing and of hybrid Monte Carlo, where pairs are not rare.
func (r *report) apart() (chi2 float64, n int) {
	for k, g := range r.radial.G {
		if h := r.plainRadial; g > 0.02 && h.G[k] > 0.02 {
			chi2 += math.Pow(g-h.G[k], 2) / (r.radial.Err[k]*r.radial.Err[k] + h.Err[k]*h.Err[k])
			n++
		}
	}
	return chi2, n
}

// save writes the numbers to the file of -json.
func (r *report) save() error {
	if r.o.json == "" {
		return nil
	}
	return checkpoint.Write(r.o.json, 1, func(w io.Writer) error {
		text, err := json.MarshalIndent(r.values(), "", "  ")
		if err != nil {
			return err
		}
		_, err = w.Write(append(text, '\n'))
		return err
	})
}

// values names the numbers. Those that are not known are null.
func (r *report) values() map[string]any {
	number := func(v float64) any {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil
		}
		return v
	}
	return map[string]any{
		"ess": number(r.ESS), "acceptance": number(r.Acceptance),
		"log_z": number(r.LogZ), "log_z_err": number(r.LogZErr),
		"pressure": number(r.Pressure), "pressure_err": number(r.PressureErr),
		"seconds": number(r.Seconds), "train_seconds": number(r.TrainSeconds), "rungs": r.Rungs,
		"ti": map[string]any{
			"log_z": number(r.TI.LogZ), "log_z_err": number(r.TI.LogZErr), "seconds": number(r.TI.Seconds),
		},
		"hmc": map[string]any{
			"pressure": number(r.HMC.Pressure), "pressure_err": number(r.HMC.PressureErr),
			"seconds": number(r.HMC.Seconds), "g": r.plainRadial.G, "g_err": r.plainRadial.Err,
		},
		"r": r.radial.R, "g": r.radial.G, "g_err": r.radial.Err,
	}
}
