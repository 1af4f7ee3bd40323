package target

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// Given s, the mean and the covariance of x are (K+αI)s and K+αI, within 5 standard errors.
func TestFieldsGivenSpins(t *testing.T) {
	const rows = 40000
	for _, shape := range [][]int{{2}, {5}, {2, 3}, {4, 4}} {
		m := isingOf(t, shape, criticalT, byRule)
		a, n := denseCirculant(shape, criticalT, m.Alpha()), m.Dim()
		s, x := mat.NewDense(rows, n, nil), mat.NewDense(rows, n, nil)
		for i := range rows {
			for j := range n {
				s.Set(i, j, float64(1-2*(j*j%3%2)))
			}
		}
		if err := m.FieldsGivenSpins(x, s, rand.NewPCG(1, 2)); err != nil {
			t.Fatal(err)
		}
		var mean mat.VecDense
		mean.MulVec(a, s.RowView(0))
		for i := range n {
			for j := range n {
				sum, first := 0.0, 0.0
				for r := range rows {
					d := x.At(r, i) - mean.AtVec(i)
					first += d
					sum += d * (x.At(r, j) - mean.AtVec(j))
				}
				if z := first / math.Sqrt(rows*a.At(i, i)); !(math.Abs(z) < 5) {
					t.Errorf("%v: mean at %d is %.1f errors off", shape, i, z)
				}
				sd := math.Sqrt((a.At(i, i)*a.At(j, j) + a.At(i, j)*a.At(i, j)) / rows)
				if z := (sum/rows - a.At(i, j)) / sd; !(math.Abs(z) < 5) {
					t.Errorf("%v: covariance of %d and %d is %.1f errors off", shape, i, j, z)
				}
			}
		}
	}
}

// Gibbs leaves ⟨m²⟩ of exact samples at L = 4 unchanged, within 4 standard errors.
func TestGibbsInvariance(t *testing.T) {
	const rows = 20000
	m, rnd := isingOf(t, []int{4, 4}, criticalT, byRule), rand.New(rand.NewPCG(3, 4))
	x := allIsingStates([]int{4, 4}, criticalT).sampleDual(denseCirculant([]int{4, 4}, criticalT, m.Alpha()), rows, rnd)
	for range 3 {
		if err := m.Gibbs(x, rnd); err != nil {
			t.Fatal(err)
		}
		var sum, sum2 float64
		for r := range rows {
			v := m.StructureFactor(x.RawRowView(r))
			sum, sum2 = sum+v, sum2+v*v
		}
		mean := sum / rows
		if z := (mean - 0.761358908569) / math.Sqrt((sum2/rows-mean*mean)/rows); !(math.Abs(z) < 4) {
			t.Errorf("⟨m²⟩ is %v, %.1f errors off", mean, z)
		}
	}
}
