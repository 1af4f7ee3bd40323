package bijector

import "math/rand/v2"

// SplineSettings configures a Spline or a SmoothSpline. A zero field means its
// default.
type SplineSettings struct {
	// Couplings is the number of couplings, 4 by default, which makes about as
	// many parameters as a RealNVP has. It follows from Keep if that is given.
	Couplings int
	// Hidden is the number of units of each hidden layer of the networks, 10,
	// 10, 10 by default. A non-nil empty slice means linear networks.
	Hidden []int
	// Bins is the number of bins of a spline, 8 by default, or 16 of a SmoothSpline.
	// It is 256 at most, and at least 2, or 4 of a SmoothSpline.
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
	splineBlock
}

// NewSpline returns a block on rows of dim ≥ 2 values, with weights drawn like
// those of a RealNVP, so that it starts near the identity. It fails as NewRealNVP
// does, and with ErrSettings for fewer than two bins, more than 256, or a bound out of
// its range.
func NewSpline(dim int, s *SplineSettings) (*Spline, error) {
	b, err := newSplineBlock(&rationalSpline, dim, s)
	if err != nil {
		return nil, err
	}
	return &Spline{*b}, nil
}

const splineKind = "spline"

// rationalSpline is what is special to Spline.
var rationalSpline = splineForm{kind: splineKind, name: "Spline", bins: 8, least: 2}

// Describe returns hidden layers, bipartitions, Bins, Bound and Pure.
func (b *Spline) Describe() *Description { return b.describe(b) }

func buildSpline(s Stored) (Bijector, error) {
	settings, err := rationalSpline.stored(s)
	if err != nil {
		return nil, err
	}
	return NewSpline(s.Dim(), settings)
}

// Steps returns the couplings.
func (b *Spline) Steps() []Step {
	return b.steps(func(s *SplineSettings) (Bijector, error) { return NewSpline(b.dim, s) })
}
