// Package diag says what chains tell: how accurate an average over them is, and
// whether they can be trusted.
//
// A series of a quantity is a matrix with row k = the k-th measurement on every
// chain, (steps, chains). Leave out the measurements of burn-in. Numbers in errors
// (step, chain) count from zero. Standard errors are in the units of the series,
// times in steps between measurements.
//
// Summarize is the place to start: a table of all quantities, with warnings in
// words. Its parts are
//   - AutocorrTime: τ = ½ + Σ_{t≥1} ρ(t) with its error; the mean of n measurements
//     has variance 2τ·var/n;
//   - Gamma: mean, error and τ by the Γ-method, to compare with papers that use it;
//   - RHat: whether chains agree, √(variance of all / variance within chains);
//   - ESS, ESSTail, ESSMean: effective sample sizes, n/2τ for the mean;
//   - MCSE, MCSEStd, MCSEQuantile: standard errors from one or more long chains;
//   - MeanStdErr, MeanInterval: the same from the means of many chains;
//   - Jackknife: functions of means of several quantities;
//   - EBFMI: whether new velocities explore the energies.
//
// R̂, effective sample sizes and MCSE are those of ArviZ (A. Vehtari, A. Gelman,
// D. Simpson, B. Carpenter and P.-C. Bürkner, Bayesian Anal. 16, 667 (2021)). No
// diagnostic sees a mode that no chain has visited.
package diag

import (
	"errors"
	"math"

	"github.com/neuralrg/neuralrg/internal/errs"
)

// Errors are wrapped with what was wrong and where. All but ErrWindow are the
// same values as in the other packages of the module.
var (
	// ErrShape reports a series with too few steps or chains.
	ErrShape = errs.ErrShape
	// ErrSettings reports an argument outside its range.
	ErrSettings = errs.ErrSettings
	// ErrNotFinite reports a number that is NaN or infinite.
	ErrNotFinite = errs.ErrNotFinite
	// ErrWindow reports chains that are too short for an autocorrelation time.
	ErrWindow = errors.New("series too short")
)

// notFinite reports whether v is NaN or infinite.
func notFinite(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }
