package flow

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/target"
)

// Recipe is a network and a way of training it that go well together;
// docs/accuracy.md says how well. It is plain data: take one and change what you
// want.
//
// With Conditional, what a scale adds to the field is distributed given the
// coarse field around, by conditional decimators with two affine couplings for
// every variable that a tile adds, or as Network.Conditional says, if that is not
// nil. The parameters of these couplings grow as Size^2d: they are meant for
// small blocks.
type Recipe struct {
	Couplings   int             // of a block; that of its bijector by default
	Hidden      []int           // units of the hidden layers, as in bijector.RealNVPSettings
	Spline      bool            // blocks are bijector.Spline, not bijector.RealNVP
	Network     NetworkSettings // of the MERA
	Conditional bool            // the network has conditional decimators
	White       bool            // the network is followed by the bijector.Spectral of a covariance, if one is known
	Path        bool            // training is along the path (Settings.PathGradient)
	Anneal      float64         // inverse temperature at the start, which rises to 1 in the first half of the steps; 1 by default
	LearnRate   float64         // largest learning rate, 5e-3 by default
	Warmup      int             // steps in which it is reached, 50 or a tenth of all by default
}

// PaperRecipe is the network of the paper: ten affine couplings per block.
func PaperRecipe() *Recipe { return &Recipe{} }

// FastRecipe has splines, conditional decimators, whitening, path gradients and
// annealing. A step takes 3.6 times as long as one of the paper's network
// (BenchmarkRecipeStep).
func FastRecipe() *Recipe {
	return &Recipe{Spline: true, Conditional: true, White: true, Path: true, Anneal: 0.5}
}

// BestRecipe is FastRecipe with two pairs of layers per scale, at 1.8 times the
// cost.
func BestRecipe() *Recipe {
	r := FastRecipe()
	r.Network.Repeat = 2
	return r
}

// Model returns a model of a field on a periodic lattice, from a normal prior,
// in float64. spectrum is that of a covariance, as bijector.NewSpectral takes
// it and as targets with a Gaussian part offer it, or nil. The model is not
// symmetrised. It fails as NewMERA and bijector.NewSpectral do.
func (r *Recipe) Model(shape []int, spectrum []float64, src rand.Source) (*Model, error) {
	size, _, _, err := r.Network.defaults(shape)
	if err != nil {
		return nil, err
	}
	dim := 1 // of a block
	for range shape {
		if dim *= size; dim > 1<<16 {
			return nil, fmt.Errorf("flow: %w: blocks of %d sites along each of %d axes", ErrSettings, size, len(shape))
		}
	}
	network := r.Network
	if r.Conditional && network.Conditional == nil {
		network.Conditional = func(context, moved int) (bijector.Bijector, error) {
			if (context+moved)*moved > 1<<16 {
				return nil, fmt.Errorf("flow: %w: conditional decimators of %d variables given %d, want blocks that are smaller", ErrSettings, moved, context)
			}
			keep := make([][]int, 2*moved)
			for k := range keep { // all but one
				move := context + k%moved
				keep[k] = slices.Delete(first(context+moved), move, move+1)
			}
			return bijector.NewRealNVP(context+moved, &bijector.RealNVPSettings{Keep: keep, Hidden: r.Hidden, Src: src})
		}
	}
	return r.model(shape, spectrum, &network, func() (bijector.Bijector, error) {
		if r.Spline {
			return bijector.NewSpline(dim, &bijector.SplineSettings{Couplings: r.Couplings, Hidden: r.Hidden, Src: src})
		}
		return bijector.NewRealNVP(dim, &bijector.RealNVPSettings{Couplings: r.Couplings, Hidden: r.Hidden, Src: src})
	})
}

// model is the given network with the given blocks.
func (r *Recipe) model(shape []int, spectrum []float64, network *NetworkSettings, block BlockFunc) (*Model, error) {
	h, err := NewMERA(shape, block, network)
	if err != nil {
		return nil, err
	}
	var b bijector.Bijector = h
	if r.White && spectrum != nil {
		white, err := bijector.NewSpectral(shape, spectrum)
		if err != nil {
			return nil, err
		}
		if b, err = bijector.NewChain(h, white); err != nil {
			return nil, err
		}
	}
	return New(target.NewNormal(h.Dim()), b)
}

