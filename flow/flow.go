// Package flow builds and trains normalizing flows on lattices: the neural
// network renormalization group of Li and Wang (PRL 121, 260601 (2018)).
//
// A Model is a prior p(z) and a bijector x = g(z). Its density is normalised (eq. 1):
//
//	ln q(x) = ln p(z) − ln |det ∂x/∂z|.
//
// A Recipe makes a model for a lattice. New makes one from any prior and any bijector;
// bijector.Hierarchy is the bijector of the paper. Train minimises the loss (eqs. 3–5)
//
//	L = E_{z∼p}[ln q(g(z)) − ln π(g(z))] ≥ −ln Z.
//
// It needs the energy −ln π of the target and no samples. Evaluate estimates the loss,
// the effective sample size and ln Z of a trained model. Symmetrize gives q a symmetry
// group of the target (App. D). Latent is the density of the target in the latent space
// (eq. 6). The kernels of package hmc mix well there, and their results are unbiased:
// Measure runs them and returns means of observables with errors. AIS goes from the model
// to the target in small steps; its weights give ln Z.
//
// A configuration is a row: nodes and matrices are (rows, Dim), quantities per
// configuration are (rows). Logarithms are natural. ln q, ln π, ln Z and losses are in
// nats.
//
// The same source gives the same bits for any GOMAXPROCS, on processors with the same
// vector instructions (AVX-512, AVX2, or none). Between these, results differ by
// rounding.
//
// ErrShape, ErrSettings, ErrNotFinite and ErrCheckpoint are the same values in all
// packages. For example, errors.Is(err, flow.ErrSettings) is also true for a settings
// error of package hmc.
package flow

import (
	"errors"

	"github.com/neuralrg/neuralrg/internal/errs"
)

// Errors are wrapped with what was wrong and where.
var (
	// ErrShape reports dimensions that do not fit.
	ErrShape = errs.ErrShape
	// ErrSymmetry reports a Symmetry that is no signed permutation, a group that is too
	// large, or a target without the symmetry of the model.
	ErrSymmetry = errors.New("invalid symmetry")
	// ErrSettings reports a setting outside its range.
	ErrSettings = errs.ErrSettings
	// ErrNotFinite reports a number that is NaN or infinite: a log-density, a gradient or
	// a parameter.
	ErrNotFinite = errs.ErrNotFinite
	// ErrCheckpoint reports a file that is damaged, that has another version, or that
	// does not fit the model or trainer that is restored.
	ErrCheckpoint = errs.ErrFormat
)
