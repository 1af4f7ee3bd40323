package bijector

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/kernel"
)

// RealNVPSettings configures a RealNVP block. A zero field means its default.
type RealNVPSettings struct {
	// Couplings is the number of affine couplings, 10 by default (paper, App. B). If Keep is
	// given, it is len(Keep).
	Couplings int
	// Hidden lists the numbers of units of the hidden layers of the networks s and t,
	// 10, 10, 10 by default, as in the released command of the paper's authors. An empty
	// slice that is not nil means linear networks.
	Hidden []int
	// Keep lists for each coupling the positions that pass through and are the input of the
	// networks. By default half the positions, rounded up, are drawn at random for couplings
	// 0, 2, 4, …; each following coupling keeps the other positions.
	Keep [][]int
	// Src draws bipartitions and initial weights. It is required.
	Src rand.Source
}

// RealNVP is the block of the paper (App. B; Dinh, Sohl-Dickstein and Bengio,
// arXiv:1605.08803): a chain of affine couplings
//
//	x_keep = z_keep,  x_move = z_move ⊙ exp(s(z_keep)) + t(z_keep),
//
// where s = scale ⊙ tanh(S), with a learnable scale, and t = T. S and T are multilayer
// perceptrons with ELU units. The whole block is one operation of the graph. A RealNVP is
// safe for concurrent use as long as its parameters are not changed.
type RealNVP struct {
	dim       int
	couplings []kernel.Coupling
	at        []int // offset of each coupling's parameters
	hidden    []int
	fused
	self *fusedLayer
}

// NewRealNVP returns a block on rows of dim ≥ 2 values, near the identity. Weights and
// biases of hidden layers are uniform within ±1/√inputs, those of the last layers within a
// tenth of that. The scales are 1.
//
// It fails with ErrShape for a smaller dim. It fails with ErrSettings for nil settings or a
// nil source, a number out of range, more than 65536 couplings or more than 2²⁸ parameters.
// It fails with ErrPartition for a Keep with all positions or none, with a position twice or
// one outside the row.
func NewRealNVP(dim int, s *RealNVPSettings) (*RealNVP, error) {
	if s == nil {
		s = &RealNVPSettings{}
	}
	p, err := newPlan("RealNVP", dim, &planSettings{s.Couplings, 10, s.Hidden, s.Keep, s.Src}, affineValues)
	if err != nil {
		return nil, err
	}
	b := &RealNVP{dim: dim, at: []int{0}, hidden: slices.Clone(p.hidden)}
	for k := range p.keep {
		c := p.affine(k)
		b.couplings = append(b.couplings, c)
		b.at = append(b.at, b.at[k]+c.Params())
	}
	b.f64, b.f32 = kernel.NewAffine[float64](dim, b.couplings), kernel.NewAffine[float32](dim, b.couplings)
	w := make([]float64, b.f64.Params())
	if b.weights, err = NewParam(realNVPKind, w, len(w)); err != nil {
		return nil, err
	}
	b.draw(p.rnd)
	b.self = b.alone()
	return b, nil
}

// plan is a checked plan of a chain of couplings.
type plan struct {
	keep, move [][]int
	hidden     []int
	rnd        *rand.Rand
}

// planSettings holds the settings of the couplings of a block. byDefault is the default of
// couplings.
type planSettings struct {
	couplings, byDefault int
	hidden               []int
	keep                 [][]int
	src                  rand.Source
}

// affineValues returns the number of parameters of an affine coupling.
func affineValues(kept float64, hidden []int, moved float64) float64 {
	return 2*netValues(kept, hidden, moved) + moved
}

