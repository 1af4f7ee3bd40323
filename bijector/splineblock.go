package bijector

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/kernel"
)

// splineBlock is a chain of couplings by splines, with or without affine updates: all
// that Spline and SmoothSpline have in common.
type splineBlock struct {
	form     *splineForm
	dim      int
	affine   []kernel.Coupling // nil if pure
	splines  []kernel.Spline
	at       []int // offset of each coupling's parameters
	settings SplineSettings
	fused
	self *fusedLayer
}

// splineForm is what is special to one kind of splines.
type splineForm struct {
	kind, name  string
	bins, least int // number of bins, by default and at least
	smooth      bool
}

const (
	minBound, maxBound = 1e-30, 1e30
	maxBins            = 256
)

// values is the number of parameters of a coupling.
func (f *splineForm) values(bins int, pure bool) valuesFunc {
	return func(kept float64, hidden []int, moved float64) float64 {
		n := netValues(kept, hidden, moved*float64(kernel.SplineNumbers(bins, f.smooth)))
		if !pure {
			n += affineValues(kept, hidden, moved)
		}
		return n
	}
}

func newSplineBlock(form *splineForm, dim int, s *SplineSettings) (*splineBlock, error) {
	if s == nil {
		s = &SplineSettings{}
	}
	b := &splineBlock{form: form, dim: dim, at: []int{0}, settings: *s}
	if b.settings.Bins == 0 {
		b.settings.Bins = form.bins
	}
	if b.settings.Bound == 0 {
		b.settings.Bound = 6
	}
	bins, bound := b.settings.Bins, b.settings.Bound
	if bins < form.least || bins > maxBins || !(bound >= minBound && bound <= maxBound) {
		return nil, fmt.Errorf("bijector: %w: a spline of %d bins on ±%g, want %d to %d bins and a bound of %g to %g",
			ErrSettings, bins, bound, form.least, maxBins, minBound, maxBound)
	}
	couplings := &planSettings{s.Couplings, 4, s.Hidden, s.Keep, s.Src}
	p, err := newPlan(form.name, dim, couplings, form.values(bins, s.Pure))
	if err != nil {
		return nil, err
	}
	for k := range p.keep {
		c := kernel.Spline{Keep: p.keep[k], Move: p.move[k], Bins: bins, Bound: bound, Smooth: form.smooth}
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
	if b.weights, err = NewParam(form.kind, w, len(w)); err != nil {
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

// SplineCoupling is one coupling of a Spline or a SmoothSpline as views of its
// parameters.
type SplineCoupling struct {
	Keep, Move []int           // positions that pass through, and that are updated
	Affine     *AffineCoupling // the update before the spline, nil if there is none
	// R is the network from the kept positions to the numbers of the splines: for
	// every moved position 3·Bins−1 numbers of a Spline, or Bins−2 of a SmoothSpline.
	//
	// Those of a Spline are Bins numbers that say how wide the bins are, by a softmax,
	// Bins that say how high, and Bins−1 for the slopes in between, whose logarithms
	// they are as long as they are small. Those of a SmoothSpline say the weights of
	// its slopes, by a softmax.
	R []Dense
}

// Couplings returns views of the couplings; the first one is applied first by
// Forward.
func (b *splineBlock) Couplings() []SplineCoupling {
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
func (b *splineBlock) Settings() SplineSettings {
	s := b.settings
	s.Hidden = slices.Clone(s.Hidden)
	s.Keep = make([][]int, len(b.splines))
	for k, c := range b.splines {
		s.Keep[k] = slices.Clone(c.Keep)
	}
	return s
}

// splineConfig are the settings in a file.
type splineConfig struct {
	couplingsConfig
	Bins  int     `json:"bins,omitempty"`
	Bound float64 `json:"bound,omitempty"`
	Pure  bool    `json:"pure,omitempty"`
}

// describe is Describe of the bijector self, whose block this is.
func (b *splineBlock) describe(self Bijector) *Description {
	s := b.Settings()
	c := &splineConfig{couplingsConfig{s.Hidden, s.Keep}, s.Bins, s.Bound, s.Pure}
	return &Description{Kind: b.form.kind, Config: c, of: self}
}

// stored are the settings that a description says.
func (f *splineForm) stored(s Stored) (*SplineSettings, error) {
	var c splineConfig
	if err := s.Config(&c); err != nil {
		return nil, err
	}
	if c.Bins < f.least || c.Bins > maxBins {
		return nil, fmt.Errorf("bijector: %w: %d bins", ErrSettings, c.Bins)
	}
	if err := c.check(s, f.kind, f.values(c.Bins, c.Pure)); err != nil {
		return nil, err
	}
	return &SplineSettings{
		Hidden: c.hidden(), Keep: c.Keep, Bins: c.Bins, Bound: c.Bound, Pure: c.Pure, Src: rand.NewPCG(0, 0),
	}, nil
}

// steps are the couplings, each made as a block of its own.
func (b *splineBlock) steps(block func(s *SplineSettings) (Bijector, error)) []Step {
	return couplingSteps(b.weights, b.at, func(k int) (Bijector, error) {
		s := b.Settings()
		s.Couplings, s.Keep, s.Src = 1, s.Keep[k:k+1], rand.NewPCG(0, 0)
		return block(&s)
	})
}

// LogScales returns AffineCoupling.Scale of all couplings; none if they are pure splines.
func (b *splineBlock) LogScales() []*mat.VecDense {
	return scalesOf(b.Couplings(), func(c *SplineCoupling) *AffineCoupling { return c.Affine })
}

// Dim returns the number of values per row.
func (b *splineBlock) Dim() int { return b.dim }

// Params returns the one parameter of the block, a vector: coupling after
// coupling those of the affine update, as in a RealNVP, if there is one, and the
// layers of R.
func (b *splineBlock) Params() []*Param { return []*Param{b.weights} }

// Forward maps z to x.
func (b *splineBlock) Forward(z *gorgonia.Node) (x, logDet *gorgonia.Node, err error) {
	return b.self.Forward(z)
}

// Inverse maps x to z.
func (b *splineBlock) Inverse(x *gorgonia.Node) (z, logDet *gorgonia.Node, err error) {
	return b.self.Inverse(x)
}

func (b *splineBlock) passed() []bool {
	var moves [][]int
	for _, c := range b.splines {
		moves = append(moves, c.Move)
	}
	return without(b.dim, moves...)
}

func (b *splineBlock) state(s *gorgonia.Node, inverse bool) (*gorgonia.Node, error) {
	return b.self.state(s, inverse)
}
