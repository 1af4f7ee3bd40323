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
//
// With ConditionalDecimators, what a scale adds to the field is distributed given the
// coarse field around it. The decimators have one coupling by a smooth spline for every
// variable that a tile adds, or two affine couplings without Spline or with Rational,
// or they are those of Network.ContextBlock, if that is not nil. The
// parameters of these couplings grow as the square of the sites of a tile: they are
// meant for small tiles.
type Recipe struct {
	// Couplings is the number of couplings of a block, that of its bijector by default.
	Couplings int
	// Hidden are the units of the hidden layers, as in bijector.RealNVPSettings.
	Hidden []int
	// Spline makes blocks by bijector.NewSmoothSpline in place of bijector.NewRealNVP.
	Spline bool
	// Rational makes the splines by bijector.NewSpline, and conditional decimators
	// affine. The forces of the latent energy jump then, and a step takes longer.
	// Without Spline it has no effect.
	Rational bool
	// Network is that of the MERA.
	Network bijector.NetworkSettings
	// ConditionalDecimators gives the network conditional decimators.
	ConditionalDecimators bool
	// Exact makes the sites with an odd sum of coordinates exact for a φ⁴ theory, given
	// the others; nil for other targets. See QuarticAction.
	Exact *QuarticAction
	// Whiten puts the bijector.Spectral of a covariance behind the network, if one
	// is known. It cannot be combined with Exact.
	Whiten bool
	// PathGradient trains along the path (ReverseKL.PathGradient).
	PathGradient bool
	// Anneal is the inverse temperature at the start, which rises to 1 in the first
	// half of the steps; 1 by default.
	Anneal float64
	// Method is that of the optimiser, Adam by default.
	Method Method
	// LearnRate is the largest learning rate, 5e-3 by default, or 1e-2 with Soap.
	LearnRate float64
	// Warmup is the number of steps in which it is reached, 50 or a tenth of all by
	// default.
	Warmup int
}

// QuarticAction is a φ⁴ theory on a periodic lattice of even extents,
//
//	ln π(φ) = Σ_x [Field·φ_x + ½·Coupling·φ_x·Σ_±μ φ_{x±μ} − Quadratic·φ_x² − Quartic·φ_x⁴].
//
// The sum over ±μ has 2d terms in d dimensions. For the action
// S = Σ_x [φ_x(2dφ_x − Σ_±μ φ_{x±μ}) + m²φ_x² + λφ_x⁴] the coupling is 2, the quadratic
// coefficient 2d + m² and the quartic one λ.
//
// Given the sites with an even sum of coordinates, the others are independent. Recipe.Exact
// gives them their exact distribution by bijector.NewQuartic, with no parameters. Only the
// even sites are left to be learned: by conditional disentanglers and conditional
// decimators, see bijector.NetworkSettings.OddBlock, and the network of the recipe on the
// lattice of half the extents.
//
// If it is not the action of the target, the model is still valid, but poor.
type QuarticAction struct {
	// Quadratic and Quartic are the coefficients of −φ² and −φ⁴. Quartic is positive, and
	// Quadratic at least −6·√Quartic.
	Quadratic, Quartic float64
	// Coupling is that of nearest neighbours.
	Coupling float64
	// Field is that of every site.
	Field float64
}

// PaperRecipe is the network of the paper: ten affine couplings per block.
func PaperRecipe() *Recipe { return &Recipe{} }

