// Package target holds densities to be sampled:
//
//	ln π(x) = −E(x)/T + constant,
//
// for one configuration x of Dim real values. A batch of configurations has shape
// (rows, Dim), one configuration per row; its log-densities have shape (rows).
// Logarithms are natural: ln π, ln Z and entropies are in nats. Temperatures are in
// units of the coupling, J = k_B = 1. Sites of a lattice are row-major.
//
// A Density builds ln π as a node of a Gorgonia graph. The densities are:
//
//   - Func: a plain Go function that returns ln π and its gradient. This is how an
//     existing physics program is connected.
//   - Ising: the continuous dual of the Ising model, eq. 7 of S.-H. Li and L. Wang,
//     Phys. Rev. Lett. 121, 260601 (2018), with its exact partition function.
//   - IsingGraph: the same for couplings of any sign on any graph, in any fields.
//   - FreeField: the free scalar field on a lattice, a Gaussian with exact results.
//   - Phi4: the φ⁴ theory on a lattice, and its O(n) form.
//   - Local: a field on a lattice with any potential at its sites.
//   - XY: angles on a lattice, with exact results on a chain.
//   - Particles: classical particles in a periodic box or a harmonic trap.
//   - Dimer: a dimer with two stable lengths in a dense solvent.
//   - Mixture, Funnel, Ring and DoubleWell: test beds with a known ln Z.
//   - Normal: independent standard normal values, the prior of a flow.
//   - UniformAngles: independent uniform angles, the prior of a flow of angles.
//
// Field describes the configurations of Phi4 and Local and measures them.
//
// An Evaluator computes ln π and its gradient on plain slices. CheckGrad compares a
// gradient with finite differences.
package target

import (
	"errors"
	"math/rand/v2"

	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/errs"
)

// Errors of this package wrap one of these and say what was wrong and where.
var (
	// ErrShape reports a node, slice, matrix or lattice with wrong extents.
	ErrShape = errs.ErrShape
	// ErrSettings reports a physical parameter or an argument outside its range.
	ErrSettings = errs.ErrSettings
	// ErrNotFinite reports a number that is NaN, or infinite where it must not be.
	ErrNotFinite = errs.ErrNotFinite
	// ErrGradient reports a gradient that differs from finite differences, or a
	// component of the gradient that the function of a Func did not set.
	ErrGradient = errors.New("wrong gradient")
)

// Density is a log-density ln π on configurations of Dim values. It need not be
// normalised.
//
// ln π = −Inf means weight zero, for instance beyond a hard wall. The gradient of such
// a row may be anything. NaN and +Inf are not valid values of ln π. An Evaluator
// returns them unchanged; package hmc then rejects the trajectory, and CheckGrad and
// package flow fail with ErrNotFinite and name the row.
//
// An implementation must treat every row alike and must be safe for concurrent use.
// Some operations of Gorgonia return wrong values without an error. Read docs/nodes.md
// before you write a Density with them, and run CheckGrad afterwards.
type Density interface {
	// Dim returns the number of values of one configuration.
	Dim() int
	// LogProb returns the node ln π(x), of shape (rows), in nats and up to a constant,
	// for the node x of shape (rows, Dim). It fails with ErrShape for other shapes.
	LogProb(x *gorgonia.Node) (*gorgonia.Node, error)
}

// Prior is a normalised density with a method that draws from it.
type Prior interface {
	Density
	// Rand stores one draw in dst, of length Dim. It panics if rnd is nil.
	Rand(dst []float64, rnd *rand.Rand)
}
