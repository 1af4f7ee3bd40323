package diag

import (
	"math"
	"testing"
)

// The coefficients are those of the definition, and a constant does not change
// them.
func TestSpectrum(t *testing.T) {
	const n = 12
	x := autoregressive(0.6, n, 2, 3)
	s := newSpectrum(n)
	want := make([]float64, n-2)
	for c := range 2 {
		series := make([]float64, n)
		lambda := make([]float64, n)
		for k := range series {
			series[k] = x.At(k, c) + 100
			for j := range lambda {
				lambda[j] += math.Sqrt(2./n) * x.At(k, c) * math.Cos(math.Pi*float64(j)*(float64(k)+0.5)/n)
			}
		}
		s.add(series)
		for j := 1; j < n-2; j++ {
			want[j] += (lambda[j] - lambda[j+2]) * (lambda[j] - lambda[j+2]) / 2
		}
	}
	s.sum()
	sum := 0.0
	for k := 1; k < n-2; k++ {
		sum += want[k]
		if got := s.mean(k); math.Abs(got-sum/float64(2*k)) > 1e-11 {
			t.Errorf("%d coefficients: %v, want %v", k, got, sum/float64(2*k))
		}
	}
}

// For independent normal numbers mean(k) has mean 1 and variance 2/freedom.
func TestSpectrumFreedom(t *testing.T) {
	const seeds, n, chains = 2000, 30, 2
	ks := []int{1, 2, 5, 12}
	first, second := make([]float64, len(ks)), make([]float64, len(ks))
	for seed := range uint64(seeds) {
		x := autoregressive(0, n, chains, seed)
		s := newSpectrum(n)
		for c := range chains {
			series := make([]float64, n)
			for k := range series {
				series[k] = x.At(k, c)
			}
			s.add(series)
		}
		s.sum()
		for i, k := range ks {
			v := s.mean(k) - 1
			first[i] += v / seeds
			second[i] += v * v / seeds
		}
	}
	for i, k := range ks {
		want := 2 / newFreedom(k, chains)
		if math.Abs(first[i]) > sigmas*math.Sqrt(want/seeds) {
			t.Errorf("%d coefficients: mean %v off", k, first[i])
		}
		// The error of the variance follows from the kurtosis of χ², 3 + 12/freedom.
		if off := second[i]/want - 1; math.Abs(off) > sigmas*math.Sqrt((2+6*want)/seeds) {
			t.Errorf("%d coefficients: variance %v, want %v", k, second[i], want)
		}
	}
}

func newFreedom(k, chains int) float64 {
	s := &spectrum{chains: chains}
	return s.freedom(k)
}

// With 2 and 2 degrees of freedom P(F > f) is 1/(1+f).
func TestFTail(t *testing.T) {
	for _, f := range []float64{0, 0.5, 1, 7, 1e6, 1e300, math.Inf(1)} {
		if got := fTail(f, 2, 2); math.Abs(got-1/(1+f)) > 1e-12 {
			t.Errorf("%v: %v", f, got)
		}
	}
}

func TestSmooth(t *testing.T) {
	for _, n := range []int{1, 2, 30, 1024, 3125} {
		if !smooth(n) {
			t.Errorf("%d is not smooth", n)
		}
	}
	for _, n := range []int{7, 77, 97} {
		if smooth(n) {
			t.Errorf("%d is smooth", n)
		}
	}
}
