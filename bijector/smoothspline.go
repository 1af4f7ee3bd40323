package bijector

// SmoothSpline is a Spline whose curves have a continuous second derivative. It has
// the form of a Spline,
//
//	x_keep = z_keep,  x_move = g(z_move ⊙ exp(s(z_keep)) + t(z_keep); R(z_keep)),
//
// and g is a monotonic cubic spline, an I-spline (Ramsay, Statistical Science 3, 425
// (1988)): the slope of g is a sum of quadratic B-splines on Bins equal bins of
// [−Bound, Bound], with positive weights. Outside of the interval g is the identity. At
// its ends the slope is one and has derivative zero. The other Bins−2 weights are a
// softmax of the numbers that R gives, at least 1/1000, and their mean is one: so g
// maps the interval onto itself.
//
// The logarithm of the slope of a SmoothSpline has a continuous derivative, which that of a
// Spline has not. So the force of a latent energy does not jump, and the energy error of a
// leapfrog trajectory falls as the square of its step size. The inverse is found by
// Laguerre's method, with all digits of the precision. The whole block is one operation
// of the graph. A SmoothSpline is safe for concurrent use as long as its parameters
// are not changed.
type SmoothSpline struct {
	splineBlock
}

// NewSmoothSpline returns a block on rows of dim ≥ 2 values, with weights drawn like
// those of a RealNVP, so that it starts near the identity. It fails as NewSpline does,
// and with ErrSettings for fewer than four bins.
func NewSmoothSpline(dim int, s *SplineSettings) (*SmoothSpline, error) {
	b, err := newSplineBlock(&smoothSpline, dim, s)
	if err != nil {
		return nil, err
	}
	return &SmoothSpline{*b}, nil
}

// smoothSpline is what is special to SmoothSpline.
var smoothSpline = splineForm{kind: "smoothspline", name: "SmoothSpline", bins: 16, least: 4, smooth: true}

// Describe returns hidden layers, bipartitions, Bins, Bound and Pure.
func (b *SmoothSpline) Describe() *Description { return b.describe(b) }

func buildSmoothSpline(s Stored) (Bijector, error) {
	settings, err := smoothSpline.stored(s)
	if err != nil {
		return nil, err
	}
	return NewSmoothSpline(s.Dim(), settings)
}

// Steps returns the couplings.
func (b *SmoothSpline) Steps() []Step {
	return b.steps(func(s *SplineSettings) (Bijector, error) { return NewSmoothSpline(b.dim, s) })
}
