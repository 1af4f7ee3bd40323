// Package diag says what chains tell: how accurate an average over them is, and
// whether they can be trusted.
//
// A series of a quantity is a matrix with row k = the k-th measurement on every
// chain, (steps, chains). Leave out the measurements of burn-in. Numbers in errors
// (step, chain) count from zero.
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
