package bijector

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/kernel"
)

// SplineSettings configures a Spline block. A zero field means its default.
type SplineSettings struct {
	// Couplings is the number of couplings, 4 by default, which makes about as
	// many parameters as a RealNVP has. It follows from Keep if that is given.
	Couplings int
	// Hidden is the number of units of each hidden layer of the networks, 10,
	// 10, 10 by default. A non-nil empty slice means linear networks.
	Hidden []int
	// Bins is the number of bins of a spline, 8 by default, 256 at most.
	Bins int
	// Bound is where the splines end: they map [−Bound, Bound] onto itself, 6 by
	// default, and leave everything else as it is. It is from 1e−30 to 1e30, which
	// float32 can hold with the slopes.
	Bound float64
	// Pure leaves out the affine update before each spline.
	Pure bool
	// Keep lists for each coupling the positions that pass through and feed
	// the networks, drawn like those of a RealNVP by default.
	Keep [][]int
	// Src draws bipartitions and initial weights. It is required.
	Src rand.Source
}

// Spline is a chain of couplings that do more to the moved positions than
// shift and stretch them: after the affine update of a RealNVP each of them is
// mapped by a monotonic rational-quadratic spline (Durkan, Bekasov, Murray and
// Papamakarios, arXiv:1906.04032, eq. 4), whose bins and slopes depend on the kept
// positions,
//
//	x_keep = z_keep,  x_move = spline(z_move ⊙ exp(s(z_keep)) + t(z_keep); R(z_keep)).
//
// A single coupling can so split one mode into two. Where the reference takes
// softplus for the slopes at the knots, here their logarithms are bounded
// softly, to slopes between 1/1000 and 1000. The whole block is one operation of
// the graph. A Spline is safe for concurrent use as long as its parameters are
// not changed.
type Spline struct {
	dim      int
	affine   []kernel.Coupling // nil if pure
	splines  []kernel.Spline
	at       []int // offset of each coupling's parameters
	settings SplineSettings
	fused
	self *fusedLayer
}

const (
	minBound, maxBound = 1e-30, 1e30
	maxBins            = 256
)

// splineValues is the number of parameters of a coupling.
func splineValues(bins int, pure bool) valuesFunc {
	return func(kept float64, hidden []int, moved float64) float64 {
		n := netValues(kept, hidden, moved*float64(3*bins-1))
		if !pure {
			n += affineValues(kept, hidden, moved)
		}
		return n
	}
}

// NewSpline returns a block on rows of dim ≥ 2 values, with weights drawn like
// those of a RealNVP, so that it starts near the identity. It fails as NewRealNVP
// does, and with ErrSettings for fewer than two bins, more than 256, or a bound out of
// its range.
func NewSpline(dim int, s *SplineSettings) (*Spline, error) {
	if s == nil {
		s = &SplineSettings{}
	}
	b := &Spline{dim: dim, at: []int{0}, settings: *s}
	if b.settings.Bins == 0 {
		b.settings.Bins = 8
	}
	if b.settings.Bound == 0 {
		b.settings.Bound = 6
	}
	bins, bound := b.settings.Bins, b.settings.Bound
	if bins < 2 || bins > maxBins || !(bound >= minBound && bound <= maxBound) {
		return nil, fmt.Errorf("bijector: %w: a spline of %d bins on ±%g, want 2 to %d bins and a bound of %g to %g",
			ErrSettings, bins, bound, maxBins, minBound, maxBound)
	}
	p, err := newPlan("Spline", dim, &planSettings{s.Couplings, 4, s.Hidden, s.Keep, s.Src}, splineValues(bins, s.Pure))
	if err != nil {
		return nil, err
	}
	for k := range p.keep {
		c := kernel.Spline{Keep: p.keep[k], Move: p.move[k], Bins: bins, Bound: bound}
		c.R = kernel.NewNet(len(c.Keep), p.hidden, c.Outputs())
		size := c.R.Params()
		if !s.Pure {
			a := p.affine(k)
			b.affine = append(b.affine, a)
			size += a.Params()
		}
		b.splines = append(b.splines, c)
		b.at = append(b.at, b.at[k]+size)
	}
	b.f64 = kernel.NewSpline[float64](dim, b.affine, b.splines)
	b.f32 = kernel.NewSpline[float32](dim, b.affine, b.splines)
	w := make([]float64, b.f64.Params())
	if b.weights, err = NewParam(splineKind, w, len(w)); err != nil {
		return nil, err
	}
	for _, c := range b.Couplings() {
		if c.Affine != nil {
			c.Affine.draw(p.rnd)
		}
		drawLayers(c.R, p.rnd)
	}
	b.self = b.alone()
	b.settings.Keep, b.settings.Hidden, b.settings.Src, b.settings.Couplings = p.keep, p.hidden, nil, len(p.keep)
	return b, nil
}

