package flow

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/neuralrg/neuralrg/bijector"
)

// network returns the settings of the network on a lattice.
func (r *Recipe) network(shape []int, src rand.Source) *bijector.NetworkSettings {
	s := r.Network
	s.Join = s.Depth == 0
	board, given := r.onBoard(shape), r
	if board {
		s.Repeat, given = r.pairs(), r.onColours()
	}
	if (board || r.ConditionalDecimators || r.Exact != nil) && s.ContextBlock == nil {
		s.ContextBlock = func(context, moved int) (bijector.Bijector, error) { return given.given(context, moved, src) }
	}
	if a := r.Exact; a != nil {
		s.OddBlock = func(context, _ int) (bijector.Bijector, error) {
			return bijector.NewQuartic(&bijector.QuarticSettings{
				Quadratic: a.Quadratic, Quartic: a.Quartic, Field: a.Field,
				Coupling: slices.Repeat([]float64{a.Coupling}, context),
			})
		}
	}
	return &s
}

// components is the number of values of a site.
func (r *Recipe) components() int {
	if r.Network.Components == 0 {
		return 1
	}
	return r.Network.Components
}

// block makes the block of tiles of so many values, of a network that cuts a lattice
// of the given number of axes.
func (r *Recipe) block(values, axes int, src rand.Source) (bijector.Bijector, error) {
	hidden := r.hidden(values, axes)
	spline := &bijector.SplineSettings{Couplings: r.Couplings, Hidden: hidden, Src: src}
	switch {
	case values == 1:
		return bijector.NewActNorm(1) // couplings need two
	case r.smooth():
		return bijector.NewSmoothSpline(values, spline)
	case r.Spline:
		return bijector.NewSpline(values, spline)
	}
	return bijector.NewRealNVP(values, &bijector.RealNVPSettings{Couplings: r.Couplings, Hidden: hidden, Src: src})
}

// hidden returns the hidden layers of a block. Tiles that do not have Size^axes values
// have by default as many units for every value as blocks of 2 × 2 have, at least 10 and
// at most 64.
func (r *Recipe) hidden(values, axes int) []int {
	size := r.Network.Size
	if size == 0 {
		size = 2
	}
	if r.Hidden != nil || float64(values) == math.Pow(float64(size), float64(axes)) {
		return r.Hidden
	}
	units := 64
	if values < 26 {
		units = max(10, 5*values/2)
	}
	return []int{units, units, units}
}

// smooth tells whether the recipe has smooth splines.
func (r *Recipe) smooth() bool { return r.Spline && !r.Rational }

// perVariable is the number of couplings of a conditional decimator for every variable.
func (r *Recipe) perVariable() int {
	if r.smooth() {
		return 1
	}
	return 2
}

// given is the block of a conditional decimator.
func (r *Recipe) given(context, moved int, src rand.Source) (bijector.Bijector, error) {
	keep := make([][]int, r.perVariable()*moved)
	for k := range keep { // all but one
		for j := range context + moved {
			if j != context+k%moved {
				keep[k] = append(keep[k], j)
			}
		}
	}
	if r.smooth() {
		return bijector.NewSmoothSpline(context+moved, &bijector.SplineSettings{Keep: keep, Hidden: r.Hidden, Src: src})
	}
	return bijector.NewRealNVP(context+moved, &bijector.RealNVPSettings{Keep: keep, Hidden: r.Hidden, Src: src})
}

// givenParams is the number of parameters of the block of a conditional decimator.
func (r *Recipe) givenParams(context, moved float64) float64 {
	kept := context + moved - 1
	each := 2*netParams(kept, r.Hidden, 1) + 1
	if r.smooth() {
		each += netParams(kept, r.Hidden, smoothNumbers)
	}
	return float64(r.perVariable()) * moved * each
}

// maxBlock is the largest number of parameters of a block.
const maxBlock = 1 << 22

// price fails if a block of the network would have too many parameters. It counts
// in float64, which does not overflow.
func (r *Recipe) price(shape []int, network *bijector.NetworkSettings) error {
	if r.onBoard(shape) {
		return r.priceBoard(shape)
	}
	scales, err := network.Scales(shape)
	if err != nil {
		return err
	}
	for k, c := range scales {
		sites := 1.0
		for _, size := range c.Size {
			sites *= float64(size)
		}
		components := float64(r.components())
		values := components * sites
		if n := r.params(values, r.hidden(int(min(values, maxBlock)), len(shape))); n > maxBlock {
			return fmt.Errorf("flow: %w: lattice %v: scale %d has tiles %v, "+
				"whose block of %g sites would have %.3g parameters, "+
				"more than %d", ErrSettings, shape, k, c.Size, sites, n, maxBlock)
		}
		context, moved := components*math.Pow(3, float64(len(shape))), values-components
		n := r.givenParams(context, moved)
		if n > maxBlock && r.ConditionalDecimators && r.Network.ContextBlock == nil && !c.Top {
			return fmt.Errorf("flow: %w: lattice %v: scale %d has tiles %v, "+
				"whose conditional decimator of %g variables given %g "+
				"would have %.3g parameters, more than %d", ErrSettings, shape, k, c.Size, moved, context, n, maxBlock)
		}
	}
	return nil
}

// How many numbers make a spline with the default number of bins.
const (
	smoothNumbers   = 16 - 2
	rationalNumbers = 3*8 - 1
)

// params is the number of parameters of a block of so many values. For an odd number it is
// that of one more, half of which are kept.
func (r *Recipe) params(values float64, hidden []int) float64 {
	half := math.Ceil(values / 2)
	each := 2*netParams(half, hidden, half) + half
	if r.Spline {
		numbers := float64(rationalNumbers)
		if r.smooth() {
			numbers = smoothNumbers
		}
		each += netParams(half, hidden, numbers*half)
	}
	return float64(r.couplings()) * each
}

// couplings is the number of couplings of a block.
func (r *Recipe) couplings() int {
	switch {
	case r.Couplings != 0:
		return r.Couplings
	case r.Spline:
		return 4
	}
	return 10
}

// netParams is the number of parameters of a network of couplings.
func netParams(in float64, hidden []int, out float64) float64 {
	if hidden == nil {
		hidden = []int{10, 10, 10}
	}
	n := 0.0
	for _, h := range hidden {
		n += float64(h) * (in + 1)
		in = float64(h)
	}
	return n + out*(in+1)
}
