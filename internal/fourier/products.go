package fourier

import (
	"math"

	"github.com/neuralrg/neuralrg/internal/kernel"
	"github.com/neuralrg/neuralrg/internal/lattice"
)

// products computes the map by matrix products along one axis after another,
//
//	y = (H⊗…⊗H) diag (H⊗…⊗H) x, H_kj = (cos 2πkj/n + sin 2πkj/n)/√n.
//
// The Hartley matrix H is real, symmetric and its own inverse. It mixes the waves k
// and −k of its axis. The factors must therefore be the same for both, for any wave
// numbers of the other axes.
//
// Every lane of a tile holds a line of the lattice along an axis. Rows of few sites
// share tiles, so that fewer lanes are idle.
type products struct {
	size   int // number of sites
	rows   int // number of rows taken at once
	axes   []productAxis
	run    int       // number of neighbouring sites that are also neighbours in the first axis' tiles
	values int       // number of values in all tiles of an axis, at most
	diag   []float64 // the factors, in the order of the last axis' tiles
}

// productAxis is an axis of more than one site.
type productAxis struct {
	extent int
	lines  int       // number of lines along the axis in a row
	matrix []float64 // H
	place  []int32   // place in the tiles for every site of the rows taken at once
}

// productsPay reports whether products are faster than fast Fourier transforms. The
// answer depends on the variant of the kernels and on the extents, but not on the
// number of rows: a row has the same image alone and in a batch. BenchmarkApply
// measures both.
func productsPay(shape []int) bool {
	most := 256 // sum of the extents: operations per site
	if kernel.Variant() == "plain" {
		most = 48
	}
	sum, size, axes := 0, 1, 0
	for _, n := range shape {
		if n > 1 {
			sum, size, axes = sum+n, size*n, axes+1
		}
		// Tables of places that fit into no cache cost more than they save.
		if sum > most || axes*size > 1<<18 {
			return false
		}
	}
	// A single row takes as long as all rows that could share its tiles.
	return axes > 0 && sum*rowsAtOnce(shape) <= 8*most
}

// rowsAtOnce is the number of rows whose lines fit into one tile along every axis,
// and 1 if those of a single row do not.
func rowsAtOnce(shape []int) int {
	size, least := 1, math.MaxInt
	for _, n := range shape {
		size *= n
		if n > 1 {
			least = min(least, n)
		}
	}
	return max(1, kernel.Lanes*least/size)
}

// even reports whether factors do not change, to the bit, if the wave number of any
// single axis changes its sign.
func even(shape []int, factors []float64) bool {
	for axis, stride := range lattice.Strides(shape) {
		n := shape[axis]
		for k, v := range factors {
			j := k / stride % n
			if o := k + ((n-j)%n-j)*stride; math.Float64bits(v) != math.Float64bits(factors[o]) {
				return false
			}
		}
	}
	return true
}

func newProducts(shape []int, factors []float64) *products {
	p := &products{size: len(factors), rows: rowsAtOnce(shape)}
	for _, n := range shape {
		if n > 1 {
			p.axes = append(p.axes, productAxis{extent: n, lines: p.size / n, matrix: hartley(n)})
		}
	}
	for p.run = kernel.Lanes; p.axes[0].lines%p.run != 0; {
		p.run /= 2
	}
	stride := p.size
	for i := range p.axes {
		a := &p.axes[i]
		stride /= a.extent
		a.place = make([]int32, p.rows*p.size)
		for j := range a.place {
			at := j / stride % a.extent
			line := j/(stride*a.extent)*stride + j%stride
			a.place[j] = int32((line/kernel.Lanes*a.extent+at)*kernel.Lanes + line%kernel.Lanes)
		}
		p.values = max(p.values, a.tiles(p.rows)*a.extent*kernel.Lanes)
	}
	p.diag = make([]float64, p.values)
	for j, at := range p.axes[len(p.axes)-1].place {
		p.diag[at] = factors[j%p.size]
	}
	return p
}

// hartley returns the matrix H.
func hartley(n int) []float64 {
	wave := make([]float64, n)
	for m := range wave {
		sin, cos := math.Sincos(2 * math.Pi * float64(min(m, n-m)) / float64(n))
		if 2*m > n {
			sin = -sin
		}
		wave[m] = (cos + sin) / math.Sqrt(float64(n))
	}
	h := make([]float64, n*n)
	for k := range n {
		for j := range n {
			h[k*n+j] = wave[k*j%n]
		}
	}
	return h
}

// tiles is the number of tiles for the lines of the given number of rows.
func (a *productAxis) tiles(rows int) int {
	return (rows*a.lines + kernel.Lanes - 1) / kernel.Lanes
}

// multiply multiplies the lines of the given number of rows by H.
func (a *productAxis) multiply(to, from []float64, rows int) {
	n := a.extent * kernel.Lanes
	for t := range a.tiles(rows) {
		kernel.Product(to[t*n:(t+1)*n], a.matrix, from[t*n:(t+1)*n], a.extent, a.extent)
	}
}

func (p *products) apply(dst, x []float64, work *[2][]float64) {
	for len(x) > 0 {
		n := min(len(x), p.rows*p.size)
		p.block(dst[:n], x[:n], work[0], work[1])
		dst, x = dst[n:], x[n:]
	}
}

// block is apply for at most p.rows rows. Lanes that they do not use hold arbitrary
// values.
func (p *products) block(dst, x, v, w []float64) {
	rows, last := len(x)/p.size, len(p.axes)-1
	first := p.axes[0].place[:len(x)]
	if p.run == 1 {
		for j, at := range first {
			v[at] = x[j]
		}
	} else {
		for j := 0; j < len(x); j += p.run {
			copy(v[first[j]:], x[j:j+p.run])
		}
	}
	for a := range p.axes {
		if a > 0 {
			move(w, v, p.axes[a].place, p.axes[a-1].place, len(x))
			v, w = w, v
		}
		p.axes[a].multiply(w, v, rows)
		v, w = w, v
	}
	used := p.axes[last].tiles(rows) * p.axes[last].extent * kernel.Lanes
	for i, f := range p.diag[:used] {
		v[i] *= f
	}
	for a := last; a >= 0; a-- {
		p.axes[a].multiply(w, v, rows)
		v, w = w, v
		if a > 0 {
			move(w, v, p.axes[a-1].place, p.axes[a].place, len(x))
			v, w = w, v
		}
	}
	if p.run == 1 {
		for j, at := range first {
			dst[j] = v[at]
		}
	} else {
		for j := 0; j < len(x); j += p.run {
			copy(dst[j:j+p.run], v[first[j]:])
		}
	}
}

// move takes n sites from the tiles of one axis to those of another.
func move(to, from []float64, toPlace, fromPlace []int32, n int) {
	fromPlace = fromPlace[:n]
	for j, at := range toPlace[:n] {
		to[at] = from[fromPlace[j]]
	}
}