// Grow returns a model on another lattice, most likely one twice as large, whose
// layers begin as copies of those of m, a model of the same recipe on a lattice
// of as many dimensions. Near a critical point the renormalization flow is at
// its fixed point on all scales but the finest, where the lattice is felt, and
// the coarsest, where the boundary is; so the finest scales and the coarsest
// are those of m, and what is missing in between are copies of the last scale
// before the coarsest. Such a model needs a fraction of the training of one
// that begins with random parameters, and has the modes that m has.
//
// The temperature should be that of m, and spectrum that of the new lattice. Train
// it without annealing and at a lower learning rate.
// Blocks are those of m; of the recipe White, Conditional and Network are used, of
// Network.Conditional whether it is nil. The model shares no parameters with m,
// and is not symmetrised.
//
// It fails with ErrHierarchy if m is not of the recipe, and as Model does.
func (r *Recipe) Grow(m *Model, shape []int, spectrum []float64) (*Model, error) {
	if m == nil {
		return nil, fmt.Errorf("flow: %w: nil model", ErrSettings)
	}
	_, depth, repeat, err := r.Network.defaults(shape)
	if err != nil {
		return nil, err
	}
	per := 2 * repeat
	if r.conditional() {
		per++
	}
	layers, err := r.layers(m, spectrum != nil, per)
	if err != nil {
		return nil, fmt.Errorf("flow: a model to grow: %w", err)
	}
	scales := len(layers) / per
	next := 0 // layer, fine to coarse
	block := func() (bijector.Bijector, error) {
		scale, layer := next/per, next%per
		next++
		if scale == depth-1 {
			scale = scales - 1
		} else {
			scale = min(scale, max(scales-2, 0))
		}
		return copyBlock(layers[scale*per+layer].Block())
	}
	network := r.Network
	if r.conditional() {
		network.Conditional = func(_, _ int) (bijector.Bijector, error) { return block() }
	}
	return r.model(shape, spectrum, &network, block)
}

// conditional tells whether the network has conditional decimators.
func (r *Recipe) conditional() bool { return r.Conditional || r.Network.Conditional != nil }

// layers returns the layers of a model of the recipe, of which there are so
// many at a scale, fine to coarse.
func (r *Recipe) layers(m *Model, spectrum bool, per int) ([]*bijector.Layer, error) {
	b := m.b
	if c, ok := b.(*bijector.Chain); ok && r.White && spectrum && len(c.Bijectors()) == 2 {
		b = c.Bijectors()[0]
	}
	h, ok := b.(*Hierarchy)
	if !ok {
		return nil, fmt.Errorf("%w: no network of the recipe, but a %T", ErrHierarchy, b)
	}
	for k, l := range h.layers {
		if last := k%per == per-1; last != (l.Keep() != nil) || last && l.Conditional() != r.conditional() {
			return nil, fmt.Errorf("%w: layer %d is not what the recipe has there: want %d layers per scale, the last of them decimators, conditional: %t",
				ErrHierarchy, k, per, r.conditional())
		}
	}
	return h.layers, nil
}

// copyBlock returns a block of a recipe with parameters of its own.
func copyBlock(b bijector.Bijector) (c bijector.Bijector, err error) {
	src := rand.NewPCG(0, 0) // of weights that are replaced
	switch b := b.(type) {
	case *bijector.RealNVP:
		s := b.Settings()
		s.Src = src
		c, err = bijector.NewRealNVP(b.Dim(), &s)
	case *bijector.Spline:
		s := b.Settings()
		s.Src = src
		c, err = bijector.NewSpline(b.Dim(), &s)
	default:
		return nil, fmt.Errorf("%w: a block of type %T, want *bijector.RealNVP or *bijector.Spline", ErrHierarchy, b)
	}
	if err != nil {
		return nil, err
	}
	copy(c.Params()[0].Value().Float64s(), b.Params()[0].Value().Float64s())
	return c, nil
}

// Settings returns the settings for training in the given number of steps, the
// learning rate falling to zero as a cosine. Fields may be changed.
func (r *Recipe) Settings(steps int, src rand.Source) *Settings {
	rate, warmup := r.LearnRate, r.Warmup
	if rate == 0 {
		rate = 5e-3
	}
	if warmup == 0 {
		warmup = min(50, steps/10)
	}
	s := &Settings{Steps: steps, LearnRate: rate, Schedule: Cosine(steps, warmup), PathGradient: r.Path, Src: src}
	if r.Anneal != 0 {
		s.Anneal = Ramp(r.Anneal, steps/2)
	}
	return s
}
