package hmc

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/dsp/fourier"
	"gonum.org/v1/gonum/mat"
)

// AutocorrTime returns the integrated autocorrelation time of a quantity, in
// units of the steps between its measurements, and its standard error. Row k of
// x, (steps, chains), is the k-th measurement on every chain, all of them past
// their start.
//
// The convention is τ = ½ + Σ_{t≥1} ρ(t): independent measurements have τ = ½,
// and the mean of n of them has variance 2τ·var/n. The sum ends at the window
// that balances its truncation against its noise (U. Wolff, Comput. Phys. Commun.
// 156, 143 (2004), S = 1.5; error from his eq. 42). If successive measurements
// repel each other, τ < ½, it ends after the first term.
//
// The error wraps ErrShape for a nil matrix or less than four steps;
// ErrNotFinite for NaN or infinity, naming step and chain; ErrSettings for a
// quantity that is constant; and ErrWindow if the series ends before the
// window does: it is too short to tell.
func AutocorrTime(x *mat.Dense) (tau, stdErr float64, err error) {
	if x == nil || x.IsEmpty() {
		return 0, 0, fmt.Errorf("hmc: autocorrelation time: no measurements: %w", ErrShape)
	}
	steps, chains := x.Dims()
	if steps < 4 {
		return 0, 0, fmt.Errorf("hmc: autocorrelation time: %d steps, want four or more: %w", steps, ErrShape)
	}
	mean, scale := 0.0, 0.0
	for k := range steps {
		row := x.RawRowView(k)
		if i := firstNotFinite(row); i >= 0 {
			return 0, 0, fmt.Errorf("hmc: autocorrelation time: step %d of chain %d is %v: %w", k, i, row[i], ErrNotFinite)
		}
		for _, v := range row {
			mean += v / float64(steps*chains)
			scale = max(scale, math.Abs(v))
		}
	}
	gamma := autocovariance(x, mean)
	if !(gamma[0] > 1e-28*scale*scale) {
		return 0, 0, fmt.Errorf("hmc: autocorrelation time of a constant: %w", ErrSettings)
	}

	n := float64(steps * chains)
	tau = 0.5
	for w := 1; w < steps; w++ {
		tau += gamma[w] / gamma[0]
		decay := 1e-30 // time of ρ, were it exponential
		if tau > 0.5 {
			decay = 1.5 / math.Log((2*tau+1)/(2*tau-1))
		}
		if math.Exp(-float64(w)/decay) >= decay/math.Sqrt(float64(w)*n) {
			continue
		}
		// The mean was that of the same numbers, which lowers every Γ(t) by
		// its variance; and so again for what that changes.
		width := float64(w)
		shift := 2 * tau * gamma[0] / n
		tau = (tau*gamma[0] + (width+0.5)*shift) / (gamma[0] + shift)
		tau *= 1 + (2*width+1)/n
		return tau, tau * math.Sqrt(4/n*max(width+0.5-tau, 0)), nil
	}
	return 0, 0, fmt.Errorf("hmc: autocorrelation time: %d steps are too few: %w", steps, ErrWindow)
}

// autocovariance is Γ(t), 0 ≤ t < steps, about the mean, pooled over chains.
func autocovariance(x *mat.Dense, mean float64) []float64 {
	steps, chains := x.Dims()
	size := 1
	for size < 2*steps {
		size *= 2
	}
	fft := fourier.NewFFT(size)
	series, power := make([]float64, size), make([]complex128, size/2+1)
	wave := make([]complex128, size/2+1)
	for c := range chains {
		for k := range steps {
			series[k] = x.At(k, c) - mean
		}
		fft.Coefficients(wave, series)
		for i, v := range wave {
			power[i] += complex(real(v)*real(v)+imag(v)*imag(v), 0)
		}
	}
	fft.Sequence(series, power)
	gamma := series[:steps]
	for t := range gamma {
		gamma[t] /= float64(size * chains * (steps - t))
	}
	return gamma
}
