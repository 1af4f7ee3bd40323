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
// With ConditionalDecimators, what a scale adds to the field is distributed given the
// coarse field around it. The decimators have one coupling by a smooth spline for every
// variable that a tile adds, or two affine couplings without Spline or with Rational,
// or they are those of Network.ContextBlock, if that is not nil. The
// parameters of these couplings grow as the square of the sites of a tile: they are
// meant for small tiles. The layers of a Checkerboard move one site given 12 others, in one
// dimension 4, by such couplings. Their networks have two hidden layers of 12 units, unless
// Hidden is given. Network.Repeat is 2 by default there.
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
	// Network is that of the MERA or the checkerboard. Network.Components is the number of
	// components of a field that has several. A conditional layer then has a coupling for
	// each component of a site that moves, given the other ones and the sites around it.
	Network bijector.NetworkSettings
	// ConditionalDecimators gives a MERA conditional decimators. All layers of a
	// checkerboard are conditional.
	ConditionalDecimators bool
	// Checkerboard makes the network by bijector.NewCheckerboard in place of
	// bijector.NewMERA, on lattices of one or two axes with even extents. Other lattices
	// have a MERA as without it.
	Checkerboard bool
	// Exact makes the sites with an odd sum of coordinates exact for a φ⁴ theory, given
	// the others; nil for other targets. See QuarticAction.
	Exact *QuarticAction
	// Scale is the standard deviation with which the field begins, 1 by default; with Exact
	// that of the even sites. Give it that of the target: a field of the wrong size costs
	// many steps. Training changes it. Another number than 1 is one factor for all sites, by
	// a layer of bijector.ActNorm. A field that is whitened begins with the covariance of its
	// spectrum, and Scale has no effect. Model and Grow fail with ErrSettings unless Scale is
	// from 1e-100 to 1e100, and for another Scale than 1 of several components.
	Scale float64
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
// even sites are left to be learned. A checkerboard learns them by its other scales. With a
// MERA they have conditional disentanglers and conditional decimators, see
// bijector.NetworkSettings.OddBlock, and then the network of the recipe on the lattice of
// half the extents.
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

// NewQuarticAction returns the action of a φ⁴ theory, for Recipe.Exact. It fails with
// ErrSettings for nil and for a field of several components.
func NewQuarticAction(t *target.Phi4) (*QuarticAction, error) {
	if t == nil || t.Components() != 1 {
		return nil, fmt.Errorf("flow: %w: exact sites need a φ⁴ theory of one component", ErrSettings)
	}
	return &QuarticAction{Quadratic: 2*float64(len(t.Shape())) + t.Mass2(), Quartic: t.Lambda(), Coupling: 2}, nil
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

// BestRecipe is FastRecipe with a checkerboard of five layers per scale in place of the MERA.
// Where it has a MERA, this has two pairs of layers per scale.
func BestRecipe() *Recipe {
	r := FastRecipe()
	r.Checkerboard, r.Network.Repeat = true, 2
	return r
}

// Model returns a model of a field on a periodic lattice, from a normal prior,
// in float64. spectrum is that of a covariance, as bijector.NewSpectral takes
// it and as targets with a Gaussian part offer it, or nil. The model is not
// symmetrised.
//
// With Network.Components = n every site has n values, and a block of m sites acts on m·n
// values, as one of m·n sites does otherwise. Recipes spend on it accordingly. The spectrum
// is that of one component and the same for all.
//
// The lattice may have any extents of 1 or more. Unless Network.Depth is given, a MERA is cut as
// NetworkSettings.Join says, and its last block acts on all sites that live on. Prime factors
// of the extents other than Network.Size make large tiles: 14 × 14
// sites end in a block on 7 × 7. By default the hidden layers of these have 5/2 units for every
// site of a tile, at least 10 and at most 64. Parameters, time and memory of a block grow so as
// the square of its sites up to 25 sites, and in proportion to them beyond, where a block
// of splines has 2470 parameters for every site and 100 000 besides, and a block of affine
// couplings 1300 and 170 000. A conditional decimator of m sites on a d-dimensional lattice
// has 40·m·(m + 3^d + 23), or with smooth splines 30·m·(m + 3^d + 28). No block may have
// more than 2²² parameters: with splines no tile more than 1660 sites, so that 37 × 37 is
// possible and 41 × 41 is not.
//
// With Exact and a MERA, all of this is for the lattice of half the extents.
//
// A checkerboard halves all axes as long as their extents are even. All sites that remain, if
// there are several, have one block: 7 × 7 sites of 14 × 14, and 2 sites of 8 × 16. It has
// twice as many couplings as other blocks, and may have twice as many parameters.
//
// Model fails with ErrSettings, before anything is made, if a block would have more, if
// there are both Exact and a spectrum to whiten with, and for Exact with several components. With Exact it fails as
// bijector.NewQuartic does, and with ErrTiles for an odd extent. Otherwise it fails as
// bijector.NewMERA or bijector.NewCheckerboard and bijector.NewSpectral do.
func (r *Recipe) Model(shape []int, spectrum []float64, src rand.Source) (*Model, error) {
	network := r.network(shape, src)
	if err := r.compatible(spectrum); err != nil {
		return nil, err
	}
	if err := r.checkScale(); err != nil {
		return nil, err
	}
	if err := r.price(shape, network); err != nil {
		return nil, err
	}
	blocks := r
	if r.onBoard(shape) {
		blocks = r.atTop()
	}
	return r.model(shape, spectrum, network, func(sites int) (bijector.Bijector, error) {
		return blocks.block(sites, len(shape), src)
	})
}

// compatible fails if the recipe is both exact and whitened, or exact with several components.
func (r *Recipe) compatible(spectrum []float64) error {
	if r.Exact != nil && r.Whiten && spectrum != nil {
		return fmt.Errorf("flow: %w: Exact acts on the field itself, which Whiten would mix", ErrSettings)
	}
	if r.Exact != nil && r.components() != 1 {
		return fmt.Errorf("flow: %w: exact sites of %d components, want one", ErrSettings, r.components())
	}
	return nil
}

// model is the given network with the given blocks.
func (r *Recipe) model(
	shape []int, spectrum []float64, network *bijector.NetworkSettings, block bijector.BlockFunc,
) (*Model, error) {
	build := bijector.NewMERA
	if r.onBoard(shape) {
		build = bijector.NewCheckerboard
	}
	h, err := build(shape, block, network)
	if err != nil {
		return nil, err
	}
	if h, err = r.scaled(h, spectrum); err != nil {
		return nil, err
	}
	var b bijector.Bijector = h
	if r.Whiten && spectrum != nil {
		white, err := r.white(shape, spectrum)
		if err != nil {
			return nil, err
		}
		if b, err = bijector.NewChain(h, white); err != nil {
			return nil, err
		}
	}
	return New(target.NewNormal(h.Dim()), b)
}

// white returns the last layer of a whitened model: every component has the given spectrum.
// The components are an axis of the lattice, along which the spectrum does not change.
func (r *Recipe) white(shape []int, spectrum []float64) (*bijector.Spectral, error) {
	n := r.components()
	if n == 1 {
		return bijector.NewSpectral(shape, spectrum)
	}
	all := make([]float64, 0, n*len(spectrum))
	for _, v := range spectrum {
		all = append(all, slices.Repeat([]float64{v}, n)...)
	}
	return bijector.NewSpectral(append(slices.Clone(shape), n), all)
}

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
