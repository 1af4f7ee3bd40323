package diag

import (
	"math"

	"gonum.org/v1/gonum/dsp/fourier"
	"gonum.org/v1/gonum/stat/distuv"
)

// flatLevel is the significance level of the test for a slope of the spectrum. It
// is small because the test is made at many numbers of coefficients.
const flatLevel = 0.003

// spectrum is the spectral density of chains of the same process at low
// frequencies. Independent numbers have a spectrum that equals their variance at
// every frequency. Coefficient j ≥ 1 of a chain of n steps is
//
//	(Λ_j − Λ_{j+2})/√2,    Λ_j = √(2/n) Σ_t x_t cos(πj(t+½)/n).
//
// The Λ are nearly independent, and a constant does not change them. Their
// difference weights the chain with sin(π(t+½)/n), whose square is a Hann window
// and falls to zero at both ends. Without it power at high frequencies leaks into
// low ones, which makes a τ far below ½ wrong.
type spectrum struct {
	chains int
	// power[j] is the sum over chains of the square of coefficient j; after sum, of
	// the squares of coefficients 1 … j.
	power []float64

	fft    *fourier.FFT
	padded []float64
	wave   []complex128
}

func newSpectrum(steps int) *spectrum {
	return &spectrum{
		power:  make([]float64, steps-2),
		fft:    fourier.NewFFT(2 * steps),
		padded: make([]float64, 2*steps),
		wave:   make([]complex128, steps+1),
	}
}

// add adds a chain.
func (s *spectrum) add(series []float64) {
	n := len(series)
	copy(s.padded, series)
	clear(s.padded[n:])
	s.fft.Coefficients(s.wave, s.padded)
	lambda := s.padded[:n]
	for j := range lambda {
		sin, cos := math.Sincos(math.Pi * float64(j) / float64(2*n))
		lambda[j] = (real(s.wave[j])*cos + imag(s.wave[j])*sin) * math.Sqrt(2/float64(n))
	}
	for j := 1; j < len(s.power); j++ {
		d := lambda[j] - lambda[j+2]
		s.power[j] += d * d / 2
	}
	s.chains++
}

// sum is called once after the last chain is added.
func (s *spectrum) sum() {
	for j := 1; j < len(s.power); j++ {
		s.power[j] += s.power[j-1]
	}
}

// mean returns the mean square of the lowest k coefficients.
func (s *spectrum) mean(k int) float64 { return s.power[k] / float64(k*s.chains) }

// freedom returns the degrees of freedom of mean(k). Coefficients j and j + 2
// share Λ_{j+2}: their correlation is −½.
func (s *spectrum) freedom(k int) float64 {
	pairs := max(k-2, 0)
	return float64(k) / (1 + 0.5*float64(pairs)/float64(k)) * float64(s.chains)
}

// flat returns the number k of low coefficients over which the spectrum shows no
// slope: the mean square of the lowest k and that of the next k differ no more
// than by chance, which holds for smaller k, too, and the sum of the lowest k
// squares is at most share.
func (s *spectrum) flat(share float64) int {
	best := 0
	for k := 1; 2*k < len(s.power) && s.power[k] <= share; k = max(k+1, k*5/4) {
		if s.freedom(k) >= 4 {
			low, high := s.power[k], s.power[2*k]-s.power[k]
			ratio := max(low, high) / min(low, high)
			if low != high && 2*fTail(ratio, s.freedom(k), s.freedom(k)) < flatLevel {
				break
			}
		}
		best = k
	}
	return best
}

// fTail returns the probability that a ratio of mean squares with a and b degrees
// of freedom is above f.
func fTail(f, a, b float64) float64 {
	if math.IsInf(f, 1) {
		return 0
	}
	return distuv.F{D1: a, D2: b}.Survival(f)
}

// smooth reports whether n has no prime factor above five, so that its Fourier
// transform is fast.
func smooth(n int) bool {
	for _, p := range []int{2, 3, 5} {
		for n%p == 0 {
			n /= p
		}
	}
	return n == 1
}
