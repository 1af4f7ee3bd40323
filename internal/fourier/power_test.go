package fourier

import (
	"math"
	"math/cmplx"
	"math/rand/v2"
	"testing"

	"github.com/neuralrg/neuralrg/internal/lattice"
)

// Power spectra are |Σ_x φ_x e^−ikx|²/N, equal to the bit at k and −k, and their sum is that
// of φ².
func TestPower(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	for _, shape := range [][]int{{1}, {7}, {8}, {4, 4}, {3, 5}, {4, 3}, {2, 4, 6}, {3, 2, 5}} {
		n, _ := lattice.Size(shape)
		phi, got := make([]float64, n), make([]float64, n)
		for i := range phi {
			phi[i] = rnd.NormFloat64()
		}
		p := NewPower(shape)
		p.Add(got, phi)
		var wave [][]int
		for _, at := range lattice.Points(shape) {
			wave = append(wave, append([]int{}, at...))
		}
		total, square := 0.0, 0.0
		for i, k := range wave {
			var sum complex128
			minus := make([]int, len(k))
			for x, at := range wave {
				arg := 0.0
				for a := range shape {
					arg += 2 * math.Pi * float64(k[a]*at[a]) / float64(shape[a])
				}
				sum += complex(phi[x], 0) * cmplx.Exp(complex(0, -arg))
			}
			for a := range shape {
				minus[a] = (shape[a] - k[a]) % shape[a]
			}
			if want := real(sum*cmplx.Conj(sum)) / float64(n); math.Abs(got[i]-want) > 1e-12*float64(n) {
				t.Errorf("%v, k = %v: %g, want %g", shape, k, got[i], want)
			}
			if got[i] != got[lattice.Site(shape, minus)] {
				t.Errorf("%v, k = %v: another power at −k", shape, k)
			}
			total, square = total+got[i], square+phi[i]*phi[i]
		}
		if math.Abs(total-square) > 1e-12*square*float64(n) {
			t.Errorf("%v: powers add to %g, squares to %g", shape, total, square)
		}
	}
}
