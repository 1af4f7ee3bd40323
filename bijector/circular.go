package bijector

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/kernel"
)

// CircularSettings configures a CircularSpline. A zero field means its default.
type CircularSettings struct {
	// Couplings is the number of couplings, 4 by default. If Keep is given, it is
	// len(Keep).
	Couplings int
	// Hidden lists the numbers of units of the hidden layers of the networks, 10, 10, 10 by
	// default. An empty slice that is not nil means linear networks.
	Hidden []int
	// Bins is the number of bins of the circle, 12 by default, from 4 to 256.
	Bins int
	// Relative measures all angles of a coupling from the first angle that it keeps. The
	// block then commutes with a rotation of all angles by one angle. Use it if the target
	// is invariant under such rotations: with the prior target.UniformAngles the flow has
	// then the same symmetry, exactly.
	Relative bool
	// Keep lists for each coupling the positions that pass through and are the input of the
	// network. They are drawn like those of a RealNVP by default. With Relative the order
	// matters: the first position of a list is the reference.
	Keep [][]int
	// Src draws bipartitions and initial weights. It is required.
	Src rand.Source
}

// CircularSpline is a block for angles: a chain of couplings
//
//	x_keep = z_keep,  z_move = f(x_move − t(x_keep); R(x_keep))  modulo 2π,
//
// on rows of values that are taken modulo 2π. The network R reads the cosine and the sine
// of every kept angle. For every moved angle it gives a rotation t and the numbers of f. f
// is a monotonic map of the circle onto itself with f(π) = π: a periodic cubic spline with
// a continuous second derivative on Bins equal bins. Its slope is a sum of quadratic
// B-splines with positive weights, as that of NewSmoothSpline. The weights are a softmax;
// they are 1/1000 or more, and their mean is one.
//
// If z_move is uniform, the density of x_move is the slope of f over 2π. So the logarithms
// of the weights are about ln of a conditional density. In an XY model that is linear in
// the cosines and sines of the neighbours. Other flows of angles are those of Rezende et
// al., arXiv:2002.02428.
//
// Moved angles are in (−π, π]. Kept angles pass through unchanged. The whole block is one
// operation of the graph. A CircularSpline is safe for concurrent use as long as its
// parameters are not changed.
type CircularSpline struct {
	dim       int
	couplings []kernel.Circular
	at        []int // offset of each coupling's parameters
	settings  CircularSettings
	fused
	self *fusedLayer
}

// CircularCoupling is one coupling of a CircularSpline as views of its parameters.
type CircularCoupling struct {
	Keep, Move []int // positions that pass through, and positions that are mapped
	// R is the network. Inputs 2i and 2i+1 are the cosine and the sine of angle Keep[i].
	// With Relative this is the angle minus the angle Keep[0]. There are Bins+1 outputs for
	// every moved position: Bins that give the weights, by a softmax, and t.
	R []Dense
}

// NewCircularSpline returns a block on rows of dim ≥ 2 angles. Weights are drawn as those of
// a RealNVP, so that the block starts near the identity. It fails as NewRealNVP does, and
// with ErrSettings for fewer than 4 bins or more than 256.
func NewCircularSpline(dim int, s *CircularSettings) (*CircularSpline, error) {
	if s == nil {
		s = &CircularSettings{}
	}
	b := &CircularSpline{dim: dim, at: []int{0}, settings: *s}
	if s.Bins == 0 {
		b.settings.Bins = 12
	}
	bins := b.settings.Bins
	if err := checkCircle(bins); err != nil {
		return nil, err
	}
	couplings := &planSettings{s.Couplings, 4, s.Hidden, s.Keep, s.Src}
	p, err := newPlan("CircularSpline", dim, couplings, circularValues(bins))
	if err != nil {
		return nil, err
	}
	for k := range p.keep {
		c := kernel.Circular{Keep: p.keep[k], Move: p.move[k], Bins: bins, Relative: s.Relative}
		c.R = kernel.NewNet(c.Inputs(), p.hidden, c.Outputs())
		b.couplings = append(b.couplings, c)
		b.at = append(b.at, b.at[k]+c.R.Params())
	}
	b.f64, b.f32 = kernel.NewCircular[float64](dim, b.couplings), kernel.NewCircular[float32](dim, b.couplings)
	w := make([]float64, b.f64.Params())
	if b.weights, err = NewParam(circularKind, w, len(w)); err != nil {
		return nil, err
	}
	for _, c := range b.Couplings() {
		drawLayers(c.R, p.rnd)
	}
	b.self = b.alone()
	b.settings.Keep, b.settings.Hidden, b.settings.Src, b.settings.Couplings = p.keep, p.hidden, nil, len(p.keep)
	return b, nil
}