// newPlan checks settings before anything large is allocated. values gives the number of
// parameters of a coupling.
func newPlan(name string, dim int, s *planSettings, values valuesFunc) (*plan, error) {
	couplings, hidden, keep := s.couplings, s.hidden, s.keep
	if s.src == nil {
		return nil, fmt.Errorf("bijector: %w: %s needs a source of randomness", ErrSettings, name)
	}
	if dim < 2 {
		return nil, fmt.Errorf("bijector: %w: %s of dimension %d, want 2 or more", ErrShape, name, dim)
	}
	if hidden == nil {
		hidden = []int{10, 10, 10}
	}
	for i, h := range hidden {
		if h <= 0 {
			return nil, fmt.Errorf("bijector: %w: hidden layer %d has %d units", ErrSettings, i, h)
		}
	}
	if couplings < 0 || keep != nil && couplings != 0 && couplings != len(keep) {
		return nil, fmt.Errorf("bijector: %w: %d couplings with %d bipartitions", ErrSettings, couplings, len(keep))
	}
	if couplings == 0 {
		couplings = s.byDefault
	}
	if keep != nil {
		couplings = len(keep)
	}
	if couplings == 0 || couplings > maxCouplings {
		return nil, fmt.Errorf("bijector: %w: no couplings, or more than %d: %d", ErrSettings, maxCouplings, couplings)
	}
	full := &planSettings{couplings: couplings, hidden: hidden, keep: keep}
	if err := afford(ErrSettings, full.values(dim, values), "%s of dimension %d with %d couplings and hidden layers %v",
		name, dim, couplings, hidden); err != nil {
		return nil, err
	}
	p := &plan{hidden: hidden, rnd: rand.New(s.src)}
	if keep == nil {
		keep = alternating(dim, couplings, p.rnd)
	}
	for k, kept := range keep {
		move, err := complement(dim, kept)
		if err != nil {
			return nil, fmt.Errorf("bijector: coupling %d: %w", k, err)
		}
		p.keep, p.move = append(p.keep, slices.Clone(kept)), append(p.move, move)
	}
	return p, nil
}

// values returns the number of parameters of all couplings, given that of one.
func (s *planSettings) values(dim int, one valuesFunc) float64 {
	sum := float64(dim)
	for k := range s.couplings {
		kept := dim / 2 // as alternating makes them
		if k%2 == 0 {
			kept = dim - dim/2
		}
		if s.keep != nil {
			kept = len(s.keep[k])
		}
		sum += one(float64(kept), s.hidden, max(float64(dim)-float64(kept), 0))
	}
	return sum
}

// affine returns coupling k as an affine coupling.
func (p *plan) affine(k int) kernel.Coupling {
	net := kernel.NewNet(len(p.keep[k]), p.hidden, len(p.move[k]))
	return kernel.Coupling{Keep: p.keep[k], Move: p.move[k], S: net, T: net}
}

// alternating draws n bipartitions. Those with odd k are the complements of the ones before
// them.
func alternating(dim, n int, rnd *rand.Rand) [][]int {
	keep := make([][]int, n)
	for k := range keep {
		if k%2 == 0 {
			keep[k] = rnd.Perm(dim)[:(dim+1)/2]
			slices.Sort(keep[k])
		} else {
			keep[k], _ = complement(dim, keep[k-1])
		}
	}
	return keep
}

// complement returns the positions that are not kept.
func complement(dim int, keep []int) ([]int, error) {
	kept := make([]bool, max(dim, 0))
	for _, i := range keep {
		if i < 0 || i >= dim || kept[i] {
			return nil, fmt.Errorf("%w: positions %v of %d", ErrPartition, keep, dim)
		}
		kept[i] = true
	}
	var move []int
	for i, k := range kept {
		if !k {
			move = append(move, i)
		}
	}
	if len(keep) == 0 || len(move) == 0 {
		return nil, fmt.Errorf("%w: keeps %d of %d positions", ErrPartition, len(keep), dim)
	}
	return move, nil
}

// Dense is one layer of a network, as views of a block's parameters: writing to W or B
// changes the block.
type Dense struct {
	W *mat.Dense    // (outputs, inputs)
	B *mat.VecDense // (outputs)
}

// AffineCoupling is one coupling of a RealNVP as views of its parameters.
type AffineCoupling struct {
	Keep, Move []int         // positions that pass through, and positions that are updated
	S, T       []Dense       // layers of the networks, from the kept positions to the moved ones
	Scale      *mat.VecDense // multiplies the tanh of S
}

// Couplings returns views of the couplings, in the order in which Forward applies them.
func (b *RealNVP) Couplings() []AffineCoupling {
	w := b.weights.Value().Float64s()
	var cs []AffineCoupling
	for k := range b.couplings {
		cs = append(cs, affineViews(&b.couplings[k], w[b.at[k]:b.at[k+1]]))
	}
	return cs
}

func affineViews(c *kernel.Coupling, w []float64) AffineCoupling {
	ns, nm := c.S.Params(), len(c.Move)
	return AffineCoupling{
		Keep: slices.Clone(c.Keep), Move: slices.Clone(c.Move),
		S: denseViews(c.S, w[:ns]), Scale: mat.NewVecDense(nm, w[ns:ns+nm:ns+nm]), T: denseViews(c.T, w[ns+nm:]),
	}
}

