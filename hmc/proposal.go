package hmc

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/neuralrg/neuralrg/internal/num"
)

// Proposal proposes a position near another one by a transition that leaves the
// standard normal distribution invariant and is reversible with respect to it. A
// Metropolis test needs only the change of ln π − ln N(0, 1) then, and no gradient.
// In the latent space of a flow this is the change of ln π(x) − ln q(x).
//
// Independence, Windows and CrankNicolson are proposals. As kernels of a sampler they
// accept with probability min(1, e^Δ), Δ the change of ln π(x) + xᵀx/2. A sweep then
// evaluates the density once, without its gradient.
type Proposal interface {
	// Propose sets to, of the same length as from, to the proposed position. It does
	// not change from. The number of draws from rnd does not depend on the values.
	Propose(to, from []float64, rnd *rand.Rand)
	// Check fails if the proposal is not defined for positions of dim coordinates.
	Check(dim int) error
}

// Independence draws every coordinate anew.
type Independence struct{}

// Propose sets to to a draw from N(0, 1).
func (Independence) Propose(to, _ []float64, rnd *rand.Rand) {
	for i := range to {
		to[i] = rnd.NormFloat64()
	}
}

// Check succeeds.
func (Independence) Check(int) error { return nil }

// Windows draws the coordinates of one window anew and keeps the others. Every
// window is as likely as every other one.
type Windows struct {
	// Sites lists the coordinates of each window.
	Sites [][]int
}

// Propose chooses a window and redraws it.
func (w Windows) Propose(to, from []float64, rnd *rand.Rand) {
	copy(to, from)
	for _, i := range w.Sites[rnd.IntN(len(w.Sites))] {
		to[i] = rnd.NormFloat64()
	}
}

// Check fails with ErrSettings if there is no window, a window is empty, or a window
// has a coordinate twice or one that is not from 0 to dim−1.
func (w Windows) Check(dim int) error { return prefixed(w.check(dim)) }

func (w Windows) check(dim int) error {
	if len(w.Sites) == 0 {
		return fmt.Errorf("%w: Windows with no Sites", ErrSettings)
	}
	seen := make([]int, dim) // 1 + the last window that has the coordinate
	for k, sites := range w.Sites {
		if len(sites) == 0 {
			return fmt.Errorf("%w: Windows: window %d is empty", ErrSettings, k)
		}
		for _, i := range sites {
			if i < 0 || i >= dim {
				return fmt.Errorf("%w: Windows: window %d has coordinate %d of %d", ErrSettings, k, i, dim)
			}
			if seen[i] == k+1 {
				return fmt.Errorf("%w: Windows: window %d has coordinate %d twice", ErrSettings, k, i)
			}
			seen[i] = k + 1
		}
	}
	return nil
}

// clone returns a copy with slices of its own.
func (w Windows) clone() Windows {
	c := Windows{Sites: make([][]int, len(w.Sites))}
	for i, sites := range w.Sites {
		c.Sites[i] = slices.Clone(sites)
	}
	return c
}

// CrankNicolson is the preconditioned Crank–Nicolson proposal
//
//	to = √(1−Beta²)·from + Beta·ξ,    ξ ~ N(0, 1)
//
// (S. L. Cotter, G. O. Roberts, A. M. Stuart and D. White, Statist. Sci. 28, 424 (2013)).
// WarmUp tunes Beta.
type CrankNicolson struct {
	// Beta is above 0 and at most 1; 1 is Independence. The default of a sampler is
	// 0.3; a Proposal has none.
	Beta float64

	// TargetAccept is the acceptance to which WarmUp tunes Beta, above 0 and below 1.
	// The default is 0.4.
	TargetAccept float64
}

// Propose sets to as the formula says.
func (c CrankNicolson) Propose(to, from []float64, rnd *rand.Rand) {
	keep := math.Sqrt((1 - c.Beta) * (1 + c.Beta))
	for i, v := range from {
		to[i] = keep*v + c.Beta*rnd.NormFloat64()
	}
}

// Check fails with ErrSettings for a Beta out of range.
func (c CrankNicolson) Check(int) error { return prefixed(c.check()) }

func (c CrankNicolson) check() error {
	if !num.Finite(c.Beta) || c.Beta <= 0 || c.Beta > 1 {
		return fmt.Errorf("%w: CrankNicolson with Beta %v, want a number above 0 and at most 1", ErrSettings, c.Beta)
	}
	return nil
}

// prefixed names the package in an error.
func prefixed(err error) error {
	if err != nil {
		return fmt.Errorf("hmc: %w", err)
	}
	return nil
}
