package flow

import (
	"fmt"

	"github.com/neuralrg/neuralrg/bijector"
)

// growBoard returns the layers as copies of which those of a checkerboard begin, fine to
// coarse, without a layer of exact sites.
func (r *Recipe) growBoard(
	h *bijector.Hierarchy, shape []int, _ *bijector.NetworkSettings,
) (layers []*bijector.Layer, err error) {
	old, top, err := r.splitBoard(h, len(shape))
	if err != nil {
		return nil, fmt.Errorf("flow: a model to grow: %w", err)
	}
	scales, remain := r.boardScales(shape)
	was := 1
	if top != nil {
		was = top.Block().Dim() / r.components()
	}
	if float64(was) != remain {
		return nil, fmt.Errorf("flow: %w: after all scales of lattice %v %g sites remain, after those of the model %d",
			bijector.ErrHierarchy, shape, remain, was)
	}
	g := growth{old: len(old), now: scales, period: len(shape)}
	if r.Exact != nil {
		g.first = 1
	}
	for k := g.first; k < scales; k++ {
		from := g.source(k)
		if from < 0 {
			return nil, fmt.Errorf("flow: %w: scale %d of lattice %v has none of the %d scales of the model "+
				"to begin as", bijector.ErrHierarchy, k, shape, len(old))
		}
		layers = append(layers, old[from]...)
	}
	if top != nil {
		layers = append(layers, top)
	}
	return layers, nil
}

// growth is that of a checkerboard of old scales to one of now scales. The lattices of
// scales are alike with the given period: in two dimensions every second one is turned. The
// scales before the first one are exact.
type growth struct{ old, now, period, first int }

// source returns the scale as which scale k begins, or −1 if there is none.
func (g growth) source(k int) int {
	coarse := max(0, min(g.period, g.old-g.period))
	fine := g.old - coarse
	coarse = max(0, min(coarse, g.now-g.period))
	from := k
	switch {
	case k >= g.now-coarse:
		from = g.old - (g.now - k)
	case k >= fine:
		from = g.alike(k, fine)
	}
	if from < g.first || (k-from)%g.period != 0 {
		return -1
	}
	return from
}

// alike returns a scale whose lattice is turned if that of scale k is: the last one before
// the coarse ones or, if there is none, the first of these.
func (g growth) alike(k, fine int) int {
	for from := fine - 1; from >= g.first; from-- {
		if (k-from)%g.period == 0 {
			return from
		}
	}
	for from := fine; from < g.old; from++ {
		if (k-from)%g.period == 0 {
			return from
		}
	}
	return -1
}

// splitBoard returns the layers of a checkerboard of the recipe, scale by scale, fine to
// coarse, and the layer of the block on the sites that remain, or nil.
func (r *Recipe) splitBoard(h *bijector.Hierarchy, axes int) (
	scales [][]*bijector.Layer, top *bijector.Layer, err error,
) {
	layers := h.Layers()
	if last := layers[len(layers)-1]; last.Context() == nil && last.Keep() == nil && len(last.Tiles()) == 1 {
		top, layers = last, layers[:len(layers)-1]
	}
	var scale []*bijector.Layer
	for k, l := range layers {
		scale = append(scale, l)
		per, components := 2*r.pairs()+1, r.components()
		context := components * boardContext(axes)
		if k == 0 && r.Exact != nil {
			per, context = 1, 2*axes
		}
		fits := len(l.Context()) == context && l.Block().Dim() == context+components
		if !fits || (l.Keep() != nil) != (len(scale) == per) {
			return nil, nil, fmt.Errorf("%w: layer %d is not what the recipe has there: want a checkerboard of "+
				"%d layers at this scale, which move %d variables given %d, the last of them decimators",
				bijector.ErrHierarchy, k, per, components, context)
		}
		if len(scale) == per {
			scales, scale = append(scales, scale), nil
		}
	}
	if len(scales) == 0 || scale != nil {
		return nil, nil, fmt.Errorf("%w: %d scales of a checkerboard and %d layers more",
			bijector.ErrHierarchy, len(scales), len(scale))
	}
	return scales, top, nil
}
