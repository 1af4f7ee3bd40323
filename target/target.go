// Package target holds densities to be sampled, as builders of Gorgonia
// graphs.
//
// A Density is ln π(x) up to a constant, row by row: a node of configurations
// (rows, Dim) gives a node (rows), in nats. Func makes one of a plain Go
// function with its gradient, which is how an existing physics code plugs in;
// Ising is the continuous dual of the Ising model of Li and Wang (PRL 121,
// 260601 (2018), eq. 7) with its exact partition function, and FreeField a
// Gaussian to compare with. Evaluator runs any density on plain slices.
package target

import (
	"errors"
	"math/rand/v2"

	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/errs"
)

// Errors are wrapped with what was wrong and where.
var (
	// ErrShape reports a node, slice, matrix or lattice whose extents do not
	// fit.
	ErrShape = errs.ErrShape
	// ErrSettings reports a physical parameter outside its range.
	ErrSettings = errs.ErrSettings
	// ErrNotFinite reports a number that is NaN, or infinite where it must not be.
	ErrNotFinite = errs.ErrNotFinite
	// ErrGradient reports a gradient that differs from finite differences, or
	// one that a function of Func did not set.
	ErrGradient = errors.New("wrong gradient")
)

// Density is a log-density on rows of Dim values, possibly not normalised.
//
// A row may have ln π = −Inf: it has weight zero, as beyond a hard wall, and its
// gradient may be anything. NaN and +Inf are no densities. Evaluator hands both
// over as they are: hmc rejects a trajectory that meets them, CheckGrad and
// package flow fail with ErrNotFinite and name the row.
//
// Some of Gorgonia's operations are silently wrong: see docs/nodes.md before
// writing one, and CheckGrad after.
// Implementations must treat every row alike and be safe for concurrent use.
type Density interface {
	// Dim returns the number of values per row.
	Dim() int
	// LogProb maps x, (rows, Dim), to ln π(x) up to a constant, (rows).
	LogProb(x *gorgonia.Node) (*gorgonia.Node, error)
}

// Prior is a normalised density that can be drawn from.
type Prior interface {
	Density
	// Rand fills dst, of length Dim, with a draw.
	Rand(dst []float64, rnd *rand.Rand)
}
