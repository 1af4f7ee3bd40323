// Package fourier holds linear maps of periodic lattices that plane waves
// diagonalise.
package fourier

import (
	"slices"

	"gonum.org/v1/gonum/dsp/fourier"
)

// Diagonal is a real symmetric translation-invariant map: it multiplies the
// wave k by a number that is the same for −k, and nothing of size N×N is ever
// stored. Sites, and wave vectors, are row-major. A Diagonal is read-only after
// construction and safe for concurrent use; a Workspace is not.
type Diagonal struct {
	shape []int
	size  int // number of sites N

	// filter is the factors over N in the order of Workspace.spectrum; N undoes
	// the unnormalised transforms.
	filter []float64
}

// NewDiagonal returns the map with the given factors, one for each of the N wave
// vectors k_μ = 2πj_μ/L_μ, of which those for k and −k are equal.
func NewDiagonal(shape []int, factors []float64) *Diagonal {
	d := &Diagonal{shape: slices.Clone(shape), size: len(factors)}
	last := shape[len(shape)-1]
	lines := d.size / last
	d.filter = make([]float64, (last/2+1)*lines)
	for k := range last/2 + 1 {
		for line := range lines {
			d.filter[k*lines+line] = factors[line*last+k] / float64(d.size)
		}
	}
	return d
}

// Apply sets each of the rows of dst (rows×N, row-major) to the image of that of
// x. dst and x may be the same slice. It does not allocate.
//
// Each row goes through transforms of its own. The usual trick of two real rows in
// one complex transform is no faster than the real transforms used here, and its
// rounding leaks from one row into the other (up to 3e-15 on 16×16): what a
// configuration gives would depend on its neighbour in the batch.
func (d *Diagonal) Apply(dst, x []float64, ws *Workspace) {
	for start := 0; start < len(x); start += d.size {
		ws.forward(x[start : start+d.size])
		for i, f := range d.filter {
			v := ws.spectrum[i]
			ws.spectrum[i] = complex(f*real(v), f*imag(v))
		}
		ws.backward(dst[start : start+d.size])
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

// Workspace holds what one goroutine needs to transform configurations: gonum's
// transforms keep work arrays and are not safe for concurrent use.
type Workspace struct {
	last  int // extent of the last axis
	lines int // number of lines along the last axis

	// spectrum holds wave number k of the last axis, 0 ≤ k ≤ last/2 (the others
	// are conjugates), and indices of the other axes, in this order: the axis to
	// be transformed next is contiguous.
	spectrum []complex128
	fast     *fourier.FFT
	half     []complex128 // one line transformed by fast
	slow     []slowAxis   // the other axes
}

// slowAxis is an axis other than the last.
type slowAxis struct {
	fft    *fourier.CmplxFFT
	stride int          // between neighbours in spectrum
	line   []complex128 // copy of one line; nil if stride is 1
}

// NewWorkspace returns a workspace for one goroutine at a time.
func (d *Diagonal) NewWorkspace() *Workspace {
	last := d.shape[len(d.shape)-1]
	ws := &Workspace{
		last:     last,
		lines:    d.size / last,
		spectrum: make([]complex128, len(d.filter)),
		fast:     fourier.NewFFT(last),
		half:     make([]complex128, last/2+1),
	}
	stride := 1
	for axis := len(d.shape) - 2; axis >= 0; axis-- {
		n := d.shape[axis]
		a := slowAxis{fft: fourier.NewCmplxFFT(n), stride: stride}
		if stride > 1 {
			a.line = make([]complex128, n)
		}
		ws.slow = append(ws.slow, a)
		stride *= n
	}
	return ws
}

// forward sets spectrum to the unnormalised transform of the configuration x.
func (ws *Workspace) forward(x []float64) {
	for line := range ws.lines {
		ws.fast.Coefficients(ws.half, x[line*ws.last:(line+1)*ws.last])
		for k, v := range ws.half {
			ws.spectrum[k*ws.lines+line] = v
		}
	}
	for _, a := range ws.slow {
		a.apply(a.fft.Coefficients, ws.spectrum)
	}
}

// backward sets dst to the unnormalised inverse transform of spectrum, which it
// overwrites.
func (ws *Workspace) backward(dst []float64) {
	for _, a := range ws.slow {
		a.apply(a.fft.Sequence, ws.spectrum)
	}
	for line := range ws.lines {
		for k := range ws.half {
			ws.half[k] = ws.spectrum[k*ws.lines+line]
		}
		ws.fast.Sequence(dst[line*ws.last:(line+1)*ws.last], ws.half)
	}
}

// apply replaces every line along the axis by its transform.
func (a *slowAxis) apply(transform func(dst, src []complex128) []complex128, spectrum []complex128) {
	n := a.fft.Len()
	if a.stride == 1 {
		for start := 0; start < len(spectrum); start += n {
			transform(spectrum[start:start+n], spectrum[start:start+n])
		}
		return
	}
	for start := 0; start < len(spectrum); start += n * a.stride {
		for s := start; s < start+a.stride; s++ {
			for j := range a.line {
				a.line[j] = spectrum[s+j*a.stride]
			}
			transform(a.line, a.line)
			for j, v := range a.line {
				spectrum[s+j*a.stride] = v
			}
		}
	}
}