// FastRecipe has smooth splines, conditional decimators, whitening, path gradients,
// annealing and the optimiser Soap. A step takes about twice as long as one of the paper's network
// (BenchmarkRecipeStep).
func FastRecipe() *Recipe {
	return &Recipe{
		Spline: true, ConditionalDecimators: true, Whiten: true, PathGradient: true, Anneal: 0.5, Method: Soap,
	}
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
// symmetrised.
//
// The lattice may have any extents of 1 or more: unless Network.Depth is given, the
// network is cut as NetworkSettings.Join says, and its last block acts on all sites
// that live on. Prime factors of the extents other than Network.Size make large tiles: 14 × 14
// sites end in a block on 7 × 7. By default the hidden layers of these have 5/2 units for every
// site of a tile, at least 10 and at most 64. Parameters, time and memory of a block grow so as
// the square of its sites up to 25 sites, and in proportion to them beyond, where a block
// of splines has 2470 parameters for every site and 100 000 besides, and a block of affine
// couplings 1300 and 170 000. A conditional decimator of m sites on a d-dimensional lattice
// has 40·m·(m + 3^d + 23), or with smooth splines 30·m·(m + 3^d + 28). No block may have
// more than 2²² parameters: with splines no tile more than 1660 sites, so that 37 × 37 is
// possible and 41 × 41 is not.
//
// With Exact all of this is for the lattice of half the extents.
//
// Model fails with ErrSettings, before anything is made, if a block would have more, and if
// there are both Exact and a spectrum to whiten with. With Exact it fails as
// bijector.NewQuartic does, and with ErrTiles for an odd extent. Otherwise it fails as
// NewMERA and bijector.NewSpectral do.
func (r *Recipe) Model(shape []int, spectrum []float64, src rand.Source) (*Model, error) {
	network := r.network(src)
	if r.Exact != nil && r.Whiten && spectrum != nil {
		return nil, fmt.Errorf("flow: %w: Exact acts on the field itself, which Whiten would mix", ErrSettings)
	}
	scales, err := network.Scales(shape)
	if err != nil {
		return nil, err
	}
	if err := r.price(shape, scales); err != nil {
		return nil, err
	}
	return r.model(shape, spectrum, network, func(sites int) (bijector.Bijector, error) {
		return r.block(sites, len(shape), src)
	})
}

// model is the given network with the given blocks.
func (r *Recipe) model(
	shape []int, spectrum []float64, network *bijector.NetworkSettings, block bijector.BlockFunc,
) (*Model, error) {
	h, err := bijector.NewMERA(shape, block, network)
	if err != nil {
		return nil, err
	}
	var b bijector.Bijector = h
	if r.Whiten && spectrum != nil {
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
// of as many dimensions. kinds are those of the program's own blocks, if m has any.
// Near a critical point the renormalization flow is at
// its fixed point on all scales but the finest, where the lattice is felt, and
// the coarsest, where the boundary is; so the finest scales and the coarsest
// are those of m, and what is missing in between are copies of the last scale
// before the coarsest. Such a model needs a fraction of the training of one
// that begins with random parameters, and has the modes that m has.
//
// The temperature should be that of m, and spectrum that of the new lattice. Train
// it without annealing and at a lower learning rate.
// Blocks are those of m; of the recipe Whiten, ConditionalDecimators and Network are used, of
// Network.ContextBlock whether it is nil. The model shares no parameters with m,
// and is not symmetrised.
//
// Scale by scale both lattices must be cut into tiles of the same numbers of sites, as
// those of 12 × 12 and 24 × 24 sites are: 2 × 2 and then 3 × 3 at the top.
// A model of 7 × 7 sites is one block on all of them: no larger lattice begins as it.
//
// It fails with ErrSettings for a recipe with Exact, with ErrHierarchy if m is not of the
// recipe or a scale of the new lattice has other tiles than the one it would begin as, with
// bijector.ErrKind for a block of a kind that is not known, and as Model does.
func (r *Recipe) Grow(m *Model, shape []int, spectrum []float64, kinds ...bijector.Kind) (*Model, error) {
	if m == nil {
		return nil, fmt.Errorf("flow: %w: nil model", ErrSettings)
	}
	if r.Exact != nil {
		return nil, fmt.Errorf("flow: %w: models of a recipe with Exact do not grow", ErrSettings)
	}
	network := r.network(nil)
	scales, err := network.Scales(shape)
	if err != nil {
		return nil, err
	}
	old, err := r.scales(m, spectrum != nil)
	if err != nil {
		return nil, fmt.Errorf("flow: a model to grow: %w", err)
	}
	var layers []*bijector.Layer // to copy, fine to coarse
	for k, c := range scales {
		from := min(k, max(len(old)-2, 0))
		if k == len(scales)-1 {
			from = len(old) - 1
		}
		top, sites := atTop(old[from]), old[from][0].Block().Dim()
		if top != c.Top || sites != c.Sites() {
			return nil, fmt.Errorf("flow: %w: scale %d of lattice %v has tiles of %d sites, at the top: %t; "+
				"it would begin as scale %d of the model, whose tiles have %d, at the top: %t",
				bijector.ErrHierarchy, k, shape, c.Sites(), c.Top, from, sites, top)
		}
		layers = append(layers, old[from]...)
	}
	next := 0
	block := func(int) (bijector.Bijector, error) {
		next++
		return bijector.Copy(layers[next-1].Block(), kinds...)
	}
	if network.ContextBlock != nil {
		network.ContextBlock = func(_, moved int) (bijector.Bijector, error) { return block(moved) }
	}
	return r.model(shape, spectrum, network, block)
}

// scales returns the layers of a model of the recipe, scale by scale, fine to coarse.
func (r *Recipe) scales(m *Model, spectrum bool) ([][]*bijector.Layer, error) {
	b := m.b
	if c, ok := b.(*bijector.Chain); ok && r.Whiten && spectrum && len(c.Bijectors()) == 2 {
		b = c.Bijectors()[0]
	}
	h, ok := b.(*bijector.Hierarchy)
	if !ok {
		return nil, fmt.Errorf("%w: no network of the recipe, but a %T", bijector.ErrHierarchy, b)
	}
	conditional := r.ConditionalDecimators || r.Network.ContextBlock != nil
	repeat := max(1, r.Network.Repeat)
	per := 2 * repeat
	if conditional {
		per++
	}
	var scales [][]*bijector.Layer
	var scale []*bijector.Layer
	for k, l := range h.Layers() {
		scale = append(scale, l)
		if l.Keep() == nil {
			continue
		}
		if len(scale) != per || (l.Context() != nil) != conditional {
			return nil, fmt.Errorf("%w: layer %d is not what the recipe has there: "+
				"want %d layers per scale, the last of them decimators, conditional: %t",
				bijector.ErrHierarchy, k, per, conditional)
		}
		scales, scale = append(scales, scale), nil
	}
	if len(scale) == 2*repeat {
		scales = append(scales, scale)
	} else if len(scale) > 0 {
		return nil, fmt.Errorf("%w: %d layers after the last decimator, the recipe has %d",
			bijector.ErrHierarchy, len(scale), 2*repeat)
	}
	return scales, nil
}

// atTop tells whether the layers of a scale decimate nothing.
func atTop(scale []*bijector.Layer) bool { return scale[len(scale)-1].Keep() == nil }

// Settings returns the settings for training in the given number of steps, the
// learning rate falling to zero as a cosine. Fields may be changed.
func (r *Recipe) Settings(steps int, src rand.Source) *Settings {
	rate, warmup := r.LearnRate, r.Warmup
	if rate == 0 {
		rate = 5e-3
		if r.Method == Soap {
			rate = 1e-2
		}
	}
	if warmup == 0 {
		warmup = min(50, steps/10)
	}
	s := &Settings{
		Steps: steps, Src: src, Objective: ReverseKL{PathGradient: r.PathGradient},
		Optimizer: OptimizerSettings{Method: r.Method, LearnRate: rate, Schedule: Cosine(steps, warmup)},
	}
	if r.Anneal != 0 {
		s.Anneal = Ramp(r.Anneal, steps/2)
	}
	return s
}
