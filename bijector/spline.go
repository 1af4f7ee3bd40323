package bijector

import (
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/kernel"
)

// SplineSettings configures a Spline. A zero field means its default.
type SplineSettings struct {
	// Couplings is the number of couplings, 4 by default, which makes about as
	// many parameters as a RealNVP has. It follows from Keep if that is given.
	Couplings int
	// Hidden is the number of units of each hidden layer of the networks, 10,
	// 10, 10 by default. A non-nil empty slice means linear networks.
	Hidden []int
	// Bins is the number of bins of a spline, 8 by default, or 16 of a smooth spline.
	// It is 256 at most, and at least 2, or 4 of a smooth spline.
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
// mapped by a monotonic spline that depends on the kept positions,
//
//	x_keep = z_keep,  x_move = spline(z_move ⊙ exp(s(z_keep)) + t(z_keep); R(z_keep)).
//
// A single coupling can so split one mode into two. The splines of NewSpline are
// rational-quadratic, those of NewSmoothSpline are cubic and smoother. The whole block
// is one operation of the graph. A Spline is safe for concurrent use as long as its
// parameters are not changed.
type Spline struct {
	form     *splineForm
	dim      int
	affine   []kernel.Coupling // nil if pure
	splines  []kernel.Spline
	at       []int // offset of each coupling's parameters
	settings SplineSettings
	fused
	self *fusedLayer
}

// SplineCoupling is one coupling of a Spline as views of its parameters.
type SplineCoupling struct {
	Keep, Move []int           // positions that pass through, and that are updated
	Affine     *AffineCoupling // the update before the spline, nil if there is none
	// R is the network from the kept positions to the numbers of the splines. A
	// rational-quadratic spline has 3·Bins−1 for every moved position: Bins that say
	// how wide the bins are, by a softmax, Bins that say how high, and Bins−1 for the
	// slopes in between, whose logarithms they are as long as they are small. A smooth
	// spline has Bins−2, which say the weights of its slope, by a softmax.
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

// splineConfig are the settings of a Spline in a file.
type splineConfig struct {
	couplingsConfig
	Bins  int     `json:"bins,omitempty"`
	Bound float64 `json:"bound,omitempty"`
	Pure  bool    `json:"pure,omitempty"`
}

// Describe returns hidden layers, bipartitions, Bins, Bound and Pure. The kind says which
// splines they are.
func (b *Spline) Describe() *Description {
	s := b.Settings()
	c := &splineConfig{couplingsConfig{s.Hidden, s.Keep}, s.Bins, s.Bound, s.Pure}
	return &Description{Kind: b.form.kind, Config: c, of: b}
}

// Steps returns the couplings.
func (b *Spline) Steps() []Step {
	return couplingSteps(b.weights, b.at, func(k int) (Bijector, error) {
		s := b.Settings()
		s.Couplings, s.Keep, s.Src = 1, s.Keep[k:k+1], rand.NewPCG(0, 0)
		return b.form.block(b.dim, &s)
	})
}

// LogScales returns AffineCoupling.Scale of all couplings; none if they are pure splines.
func (b *Spline) LogScales() []*mat.VecDense {
	return scalesOf(b.Couplings(), func(c *SplineCoupling) *AffineCoupling { return c.Affine })
}

// Weights returns the matrices of all networks.
func (b *Spline) Weights() []*mat.Dense {
	var all []*mat.Dense
	for _, c := range b.Couplings() {
		if c.Affine != nil {
			all = append(all, weightsOf(c.Affine.S, c.Affine.T)...)
		}
		all = append(all, weightsOf(c.R)...)
	}
	return all
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

func (b *Spline) state(s packed, inverse bool) (packed, error) {
	return b.self.state(s, inverse)
}
