package flow

import (
	"fmt"
	"math"
	"slices"

	"github.com/neuralrg/neuralrg/bijector"
)

// checkScale fails if Scale is out of range, or if there are several components.
func (r *Recipe) checkScale() error {
	if r.Scale != 0 && !(r.Scale >= 1e-100 && r.Scale <= 1e100) {
		return fmt.Errorf("flow: %w: Scale %g, want a number from 1e-100 to 1e100", ErrSettings, r.Scale)
	}
	if r.Scale != 0 && r.Scale != 1 && r.components() != 1 {
		return fmt.Errorf("flow: %w: Scale %g of a field of %d components, want one",
			ErrSettings, r.Scale, r.components())
	}
	return nil
}

// hasScale tells whether the network of the recipe has a layer for Scale.
func (r *Recipe) hasScale(spectrum []float64) bool {
	return r.Scale != 0 && r.Scale != 1 && !(r.Whiten && spectrum != nil)
}

// scalePlace is the place of the layer for Scale among the layers, fine to coarse: the finest
// one, or the next after the exact sites.
func (r *Recipe) scalePlace() int {
	if r.Exact != nil {
		return 1
	}
	return 0
}

// scaled returns a network with a layer for Scale, if it needs one.
func (r *Recipe) scaled(h *bijector.Hierarchy, spectrum []float64) (*bijector.Hierarchy, error) {
	if !r.hasScale(spectrum) {
		return h, nil
	}
	factor, err := bijector.NewActNorm(1)
	if err != nil {
		return nil, err
	}
	factor.Params()[0].Value().Float64s()[0] = math.Log(r.Scale)
	var exact []int
	if r.Exact != nil {
		exact = h.Latents(0)
	}
	tiles := make([][]int, 0, h.Dim())
	for site := range h.Dim() {
		if _, given := slices.BinarySearch(exact, site); !given {
			tiles = append(tiles, []int{site})
		}
	}
	layer, err := bijector.Disentangler(factor, tiles)
	if err != nil {
		return nil, err
	}
	return bijector.NewHierarchy(h.Dim(), slices.Insert(h.Layers(), r.scalePlace(), layer)...)
}

// unscaled returns a network of the recipe without its layer for Scale, and the block of this
// layer, or nil if the recipe has none.
func (r *Recipe) unscaled(h *bijector.Hierarchy, spectrum []float64) (
	*bijector.Hierarchy, *bijector.ActNorm, error,
) {
	if !r.hasScale(spectrum) {
		return h, nil, nil
	}
	factor := r.factorOf(h)
	if factor == nil {
		return nil, nil, fmt.Errorf("flow: a model to grow: %w: no layer for Scale %g at place %d",
			bijector.ErrHierarchy, r.Scale, r.scalePlace())
	}
	at := r.scalePlace()
	h, err := bijector.NewHierarchy(h.Dim(), slices.Delete(h.Layers(), at, at+1)...)
	return h, factor, err
}

// factorOf returns the block of the layer for Scale, or nil if h has no such layer.
func (r *Recipe) factorOf(h *bijector.Hierarchy) *bijector.ActNorm {
	layers, at := h.Layers(), r.scalePlace()
	if at+1 >= len(layers) { // of scale and network
		return nil
	}
	factor, ok := layers[at].Block().(*bijector.ActNorm)
	if !ok || factor.Dim() != 1 {
		return nil
	}
	return factor
}

// keepScale gives the layer for Scale of a grown model the parameters of an older one.
func (r *Recipe) keepScale(m *Model, of *bijector.ActNorm) error {
	h, err := r.networkOf(m, false)
	if err != nil {
		return err
	}
	copy(r.factorOf(h).Params()[0].Value().Float64s(), of.Params()[0].Value().Float64s())
	return nil
}
