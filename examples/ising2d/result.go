package main

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/neuralrg/neuralrg/hmc/diag"
)

// sampling is the result of one sampler. Tau is the integrated autocorrelation
// time of m².
type sampling struct {
	M2         number `json:"m2"`
	M2Err      number `json:"m2_err"`
	Accept     number `json:"accept"`
	Tau        number `json:"tau_leapfrogs"` // in leapfrog steps of a chain
	TauErr     number `json:"tau_leapfrogs_err"`
	TauSeconds number `json:"tau_seconds"`  // in the time in which all chains make as many
	Seconds    number `json:"seconds"`      // of all sweeps
	Cost       number `json:"cost_seconds"` // to a standard error of 0.001
}

// price sets Cost: the square of the error falls with the time.
func (s *sampling) price() { s.Cost = s.Seconds * s.M2Err * s.M2Err * 1e6 }

// number is null in JSON if it is not finite.
type number float64

func (n number) MarshalJSON() ([]byte, error) {
	if v := float64(n); math.IsNaN(v) || math.IsInf(v, 0) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(n))
}

func (n *number) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		*n = number(math.NaN())
		return nil
	}
	return json.Unmarshal(text, (*float64)(n))
}

// result summarises the sweeps after training. Acceptance and time are those of
// all of them; means leave out the first quarter. The error comes from the spread
// of the chains, which are independent once they have forgotten their start. To
// test that, drift is the difference between the second and the first half of the
// sweeps in standard errors.
func (w *walkers) result() (r sampling, drift float64) {
	r.Accept = number(w.accept)
	from := w.final + (len(w.chains)-w.final)/4
	mean, stdErr := chainMean(w.chains[from:])
	r.M2, r.M2Err = number(mean), number(stdErr)
	middle := (from + len(w.chains)) / 2
	early, earlyErr := chainMean(w.chains[from:middle])
	late, lateErr := chainMean(w.chains[middle:])

	tau, tauErr := autocorrTime(w.chains[from:])
	leapfrogs := float64(w.o.leapfrog)
	r.Tau, r.TauErr = number(tau*leapfrogs), number(tauErr*leapfrogs)
	r.TauSeconds = number(tau * w.seconds / float64(len(w.m2)-w.final))
	r.Seconds = number(w.seconds)
	r.price()
	return r, (late - early) / math.Hypot(earlyErr, lateErr)
}

// stuck is the number of chains that have never moved since the model is final: m² of
// all their sweeps is one number.
func (w *walkers) stuck() int {
	n := 0
	for c := range w.o.chains {
		moved := func(m2 []float64) bool { return m2[c] != w.chains[w.final][c] }
		if w.final < len(w.chains) && !slices.ContainsFunc(w.chains[w.final:], moved) {
			n++
		}
	}
	return n
}

// autocorrTime is the autocorrelation time of m² in sweeps and its standard error.
// Both are NaN if the run is too short to tell.
func autocorrTime(sweeps [][]float64) (tau, stdErr float64) {
	if len(sweeps) == 0 {
		return math.NaN(), math.NaN()
	}
	series := mat.NewDense(len(sweeps), len(sweeps[0]), nil)
	for k, m2 := range sweeps {
		series.SetRow(k, m2)
	}
	tau, stdErr, err := diag.AutocorrTime(series)
	if err != nil {
		return math.NaN(), math.NaN()
	}
	return tau, stdErr
}

// chainMean is the mean over sweeps and chains and its standard error, NaN without
// sweeps.
func chainMean(sweeps [][]float64) (mean, stdErr float64) {
	if len(sweeps) == 0 {
		return math.NaN(), math.NaN()
	}
	means := make([]float64, len(sweeps[0]))
	for _, m2 := range sweeps {
		for i, v := range m2 {
			means[i] += v / float64(len(sweeps))
		}
	}
	return diag.MeanStdErr(means)
}

// doubt says why a result is not to be trusted, and is empty if it is. The exact
// value is NaN if it is not known.
func doubt(r sampling, stuck int, drift, exact float64) string {
	switch {
	case !(r.Accept > 0):
		return "it accepts nothing"
	case stuck > 0:
		return fmt.Sprintf("%d of its chains never moved", stuck)
	case farOff(r, exact) != "":
		return farOff(r, exact)
	case math.IsNaN(drift):
		return "it has too few sweeps to tell whether it has forgotten its start"
	case math.Abs(drift) > 3:
		return fmt.Sprintf("it drifts by %.1f standard errors and has not forgotten its start", drift)
	case math.IsNaN(float64(r.Tau)):
		return "τ: too short a run to tell"
	}
	return ""
}

// farOff says so if the result is too far from the exact value. Exact is NaN if it
// is not known.
func farOff(r sampling, exact float64) string {
	off := math.Abs(float64(r.M2)-exact) / float64(r.M2Err)
	if off > 4 {
		return fmt.Sprintf("it is %.0f of its errors off", off)
	}
	return ""
}
