package flow

import (
	"fmt"

	"github.com/neuralrg/neuralrg/bijector"
)

// Grow returns a model on another lattice, most likely one twice as large, whose
// layers begin as copies of those of m, a model of the same recipe on a lattice
// of as many dimensions. kinds are those of the program's own blocks, if m has any.
// Near a critical point the renormalization flow is at
// its fixed point on all scales but the finest, where the lattice is felt, and
// the coarsest, where the boundary is; so the finest scales and the coarsest
// are those of m, and what is missing in between are copies of the last scale
// before the coarsest. Such a model needs a fraction of the training of one
// that begins with random parameters, and has the modes that m has.
//
// A checkerboard has two scales for every halving of the axes, in one dimension one. Those of
// the last halving are the coarsest ones. On their small lattice, often of 2 × 2 sites, many of
// the sites around another one are equal. The lattices of every second scale are turned, and a missing scale
// is a copy of one whose lattice is turned if its own is.
//
// The temperature should be that of m, and spectrum that of the new lattice. Train
// it without annealing and at a lower learning rate.
// Blocks are those of m, and so is the factor of Scale, if Scale is not 1. Of the recipe,
// Whiten, ConditionalDecimators, Checkerboard, Exact and Network are used, of
// Network.ContextBlock whether it is nil. The model shares no parameters with m, and is not
// symmetrised.
//
// Scale by scale both lattices must be cut into tiles of the same numbers of sites, as
// those of 12 × 12 and 24 × 24 sites are in a MERA: 2 × 2 and then 3 × 3 at the top. For a
// checkerboard as many sites must remain after the last scale.
// A model of 7 × 7 sites is one block on all of them: no larger lattice begins as it.
//
// It fails with ErrSettings for a MERA of a recipe with Exact, with ErrHierarchy if m is not of
// the recipe or a scale of the new lattice has other tiles than the one it would begin as or
// none to begin as, with bijector.ErrKind for a block of a kind that is not known, and as
// Model does.
func (r *Recipe) Grow(m *Model, shape []int, spectrum []float64, kinds ...bijector.Kind) (*Model, error) {
	if m == nil {
		return nil, fmt.Errorf("flow: %w: nil model", ErrSettings)
	}
	if err := r.compatible(spectrum); err != nil {
		return nil, err
	}
	network, grow := r.network(shape, nil), r.growMERA
	if r.onBoard(shape) {
		grow = r.growBoard
	} else if r.Exact != nil {
		return nil, fmt.Errorf("flow: %w: a MERA of a recipe with Exact does not grow", ErrSettings)
	}
	if err := r.checkScale(); err != nil {
		return nil, err
	}
	h, err := r.networkOf(m, spectrum != nil)
	if err != nil {
		return nil, err
	}
	h, factor, err := r.unscaled(h, spectrum)
	if err != nil {
		return nil, err
	}
	layers, err := grow(h, shape, network)
	if err != nil {
		return nil, err
	}
	next := 0
	block := func(int) (bijector.Bijector, error) {
		next++
		return bijector.Copy(layers[next-1].Block(), kinds...)
	}
	if network.ContextBlock != nil {
		network.ContextBlock = func(_, moved int) (bijector.Bijector, error) { return block(moved) }
	}
	grown, err := r.model(shape, spectrum, network, block)
	if err != nil || factor == nil {
		return grown, err
	}
	return grown, r.keepScale(grown, factor)
}

// networkOf returns the network of a model of the recipe.
func (r *Recipe) networkOf(m *Model, spectrum bool) (*bijector.Hierarchy, error) {
	b := m.b
	if c, ok := b.(*bijector.Chain); ok && r.Whiten && spectrum && len(c.Bijectors()) == 2 {
		b = c.Bijectors()[0]
	}
	h, ok := b.(*bijector.Hierarchy)
	if !ok {
		return nil, fmt.Errorf("flow: a model to grow: %w: no network of the recipe, but a %T",
			bijector.ErrHierarchy, b)
	}
	if h.Components() != r.components() {
		return nil, fmt.Errorf("flow: a model to grow: %w: %d values at each site, the recipe has %d",
			bijector.ErrHierarchy, h.Components(), r.components())
	}
	return h, nil
}

// growMERA returns the layers as copies of which those of a MERA begin, fine to coarse.
func (r *Recipe) growMERA(
	h *bijector.Hierarchy, shape []int, network *bijector.NetworkSettings,
) (layers []*bijector.Layer, err error) {
	scales, err := network.Scales(shape)
	if err != nil {
		return nil, err
	}
	old, err := r.scales(h)
	if err != nil {
		return nil, fmt.Errorf("flow: a model to grow: %w", err)
	}
	for k, c := range scales {
		from := min(k, max(len(old)-2, 0))
		if k == len(scales)-1 {
			from = len(old) - 1
		}
		top, sites := atTop(old[from]), old[from][0].Block().Dim()/r.components()
		if top != c.Top || sites != c.Sites() {
			return nil, fmt.Errorf("flow: %w: scale %d of lattice %v has tiles of %d sites, at the top: %t; "+
				"it would begin as scale %d of the model, whose tiles have %d, at the top: %t",
				bijector.ErrHierarchy, k, shape, c.Sites(), c.Top, from, sites, top)
		}
		layers = append(layers, old[from]...)
	}
	return layers, nil
}

// scales returns the layers of a MERA of the recipe, scale by scale, fine to coarse.
func (r *Recipe) scales(h *bijector.Hierarchy) ([][]*bijector.Layer, error) {
	conditional := r.ConditionalDecimators || r.Network.ContextBlock != nil
	repeat := max(1, r.Network.Repeat)
	per := 2 * repeat
	if conditional {
		per++
	}
	var scales [][]*bijector.Layer
	var scale []*bijector.Layer
	for k, l := range h.Layers() {
		scale = append(scale, l)
		if l.Keep() == nil {
			if l.Context() != nil {
				return nil, fmt.Errorf("%w: layer %d is a conditional disentangler, "+
					"which a MERA of the recipe does not have", bijector.ErrHierarchy, k)
			}
			continue
		}
		if len(scale) != per || (l.Context() != nil) != conditional {
			return nil, fmt.Errorf("%w: layer %d is not what the recipe has there: "+
				"want %d layers per scale, the last of them decimators, conditional: %t",
				bijector.ErrHierarchy, k, per, conditional)
		}
		scales, scale = append(scales, scale), nil
	}
	if len(scale) == 2*repeat {
		scales = append(scales, scale)
	} else if len(scale) > 0 {
		return nil, fmt.Errorf("%w: %d layers after the last decimator, the recipe has %d",
			bijector.ErrHierarchy, len(scale), 2*repeat)
	}
	return scales, nil
}

// atTop tells whether the layers of a scale decimate nothing.
func atTop(scale []*bijector.Layer) bool { return scale[len(scale)-1].Keep() == nil }
