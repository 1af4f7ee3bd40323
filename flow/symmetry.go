package flow

import (
	"fmt"
	"math"
	"slices"

	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/graph"
	"github.com/neuralrg/neuralrg/internal/lattice"
)

// Symmetry is a signed permutation of the values of a row: it maps x to y_i =
// Sign[i]·x_Perm[i]. A nil Perm leaves the order, a nil Sign the signs.
type Symmetry struct {
	Perm []int     // of positions
	Sign []float64 // ±1
}

// Inversion is the symmetry x → −x on rows of n values. One of n below 1 or above
// 2²⁶ has no signs, and Symmetrize refuses it for every model.
func Inversion(n int) Symmetry {
	if n < 1 || n > lattice.MaxSites {
		n = 0
	}
	s := Symmetry{Sign: make([]float64, n)}
	for i := range s.Sign {
		s.Sign[i] = -1
	}
	return s
}

// Symmetrize returns the model of density (paper, eq. D.1)
//
//	q_sym(x) = 1/|G| Σ_{η∈G} q(ηx),
//
// G being the group that the given signed permutations generate, with the
// parameters of m. Training and sampling cost one inverse pass for every
// element but the identity, whose ln q is known from the sampling pass. Over a
// large group Settings.Images and EvaluateSettings.Images make do with some of
// the elements at a time; everything else is of all of them.
//
// Sample with ln q, LogProbs and Latent are cheaper over a subgroup: make a second
// model, New(m.Prior(), m.Bijector()), and symmetrise it with fewer generators. Both
// share their parameters, so that one may be trained and the other sampled. The
// density of the second is normalised, and its Latent is exact; what it lacks is
// the rest of the symmetry.
//
// The target must have the symmetry: the loss of a symmetrised model is a bound
// only then (eq. D.3). NewTrainer and Evaluate check it.
//
// It fails with ErrSymmetry for a generator that is no signed permutation of
// m.Dim() values, for a group whose elements take more than half a gigabyte, some
// 17·Dim + 500 bytes each, and for a model that is symmetrised already. ln q of more
// than 1024 elements is computed for all images at once, as one batch; that
// of a batch whose images have more than 2²⁵ values is an error that wraps
// ErrSymmetry.
func Symmetrize(m *Model, generators ...Symmetry) (*Model, error) {
	if m == nil {
		return nil, fmt.Errorf("flow: %w: nil model", ErrSettings)
	}
	if m.group != nil {
		return nil, fmt.Errorf("flow: %w: the model is symmetrised already", ErrSymmetry)
	}
	if _, err := dimensions(m); err != nil {
		return nil, fmt.Errorf("flow: %w: model: %w", ErrSettings, err)
	}
	group, err := generate(m.Dim(), generators, maxTable/elementBytes(m.Dim()))
	if err != nil {
		return nil, err
	}
	if len(group) == 1 {
		return m, nil
	}
	return m.symmetrized(group, generators), nil
}

// symmetrized is m with a symmetry group and its generators.
func (m *Model) symmetrized(group, gens []Symmetry) *Model {
	return newModel(&Model{prior: m.prior, b: m.b, group: group, gens: gens, dtype: m.dtype})
}

// complete checks a symmetry and spells out nil fields.
func (s Symmetry) complete(n int) (Symmetry, error) {
	if s.Perm == nil {
		s.Perm = make([]int, n)
		for i := range s.Perm {
			s.Perm[i] = i
		}
	}
	if s.Sign == nil {
		s.Sign = slices.Repeat([]float64{1}, n)
	}
	if len(s.Perm) != n || len(s.Sign) != n {
		return s, fmt.Errorf("%w: %d positions and %d signs for %d values", ErrSymmetry, len(s.Perm), len(s.Sign), n)
	}
	seen := make([]bool, n)
	for i, p := range s.Perm {
		if p < 0 || p >= n || seen[p] {
			return s, fmt.Errorf("%w: no permutation: entry %d is %d", ErrSymmetry, i, p)
		}
		seen[p] = true
		if math.Abs(s.Sign[i]) != 1 {
			return s, fmt.Errorf("%w: sign %d is %g", ErrSymmetry, i, s.Sign[i])
		}
	}
	return Symmetry{slices.Clone(s.Perm), slices.Clone(s.Sign)}, nil
}

// apply stores the image of x in y.
func (s Symmetry) apply(y, x []float64) {
	for i, p := range s.Perm {
		y[i] = s.Sign[i] * x[p]
	}
}

// node is the image of a node.
func (s Symmetry) node(x *gorgonia.Node) (*gorgonia.Node, error) {
	return graph.Permute(x, s.Perm, s.Sign)
}
