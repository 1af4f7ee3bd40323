package target

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/dsp/fourier"
)

// circulant is the matrix K+αI of a periodic lattice, where K_ij is 1/T times the
// number of bonds between the sites i and j: one bond from every site to the next
// along each axis, so that an extent of 2 has double bonds. Plane waves diagonalise
// it, with eigenvalues
//
//	λ(k) = (2/T) Σ_μ cos k_μ + α, k_μ = 2πj/L_μ,
//
// and nothing of size N×N is ever stored. Sites are row-major. A circulant is
// read-only after construction and safe for concurrent use; a workspace is not.
type circulant struct {
	shape []int
	size  int     // number of sites N
	bond  float64 // 1/T
	alpha float64

	// filter is 1/(N λ(k)) in the order of workspace.spectrum; N undoes the
	// unnormalised transforms.
	filter []float64
	lnDet  float64
}

// checkLattice checks that shape is a chain or a square lattice.
func checkLattice(shape []int) error {
	if len(shape) < 1 || len(shape) > 2 {
		return fmt.Errorf("%w: lattice %v, want one or two extents", ErrShape, shape)
	}
	for _, n := range shape {
		if n < 2 {
			return fmt.Errorf("%w: lattice %v, want extents of 2 or more", ErrShape, shape)
		}
	}
	return nil
}

// newCirculant returns K+αI for a lattice of the given extents, each at least 2, at
// temperature T ≠ 0. The inverse and logDet are meaningful where K+αI is positive
// definite: for T > 0 where α > −couplingMin(shape, T).
func newCirculant(shape []int, T, alpha float64) *circulant {
	c := &circulant{shape: slices.Clone(shape), size: 1, bond: 1 / T, alpha: alpha}
	for _, n := range shape {
		c.size *= n
	}
	last := shape[len(shape)-1]
	lines := c.size / last
	c.filter = make([]float64, (last/2+1)*lines)
	for k := range last {
		for line := range lines {
			cosines := waveCosine(k, last)
			for axis, rest := len(shape)-2, line; axis >= 0; axis-- {
				cosines += waveCosine(rest%shape[axis], shape[axis])
				rest /= shape[axis]
			}
			lambda := 2/T*cosines + alpha
			c.lnDet += math.Log(lambda)
			if k <= last/2 {
				c.filter[k*lines+line] = 1 / (lambda * float64(c.size))
			}
		}
	}
	return c
}

// couplingMin returns the least eigenvalue of K. An axis of even extent contributes
// −2/T, one of odd extent L only −(2/T) cos(π/L).
func couplingMin(shape []int, T float64) float64 {
	cosines := 0.0
	for _, n := range shape {
		cosines += waveCosine(n/2, n)
	}
	return 2 / T * cosines
}

// waveCosine returns cos(2πk/n), the same to the bit for k and n−k.
func waveCosine(k, n int) float64 {
	return math.Cos(2 * math.Pi * float64(min(k, n-k)) / float64(n))
}

// logDet returns ln det(K+αI).
func (c *circulant) logDet() float64 { return c.lnDet }

// solveRows sets each of the rows of dst (rows×N, row-major) to (K+αI)⁻¹ times that
// of x. dst and x may be the same slice. It does not allocate.
//
// Each row goes through transforms of its own. The usual trick of two real rows in
// one complex transform is no faster than the real transforms used here, and its
// rounding leaks from one row into the other (up to 3e-15 on 16×16): what a
// configuration gives would depend on its neighbour in the batch.
func (c *circulant) solveRows(dst, x []float64, rows int, ws *workspace) {
	c.checkRows(dst, x, rows)
	for start := 0; start < len(x); start += c.size {
		ws.forward(x[start : start+c.size])
		for i, f := range c.filter {
			v := ws.spectrum[i]
			ws.spectrum[i] = complex(f*real(v), f*imag(v))
		}
		ws.backward(dst[start : start+c.size])
	}
}

func (c *circulant) checkRows(dst, x []float64, rows int) {
	if len(x) != rows*c.size || len(dst) != rows*c.size {
		panic("target: length of rows does not match the lattice")
	}
}

// workspace holds what one goroutine needs to transform configurations: gonum's
// transforms keep work arrays and are not safe for concurrent use.
type workspace struct {
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

// newWorkspace returns a workspace for one goroutine at a time.
func (c *circulant) newWorkspace() *workspace {
	last := c.shape[len(c.shape)-1]
	ws := &workspace{
		last:     last,
		lines:    c.size / last,
		spectrum: make([]complex128, len(c.filter)),
		fast:     fourier.NewFFT(last),
		half:     make([]complex128, last/2+1),
	}
	stride := 1
	for axis := len(c.shape) - 2; axis >= 0; axis-- {
		n := c.shape[axis]
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
func (ws *workspace) forward(x []float64) {
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
func (ws *workspace) backward(dst []float64) {
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
