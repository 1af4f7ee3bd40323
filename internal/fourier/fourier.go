// Package fourier holds linear maps of periodic lattices that plane waves
// diagonalise.
package fourier

import "slices"

// Diagonal is a real symmetric translation-invariant map: it multiplies the
// wave k by a number that is the same for −k, and nothing of size N×N is ever
// stored. Sites, and wave vectors, are row-major. A Diagonal is read-only after
// construction and safe for concurrent use; a Workspace is not.
//
// It is computed in one of two ways, which are good to the same accuracy: by
// products with real matrices along every axis where the factors allow it and
// the extents are small, and by fast Fourier transforms.
type Diagonal struct {
	shape    []int
	products *products // nil where filter is used
	filter   *filter
}

// NewDiagonal returns the map with the given factors, one for each of the N wave
// vectors k_μ = 2πj_μ/L_μ, of which those for k and −k are equal.
func NewDiagonal(shape []int, factors []float64) *Diagonal {
	d := &Diagonal{shape: slices.Clone(shape)}
	if productsPay(shape) && even(shape, factors) {
		d.products = newProducts(shape, factors)
	} else {
		d.filter = newFilter(shape, factors)
	}
	return d
}

// Apply sets each of the rows of dst (rows×N, row-major) to the image of that of
// x, which does not depend on the other rows, to the bit. dst and x may be the
// same slice. It does not allocate after a first time.
func (d *Diagonal) Apply(dst, x []float64, ws *Workspace) {
	ws.prepare(d)
	if d.products != nil {
		d.products.apply(dst, x, &ws.tiles)
	} else {
		d.filter.apply(dst, x, ws.waves)
	}
}

// Block returns the number of rows that Apply takes at once: a multiple of it
// costs least.
func (d *Diagonal) Block() int {
	if d.products != nil {
		return d.products.rows
	}
	return 1
}

// Workspace holds what one goroutine needs to apply maps of one lattice.
type Workspace struct {
	waves *waves
	tiles [2][]float64
}

// NewWorkspace returns a workspace for one goroutine at a time.
func (d *Diagonal) NewWorkspace() *Workspace {
	ws := &Workspace{}
	ws.prepare(d)
	return ws
}

func (ws *Workspace) prepare(d *Diagonal) {
	if d.products == nil {
		if ws.waves == nil {
			ws.waves = newWaves(d.shape)
		}
	} else if ws.tiles[0] == nil {
		for i := range ws.tiles {
			ws.tiles[i] = make([]float64, d.products.values)
		}
	}
}

// Opposite returns the index of −k for that of a wave vector k.
func Opposite(shape []int, k int) int {
	opposite, stride := 0, 1
	for axis := len(shape) - 1; axis >= 0; axis-- {
		n := shape[axis]
		opposite += (n - k%n) % n * stride
		k /= n
		stride *= n
	}
	return opposite
}
