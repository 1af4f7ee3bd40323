package bijector

import (
	"fmt"
	"math/rand/v2"

	"github.com/neuralrg/neuralrg/internal/kernel"
)

// NewSpline returns a block of rational-quadratic splines (Durkan, Bekasov, Murray and
// Papamakarios, arXiv:1906.04032, eq. 4) on rows of dim ≥ 2 values, with weights drawn
// like those of a RealNVP, so that it starts near the identity. Where the reference takes
// softplus for the slopes at the knots, here their logarithms are bounded softly, to
// slopes between 1/1000 and 1000.
//
// It fails as NewRealNVP does, and with ErrSettings for fewer than two bins, more than
// 256, or a bound out of its range.
func NewSpline(dim int, s *SplineSettings) (*Spline, error) { return rationalSplines().block(dim, s) }

// NewSmoothSpline returns a block of monotonic cubic splines with a continuous second
// derivative, I-splines (Ramsay, Statistical Science 3, 425 (1988)), on rows of dim ≥ 2
// values. The slope of a spline is a sum of quadratic B-splines on Bins equal bins of
// [−Bound, Bound], with positive weights. Outside of the interval the spline is the
// identity. At its ends the slope is one and has derivative zero. The other Bins−2
// weights are a softmax of the numbers that R gives; they are 1/1000 or more, and
// their mean is one. So the spline maps the interval onto itself.
//
// The logarithm of its slope has a continuous derivative, which that of a
// rational-quadratic spline has not. So the force of a latent energy does not jump, and
// the energy error of a leapfrog trajectory falls as the square of its step size. The
// inverse is found by Laguerre's method, with all digits of the precision.
//
// Weights are drawn like those of a RealNVP, so that the block starts near the identity.
// It fails as NewSpline does, and with ErrSettings for fewer than four bins.
func NewSmoothSpline(dim int, s *SplineSettings) (*Spline, error) {
	return smoothSplines().block(dim, s)
}

// splineForm is what is special to one kind of splines.
type splineForm struct {
	kind, name  string
	bins, least int // number of bins, by default and at least
	smooth      bool
}

func rationalSplines() *splineForm {
	return &splineForm{kind: "spline", name: "Spline", bins: 8, least: 2}
}

func smoothSplines() *splineForm {
	return &splineForm{kind: "smoothspline", name: "SmoothSpline", bins: 16, least: 4, smooth: true}
}

const (
	minBound, maxBound = 1e-30, 1e30
	maxBins            = 256
)

// values is the number of parameters of a coupling.
func (form *splineForm) values(bins int, pure bool) valuesFunc {
	return func(kept float64, hidden []int, moved float64) float64 {
		n := netValues(kept, hidden, moved*float64(kernel.SplineNumbers(bins, form.smooth)))
		if !pure {
			n += affineValues(kept, hidden, moved)
		}
		return n
	}
}

func (form *splineForm) block(dim int, s *SplineSettings) (*Spline, error) {
	if s == nil {
		s = &SplineSettings{}
	}
	b := &Spline{form: form, dim: dim, at: []int{0}, settings: *s}
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

// build is Kind.Build.
func (form *splineForm) build(s Stored) (Bijector, error) {
	var c splineConfig
	if err := s.Config(&c); err != nil {
		return nil, err
	}
	if c.Bins < form.least || c.Bins > maxBins {
		return nil, fmt.Errorf("bijector: %w: %d bins", ErrSettings, c.Bins)
	}
	if err := c.check(s, form.kind, form.values(c.Bins, c.Pure)); err != nil {
		return nil, err
	}
	return form.block(s.Dim(), &SplineSettings{
		Hidden: c.hidden(), Keep: c.Keep, Bins: c.Bins, Bound: c.Bound, Pure: c.Pure, Src: rand.NewPCG(0, 0),
	})
}
