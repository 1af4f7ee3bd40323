package diag

import (
	"gonum.org/v1/gonum/dsp/fourier"
	"gonum.org/v1/gonum/stat"
)

// autocov returns the autocovariances Σ_k (x_k−x̄)(x_{k+t}−x̄)/n at t = 0 … n−1,
// averaged over the chains, with a centre x̄ of every chain.
func (c chains) autocov(centre []float64) []float64 {
	n := len(c[0])
	size := 2 * n
	for !smooth(size) {
		size++
	}
	fft := fourier.NewFFT(size)
	padded, wave := make([]float64, size), make([]complex128, size/2+1)
	sum := make([]complex128, len(wave))
	for i, s := range c {
		clear(padded)
		for k, v := range s {
			padded[k] = v - centre[i]
		}
		for j, w := range fft.Coefficients(wave, padded) {
			sum[j] += complex(real(w)*real(w)+imag(w)*imag(w), 0)
		}
	}
	cov := fft.Sequence(padded, sum)[:n]
	for t := range cov {
		cov[t] /= float64(size) * float64(n) * float64(len(c))
	}
	return cov
}

// means returns the mean of every chain.
func (c chains) means() []float64 {
	m := make([]float64, len(c))
	for i, s := range c {
		m[i] = stat.Mean(s, nil)
	}
	return m
}
