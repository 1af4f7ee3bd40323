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
	coupling float64
	stride   int // distance of the values of neighbouring sites
	span     int // stride × extent: lines along the axis repeat after so many values
}

// newWalk returns the walk of a lattice whose sites have the given number of values.
// coupling has a number for every axis; nil stands for 1. checkLattice accepts shape.
func newWalk(shape []int, values int, coupling []float64) walk {
	w := walk{}
	strides := lattice.Strides(shape)
	for axis := len(shape) - 1; axis >= 0; axis-- {
		a := walkAxis{1, strides[axis] * values, strides[axis] * values * shape[axis]}
		if coupling != nil {
			a.coupling = coupling[axis]
		}
		w.axes = append(w.axes, a)
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

// neighbours stores in h, for every value of x, the sum over the two neighbours of its
// site along each axis, times the coupling of the axis.
func (w *walk) neighbours(h, x []float64) {
	a := w.axes[0]
	s := a.stride
	for start := 0; start < w.size; start += a.span {
		to, from := h[start:start+a.span], x[start:start+a.span]
		last := len(from) - s
		for k := range s {
			to[k] = a.coupling * (from[last+k] + from[s+k])
			to[last+k] = a.coupling * (from[last-s+k] + from[k])
		}
		setSums(to[s:last], from[:last-s], from[2*s:], a.coupling)
	}
	for _, a := range w.axes[1:] {
		s := a.stride
		for start := 0; start < w.size; start += a.span {
			to, from := h[start:start+a.span], x[start:start+a.span]
			last := len(from) - s
			addSums(to[:s], from[last:], from[s:], a.coupling)
			addSums(to[s:last], from[:last-s], from[2*s:], a.coupling)
			addSums(to[last:], from[last-s:], from[:s], a.coupling)
		}
	}
}

// setSums stores f·(a+b) in to.
func setSums(to, a, b []float64, f float64) {
	a, b = a[:len(to)], b[:len(to)]
	for k := range to {
		to[k] = f * (a[k] + b[k])
	}
}

// addSums adds f·(a+b) to to.
func addSums(to, a, b []float64, f float64) {
	a, b = a[:len(to)], b[:len(to)]
	for k := range to {
		to[k] += f * (a[k] + b[k])
	}
}
