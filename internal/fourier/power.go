package fourier

import "github.com/neuralrg/neuralrg/internal/lattice"

// Power computes power spectra of configurations of a lattice. It is not safe for concurrent
// use.
type Power struct {
	shape []int
	waves *waves
}

// NewPower returns the power spectra of a valid shape.
func NewPower(shape []int) *Power { return &Power{shape, newWaves(shape)} }

// Add adds |φ_k|²/N, φ_k = Σ_x φ_x e^−ikx, of the configuration phi to sum, row-major in the
// wave numbers. The entries of k and −k receive the same number.
func (p *Power) Add(sum, phi []float64) {
	p.waves.forward(phi)
	last, n := p.waves.last, float64(len(phi))
	slow := p.shape[:len(p.shape)-1]
	for i := range sum {
		line, k := i/last, i%last
		if k > last-k {
			line, k = lattice.Opposite(slow, line), last-k
		}
		if 2*k%last == 0 { // −k has the same last wave number: take one of the two
			line = min(line, lattice.Opposite(slow, line))
		}
		v := p.waves.spectrum[k*p.waves.lines+line]
		sum[i] += (real(v)*real(v) + imag(v)*imag(v)) / n
	}
}
