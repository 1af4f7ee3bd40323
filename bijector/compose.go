package bijector

import (
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"

	"github.com/neuralrg/neuralrg/internal/graph"
)

// Chain is the composition of bijectors. It is safe for concurrent use.
type Chain struct {
	bs     []Bijector
	params []*Param
}

// NewChain returns the composition x = b_n(… b_2(b_1(z))). Forward applies the bijectors
// in the given order, Inverse in the opposite order. It fails with ErrShape if there are
// none, one is nil or their dimensions differ. A bijector may occur more than once; its
// parameters are then shared.
func NewChain(bs ...Bijector) (*Chain, error) {
	if len(bs) == 0 {
		return nil, fmt.Errorf("bijector: %w: empty chain", ErrShape)
	}
	first := 0
	for i, b := range bs {
		dim, err := dimOf(fmt.Sprintf("chain element %d", i), b)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			first = dim
		}
		if dim != first || dim < 1 {
			return nil, fmt.Errorf("bijector: %w: chain element %d has dimension %d, element 0 has %d",
				ErrShape, i, dim, first)
		}
	}
	c := &Chain{bs: slices.Clone(bs)}
	if err := graph.Guard(func() error { c.params = union(c.bs); return nil }); err != nil {
		return nil, fmt.Errorf("bijector: parameters of a chain: %w", err)
	}
	return c, nil
}

// Dim returns the number of values per row.
func (c *Chain) Dim() int { return c.bs[0].Dim() }

// Params returns the parameters of all elements, each once.
func (c *Chain) Params() []*Param { return slices.Clone(c.params) }

// Bijectors returns the elements, in the order in which Forward applies them.
func (c *Chain) Bijectors() []Bijector { return slices.Clone(c.bs) }

const chainKind = "chain"

// Describe returns the elements as parts.
func (c *Chain) Describe() *Description {
	return &Description{Kind: chainKind, Parts: c.Bijectors(), of: c}
}

func buildChain(s Stored) (Bijector, error) { return NewChain(s.Parts()...) }

// Steps returns the elements.
func (c *Chain) Steps() []Step {
	steps := make([]Step, len(c.bs))
	for k, b := range c.bs {
		steps[k] = Step{fmt.Sprintf("element %d", k), b}
	}
	return steps
}

// Forward applies the elements in order.
func (c *Chain) Forward(z *gorgonia.Node) (x, logDet *gorgonia.Node, err error) {
	return run(c.bs, z, false)
}

// Inverse applies the inverses of the elements in the opposite order.
func (c *Chain) Inverse(x *gorgonia.Node) (z, logDet *gorgonia.Node, err error) {
	return run(c.bs, x, true)
}

// inverted is a bijector with its directions exchanged.
type inverted struct{ Bijector }

// Invert returns the inverse of b: its Forward is b.Inverse. It shares the parameters of
// b. Invert(nil) is nil.
func Invert(b Bijector) Bijector {
	if b == nil {
		return nil
	}
	if i, ok := b.(inverted); ok {
		return i.Bijector
	}
	return inverted{b}
}

const inverseKind = "inverse"

// Describe returns the inverted bijector as the only part.
func (i inverted) Describe() *Description {
	return &Description{Kind: inverseKind, Parts: []Bijector{i.Bijector}, of: i}
}

func buildInverse(s Stored) (Bijector, error) {
	if parts := s.Parts(); len(parts) == 1 {
		return Invert(parts[0]), nil
	}
	return nil, fmt.Errorf("bijector: %w: the inverse of %d bijectors", ErrKind, len(s.Parts()))
}

// String returns "the inverse of" and the name of the inverted bijector.
func (i inverted) String() string { return "the inverse of " + graph.NameOf(i.Bijector) }

func (i inverted) Forward(z *gorgonia.Node) (x, logDet *gorgonia.Node, err error) {
	return i.Bijector.Inverse(z)
}

func (i inverted) Inverse(x *gorgonia.Node) (z, logDet *gorgonia.Node, err error) {
	return i.Bijector.Forward(x)
}

// Permutation reorders the values of a row. It is safe for concurrent use.
type Permutation struct{ perm, back []int }

// NewPermutation returns the map x_i = z_perm[i], whose log-determinant is zero. It fails
// with ErrPartition unless perm contains each of 0 … n−1 once.
func NewPermutation(perm []int) (*Permutation, error) {
	p := &Permutation{append([]int(nil), perm...), make([]int, len(perm))}
	seen := make([]bool, len(perm))
	for i, k := range perm {
		if k < 0 || k >= len(perm) || seen[k] {
			return nil, fmt.Errorf("bijector: %w: %v is no permutation: entry %d is %d", ErrPartition, perm, i, k)
		}
		seen[k], p.back[k] = true, i
	}
	if len(perm) == 0 {
		return nil, fmt.Errorf("bijector: %w: empty permutation", ErrPartition)
	}
	return p, nil
}

// Dim returns the number of values per row.
func (p *Permutation) Dim() int { return len(p.perm) }

// Params returns nil: a Permutation has no parameters.
func (p *Permutation) Params() []*Param { return nil }

// Perm returns perm, where x_i = z_perm[i].
func (p *Permutation) Perm() []int { return slices.Clone(p.perm) }

func (p *Permutation) passed() []bool {
	all := make([]bool, len(p.perm))
	for i, k := range p.perm {
		all[i] = i == k
	}
	return all
}

const (
	permutationKind = "permutation"
	permArray       = "perm"
)

// Describe returns the permutation as an array.
func (p *Permutation) Describe() *Description {
	return &Description{Kind: permutationKind, of: p, Arrays: func() []Array {
		return []Array{{Name: permArray, Shape: []int{p.Dim()}, Ints: p.Perm()}}
	}}
}

func buildPermutation(s Stored) (Bijector, error) {
	perm, err := s.Ints(permArray, s.Dim())
	if err != nil {
		return nil, err
	}
	return NewPermutation(perm)
}

// Forward maps z to x_i = z_perm[i].
func (p *Permutation) Forward(z *gorgonia.Node) (x, logDet *gorgonia.Node, err error) {
	return permute(z, p.perm)
}

// Inverse maps x back to z.
func (p *Permutation) Inverse(x *gorgonia.Node) (z, logDet *gorgonia.Node, err error) {
	return permute(x, p.back)
}

func permute(x *gorgonia.Node, perm []int) (y, logDet *gorgonia.Node, err error) {
	if _, err := graph.Rows(x, len(perm)); err != nil {
		return nil, nil, fmt.Errorf("bijector: permutation: %w", err)
	}
	if y, err = graph.Permute(x, perm, nil); err != nil {
		return nil, nil, err
	}
	// A fresh state has log-determinant zero.
	p, err := graph.Pack(y)
	if err != nil {
		return nil, nil, err
	}
	if y, logDet, err = p.Unpack(len(perm)); err != nil {
		return nil, nil, err
	}
	score := graph.ScoreOf(x)
	if score == nil {
		return y, logDet, nil
	}
	if score, err = graph.Permute(score, perm, nil); err != nil {
		return nil, nil, err
	}
	y, err = graph.Scored(y, score)
	return y, logDet, err
}
