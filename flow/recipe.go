package flow

import (
	"fmt"
	"math/rand/v2"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/target"
)

// Recipe is a network and a way of training it that go well together;
// docs/accuracy.md says how well. It is plain data: take one and change what you
// want.
type Recipe struct {
	Couplings int             // of a block; that of its bijector by default
	Hidden    []int           // units of the hidden layers, as in bijector.RealNVPSettings
	Spline    bool            // blocks are bijector.Spline, not bijector.RealNVP
	Network   NetworkSettings // of the MERA
	White     bool            // the network is followed by the bijector.Spectral of a covariance, if one is known
	Path      bool            // training is along the path (Settings.PathGradient)
	Anneal    float64         // inverse temperature at the start, which rises to 1 in the first half of the steps; 1 by default
	LearnRate float64         // largest learning rate, 5e-3 by default
	Warmup    int             // steps in which it is reached, 50 or a tenth of all by default
}

// PaperRecipe is the network of the paper: ten affine couplings per block.
func PaperRecipe() *Recipe { return &Recipe{} }

// FastRecipe has splines, whitening, path gradients and annealing. A step takes
// about twice as long as one of the paper's network.
func FastRecipe() *Recipe { return &Recipe{Spline: true, White: true, Path: true, Anneal: 0.5} }

// BestRecipe is FastRecipe with two pairs of layers per scale, at twice the
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
	h, err := NewMERA(shape, func() (bijector.Bijector, error) {
		if r.Spline {
			return bijector.NewSpline(dim, &bijector.SplineSettings{Couplings: r.Couplings, Hidden: r.Hidden, Src: src})
		}
		return bijector.NewRealNVP(dim, &bijector.RealNVPSettings{Couplings: r.Couplings, Hidden: r.Hidden, Src: src})
	}, &r.Network)
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