// SplineCoupling is one coupling of a Spline as views of its parameters.
type SplineCoupling struct {
	Keep, Move []int           // positions that pass through, and that are updated
	Affine     *AffineCoupling // the update before the spline, nil if there is none
	// R is the network from the kept positions to 3·Bins−1 numbers for every
	// moved one: Bins that say how wide the bins are, by a softmax, Bins that say
	// how high, and Bins−1 for the slopes in between, whose logarithms they are
	// as long as they are small.
	R []Dense
}

// Couplings returns views of the couplings; the first one is applied first by
// Forward.
func (b *Spline) Couplings() []SplineCoupling {
	w := b.weights.Value().Float64s()
	var cs []SplineCoupling
	for k, s := range b.splines {
		p := w[b.at[k]:b.at[k+1]]
		c := SplineCoupling{Keep: slices.Clone(s.Keep), Move: slices.Clone(s.Move)}
		if b.affine != nil {
			n := b.affine[k].Params()
			a := affineViews(&b.affine[k], p[:n])
			c.Affine, p = &a, p[n:]
		}
		c.R = denseViews(s.R, p)
		cs = append(cs, c)
	}
	return cs
}

// Settings returns the settings of the block, all fields filled in but Src,
// which is nil.
func (b *Spline) Settings() SplineSettings {
	s := b.settings
	s.Hidden = slices.Clone(s.Hidden)
	s.Keep = make([][]int, len(b.splines))
	for k, c := range b.splines {
		s.Keep[k] = slices.Clone(c.Keep)
	}
	return s
}

const splineKind = "spline"

// splineConfig are the settings of a Spline in a file.
type splineConfig struct {
	couplingsConfig
	Bins  int     `json:"bins,omitempty"`
	Bound float64 `json:"bound,omitempty"`
	Pure  bool    `json:"pure,omitempty"`
}

// Describe returns hidden layers, bipartitions, Bins, Bound and Pure.
func (b *Spline) Describe() *Description {
	s := b.Settings()
	c := &splineConfig{couplingsConfig{s.Hidden, s.Keep}, s.Bins, s.Bound, s.Pure}
	return &Description{Kind: splineKind, Config: c, of: b}
}

func buildSpline(s Stored) (Bijector, error) {
	var c splineConfig
	if err := s.Config(&c); err != nil {
		return nil, err
	}
	if c.Bins < 2 || c.Bins > maxBins {
		return nil, fmt.Errorf("bijector: %w: %d bins", ErrSettings, c.Bins)
	}
	if err := c.check(s, splineKind, splineValues(c.Bins, c.Pure)); err != nil {
		return nil, err
	}
	return NewSpline(s.Dim(), &SplineSettings{
		Hidden: c.hidden(), Keep: c.Keep, Bins: c.Bins, Bound: c.Bound, Pure: c.Pure, Src: rand.NewPCG(0, 0),
	})
}

// Steps returns the couplings.
func (b *Spline) Steps() []Step {
	return couplingSteps(b.weights, b.at, func(k int) (Bijector, error) {
		s := b.Settings()
		s.Couplings, s.Keep, s.Src = 1, s.Keep[k:k+1], rand.NewPCG(0, 0)
		return NewSpline(b.dim, &s)
	})
}

// LogScales returns AffineCoupling.Scale of all couplings; none if they are pure splines.
func (b *Spline) LogScales() []*mat.VecDense {
	return scalesOf(b.Couplings(), func(c *SplineCoupling) *AffineCoupling { return c.Affine })
}

// Dim returns the number of values per row.
func (b *Spline) Dim() int { return b.dim }

// Params returns the one parameter of the block, a vector: coupling after
// coupling those of the affine update, as in a RealNVP, if there is one, and the
// layers of R.
func (b *Spline) Params() []*Param { return []*Param{b.weights} }

// Forward maps z to x.
func (b *Spline) Forward(z *gorgonia.Node) (x, logDet *gorgonia.Node, err error) {
	return b.self.Forward(z)
}

// Inverse maps x to z.
func (b *Spline) Inverse(x *gorgonia.Node) (z, logDet *gorgonia.Node, err error) {
	return b.self.Inverse(x)
}

func (b *Spline) passed() []bool {
	var moves [][]int
	for _, c := range b.splines {
		moves = append(moves, c.Move)
	}
	return without(b.dim, moves...)
}

func (b *Spline) state(s *gorgonia.Node, inverse bool) (*gorgonia.Node, error) {
	return b.self.state(s, inverse)
}
