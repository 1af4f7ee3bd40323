package fourier

import (
	"slices"

	"gonum.org/v1/gonum/dsp/fourier"

	"github.com/neuralrg/neuralrg/internal/lattice"
)

// filter computes the map by fast Fourier transforms.
//
// Every row has transforms of its own. It is usual to put two real rows into one
// complex transform. This is no faster than the real transforms used here, and
// rounding errors of one row reach the other (up to 3e-15 on 16×16): the image of a
// configuration would depend on its neighbour in the batch.
type filter struct {
	size int // number of sites
	// factors are in the order of waves.spectrum. They are divided by N, because the
	// transforms are not normalised.
	factors []float64
}

func newFilter(shape []int, factors []float64) *filter {
	last := shape[len(shape)-1]
	lines := len(factors) / last
	f := &filter{len(factors), make([]float64, (last/2+1)*lines)}
	for k := range last/2 + 1 {
		for line := range lines {
			f.factors[k*lines+line] = factors[line*last+k] / float64(f.size)
		}
	}
	return f
}

func (f *filter) apply(dst, x []float64, ws *waves) {
	for start := 0; start < len(x); start += f.size {
		ws.forward(x[start : start+f.size])
		for i, f := range f.factors {
			v := ws.spectrum[i]
			ws.spectrum[i] = complex(f*real(v), f*imag(v))
		}
		ws.backward(dst[start : start+f.size])
	}
}

// waves holds the transforms of one goroutine: gonum's transforms have work arrays
// and are not safe for concurrent use.
type waves struct {
	last  int // extent of the last axis
	lines int // number of lines along the last axis

	// spectrum has the indices k, the wave number of the last axis, and then those of
	// the other axes. 0 ≤ k ≤ last/2: the other waves are complex conjugates. In this
	// order the axis to be transformed next is contiguous.
	spectrum []complex128
	fast     *fourier.FFT // of the last axis
	half     []complex128 // the transform of one line by fast
	slow     []slowAxis   // the other axes
}

// slowAxis is an axis other than the last.
type slowAxis struct {
	fft    *fourier.CmplxFFT
	stride int          // distance of neighbours in spectrum
	line   []complex128 // copy of one line; nil if stride is 1
}

func newWaves(shape []int) *waves {
	last, lines := shape[len(shape)-1], 1
	for _, n := range shape[:len(shape)-1] {
		lines *= n
	}
	ws := &waves{
		last:     last,
		lines:    lines,
		spectrum: make([]complex128, (last/2+1)*lines),
		fast:     fourier.NewFFT(last),
		half:     make([]complex128, last/2+1),
	}
	for axis, stride := range slices.Backward(lattice.Strides(shape[:len(shape)-1])) {
		n := shape[axis]
		a := slowAxis{fft: fourier.NewCmplxFFT(n), stride: stride}
		if stride > 1 {
			a.line = make([]complex128, n)
		}
		ws.slow = append(ws.slow, a)
	}
	return ws
}

// forward sets spectrum to the unnormalised transform of the configuration x.
func (ws *waves) forward(x []float64) {
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
func (ws *waves) backward(dst []float64) {
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
