package flow

import (
	"fmt"
	"math"
	"slices"

	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/graph"
	"github.com/neuralrg/neuralrg/internal/lattice"
)

// Symmetry is a signed permutation of the values of a row: it maps x to
//
//	y_i = Sign[i]·x_Perm[i].
//
// A nil Perm means no permutation. A nil Sign means that all signs are +1.
type Symmetry struct {
	Perm []int     // of positions
	Sign []float64 // ±1
}

// Inversion returns the symmetry x → −x of rows of n values. If n is below 1 or above 2²⁶,
// the result is invalid, and Symmetrize fails with ErrSymmetry.
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
// where G is the group that the given generators generate. It shares the parameters of m.
//
// ln q takes one inverse pass for every element of G but the identity, also in training.
// If G is large, Settings.Images and EvaluateSettings.Images choose fewer elements, drawn
// at random for each sample. LogProbs, Latent and Sample with ln q always use all.
//
// A subgroup makes these cheaper: make a second model, New(m.Prior(), m.Bijector()), and
// symmetrise it with fewer generators. Both models share their parameters, so that you can
// train one and sample the other. The density of the second model is normalised and its
// Latent is exact. It lacks only the rest of the symmetry.
//
// The target must have the symmetry; otherwise the loss is no bound (eq. D.3). NewTrainer
// and Evaluate check this.
//
// Symmetrize fails with ErrSettings for a nil model. It fails with ErrSymmetry for a
// generator that is no signed permutation of m.Dim() values, for a model that is
// symmetrised already, and for a group that takes more than half a gigabyte, at about
// 17·Dim + 500 bytes per element. For a group of more than 1024 elements, ln q is computed
// for all images in one batch. It fails with ErrSymmetry if they have more than 2²⁵ values.
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

// symmetrized returns m with a symmetry group and its generators.
func (m *Model) symmetrized(group, gens []Symmetry) *Model {
	return newModel(&Model{prior: m.prior, b: m.b, group: group, gens: gens, dtype: m.dtype})
}

// complete checks a symmetry and returns a copy with nil fields filled in.
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

// node returns the image of a node.
func (s Symmetry) node(x *gorgonia.Node) (*gorgonia.Node, error) {
	return graph.Permute(x, s.Perm, s.Sign)
}
