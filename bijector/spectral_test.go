package bijector_test

import (
	"errors"
	"fmt"
	"log"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/tensor"

	"github.com/neuralrg/neuralrg/bijector"
	"github.com/neuralrg/neuralrg/bijector/bijectortest"
	"github.com/neuralrg/neuralrg/target"
)

// dispersion is a spectrum of no particular symmetry but k → −k.
func dispersion(shape []int) []float64 {
	n := 1
	for _, l := range shape {
		n *= l
	}
	s := make([]float64, n)
	for k := range s {
		v, rest := 3.5, k
		for axis := len(shape) - 1; axis >= 0; axis-- {
			q := 2 * math.Pi * float64(rest%shape[axis]) / float64(shape[axis])
			v += math.Cos(q) / float64(axis+1)
			rest /= shape[axis]
		}
		s[k] = v
	}
	return s
}

// covariance is the matrix of a spectrum, by its definition.
func covariance(shape []int, spectrum []float64) *mat.SymDense {
	n := len(spectrum)
	c := mat.NewSymDense(n, nil)
	for i := range n {
		for j := i; j < n; j++ {
			sum := 0.0
			for k, v := range spectrum {
				phase, a, b, rest := 0.0, i, j, k
				for axis := len(shape) - 1; axis >= 0; axis-- {
					l := shape[axis]
					phase += 2 * math.Pi * float64(rest%l) * float64(a%l-b%l) / float64(l)
					a, b, rest = a/l, b/l, rest/l
				}
				sum += v * math.Cos(phase)
			}
			c.SetSym(i, j, sum/float64(n))
		}
	}
	return c
}

// Spectral is the symmetric root of the matrix, on lattices of any shape, and a
// bijector.
func TestSpectral(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, shape := range [][]int{{1}, {2}, {5}, {8}, {2, 2}, {3, 4}, {4, 6}, {5, 3}, {2, 3, 4}} {
		spectrum := dispersion(shape)
		s, err := bijector.NewSpectral(shape, spectrum)
		if err != nil {
			t.Fatal(err)
		}
		bijectortest.Check(t, s)
		n := len(spectrum)
		var eigen mat.EigenSym
		if !eigen.Factorize(covariance(shape, spectrum), true) {
			t.Fatal("no eigenvalues")
		}
		var v, root mat.Dense
		eigen.VectorsTo(&v)
		diag, logDet := mat.NewDiagDense(n, nil), 0.0
		for i, l := range eigen.Values(nil) {
			diag.SetDiag(i, math.Sqrt(l))
			logDet += 0.5 * math.Log(l)
		}
		root.Product(&v, diag, v.T())
		z := normal(3*n, 1, rnd)
		var want mat.Dense
		want.Mul(mat.NewDense(3, n, z), &root)
		for dt, tol := range map[tensor.Dtype]float64{tensor.Float64: 1e-12, tensor.Float32: 1e-5} {
			x, d := image(t, s, dt, false, z)
			for i, w := range want.RawMatrix().Data {
				if !(math.Abs(x[i]-w) < tol) {
					t.Errorf("%v, %v: value %d is %g, want %g", shape, dt, i, x[i], w)
				}
			}
			for _, v := range d {
				if !(math.Abs(v-logDet) < tol*float64(n)) {
					t.Errorf("%v, %v: log-determinant %g, want %g", shape, dt, v, logDet)
				}
			}
		}
	}
}

// The log-determinant is half the sum of the logarithms of the eigenvalues, of any size.
func TestSpectralOfExtremes(t *testing.T) {
	spectrum := []float64{1e-300, 1e-7, 1e12, 3e-5, 1e250, 3e-5, 1e12, 1e-7}
	want := 0.0
	for _, v := range spectrum {
		want += 0.5 * math.Log(v)
	}
	s := must(bijector.NewSpectral([]int{8}, spectrum))
	for _, inverse := range []bool{false, true} {
		_, d := image(t, s, tensor.Float64, inverse, make([]float64, 8))
		agree(t, direction(inverse), d, []float64{want}, 1e-14)
		want = -want
	}
}

// A spectrum that is not the same at k and −k is no covariance of real fields: a
// part in 10⁹ may be rounding, one in 10⁸ is not.
func TestSpectralIsEven(t *testing.T) {
	for _, c := range []struct {
		off  float64
		want error
	}{
		{0.01, bijector.ErrSettings},
		{1e-6, bijector.ErrSettings},
		{1e-8, bijector.ErrSettings},
		{-1e-8, bijector.ErrSettings},
		{1e-10, nil},
	} {
		for _, at := range []int{1, 3} {
			spectrum := []float64{5, 2e-3, 1, 2e-3}
			spectrum[at] *= 1 + c.off
			if _, err := bijector.NewSpectral([]int{4}, spectrum); !errors.Is(err, c.want) {
				t.Errorf("off by %g at %d: %v, want %v", c.off, at, err, c.want)
			}
		}
	}
}

func TestSpectralErrors(t *testing.T) {
	for name, c := range map[string]struct {
		shape    []int
		spectrum []float64
		want     error
	}{
		"no lattice":  {nil, nil, bijector.ErrShape},
		"no sites":    {[]int{0, 2}, nil, bijector.ErrShape},
		"too few":     {[]int{4}, []float64{1, 1, 1}, bijector.ErrShape},
		"huge":        {[]int{1 << 40, 1 << 40}, []float64{1}, bijector.ErrShape},
		"zero":        {[]int{2}, []float64{1, 0}, bijector.ErrSettings},
		"NaN":         {[]int{2}, []float64{1, math.NaN()}, bijector.ErrSettings},
		"infinite":    {[]int{2}, []float64{math.Inf(1), 1}, bijector.ErrSettings},
		"not even":    {[]int{4}, []float64{1, 2, 1, 3}, bijector.ErrSettings},
		"not even 2D": {[]int{2, 3}, []float64{1, 1, 1, 1, 2, 1}, bijector.ErrSettings},
	} {
		if _, err := bijector.NewSpectral(c.shape, c.spectrum); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A free field is white noise to its Spectral.
func ExampleNewSpectral() {
	shape := []int{8, 8}
	field, err := target.NewFreeField(shape, 0.5)
	if err != nil {
		log.Fatal(err)
	}
	white, err := bijector.NewSpectral(shape, field.Spectrum())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(white.Dim(), "sites,", len(white.Params()), "parameters")
	// Output: 64 sites, 0 parameters
}
