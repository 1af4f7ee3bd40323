package target

import "github.com/neuralrg/neuralrg/internal/lattice"

// walk is the way through one configuration of a periodic lattice that meets every bond
// between nearest neighbours. Each site has one bond to the next site along each axis, so
// that along an extent of 2 neighbours share two bonds. Values of one site are
// consecutive, and sites are row-major. Neighbouring sites lie in long runs of equal
// distance: no coordinate is computed per site.
type walk struct {
	size int        // number of values of a configuration
	axes []walkAxis // the last axis of the lattice first
}

// walkAxis is an axis of the lattice.
type walkAxis struct {
	stride int // distance of the values of neighbouring sites
	span   int // stride × extent: lines along the axis repeat after so many values
}

// newWalk returns the walk of a lattice whose sites have the given number of values.
// checkLattice accepts shape.
func newWalk(shape []int, values int) walk {
	w := walk{}
	strides := lattice.Strides(shape)
	for axis := len(shape) - 1; axis >= 0; axis-- {
		stride := strides[axis] * values
		w.axes = append(w.axes, walkAxis{stride, stride * shape[axis]})
	}
	w.size = w.axes[len(w.axes)-1].span
	return w
}

// bonds calls visit for runs of bonds: value i+k belongs to a site and value j+k to the
// next site along an axis, for 0 ≤ k < n. Axes come one after the other. Along each, i+k
// ascends from 0 to the last value.
func (w *walk) bonds(visit func(i, j, n int)) {
	for _, a := range w.axes {
		for start := 0; start < w.size; start += a.span {
			visit(start, start+a.stride, a.span-a.stride)
			visit(start+a.span-a.stride, start, a.stride)
		}
	}
}
