// Package errs holds the errors that all packages share. A public package
// exports those that it returns under its own name, such as flow.ErrSettings.
// They are the same values, so that a program asks any of them:
// errors.Is(err, flow.ErrSettings) is true for an error of package hmc, too.
package errs

import "errors"

// Errors are wrapped with what was wrong and where.
var (
	// ErrShape reports numbers of rows, columns or sites that do not fit.
	ErrShape = errors.New("wrong shape")
	// ErrSettings reports an argument or a setting outside its range.
	ErrSettings = errors.New("invalid setting")
	// ErrNotFinite reports a number that is NaN or infinite.
	ErrNotFinite = errors.New("not finite")
	// ErrFormat reports a file that is damaged, of another version, or that does
	// not fit what is to be restored from it.
	ErrFormat = errors.New("bad checkpoint")
)