func checkCircle(bins int) error {
	if bins < 4 || bins > maxBins {
		return fmt.Errorf("bijector: %w: a circle of %d bins, want 4 to %d", ErrSettings, bins, maxBins)
	}
	return nil
}

// circularValues is the number of parameters of a coupling.
func circularValues(bins int) valuesFunc {
	return func(kept float64, hidden []int, moved float64) float64 {
		return netValues(2*kept, hidden, moved*float64(kernel.CircleNumbers(bins)))
	}
}

// Couplings returns views of the couplings, in the order in which Forward applies them.
func (b *CircularSpline) Couplings() []CircularCoupling {
	w := b.weights.Value().Float64s()
	var cs []CircularCoupling
	for k, c := range b.couplings {
		cs = append(cs, CircularCoupling{slices.Clone(c.Keep), slices.Clone(c.Move),
			denseViews(c.R, w[b.at[k]:b.at[k+1]])})
	}
	return cs
}

// Settings returns the settings of the block. All fields are set, except Src, which is nil.
func (b *CircularSpline) Settings() CircularSettings {
	s := b.settings
	s.Hidden = slices.Clone(s.Hidden)
	s.Keep = cloneTiles(s.Keep)
	return s
}

const circularKind = "circularspline"

// circularConfig holds the settings of a CircularSpline in a file.
type circularConfig struct {
	couplingsConfig
	Bins     int  `json:"bins,omitempty"`
	Relative bool `json:"relative,omitempty"`
}

// Describe returns hidden layers, bipartitions, Bins and Relative.
func (b *CircularSpline) Describe() *Description {
	s := b.Settings()
	c := &circularConfig{couplingsConfig{s.Hidden, s.Keep}, s.Bins, s.Relative}
	return &Description{Kind: circularKind, Config: c, of: b}
}

func buildCircular(s Stored) (Bijector, error) {
	var c circularConfig
	if err := s.Config(&c); err != nil {
		return nil, err
	}
	if err := checkCircle(c.Bins); err != nil {
		return nil, err
	}
	if err := c.check(s, circularKind, circularValues(c.Bins)); err != nil {
		return nil, err
	}
	return NewCircularSpline(s.Dim(), &CircularSettings{
		Hidden: c.hidden(), Keep: c.Keep, Bins: c.Bins, Relative: c.Relative, Src: rand.NewPCG(0, 0),
	})
}

// Steps returns the couplings.
func (b *CircularSpline) Steps() []Step {
	return couplingSteps(b.weights, b.at, func(k int) (Bijector, error) {
		s := b.Settings()
		s.Couplings, s.Keep, s.Src = 1, s.Keep[k:k+1], rand.NewPCG(0, 0)
		return NewCircularSpline(b.dim, &s)
	})
}

// Weights returns the matrices of all networks.
func (b *CircularSpline) Weights() []*mat.Dense {
	var all []*mat.Dense
	for _, c := range b.Couplings() {
		all = append(all, weightsOf(c.R)...)
	}
	return all
}

// Dim returns the number of angles per row.
func (b *CircularSpline) Dim() int { return b.dim }

// Params returns the one parameter of the block, a vector: for each coupling the layers of
// R; for each layer, the (out, in) weights and the biases.
func (b *CircularSpline) Params() []*Param { return []*Param{b.weights} }

// Forward maps z to x. It finds the places in the bins by Laguerre's method, with all
// digits of the precision.
func (b *CircularSpline) Forward(z *gorgonia.Node) (x, logDet *gorgonia.Node, err error) {
	return b.self.Forward(z)
}

// Inverse maps x to z.
func (b *CircularSpline) Inverse(x *gorgonia.Node) (z, logDet *gorgonia.Node, err error) {
	return b.self.Inverse(x)
}

func (b *CircularSpline) passed() []bool {
	var moves [][]int
	for _, c := range b.couplings {
		moves = append(moves, c.Move)
	}
	return without(b.dim, moves...)
}

func (b *CircularSpline) state(s packed, inverse bool) (packed, error) {
	return b.self.state(s, inverse)
}