func denseViews(n kernel.Net, w []float64) []Dense {
	d := make([]Dense, n.Layers())
	for k := range d {
		weights, biases := n.Layer(w, k)
		out := len(biases)
		d[k] = Dense{mat.NewDense(out, len(weights)/out, weights), mat.NewVecDense(out, biases)}
	}
	return d
}

// draw sets the initial weights.
func (b *RealNVP) draw(rnd *rand.Rand) {
	for _, c := range b.Couplings() {
		c.draw(rnd)
	}
}

func (c *AffineCoupling) draw(rnd *rand.Rand) {
	for _, net := range [][]Dense{c.S, c.T} {
		drawLayers(net, rnd)
	}
	for i := range c.Scale.Len() {
		c.Scale.SetVec(i, 1)
	}
}

func drawLayers(net []Dense, rnd *rand.Rand) {
	for k, d := range net {
		out, in := d.W.Dims()
		bound := 1 / math.Sqrt(float64(in))
		if k == len(net)-1 {
			bound /= 10
		}
		for i := range out {
			for j := range in {
				d.W.Set(i, j, bound*(2*rnd.Float64()-1))
			}
			d.B.SetVec(i, bound*(2*rnd.Float64()-1))
		}
	}
}

// Settings returns the settings of the block. All fields are set, except Src, which is nil.
func (b *RealNVP) Settings() RealNVPSettings {
	s := RealNVPSettings{Couplings: len(b.couplings), Hidden: slices.Clone(b.hidden)}
	for _, c := range b.couplings {
		s.Keep = append(s.Keep, slices.Clone(c.Keep))
	}
	return s
}

const realNVPKind = "realnvp"

// Describe returns hidden layers and bipartitions.
func (b *RealNVP) Describe() *Description {
	s := b.Settings()
	return &Description{Kind: realNVPKind, Config: &couplingsConfig{s.Hidden, s.Keep}, of: b}
}

func buildRealNVP(s Stored) (Bijector, error) {
	var c couplingsConfig
	if err := s.Config(&c); err != nil {
		return nil, err
	}
	if err := c.check(s, realNVPKind, affineValues); err != nil {
		return nil, err
	}
	return NewRealNVP(s.Dim(), &RealNVPSettings{Hidden: c.hidden(), Keep: c.Keep, Src: rand.NewPCG(0, 0)})
}

// Steps returns the couplings.
func (b *RealNVP) Steps() []Step {
	return couplingSteps(b.weights, b.at, func(k int) (Bijector, error) {
		return NewRealNVP(b.dim, &RealNVPSettings{
			Hidden: append([]int{}, b.hidden...), Keep: [][]int{b.couplings[k].Keep}, Src: rand.NewPCG(0, 0),
		})
	})
}

// LogScales returns AffineCoupling.Scale of all couplings.
func (b *RealNVP) LogScales() []*mat.VecDense {
	return scalesOf(b.Couplings(), func(c *AffineCoupling) *AffineCoupling { return c })
}

// Weights returns the matrices of all networks.
func (b *RealNVP) Weights() []*mat.Dense {
	var all []*mat.Dense
	for _, c := range b.Couplings() {
		all = append(all, weightsOf(c.S, c.T)...)
	}
	return all
}

// Dim returns the number of values per row.
func (b *RealNVP) Dim() int { return b.dim }

// Params returns the only parameter of the block, a vector. For each coupling it holds the
// layers of S, the scales, and the layers of T; for each layer, the (out, in) weights and
// the biases.
func (b *RealNVP) Params() []*Param { return []*Param{b.weights} }

// Forward maps z to x, eq. B.1.
func (b *RealNVP) Forward(z *gorgonia.Node) (x, logDet *gorgonia.Node, err error) {
	return b.self.Forward(z)
}

// Inverse maps x to z.
func (b *RealNVP) Inverse(x *gorgonia.Node) (z, logDet *gorgonia.Node, err error) {
	return b.self.Inverse(x)
}

func (b *RealNVP) passed() []bool {
	var moves [][]int
	for _, c := range b.couplings {
		moves = append(moves, c.Move)
	}
	return without(b.dim, moves...)
}

func (b *RealNVP) state(s packed, inverse bool) (packed, error) {
	return b.self.state(s, inverse)
}
