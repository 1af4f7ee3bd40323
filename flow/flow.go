// Package flow builds and trains normalizing flows on lattices: the neural
// network renormalization group of Li and Wang (PRL 121, 260601 (2018)).
//
// A Model is a prior p(z) carried along by a bijector x = g(z), with the
// normalised density (eq. 1)
//
//	ln q(x) = ln p(z) − ln |det ∂x/∂z|.
//
// Hierarchy is the bijector of the paper: layers of blocks on ever coarser
// sites, with constructors for MERA-like, tree and TEBD-like networks. Train
// minimises the loss (eqs. 3–5)
//
//	L = E_{z∼p}[ln q(g(z)) − ln π(g(z))] ≥ −ln Z
//
// by probability density distillation, on the bare energy alone. Symmetrize
// makes q respect a symmetry group of the target (App. D). Latent is the
// target seen from the latent space (eq. 6), where hybrid Monte Carlo
// (package hmc) mixes well and gives unbiased results.
//
// Configurations are rows: nodes and matrices are (rows, Dim), and per-row
// quantities (rows). Logarithms are natural.
//
// The same source gives the same bits, whatever GOMAXPROCS is, on processors
// that use the same vector instructions (AVX-512, AVX2, or none); between
// these, results differ by rounding.
//
// ErrShape, ErrSettings, ErrNotFinite and ErrCheckpoint are the same values in
// all packages that have them: errors.Is(err, flow.ErrSettings) is true for a
// settings error of package hmc, too.
package flow

import (
	"errors"

	"github.com/neuralrg/neuralrg/internal/errs"
)

// Errors are wrapped with what was wrong and where.
var (
	// ErrShape reports dimensions that do not fit.
	ErrShape = errs.ErrShape
	// ErrSymmetry reports a signed permutation that is none.
	ErrSymmetry = errors.New("invalid symmetry")
	// ErrSettings reports a setting outside its range.
	ErrSettings = errs.ErrSettings
	// ErrNotFinite reports a loss or gradient that is NaN or infinite.
	ErrNotFinite = errs.ErrNotFinite
	// ErrCheckpoint reports a file that is damaged, of another version, or that
	// does not fit what is to be restored from it.
	ErrCheckpoint = errs.ErrFormat
)
