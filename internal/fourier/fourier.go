// Package fourier holds the linear maps of periodic lattices whose eigenvectors
// are plane waves.
package fourier

import "slices"

// Diagonal is a real, symmetric, translation-invariant map of the N sites of a
// lattice. It multiplies the plane wave k by a factor, which is the same for −k.
// No N×N matrix is ever stored. Sites and wave vectors are row-major. A Diagonal
// is read-only after construction and safe for concurrent use; a Workspace is not.
//
// There are two implementations of equal accuracy. Products with real matrices
// along every axis serve small extents, if the factors allow it. Fast Fourier
// transforms serve all other maps.
type Diagonal struct {
	shape    []int
	products *products // or nil
	filter   *filter   // if products is nil
}

// NewDiagonal returns the map with the given factors, one for each of the N wave
// vectors k_μ = 2πj_μ/L_μ. The factors of k and −k must be equal.
func NewDiagonal(shape []int, factors []float64) *Diagonal {
	d := &Diagonal{shape: slices.Clone(shape)}
	if productsPay(shape) && even(shape, factors) {
		d.products = newProducts(shape, factors)
	} else {
		d.filter = newFilter(shape, factors)
	}
	return d
}

// Apply sets every row of dst (rows×N, row-major) to the image of the row of x. The
// image does not depend on the other rows, to the bit. dst and x may be the same
// slice. Apply allocates only if the workspace has not been used before.
func (d *Diagonal) Apply(dst, x []float64, ws *Workspace) {
	ws.prepare(d)
	if d.products != nil {
		d.products.apply(dst, x, &ws.tiles)
	} else {
		d.filter.apply(dst, x, ws.waves)
	}
}

// Block returns the number of rows that Apply takes at once. Multiples of it cost
// least per row.
func (d *Diagonal) Block() int {
	if d.products != nil {
		return d.products.rows
	}
	return 1
}

// Workspace is the memory that one goroutine needs to apply maps of one lattice.
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

// prepare allocates what the map needs and the workspace does not have yet.
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
